import { expect, it } from "vitest";

import type { ModelSetting } from "../src/lib/api/types";
import { detailRows, type Known } from "../src/pages/models/details";
import { loadedModel, model, waitingModel } from "./models";

const NOW = Date.parse("2026-01-01T00:00:00Z");

const setting = (value: unknown, inherited: unknown = null): ModelSetting => ({
  value,
  default: inherited,
  source: "default",
  reload: false,
  type: "integer",
  unit: "",
  bounds: null,
  choices: [],
  words: [],
  help: "",
});

const rows = (known: Partial<Known>): Record<string, string> =>
  Object.fromEntries(
    detailRows({ model: model("m"), loaded: undefined, waiting: undefined, unloaded: undefined, settings: null, now: NOW, ...known }),
  );

it("leaves out what is not known", () => {
  expect(Object.keys(rows({}))).toEqual(["Id", "Folder", "Architecture", "Parameters"]);
});

it("tells the licence and what one of its name allows", () => {
  expect(rows({ model: model("m", { license: "mit", license_class: "permissive" }) })).toMatchObject({
    Licence: "mit, free for any use",
  });
});

it("tells the keep-alive of the settings until a request asks for another", () => {
  const settings = { keep_alive_s: setting(null, 900), priority: setting(2) };
  expect(rows({ settings })).toMatchObject({ "Keep-alive": "15 min", Priority: "2" });
  expect(rows({ settings: { keep_alive_s: setting(-1) } })).toMatchObject({ "Keep-alive": "always" });
  expect(rows({ settings: { keep_alive_s: setting(0) } })).toMatchObject({ "Keep-alive": "none" });
  const asked = rows({ settings, loaded: loadedModel("m", { keep_alive_s: 60, priority: 3 }) });
  expect(asked).toMatchObject({ "Keep-alive": "1 min, as the last request asked", Priority: "3" });
});

it("has what was planned beside what was measured, and when the model leaves", () => {
  const need = { weights_bytes: 4e9, kv_bytes: 1e9, prefix_bytes: 0, overhead_bytes: 0, load_peak_bytes: 5e9, total_bytes: 5e9 };
  const memory = { weights_bytes: 4e9, kv_bytes: 2e8, prefix_bytes: 0, other_bytes: 1e8, total_bytes: 4.3e9 };
  const shown = rows({
    model: model("m", { memory, expires_at: "2026-01-01T00:03:00Z" }),
    loaded: loadedModel("m", { need }),
  });
  expect(shown).toMatchObject({ "Planned memory": "5.0 GB", Memory: "4.3 GB", Leaves: "in 3 min" });
});

it("says why a model waits, answers one at a time, or was evicted", () => {
  const waiting = waitingModel("m", { waits_because: "it is the turn of a", evicted_because: "it was idle", evictions: 1 });
  expect(rows({ waiting })).toMatchObject({
    "Waits because": "it is the turn of a",
    "Last evicted": "it was idle",
  });
  const loaded = loadedModel("m", {
    serial_because: "A quantized KV cache cannot be batched.",
    evictions: 2,
    evicted_because: "made room for a: idle for 3 min",
  });
  expect(rows({ loaded })).toMatchObject({
    "One at a time": "A quantized KV cache cannot be batched.",
    "Last evicted": "made room for a: idle for 3 min (evicted 2 times)",
  });
});
