import { config } from "../config";

interface Choice {
  category?: number;
  onCategory: (category?: number) => void;
  words: string;
  onWords: (words: string) => void;
  found?: number;
}

export function Filters({ category, onCategory, words, onWords, found }: Choice) {
  const categories = [{ id: undefined, name: "Everything" }, ...config.categories];
  return (
    <search className="filters">
      <div className="chips" role="group" aria-label="Category">
        {categories.map(({ id, name }) => (
          <button key={name} type="button" className="chip" aria-pressed={id === category} data-testid={`category-${id ?? "all"}`} onClick={() => onCategory(id)}>
            {name}
          </button>
        ))}
      </div>
      <label className="field">
        <span className="visually-hidden">Search by name</span>
        <input type="search" placeholder="Copper kettle" value={words} data-testid="search" onChange={(event) => onWords(event.target.value)} />
      </label>
      <p className="found" aria-live="polite">
        {found === undefined ? "" : `${found} ${found === 1 ? "product" : "products"}`}
      </p>
    </search>
  );
}
