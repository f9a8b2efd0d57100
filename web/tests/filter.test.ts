import { expect, it } from "vitest";

import { filtered, kindsOf } from "../src/pages/models/filter";
import { model } from "./models";

const MODELS = [model("org/Qwen3-8B"), model("other/strange", { kind: null })];

it("finds models by any part of the id, in any case", () => {
  expect(filtered(MODELS, " qwen ", "").map(({ id }) => id)).toEqual(["org/Qwen3-8B"]);
  expect(filtered(MODELS, "other/", "").map(({ id }) => id)).toEqual(["other/strange"]);
});

it("finds models of one type", () => {
  expect(filtered(MODELS, "", "text")).toHaveLength(1);
});

it("knows the types that there are", () => {
  expect(kindsOf(MODELS)).toEqual(["text"]);
});
