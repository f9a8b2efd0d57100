import type { Download } from "../../lib/api/types";
import { hasEnded, runs } from "../../lib/state/download-states";

export interface Groups {
  running: Download[];
  /** In the order in which they have their turn. */
  waiting: Download[];
  /** Those for which somebody has to do something. */
  resting: Download[];
  ended: Download[];
}

/** The downloads as the page has them; within a group the newest first, but for what waits. */
export function grouped(downloads: readonly Download[]): Groups {
  return {
    running: downloads.filter(runs),
    waiting: downloads
      .filter(({ state }) => state === "queued")
      .sort((a, b) => (a.turn ?? 0) - (b.turn ?? 0)),
    resting: downloads.filter(({ state }) => state === "paused" || state === "failed"),
    ended: downloads.filter((each) => hasEnded(each) && each.state !== "failed"),
  };
}

/** The list with `moved` one place up (-1) or down (1); the same where there is none. */
export function withMoved<Item>(list: readonly Item[], moved: Item, step: -1 | 1): readonly Item[] {
  return withPut(list, moved, list.indexOf(moved) + step);
}

/** The list with `moved`, which is in it, at the place `to`; the same where that is none. */
export function withPut<Item>(list: readonly Item[], moved: Item, to: number): readonly Item[] {
  if (!list.includes(moved) || to < 0 || to >= list.length) return list;
  const others = list.filter((each) => each !== moved);
  return [...others.slice(0, to), moved, ...others.slice(to)];
}
