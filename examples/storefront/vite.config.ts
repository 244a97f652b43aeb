import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Where `pgbell demo` serves the shop's API. */
const api = process.env.SHOP_API ?? "http://127.0.0.1:8788";

export default defineConfig({
  base: "./",
  plugins: [react()],
  resolve: { dedupe: ["react", "react-dom", "@tanstack/react-query", "@tanstack/query-core"] },
  server: { host: "127.0.0.1", proxy: { "/api": { target: api } } },
  // Newer browsers only: what `light-dark()` is, must be decided where a colour is used.
  build: { target: "es2022", cssTarget: ["chrome123", "firefox120", "safari17.5"], sourcemap: true },
});
