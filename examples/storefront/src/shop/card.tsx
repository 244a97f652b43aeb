import { useQuery } from "@tanstack/react-query";
import { useRoomState, useVisibleRoom } from "pgbell/react";
import { cardQuery } from "../api/queries";
import type { CardRead } from "../api/cards";
import { Picture } from "../picture/picture";
import { useChanged } from "../ui/changed";
import { Price, SaleBadge } from "./price";
import { Stock } from "./stock";

/** A product in the list. Only while it can be seen is its room joined; `first` is what the list knew of it. */
export function Card({ first }: { first: NonNullable<CardRead> }) {
  const { data: card } = useQuery({ ...cardQuery(first.id), initialData: first });
  const room = `product:${first.id}` as const;
  const ref = useVisibleRoom(room);
  const { state } = useRoomState(room);
  const rung = useChanged(card?.pays);
  if (!card) return null;
  const { id, name, image_hue, price, pays, sale, available, status, seller } = card;
  return (
    <li ref={ref} className="card" data-testid={`card-${id}`} data-room-state={state} data-rung={rung} data-out={available <= 0 || undefined}>
      <a href={`#/product/${id}`}>
        <Picture name={name} hue={image_hue} />
        <h2 data-testid="name">{name}</h2>
      </a>
      <SaleBadge sale={sale} />
      <div className="tag">
        <Price price={price} pays={pays} />
      </div>
      <p className="made">
        by {seller} <Stock available={available} active={status === "active"} />
      </p>
    </li>
  );
}
