//! The storefront: an ordinary API over the shop's tables, the page that uses it, and some chaos.
//!
//! No word about events is said here: the triggers tell what is written, whoever writes. Reading is a
//! statement in `reads/`, writing is one or two in `writes/`, and only `checkout` has something to
//! decide. What makes a page live is the header `pgbell-cursor` of whatever is read.

mod answer;
mod asked;
mod cart;
mod chaos;
mod checkout;
mod files;
mod orders;
mod products;
mod reads;
mod server;

use std::{convert::Infallible, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, Response, StatusCode, header},
    middleware::{Next, from_fn},
    response::IntoResponse,
    routing::get,
};
use sqlx::{PgPool, Postgres, Transaction, postgres::PgPoolOptions};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower_http::cors::{Any, CorsLayer};

use super::{Error, daemon};
use crate::install::Bridge;
use answer::{CURSOR, Document, Failure};
use asked::{Asked, Origin};
use chaos::Chaos;
use reads::Read;

/// Connections to the database.
const POOL: u32 = 8;
/// Bound on getting one of them.
const POOL_TIMEOUT: Duration = Duration::from_secs(3);
/// Its name, and bounds on statements, on locks, and on transactions that nobody finishes.
const SETTINGS: [(&str, &str); 4] = [
    ("application_name", "pgbell shop"),
    ("statement_timeout", "5s"),
    ("lock_timeout", "3s"),
    ("idle_in_transaction_session_timeout", "10s"),
];
/// Largest body of a request.
const MOST_SAID: usize = 64 * 1024;
/// Bound on answering, whatever the statements do.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Where the storefront is, and what it shows.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Address and port; without it the address of the daemon, and the port after its own.
    pub listen: Option<SocketAddr>,
    /// The built page; without it that of the working copy, or the installed one.
    pub folder: Option<PathBuf>,
    /// What pages are told to be the daemon's socket, so that a proxy can stand between.
    pub ws: Option<String>,
}

/// A storefront whose port is bound.
pub(super) struct Storefront {
    addr: SocketAddr,
    listener: TcpListener,
    router: Router,
    bridge: Bridge,
    guard: DropGuard,
}

/// What every answer needs.
#[derive(Clone)]
struct Shop {
    pool: PgPool,
    chaos: Arc<Chaos>,
    /// The port of the daemon.
    port: u16,
    ws: Option<Arc<str>>,
}

impl Storefront {
    /// Binds the port; nothing is answered yet.
    pub(super) async fn bind(
        settings: Settings,
        url: &str,
        daemon: daemon::Handle,
    ) -> Result<Self, Error> {
        let addr = settings.listen.unwrap_or_else(|| beside(daemon.addr()));
        let failed = |source| Error::Listen { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let bridge = Bridge::open(url, &SETTINGS)?;
        let (port, gone) = (daemon.addr().port(), CancellationToken::new());
        let shop = Shop {
            pool: pool(&bridge),
            chaos: Arc::new(Chaos::new(daemon, gone.clone())),
            port,
            ws: settings.ws.as_deref().map(Arc::from),
        };
        let folder = settings.folder.unwrap_or_else(files::folder);
        let policy = files::policy(port, settings.ws.as_deref());
        let router = api().merge(files::router(&folder, policy));
        Ok(Self {
            addr,
            listener,
            router: router.with_state(shop),
            bridge,
            guard: gone.drop_guard(),
        })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers for as long as it is polled.
    pub(super) async fn serve(self) -> Infallible {
        let _kept = (self.bridge, self.guard);
        server::serve(self.listener, self.router).await
    }
}

/// The port after the daemon's.
fn beside(mut daemon: SocketAddr) -> SocketAddr {
    daemon.set_port(daemon.port().checked_add(1).unwrap_or(0));
    daemon
}

/// Connects as the daemon does, encryption and all.
fn pool(bridge: &Bridge) -> PgPool {
    PgPoolOptions::new()
        .max_connections(POOL)
        .acquire_timeout(POOL_TIMEOUT)
        .connect_lazy_with(bridge.options())
}

/// Every path below `/api/`, for pages of any origin: this is a demo.
fn api() -> Router<Shop> {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .allow_headers(Any)
        .expose_headers([CURSOR]);
    let bounded = Router::new()
        .route("/api/config", get(config))
        .merge(reads::router())
        .merge(cart::router())
        .merge(checkout::router())
        .merge(products::router())
        .merge(orders::router())
        .layer(from_fn(bounded));
    let unknown = async || Failure::missing("the API has no such path");
    Router::new()
        .merge(bounded)
        .merge(chaos::router())
        .route("/api", axum::routing::any(unknown))
        .route("/api/{*path}", axum::routing::any(unknown))
        .method_not_allowed_fallback(async || {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            Failure::new(status, "this path is not there for that")
        })
        .layer(DefaultBodyLimit::max(MOST_SAID))
        .layer(cors)
}

async fn bounded(request: Request, next: Next) -> Response<Body> {
    match timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Failure::away("the shop took too long: try again").into_response(),
    }
}

async fn config(State(shop): State<Shop>, headers: HeaderMap) -> Result<Document, Failure> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let (host, port) = (host.and_then(name).unwrap_or("127.0.0.1"), shop.port);
    let ws = match shop.ws.as_deref() {
        Some(ws) => ws.to_owned(),
        None => format!("ws://{host}:{port}/ws"),
    };
    shop.config(ws, format!("http://{host}:{port}/")).await
}

/// The name in a `Host` header, without the port.
fn name(host: &str) -> Option<&str> {
    let end = match host.strip_prefix('[') {
        Some(_) => host.find(']')? + 1,
        None => host.find(':').unwrap_or(host.len()),
    };
    Some(&host[..end]).filter(|name| !name.is_empty())
}

impl Shop {
    /// A transaction whose changes carry the writer's mark.
    async fn begin(
        &self,
        Origin(origin): Origin,
    ) -> Result<Transaction<'static, Postgres>, Failure> {
        let mut transaction = self.pool.begin().await?;
        if let Some(origin) = origin {
            sqlx::query("select set_config('pgbell.origin', $1, true)")
                .bind(origin)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction)
    }

    /// Commits what was written, and answers with what can be read of it now.
    async fn finish(
        &self,
        transaction: Transaction<'static, Postgres>,
        read: &Read,
        asked: &Asked,
    ) -> Result<Document, Failure> {
        transaction.commit().await?;
        self.read(read, asked).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_sent_to_the_daemon_by_the_name_they_know_this_machine_by() {
        for (host, expected) in [
            ("192.168.1.5:8788", Some("192.168.1.5")),
            ("shop.local", Some("shop.local")),
            ("[::1]:8788", Some("[::1]")),
            (":8788", None),
            ("[::1", None),
        ] {
            assert_eq!(name(host), expected, "{host}");
        }
    }
}
