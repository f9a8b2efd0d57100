import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";

import type { Plugin } from "vite";

const LEAST_BYTES = 8 * 1024;
const COMPRESSIBLE = /\.(css|html|js|json|svg|txt)$/;
const OS_BYTE = 9;
const OS_UNKNOWN = 255;

/** Writes a `.gz` beside every text file over 8 kB, the same bytes on every machine. */
export function precompressed(): Plugin {
  let outDir = "";
  return {
    name: "mlx-gui:precompressed",
    apply: "build",
    enforce: "post",
    configResolved(config) {
      outDir = resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const name of readdirSync(outDir, { recursive: true, encoding: "utf8" })) {
        const path = join(outDir, name);
        if (!COMPRESSIBLE.test(name) || statSync(path).size < LEAST_BYTES) continue;
        const compressed = gzipSync(readFileSync(path), { level: 9 });
        compressed[OS_BYTE] = OS_UNKNOWN;
        writeFileSync(`${path}.gz`, compressed);
      }
    },
  };
}
