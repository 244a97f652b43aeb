import { create } from "zustand";

export interface Toast {
  id: number;
  kind: "order" | "stock" | "cart" | "info" | "error";
  text: string;
  href?: string;
}

const SHOWN_FOR = 6000;
const MOST = 4;

let lastId = 0;

export const useToasts = create<{ toasts: Toast[] }>(() => ({ toasts: [] }));

/** Shows a text for a while; a screen reader reads it out. */
export function toast(kind: Toast["kind"], text: string, href?: string) {
  const id = ++lastId;
  useToasts.setState(({ toasts }) => ({ toasts: [...toasts, { id, kind, text, href }].slice(-MOST) }));
  setTimeout(() => dismiss(id), SHOWN_FOR);
}

export function dismiss(id: number) {
  useToasts.setState(({ toasts }) => ({ toasts: toasts.filter((toast) => toast.id !== id) }));
}
