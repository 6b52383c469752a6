/// <reference types="vite/client" />
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

/** The licences of what is bundled ask to go where it goes. */
const licences: Plugin = {
  name: "licences",
  generateBundle() {
    const texts = ["fancy-canvas", "lightweight-charts", "preact"].map((name) => {
      const folder = new URL(`../node_modules/${name}/`, import.meta.url);
      const named = ["LICENSE", "package.json"].map((file) => new URL(file, folder)).find((file) => existsSync(file))!;
      return `${name}\n\n${readFileSync(named, "utf8")}`;
    });
    this.emitFile({ type: "asset", name: "licences.txt", source: texts.join("\n\n") });
  },
};

export default defineConfig({
  plugins: [licences],
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
