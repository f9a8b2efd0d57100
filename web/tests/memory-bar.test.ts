import { expect, it } from "vitest";

import { barParts, budgetMark, memoryAfter, otherAppsBytes } from "../src/lib/state/memory-bar";
import { loadPlan, memory } from "./models";

const segment = (model_id: string, weights_bytes: number, kv_bytes = 0, other_bytes = 0, prefix_bytes = 0) => ({
  model_id,
  weights_bytes,
  kv_bytes,
  prefix_bytes,
  other_bytes,
  pinned: false,
});

it("shows other apps first, then each model's weights before its cache", () => {
  const parts = barParts(memory({ segments: [segment("a", 20, 5, 1), segment("b", 10, 2)] }));
  expect(parts.map(({ key, share }) => [key, share])).toEqual([
    ["other-apps", 0.2],
    ["weights:a", 0.2],
    ["cache:a", 0.05],
    ["overhead:a", 0.01],
    ["weights:b", 0.1],
    ["cache:b", 0.02],
  ]);
});

it("shows what is kept of earlier answers as cache, too", () => {
  const parts = barParts(memory({ segments: [segment("a", 20, 5, 1, 4)] }));
  expect(parts.find(({ kind }) => kind === "cache")?.share).toBeCloseTo(0.09);
});

it("puts models that are too small to see together", () => {
  const parts = barParts(memory({ segments: [segment("a", 0.4), segment("b", 0.3)] }));
  expect(parts.map(({ kind }) => kind)).toEqual(["other-apps", "others"]);
});

it("marks the budget after what other apps hold, but never outside", () => {
  expect(budgetMark(memory())).toBeCloseTo(0.8);
  expect(budgetMark(memory({ other_apps_bytes: 70 }))).toBe(1);
});

it("shows the spare beside the other apps, among which the server counts it", () => {
  const parts = barParts(memory(), { spareBytes: 5 });
  expect(parts.map(({ kind }) => kind)).toEqual(["other-apps", "spare"]);
  expect(parts.map(({ share }) => share)).toEqual([expect.closeTo(0.15), expect.closeTo(0.05)]);
  expect(otherAppsBytes(memory(), 50)).toBe(0);
});

it("shows a model that is asked for however small it is", () => {
  const parts = barParts(memory({ segments: [segment("a", 0.4), segment("b", 0.3)] }), { shown: "a" });
  expect(parts.map(({ key }) => key)).toEqual(["other-apps", "weights:a", "others"]);
});

it("has after a load the planned model in place of those that leave", () => {
  const before = memory({ segments: [segment("a", 20), segment("b", 10)] });
  const plan = loadPlan("c", { evict: [{ id: "a", name: "a", frees_bytes: 20, idle_ms: 1, reason: "idle" }] });
  const after = memoryAfter(before, plan);
  expect(after.segments.map(({ model_id }) => model_id)).toEqual(["b", "c"]);
  expect(after.segments[1]).toMatchObject({ weights_bytes: 8, kv_bytes: 2, prefix_bytes: 1, other_bytes: 1 });
  expect(before.segments).toHaveLength(2);
});
