import type { Variant } from "../api/types";
import { money } from "../ui/money";

export function Variants({ variants, chosen, onChoose }: { variants: Variant[]; chosen?: Variant; onChoose: (id: number) => void }) {
  if (variants.length === 0) return null;
  return (
    <fieldset className="variants">
      <legend>Size</legend>
      {variants.map((variant) => (
        <label key={variant.id} className="variant" data-out={variant.available <= 0 || undefined}>
          <input
            type="radio"
            name="variant"
            checked={variant.id === chosen?.id}
            data-testid={`variant-${variant.id}`}
            onChange={() => onChoose(variant.id)}
          />
          <span>{variant.name}</span> <small>{variant.available > 0 ? money(variant.pays) : "sold out"}</small>
        </label>
      ))}
    </fieldset>
  );
}
