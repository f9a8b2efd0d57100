import { expect, it } from "vitest";

import { contextSteps, sliderShare } from "../src/lib/state/context-slider";

it.each([4096, 5000, 40_960, 131_072, 32_767, 1_000_000, 17])("ends a slider at exactly %i tokens", (longest) => {
  const { least, step } = contextSteps(longest);
  expect((longest - least) % step).toBe(0);
  expect(least).toBeGreaterThanOrEqual(16);
  expect(least).toBeLessThanOrEqual(longest);
});

it("has some dozens of positions where the length allows it", () => {
  expect(contextSteps(131_072)).toEqual({ least: 2048, step: 2048 });
  expect(contextSteps(4096)).toEqual({ least: 64, step: 64 });
});

it("puts a mark where the slider would stand", () => {
  expect(sliderShare(64, 4096)).toBe(0);
  expect(sliderShare(2080, 4096)).toBe(0.5);
  expect(sliderShare(9999, 4096)).toBe(1);
});

it("has one position for a model whose longest context is the least there is", () => {
  expect(sliderShare(16, 16)).toBe(1);
});
