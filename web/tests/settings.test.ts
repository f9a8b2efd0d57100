import { expect, it } from "vitest";

import type { FolderOnDisk, ServerSetting } from "../src/lib/api/types";
import { overtaken, valueOf, wrongWith } from "../src/pages/settings/draft";
import { diskParts } from "../src/pages/settings/storage/disk-parts";
import { exported, imported } from "../src/pages/settings/transfer";
import { controlOf, parsed, shown, written } from "../src/pages/settings/field-text";
import { grouped, label, searched, sectionOf } from "../src/pages/settings/groups";

/** A whole number from 0 to 100 that is 5 by default. */
function setting(changes: Partial<ServerSetting> = {}): ServerSetting {
  return {
    value: 5,
    default: 5,
    source: "default",
    restart: false,
    reload: false,
    pending: null,
    changeable: true,
    secret: false,
    type: "integer",
    unit: "",
    bounds: [0, 100],
    choices: [],
    words: [],
    help: "Some figure.",
    ...changes,
  };
}

const bytes = setting({ unit: "bytes", bounds: [0, 2 ** 50] });
const seconds = setting({ unit: "s", bounds: [-1, 86_400] });

it.each([
  [bytes, 16 * 2 ** 20, "16", "MiB"],
  [bytes, 512 * 2 ** 20, "512", "MiB"],
  [bytes, 4_500_000_000, "4.5", "GB"],
  [bytes, 500_000, "500", "kB"],
  [bytes, 1_234_567, "1234567", "bytes"],
  [bytes, 0, "0", "GB"],
  [seconds, 900, "15", "min"],
  [seconds, 5_400, "1.5", "h"],
  [seconds, 0.1, "0.1", "s"],
  [seconds, -1, "-1", "s"],
  [seconds, 0, "0", "s"],
])("writes a measure as a short number, and reads the same again: %#", (row, value, text, unit) => {
  const field = written(row, value);
  expect(field).toEqual({ text, unit });
  expect(parsed({ ...row, type: "number" }, field)).toEqual({ value });
});

it.each([
  ["512 MiB", 512 * 2 ** 20],
  ["2gb", 2_000_000_000],
  ["2", 2_000],
])("takes the unit that is written before the one that is chosen: %s", (text, value) => {
  expect(parsed(bytes, { text, unit: "kB" })).toEqual({ value });
});

it("says what is wrong with a measure as with a number", () => {
  for (const text of ["GB", "2 parsecs", "many"]) expect(parsed(bytes, { text, unit: "GB" })).toHaveProperty("wrong");
});

it.each([
  ["7", { value: 7 }],
  [" 7 ", { value: 7 }],
  ["", { wrong: "Write a whole number." }],
  ["7.5", { wrong: "Write a whole number." }],
  ["seven", { wrong: "Write a whole number." }],
  ["1e3", { wrong: "Write a whole number." }],
  ["NaN", { wrong: "Write a whole number." }],
  ["101", { wrong: "It must be from 0 to 100." }],
])("reads %j as a whole number, or says what is wrong", (text, result) => {
  expect(parsed(setting(), { text, unit: "" })).toEqual(result);
});

it("has a comma or a point before a fraction, and asks where a comma may stand between thousands", () => {
  const hours = (text: string) => parsed(setting({ unit: "s", type: "number", bounds: [0, 1e9] }), { text, unit: "h" });
  expect(hours("1,5")).toEqual({ value: 5_400 });
  expect(hours("0,125")).toEqual({ value: 450 });
  expect(hours("1,500")).toEqual({ wrong: "Write 1500 or 1.5; 1,500 may be either." });
  expect(hours("1.000,5")).toEqual({ wrong: "Write a number." });
});

it("takes the words that may stand for a number", () => {
  const context = setting({ words: ["auto"], unit: "tokens", bounds: [16, 10_000_000] });
  expect(controlOf(context)).toBe("words");
  expect(parsed(context, { text: "AUTO", unit: "" })).toEqual({ value: "auto" });
  expect(parsed(context, { text: "4096", unit: "" })).toEqual({ value: 4096 });
  expect(parsed(context, { text: "most", unit: "" })).toEqual({ wrong: "Write a whole number, or auto." });
});

it("reads each type as the server takes it", () => {
  const of = (changes: Partial<ServerSetting>, text: string) => parsed(setting(changes), { text, unit: "" });
  expect(of({ type: "list" }, " a \n\n b\n")).toEqual({ value: ["a", "b"] });
  expect(of({ type: "switch" }, "true")).toEqual({ value: true });
  expect(of({ type: "integer", choices: ["0", "4", "8"] }, "4")).toEqual({ value: 4 });
  expect(of({ type: "text", choices: ["on", "off"] }, "off")).toEqual({ value: "off" });
  expect(of({ type: "text" }, "  ")).toHaveProperty("wrong");
  expect(of({ type: "object" }, '{"a": 1}')).toEqual({ value: { a: 1 } });
  expect(of({ type: "object" }, "[1]")).toHaveProperty("wrong");
});

it("says values in words, and secrets never", () => {
  expect(shown(bytes, 16 * 2 ** 20)).toBe("16 MiB");
  expect(shown(setting({ type: "list" }), [])).toBe("none");
  expect(shown(setting({ type: "switch" }), true)).toBe("On");
  expect(shown(setting({ unit: "days" }), 30)).toBe("30 days");
  expect(shown(setting(), 11_434)).toBe("11434");
  expect(shown(setting({ secret: true, type: "text" }), "hf_secret")).not.toContain("hf_secret");
});

it("has what waits for a restart as what is wanted, and sees when somebody else was sooner", () => {
  const draft = { written: { text: "9", unit: "" }, base: "5", secret: false };
  expect(overtaken(setting(), draft)).toBe(false);
  expect(overtaken(setting({ value: 6 }), draft)).toBe(true);
  expect(overtaken(setting({ pending: { value: 7, source: "interface" } }), draft)).toBe(true);
  expect(valueOf(setting(), draft)).toBe(9);
  expect(valueOf(setting(), { ...draft, written: null })).toBeNull();
  expect(wrongWith(setting(), { ...draft, written: { text: "many", unit: "" } })).toBe("Write a whole number.");
});

it("has every setting once, and one that it does not know in the last group", () => {
  const all = Object.fromEntries(["port", "trash_retention_days", "brand_new_s"].map((name) => [name, setting()]));
  const groups = grouped(all);
  expect(groups.flatMap((group) => group.settings.map(({ name }) => [group.section, name]))).toEqual([
    ["server", "port"],
    ["storage", "trash_retention_days"],
    ["advanced", "brand_new_s"],
  ]);
  expect(label("brand_new_s")).toBe("Brand new s");
});

it("finds settings by name, label and help, by all words of the search", () => {
  const groups = grouped({ keep_alive_s: setting({ help: "Time a model stays loaded." }), port: setting() });
  const found = (query: string) => searched(groups, query).flatMap(({ settings }) => settings.map(({ name }) => name));
  expect(found("keep_alive")).toEqual(["keep_alive_s"]);
  expect(found("STAYS keep-alive")).toEqual(["keep_alive_s"]);
  expect(found("figure")).toEqual(["port"]);
  expect(found("nothing like it")).toEqual([]);
});

it("reads the section out of the address, and takes the first for any other", () => {
  expect(sectionOf("/settings/storage")).toBe("storage");
  expect(sectionOf("/settings")).toBe("interface");
  expect(sectionOf("/settings/nonsense")).toBe("interface");
});

it("divides a disk into what is known of it, also where files have holes", () => {
  const folder = { models_bytes: 40, downloads_bytes: 0, trash_bytes: 10, other_bytes: 0, total_bytes: 200, free_bytes: 100 } as FolderOnDisk;
  expect(diskParts(folder).map(({ kind, bytes, share }) => [kind, bytes, share])).toEqual([
    ["models", 40, 0.2],
    ["trash", 10, 0.05],
    ["rest", 50, 0.25],
  ]);
  const sparse = diskParts({ ...folder, models_bytes: 990, trash_bytes: 0 });
  expect(sparse.reduce((sum, { share }) => sum + share, 0)).toBeLessThanOrEqual(1);
  expect(diskParts({ ...folder, total_bytes: null, free_bytes: null })).toHaveLength(2);
});

it("exports what was set here without secrets, and reads no file that is none", () => {
  const settings = {
    port: setting({ value: 8000, pending: { value: 9000, source: "interface" } }),
    max_queue: setting({ value: 64, source: "interface" }),
    log_level: setting({ value: "debug", source: "file" }),
    hub_token: setting({ value: null, source: "interface", secret: true }),
  };
  expect(exported(settings)).toEqual({ port: 9000, max_queue: 64 });
  expect(imported(JSON.stringify({ settings: exported(settings) }))).toEqual({ port: 9000, max_queue: 64 });
  for (const text of ["", "[]", '{"settings": []}', '{"settings": null}', '"settings"', "{"]) expect(imported(text)).toBeNull();
});
