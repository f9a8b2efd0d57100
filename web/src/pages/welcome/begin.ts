import type { Starter } from "../../lib/api/types";
import { words } from "../../lib/i18n/welcome";

/** What somebody may begin with on this machine. */
export interface Beginning {
  /** The chat model: the one that was asked for, else the one that is advised. */
  first: Starter | undefined;
  /** All chat models that fit, the advised one among them. */
  others: readonly Starter[];
  /** One of each other kind. */
  useful: readonly Starter[];
}

/** Out of the catalogue; what comes without a hub is nothing that could be installed from one. */
export function begin(starters: readonly Starter[], wanted: string): Beginning {
  const can = starters.filter(({ embedded, supported, fit }) => !embedded && supported.ok && fit.state !== "no");
  const others = can.filter(({ kind }) => kind === "text");
  const advised = others.find(({ chosen }) => chosen) ?? others[0];
  return {
    first: others.find(({ id }) => id === wanted) ?? advised,
    others,
    useful: can.filter(({ kind, chosen }) => chosen && kind !== "text"),
  };
}

/** What is known of the machine, in words. */
export function facts(of: { memoryBytes: number | null; usableBytes: number | null; freeBytes: number | null }): string[] {
  const { memoryBytes, usableBytes, freeBytes } = of;
  return [
    memoryBytes !== null && words.memory(memoryBytes),
    usableBytes !== null && words.usable(usableBytes),
    freeBytes !== null && words.free(freeBytes),
  ].filter((fact) => fact !== false);
}
