import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { productQuery } from "../api/queries";
import type { Product as ProductData } from "../api/types";
import { Picture } from "../picture/picture";
import { useAnnounced } from "../ui/announcer";
import { useChanged } from "../ui/changed";
import { money } from "../ui/money";
import { useTitle } from "../ui/title";
import { Waiting } from "../ui/waiting";
import { AddToCart } from "./add-to-cart";
import { Price, SaleBadge } from "./price";
import "./product.css";
import { SaleTimes } from "./sale-times";
import { Stock } from "./stock";
import { Variants } from "./variants";

export function Product({ id }: { id: string }) {
  const product = useQuery(productQuery(id));
  return product.data ? <Detail product={product.data} /> : <Waiting error={product.error} />;
}

function Detail({ product }: { product: ProductData }) {
  useTitle(product.name);
  const [variantId, setVariantId] = useState<number>();
  const variant = product.variants.find(({ id }) => id === variantId) ?? product.variants[0];
  const { price, pays, available } = variant ?? product;
  const active = product.status === "active";
  useAnnounced(`${product.name} is ${money(pays)} now`);
  useAnnounced(available > 0 && active ? `${product.name} can be bought` : `${product.name} is sold out`);
  return (
    <article className="product" data-testid="product" data-id={product.id} data-rung={useChanged(pays)}>
      <div className="shown">
        <Picture name={product.name} hue={product.image_hue} />
        <SaleBadge sale={product.sale} />
      </div>
      <div className="buy">
        <p className="crumbs">
          <a href="#/">Shop</a> / {product.category}
        </p>
        <h1 tabIndex={-1} data-testid="name">
          {product.name}
        </h1>
        <p className="made">by {product.seller}</p>
        <div className="tag">
          <Price price={price} pays={pays} />
        </div>
        <SaleTimes product={product} />
        <Variants variants={product.variants} chosen={variant} onChoose={setVariantId} />
        <Stock available={available} active={active} />
        <AddToCart productId={product.id} variantId={variant?.id} available={active ? available : 0} />
        <p className="description">{product.description}</p>
        <Facts product={product} />
      </div>
    </article>
  );
}

function Facts({ product }: { product: ProductData }) {
  return (
    <dl className="facts">
      {Object.entries(product.attributes).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{String(value)}</dd>
        </div>
      ))}
      {product.pack_sizes.length > 0 && (
        <div>
          <dt>packs of</dt>
          <dd>{product.pack_sizes.join(", ")}</dd>
        </div>
      )}
    </dl>
  );
}
