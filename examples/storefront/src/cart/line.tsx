import type { CartLine } from "../api/types";
import { removeLine, setQuantity } from "../api/writes";
import { Picture } from "../picture/picture";
import { Price, SaleBadge } from "../shop/price";
import { Stock } from "../shop/stock";
import { useAnnounced } from "../ui/announcer";
import { money } from "../ui/money";
import { useWrite } from "../ui/write";

export function Line({ user, line }: { user: number; line: CartLine }) {
  const change = useWrite((quantity: number) => setQuantity(user, line.id, quantity));
  const remove = useWrite(() => removeLine(user, line.id));
  useAnnounced(`${line.name} is ${money(line.pays)} now`);
  return (
    <li className="line-item" data-testid={`cart-line-${line.id}`} data-product={line.product_id}>
      <Picture name={line.name} hue={line.image_hue} />
      <div className="what">
        <h2>
          <a href={`#/product/${line.product_id}`}>
            {line.name}
            {line.variant && `, ${line.variant}`}
          </a>
        </h2>
        <p>
          <SaleBadge sale={line.sale} /> <Stock available={line.available} active={line.status === "active"} />
        </p>
      </div>
      <Quantity value={line.quantity} name={line.name} busy={change.isPending} onChange={change.mutate} />
      <Price price={line.price * line.quantity} pays={line.pays * line.quantity} />
      <button type="button" className="quiet" aria-label={`Remove ${line.name}`} data-testid="line-remove" onClick={() => remove.mutate()}>
        ×
      </button>
    </li>
  );
}

function Quantity({ value, name, busy, onChange }: { value: number; name: string; busy: boolean; onChange: (quantity: number) => void }) {
  return (
    <div className="quantity" role="group" aria-label={`Quantity of ${name}`}>
      <button type="button" aria-label="One less" data-testid="line-less" disabled={busy || value <= 1} onClick={() => onChange(value - 1)}>
        −
      </button>
      <output data-testid="line-quantity" data-value={value}>
        {value}
      </output>
      <button type="button" aria-label="One more" data-testid="line-more" disabled={busy} onClick={() => onChange(value + 1)}>
        +
      </button>
    </div>
  );
}
