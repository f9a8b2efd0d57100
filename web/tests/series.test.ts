import { expect, it } from "vitest";

import { assignSeries } from "../src/lib/series";

const IDS = ["org/a", "org/b", "org/c", "org/d", "org/e", "org/f"];

it("gives six models six colours", () => {
  expect(new Set(assignSeries(IDS).values())).toEqual(new Set([1, 2, 3, 4, 5, 6]));
});

it("gives the same colours whatever the order of the list", () => {
  expect(assignSeries([...IDS].reverse())).toEqual(assignSeries(IDS));
});

it("still gives every one of twenty models a colour", () => {
  const many = Array.from({ length: 20 }, (_, index) => `org/${index}`);
  expect([...assignSeries(many).values()].every((series) => series >= 1 && series <= 6)).toBe(true);
});
