import { useId } from "react";

interface Props {
  name: string;
  of: string;
  value: number;
  step: number;
  testId: string;
  onSave: (value: number) => void;
}

/** A number to edit. A new value from the server takes the place of one that was not touched. */
export function NumberForm({ name, of, value, step, testId, onSave }: Props) {
  const id = useId();
  return (
    <form
      className="number-form"
      onSubmit={(event) => {
        event.preventDefault();
        onSave(Number(new FormData(event.currentTarget).get("value")));
      }}
    >
      <label htmlFor={id}>
        {name} <span className="visually-hidden">of {of}</span>
      </label>
      <input key={value} id={id} name="value" type="number" min={0} step={step} defaultValue={value} required data-testid={`${testId}-input`} />
      <button type="submit" data-testid={`${testId}-save`}>
        Save <span className="visually-hidden">{name}</span>
      </button>
    </form>
  );
}
