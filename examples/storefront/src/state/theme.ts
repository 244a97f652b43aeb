import { create } from "zustand";

export type Theme = "system" | "light" | "dark";

const PLACE = "storefront.theme";
const ORDER: Theme[] = ["system", "light", "dark"];

export const useTheme = create(() => ({ theme: (localStorage.getItem(PLACE) ?? "system") as Theme }));

export function nextTheme() {
  const { theme } = useTheme.getState();
  show(ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length] ?? "system");
}

function show(theme: Theme) {
  localStorage.setItem(PLACE, theme);
  document.documentElement.dataset.theme = theme;
  useTheme.setState({ theme });
}

show(useTheme.getState().theme);
