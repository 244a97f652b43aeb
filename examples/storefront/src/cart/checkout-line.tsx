import type { CartLine, Problem } from "../api/types";
import { Picture } from "../picture/picture";
import { Price } from "../shop/price";
import { agree, concerns, useDraft } from "../state/draft";
import { useAnnounced } from "../ui/announcer";
import { money } from "../ui/money";

export function CheckoutLine({ line }: { line: CartLine }) {
  const agreed = useDraft((draft) => draft.agreed[line.id]);
  const problem = useDraft((draft) => draft.problems.find((problem) => concerns(problem, line)));
  const changed = agreed !== undefined && agreed !== line.pays;
  useAnnounced(`${line.name} is ${money(line.pays)} now`);
  return (
    <li className="line-item" data-testid={`checkout-line-${line.id}`} data-product={line.product_id} data-open={changed || undefined}>
      <Picture name={line.name} hue={line.image_hue} />
      <div className="what">
        <h2>
          {line.name}
          {line.variant && `, ${line.variant}`}
        </h2>
        <p>{line.quantity === 1 ? "1 piece" : `${line.quantity} pieces`}</p>
      </div>
      <Price price={line.price * line.quantity} pays={line.pays * line.quantity} />
      {changed && (
        <p className="was-is" data-testid="problem" data-kind="price">
          One was {money(agreed)}, is {money(line.pays)}.{" "}
          <button type="button" data-testid={`confirm-${line.id}`} onClick={() => agree(line)}>
            Accept the new price
          </button>
        </p>
      )}
      {problem && !changed && (
        <p className="problem" role="alert" data-testid="problem" data-kind={problem.kind}>
          {words(problem)}
        </p>
      )}
    </li>
  );
}

function words({ kind, was, is }: Problem) {
  if (kind === "gone") return "Is not sold any more: take it out of the cart.";
  if (kind === "stock") return `Only ${is ?? 0} left: change the quantity in the cart.`;
  return `The price has changed from ${money(was ?? 0)} to ${money(is ?? 0)}.`;
}
