/** What stands where data will be, or could not be fetched. */
export function Waiting({ error }: { error: Error | null }) {
  return error ? (
    <p className="notice" role="alert">
      {error.message}
    </p>
  ) : (
    <p className="notice" aria-busy="true">
      One moment…
    </p>
  );
}
