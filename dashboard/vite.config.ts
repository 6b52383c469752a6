/// <reference types="vite/client" />
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  resolve: {
    alias: { tickwire: fileURLToPath(new URL("../clients/typescript/src/index.ts", import.meta.url)) },
  },
  build: {
    outDir: "../src/tickwire/page",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false }, // it is an inline script, which the page's policy forbids
    assetsInlineLimit: 0, // no data: URLs
  },
  server: {
    proxy: { "/ws": { target: "ws://127.0.0.1:8000", ws: true } },
  },
});
