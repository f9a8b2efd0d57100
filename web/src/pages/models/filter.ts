import type { Model } from "../../lib/api/types";

/** The models whose id has `query` in it and whose kind is `kind`; empty texts let all through. */
export function filtered(models: readonly Model[], query: string, kind: string): Model[] {
  const wanted = query.trim().toLowerCase();
  return models.filter(
    (model) => (!kind || model.kind === kind) && model.id.toLowerCase().includes(wanted),
  );
}

/** The kinds that there are, each once, in the order of the list. */
export function kindsOf(models: readonly Model[]): NonNullable<Model["kind"]>[] {
  return [...new Set(models.flatMap(({ kind }) => (kind === null ? [] : [kind])))];
}
