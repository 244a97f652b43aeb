import { type CSSProperties, memo } from "react";
import { materialOf } from "./materials";
import "./picture.css";
import { THINGS } from "./things";

/** A product's picture: the thing that its name ends with, made of what it begins with. Says nothing that the name does not. */
export const Picture = memo(function Picture({ name, hue }: { name: string; hue: number }) {
  const { face, shade } = materialOf(name, hue);
  const thing = Object.keys(THINGS).find((word) => name.includes(word));
  return (
    <svg className="picture" viewBox="0 0 120 120" aria-hidden="true" style={{ "--hue": hue, "--face": face, "--shade": shade } as CSSProperties}>
      <ellipse className="floor" cx="60" cy="98" rx="44" ry="6" />
      {thing ? THINGS[thing] : <rect className="face" x="32" y="40" width="56" height="56" rx="6" />}
    </svg>
  );
});
