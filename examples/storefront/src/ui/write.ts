import { useMutation } from "@tanstack/react-query";
import { toast } from "../state/toasts";

/** A wish sent to the API. Nothing is done on success: what it changed comes back as an event, here as everywhere. */
export function useWrite<Wish = void>(write: (wish: Wish) => Promise<unknown>) {
  return useMutation({ mutationFn: write, onError: (error) => toast("error", error.message) });
}
