import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Where `pgbell demo` serves the shop's API. */
const api = process.env.SHOP_API ?? "http://127.0.0.1:8788";

export default defineConfig({
  base: "./",
  plugins: [react()],
  resolve: { dedupe: ["react", "react-dom", "@tanstack/react-query", "@tanstack/query-core"] },
  server: { host: "127.0.0.1", proxy: { "/api": { target: api } } },
  build: { target: "es2022", sourcemap: true },
});
