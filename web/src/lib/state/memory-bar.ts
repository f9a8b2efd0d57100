import type { LoadPlan, Memory, MemorySegment } from "../api/types";

/** One piece of the bar; `share` is of the bar's whole length. */
export interface Part {
  key: string;
  kind: "other-apps" | "spare" | "weights" | "cache" | "overhead" | "others";
  modelId: string | null;
  share: number;
}

/** Models under this share of the bar join "others"; it is 6 px of a bar of 600 px. */
const LEAST_SHARE = 0.01;

/**
 * The pieces in their order: other apps, the spare, then of each model its weights, cache and
 * overhead. `shown` is a model that never joins "others".
 */
export function barParts(memory: Memory, { spareBytes = 0, shown = "" } = {}): Part[] {
  const share = (bytes: number) => bytes / memory.total_bytes;
  const otherBytes = otherAppsBytes(memory, spareBytes);
  const parts: Part[] = [
    { key: "other-apps", kind: "other-apps", modelId: null, share: share(otherBytes) },
    { key: "spare", kind: "spare", modelId: null, share: share(memory.other_apps_bytes - otherBytes) },
  ];
  let others = 0;
  for (const segment of memory.segments) {
    const { model_id, weights_bytes, other_bytes } = segment;
    const whole = share(segmentBytes(segment));
    if (whole < LEAST_SHARE && model_id !== shown) {
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

/** What the system and other apps hold. The server counts its spare among them. */
export function otherAppsBytes(memory: Memory, spareBytes: number): number {
  return Math.max(0, memory.other_apps_bytes - spareBytes);
}

/** The memory as it would be after the load: without what leaves, and with the model as planned. */
export function memoryAfter(memory: Memory, plan: LoadPlan): Memory {
  const gone = new Set([plan.model, ...plan.evict.map(({ id }) => id)]);
  const { weights_bytes, kv_bytes, prefix_bytes, overhead_bytes: other_bytes } = plan.needs;
  const planned = { weights_bytes, kv_bytes, prefix_bytes, other_bytes };
  const staying = memory.segments.filter(({ model_id }) => !gone.has(model_id));
  return {
    ...memory,
    budget_bytes: plan.budget_bytes,
    segments: [...staying, { model_id: plan.model, pinned: false, ...planned }],
  };
}
