import { readFileSync } from "node:fs";

import type { Plugin } from "vite";

const SHIPPED = [
  "svelte/LICENSE.md",
  "@lucide/svelte/LICENSE",
  "@fontsource-variable/inter/LICENSE",
  "@fontsource-variable/jetbrains-mono/LICENSE",
  "uplot/LICENSE",
  "swagger-ui-dist/LICENSE",
  "swagger-ui-dist/NOTICE",
];

/** Puts the licences of everything that the built files contain into `licences.txt`. */
export function licences(): Plugin {
  return {
    name: "mlx-gui:licences",
    apply: "build",
    generateBundle() {
      const texts = SHIPPED.map(
        (path) => `${path}\n\n${readFileSync(`node_modules/${path}`, "utf8").trim()}\n`,
      );
      this.emitFile({ type: "asset", fileName: "licences.txt", source: texts.join("\n\n") });
    },
  };
}
