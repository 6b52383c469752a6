import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["clients/typescript/test/**/*.test.ts", "dashboard/src/**/*.test.ts"] },
});
