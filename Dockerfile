# docker build -t pgbell .
# docker run --rm -p 8787:8787 -e DATABASE_URL=postgres://… pgbell

# The page of the demo's storefront, on the browser client of the same version.
FROM node:22-slim AS page
WORKDIR /pgbell
COPY client client
COPY examples/storefront examples/storefront
RUN npm --prefix client ci \
 && npm --prefix client run build \
 && npm --prefix examples/storefront ci \
 && npm --prefix examples/storefront run build

FROM rust:1-slim-trixie AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /pgbell
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/pgbell/target \
    cargo build --locked --release \
 && cp target/release/pgbell /usr/local/bin/pgbell

FROM debian:trixie-slim
RUN useradd --system --user-group --no-create-home --shell /usr/sbin/nologin pgbell
COPY --from=build /usr/local/bin/pgbell /usr/local/bin/pgbell
COPY --from=page /pgbell/examples/storefront/dist /usr/local/share/pgbell/storefront
USER pgbell
# A container that listens on its own loopback address is of no use to anybody.
ENV PGBELL_GATEWAY__LISTEN=0.0.0.0:8787
# 8788 is the storefront of `pgbell demo`.
EXPOSE 8787 8788
STOPSIGNAL SIGTERM
ENTRYPOINT ["pgbell"]
CMD ["serve"]
