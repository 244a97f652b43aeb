const STEPS = ["pending", "processing", "shipped", "completed"];

/** How far an order has come. What is not on the way (cancelled, refunded) ends it where it stands. */
export function Steps({ status }: { status: string }) {
  const reached = STEPS.indexOf(status);
  if (reached < 0) return <p className="ended">This order was {status}.</p>;
  return (
    <ol className="steps" data-testid="order-steps">
      {STEPS.map((step, at) => (
        <li key={step} data-reached={at <= reached} aria-current={at === reached ? "step" : undefined}>
          {step}
        </li>
      ))}
    </ol>
  );
}
