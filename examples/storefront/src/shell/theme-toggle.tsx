import { nextTheme, useTheme } from "../state/theme";

const SIGN = { system: "◐", light: "☀", dark: "☾" };

export function ThemeToggle() {
  const { theme } = useTheme();
  return (
    <button type="button" className="quiet theme" data-testid="theme-toggle" aria-label={`Colours: ${theme}. Change`} title={`Colours: ${theme}`} onClick={nextTheme}>
      <span aria-hidden="true">{SIGN[theme]}</span>
    </button>
  );
}
