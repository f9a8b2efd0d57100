import type { Model } from "../../lib/api/types";

export const SORTS = ["", "size", "used"] as const;
export type Sort = (typeof SORTS)[number];

/** What is shown of the list, as the address of the page has it; the empty text lets all through. */
export interface Shown {
  query: string;
  /** `loaded`, `vision` or a kind. */
  type: string;
  /** By name where it is empty. */
  sort: Sort;
}

const IN_MEMORY: ReadonlySet<Model["state"]> = new Set(["queued", "loading", "ready", "busy", "unloading"]);
const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** That of an address. An order that there is not is the usual one. */
export function shownBy(parameter: (name: string) => string): Shown {
  const sort = SORTS.find((each) => each === parameter("sort")) ?? "";
  return { query: parameter("q"), type: parameter("type"), sort };
}

/** The models whose id has `query` in it and that are of the type, in their order. */
export function filtered(models: readonly Model[], { query, type, sort }: Shown): Model[] {
  const wanted = query.trim().toLowerCase();
  return models
    .filter((model) => isOf(model, type) && model.id.toLowerCase().includes(wanted))
    .sort((a, b) => inOrder(a, b, sort) || names.compare(a.display_name, b.display_name) || names.compare(a.id, b.id));
}

/** The types that one can choose: the loaded ones, then what there is, in a fixed order. */
export function typesOf(models: readonly Model[]): string[] {
  const kinds = new Set(models.map(({ kind }) => kind));
  const sees = models.some((model) => isOf(model, "vision"));
  const there = KINDS.filter((kind) => (kind === "vision" ? sees : kinds.has(kind)));
  return there.length > 1 ? ["loaded", ...there] : ["loaded"];
}

const KINDS = ["text", "vision", "embedding", "reranker", "transcription", "speech"] as const;

function isOf(model: Model, type: string): boolean {
  if (type === "") return true;
  if (type === "loaded") return IN_MEMORY.has(model.state);
  return type === "vision" ? model.capabilities.includes("vision") : model.kind === type;
}

function inOrder(a: Model, b: Model, sort: Sort): number {
  if (sort === "size") return b.disk_bytes - a.disk_bytes;
  if (sort === "used") return usedMs(b) - usedMs(a);
  return 0;
}

function usedMs({ last_used_at }: Model): number {
  return last_used_at === null ? 0 : Date.parse(last_used_at);
}
