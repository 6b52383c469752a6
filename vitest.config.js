import { fileURLToPath, URL } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // the client as it is, not as it was last built
  resolve: { alias: { tickwire: fileURLToPath(new URL("clients/typescript/src/index.ts", import.meta.url)) } },
  test: { include: ["clients/typescript/test/**/*.test.ts", "dashboard/src/**/*.test.ts"] },
});
