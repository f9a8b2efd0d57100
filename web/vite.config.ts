import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

import { licences } from "./build/licences.ts";
import { precompressed } from "./build/precompressed.ts";
import { swaggerUi } from "./build/swagger-ui.ts";

const server = process.env["MLX_GUI_ADDRESS"] ?? "http://127.0.0.1:8000";

export default defineConfig({
  base: "/admin/",
  plugins: [svelte(), swaggerUi(), licences(), precompressed()],
  define: {
    // The build hook passes the digest of the sources; the server reports the same one in `hello`.
    __UI_BUILD__: JSON.stringify(process.env["MLX_GUI_UI_BUILD"] ?? ""),
    __DEV_PAGES__: JSON.stringify(Boolean(process.env["MLX_GUI_DEV"])),
  },
  build: {
    outDir: "../src/mlx_gui/web/static",
    emptyOutDir: true,
    target: ["chrome123", "firefox128", "safari17.5"],
    // The policy allows neither data: fonts nor inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: { "/v1": server, "/docs": server, "/openapi.json": server },
  },
  test: {
    include: ["tests/**/*.test.ts"],
    // To load what is tested anew for each file takes longer than all tests do.
    isolate: false,
    pool: "threads",
  },
});
