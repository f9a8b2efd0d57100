import type { Memory, MemorySegment } from "../api/types";

/** One piece of the bar; `share` is of the bar's whole length. */
export interface Part {
  key: string;
  kind: "other-apps" | "weights" | "cache" | "overhead" | "others";
  modelId: string | null;
  share: number;
}

/** Models under this share of the bar join "others"; it is 6 px of a bar of 600 px. */
const LEAST_SHARE = 0.01;

/** The pieces in their order: other apps, then of each model its weights, cache and overhead. */
export function barParts(memory: Memory): Part[] {
  const share = (bytes: number) => bytes / memory.total_bytes;
  const parts: Part[] = [
    { key: "other-apps", kind: "other-apps", modelId: null, share: share(memory.other_apps_bytes) },
  ];
  let others = 0;
  for (const segment of memory.segments) {
    const { model_id, weights_bytes, other_bytes } = segment;
    const whole = share(segmentBytes(segment));
    if (whole < LEAST_SHARE) {
      others += whole;
      continue;
    }
    const piece = (kind: "weights" | "cache" | "overhead", bytes: number) =>
      parts.push({ key: `${kind}:${model_id}`, kind, modelId: model_id, share: share(bytes) });
    piece("weights", weights_bytes);
    piece("cache", segment.kv_bytes + segment.prefix_bytes);
    piece("overhead", other_bytes);
  }
  if (others > 0) parts.push({ key: "others", kind: "others", modelId: null, share: others });
  return parts.filter((part) => part.share > 0);
}

/** All that a model holds. */
export function segmentBytes(segment: MemorySegment): number {
  return segment.weights_bytes + segment.kv_bytes + segment.prefix_bytes + segment.other_bytes;
}

/** Where the bar marks the budget, which begins after what other apps hold. */
export function budgetMark(memory: Memory): number {
  return Math.min(1, (memory.other_apps_bytes + memory.budget_bytes) / memory.total_bytes);
}

/** What a further model can take: within the budget, and physically there. */
export function freeBytes(memory: Memory): number {
  const unspent = memory.budget_bytes - memory.used_by_models_bytes;
  return Math.max(0, Math.min(unspent, memory.available_bytes));
}
