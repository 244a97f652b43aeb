import { RunningNumber } from "./number";

export function Total({ name, value, format, testId }: { name: string; value: number; format?: (value: number) => string; testId: string }) {
  return (
    <div className="total">
      <dt>{name}</dt>
      <dd>
        <RunningNumber value={value} format={format} testId={testId} />
      </dd>
    </div>
  );
}
