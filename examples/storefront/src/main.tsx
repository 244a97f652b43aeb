import "@fontsource-variable/bricolage-grotesque";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";

const root = createRoot(document.getElementById("root") as HTMLElement);

try {
  const { App } = await import("./app");
  await import("./test-hooks");
  root.render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
} catch (error) {
  root.render(
    <main className="notice">
      <h1>The shop is closed</h1>
      <p>Its API does not answer. Is <code>pgbell demo</code> running? ({String(error)})</p>
    </main>,
  );
}
