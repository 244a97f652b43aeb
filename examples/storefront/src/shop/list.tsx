import { useInfiniteQuery } from "@tanstack/react-query";
import { useDeferredValue, useEffect, useState } from "react";
import { listQuery } from "../api/queries";
import { useTitle } from "../ui/title";
import { Waiting } from "../ui/waiting";
import { Card } from "./card";
import { Filters } from "./filters";
import { Hero } from "./hero";
import "./list.css";
import { useInView } from "./in-view";

const PAGE = 24;
const LONG_PAGE = 100;

/** The shop's window: more products come as one scrolls. `long` fetches all of them, and still watches only what is seen. */
export function List({ long = false }: { long?: boolean }) {
  useTitle(long ? "All products" : undefined);
  const [category, setCategory] = useState<number>();
  const [words, setWords] = useState("");
  const q = useDeferredValue(words.trim());
  const list = useInfiniteQuery(listQuery({ category, q, size: long ? LONG_PAGE : PAGE }));
  const end = useInView<HTMLDivElement>();
  const wanted = (long || end.inView) && list.hasNextPage && !list.isFetching;
  useEffect(() => {
    if (wanted) void list.fetchNextPage();
  }, [wanted]);

  const cards = list.data?.pages.flatMap(({ items, cursor }) => items.map((card) => ({ ...card, cursor }))) ?? [];
  return (
    <>
      <Hero />
      <Filters category={category} onCategory={setCategory} words={words} onWords={setWords} found={list.data?.pages[0]?.total} />
      {list.data ? (
        <ul className="cards" data-testid="list" data-count={cards.length}>
          {cards.map((card) => (
            <Card key={card.id} first={card} />
          ))}
        </ul>
      ) : (
        <Waiting error={list.error} />
      )}
      <div ref={end.ref} className="more">
        {list.hasNextPage && (
          <button type="button" data-testid="load-more" disabled={list.isFetching} onClick={() => void list.fetchNextPage()}>
            Show more
          </button>
        )}
      </div>
    </>
  );
}
