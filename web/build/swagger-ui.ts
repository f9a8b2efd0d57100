import { readFileSync } from "node:fs";

import type { Plugin } from "vite";

const FILES: Record<string, string> = {
  "docs/index.html": "docs/index.html",
  "docs/docs.css": "docs/docs.css",
  "docs/docs.js": "docs/docs.js",
  "docs/favicon.svg": "src/assets/favicon.svg",
  "docs/swagger-ui.css": "node_modules/swagger-ui-dist/swagger-ui.css",
  "docs/swagger-ui-bundle.js": "node_modules/swagger-ui-dist/swagger-ui-bundle.js",
};

/** Puts Swagger UI under `docs/`, so that the server's `/docs` needs no other origin. */
export function swaggerUi(): Plugin {
  return {
    name: "mlx-gui:swagger-ui",
    apply: "build",
    generateBundle() {
      for (const [fileName, source] of Object.entries(FILES)) {
        this.emitFile({ type: "asset", fileName, source: readFileSync(source) });
      }
    },
  };
}
