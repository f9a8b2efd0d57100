import { expect, it } from "vitest";

import { barParts, budgetMark, freeBytes } from "../src/lib/state/memory-bar";
import { memory } from "./models";

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

it("calls free what is both within the budget and there", () => {
  expect(freeBytes(memory({ used_by_models_bytes: 10 }))).toBe(50);
  expect(freeBytes(memory({ available_bytes: 30 }))).toBe(30);
  expect(freeBytes(memory({ used_by_models_bytes: 70 }))).toBe(0);
});
