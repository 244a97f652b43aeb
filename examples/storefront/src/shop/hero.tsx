import { Picture } from "../picture/picture";

const PARADE = ["Copper", "Enamel", "Brass", "Glass", "Wool"];

export function Hero() {
  return (
    <header className="hero">
      <div>
        <h1 tabIndex={-1}>Fifteen things, twenty ways to make them</h1>
        <p>Prices and stock are as they are right now. When one changes, its tag swings.</p>
      </div>
      <div className="parade">
        {PARADE.map((material, at) => (
          <Picture key={material} name={`${material} Kettle`} hue={40 + at * 62} />
        ))}
      </div>
    </header>
  );
}
