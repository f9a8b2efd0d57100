import { expect, it } from "vitest";

import { announcement } from "../src/lib/state/announcement";
import { model } from "./models";

const loading = (load_progress: number) => model("m", { state: "loading", load_progress });

it("speaks at the start of a load, at each quarter and at its end", () => {
  const steps = [model("m"), loading(0), loading(0.1), loading(0.26), loading(0.4), loading(0.8), model("m", { state: "ready" })];
  const spoken = steps.map((step, index) => announcement(steps[index - 1], step)).filter(Boolean);
  expect(spoken).toEqual(["m is loading", "m: 25 % loaded", "m: 75 % loaded", "m is loaded"]);
});

it("says why a load failed", () => {
  const failed = model("m", { state: "failed", error: { code: "x", message: "No room.", hint: "" } });
  expect(announcement(loading(0.5), failed)).toBe("m failed: No room.");
});

it("is silent while a loaded model goes in and out of answering", () => {
  const busy = model("m", { state: "busy", active: 1 });
  expect(announcement(model("m", { state: "ready" }), busy)).toBeNull();
  expect(announcement(busy, model("m", { state: "ready" }))).toBeNull();
});
