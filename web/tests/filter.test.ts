import { expect, it } from "vitest";

import { filtered, shownBy, typesOf, type Shown } from "../src/pages/models/filter";
import { model } from "./models";

const MODELS = [
  model("org/Qwen3-8B", { disk_bytes: 5, last_used_at: "2026-01-01T00:00:00Z", state: "ready" }),
  model("other/strange", { kind: null, disk_bytes: 9 }),
  model("org/Qwen3-30B", { disk_bytes: 20, capabilities: ["chat", "vision"] }),
];

const ids = (shown: Partial<Shown>) => filtered(MODELS, { query: "", type: "", sort: "", ...shown }).map(({ id }) => id);

it("finds models by any part of the id, in any case", () => {
  expect(ids({ query: " qwen3-8 " })).toEqual(["org/Qwen3-8B"]);
  expect(ids({ query: "other/" })).toEqual(["other/strange"]);
});

it("finds models of one type, those that see, and those in memory", () => {
  expect(ids({ type: "text" })).toEqual(["org/Qwen3-8B", "org/Qwen3-30B"]);
  expect(ids({ type: "vision" })).toEqual(["org/Qwen3-30B"]);
  expect(ids({ type: "loaded" })).toEqual(["org/Qwen3-8B"]);
});

it("has them by name as people count, by size, or by their last use", () => {
  expect(ids({})).toEqual(["org/Qwen3-8B", "org/Qwen3-30B", "other/strange"]);
  expect(ids({ sort: "size" })).toEqual(["org/Qwen3-30B", "other/strange", "org/Qwen3-8B"]);
  expect(ids({ sort: "used" })[0]).toBe("org/Qwen3-8B");
});

it("offers the types that there are, and the loaded ones always", () => {
  expect(typesOf(MODELS)).toEqual(["loaded", "text", "vision"]);
  expect(typesOf([model("a")])).toEqual(["loaded"]);
});

it("takes an order that there is not for the usual one", () => {
  expect(shownBy((name) => (name === "sort" ? "color" : "x"))).toEqual({ query: "x", type: "x", sort: "" });
});
