import { describe, expect, it } from "vitest";

import type { ModelSetting } from "../src/lib/api/types";
import { changes, differs, fieldOf, grouped, Unfit, valueOf } from "../src/pages/model/draft";
import { contextsOf } from "../src/pages/model/plans";
import { CONVERSATION, partsOf } from "../src/pages/model/prompt-parts";

const SAYS = {
  notNumber: "no number",
  either: (_text: string, thousands: string, fraction: string) => `${thousands} ${fraction}`,
  notJson: "no object",
  noUnit: (units: readonly string[]) => units.join(),
};

const setting = (more: Partial<ModelSetting>): ModelSetting => ({
  value: null,
  default: null,
  source: "default",
  reload: false,
  type: "integer",
  unit: "",
  bounds: null,
  choices: [],
  words: [],
  help: "",
  ...more,
});

describe("the contexts that a model is planned for", () => {
  it("are the usual ones below its own, and that", () => {
    expect(contextsOf(40_960)).toEqual([2_048, 8_192, 32_768, 40_960]);
    expect(contextsOf(8_192)).toEqual([2_048, 8_192]);
    expect(contextsOf(512)).toEqual([512]);
  });
});

describe("a prompt", () => {
  const [first, second, third] = CONVERSATION.map(({ content }) => content);

  it("is what the template adds around the messages, and these", () => {
    expect(partsOf(`<s>${first}</s>${second}<s>${third}`)).toEqual([
      { text: "<s>", added: true },
      { text: first, added: false },
      { text: "</s>", added: true },
      { text: second, added: false },
      { text: "<s>", added: true },
      { text: third, added: false },
    ]);
  });

  it("is whole whatever stands in it", () => {
    for (const prompt of ["", "word-1 word-2", `${third}${first}`, `${second}`]) {
      expect(partsOf(prompt).map(({ text }) => text).join("")).toBe(prompt);
    }
    expect(partsOf("nothing of it")).toEqual([{ text: "nothing of it", added: true }]);
  });
});

describe("a field of a setting", () => {
  it("has what holds, and nothing where the files decide", () => {
    expect(fieldOf(setting({ value: 900 }))).toBe("900");
    expect(fieldOf(setting({ value: null }))).toBe("");
    expect(fieldOf(setting({ type: "switch", value: true }))).toBe(true);
    expect(fieldOf(setting({ type: "object", value: {} }))).toBe("");
    expect(fieldOf(setting({ type: "object", value: { a: 1 } }))).toBe('{\n  "a": 1\n}');
  });

  it("becomes what its type is, a word where there is one, and the empty text a reset", () => {
    expect(valueOf(setting({}), " 12 ", SAYS)).toBe(12);
    expect(valueOf(setting({ words: ["auto"] }), "auto", SAYS)).toBe("auto");
    expect(valueOf(setting({ type: "number" }), "0.7", SAYS)).toBe(0.7);
    expect(valueOf(setting({ type: "object" }), '{"a": 1}', SAYS)).toEqual({ a: 1 });
    expect(valueOf(setting({ type: "lines" }), " {{ x }}\n", SAYS)).toBe(" {{ x }}\n");
    expect(valueOf(setting({}), "  ", SAYS)).toBeNull();
    expect(valueOf(setting({}), null, SAYS)).toBeNull();
    expect(valueOf(setting({ type: "switch" }), false, SAYS)).toBe(false);
  });

  it.each([
    ["bytes", 512 * 2 ** 20, "512 MiB"],
    ["bytes", 2_000_000_000, "2 GB"],
    ["bytes", 0, "0 GB"],
    ["bytes", 1_234_567, "1234567 bytes"],
    ["s", 900, "15 min"],
    ["s", -1, "-1 s"],
  ])("shows %s as a short number with its unit, and reads the same again: %d", (unit, value, text) => {
    const measure = setting({ unit, value });
    expect(fieldOf(measure)).toBe(text);
    expect(valueOf(measure, text, SAYS)).toBe(value);
  });

  it("reads bytes and seconds in any unit, and asks for one where it matters", () => {
    const bytes = setting({ unit: "bytes" });
    expect(valueOf(bytes, "1.5gb", SAYS)).toBe(1_500_000_000);
    expect(valueOf(bytes, "1,5 GB", SAYS)).toBe(1_500_000_000);
    expect(valueOf(bytes, " 3 kib ", SAYS)).toBe(3_072);
    expect(valueOf(bytes, "0", SAYS)).toBe(0);
    expect(valueOf(setting({ unit: "s", type: "number" }), "0.5 h", SAYS)).toBe(1_800);
    expect(valueOf(setting({ unit: "s" }), "-1", SAYS)).toBe(-1);
    expect(valueOf(setting({ unit: "s", words: ["auto"] }), "auto", SAYS)).toBe("auto");
    expect(() => valueOf(bytes, "600", SAYS)).toThrow("GB,GiB,MB,MiB,kB,KiB,bytes");
    for (const text of ["GB", "2 GB 3", "2 parsecs", "1,5,5 GB", "1.000,5 GB", "1,000.5 GB", ", GB", "0x10 MB"]) {
      expect(() => valueOf(bytes, text, SAYS)).toThrow("no number");
    }
  });

  it("has a comma or a point before a fraction, and asks where a comma may stand between thousands", () => {
    const of = (text: string) => valueOf(setting({ type: "number" }), text, SAYS);
    expect(["1,5", "1.5", "0,125", "-0,5", "1,25", "1,5000", "1.500", ",5"].map(of)).toEqual([
      1.5, 1.5, 0.125, -0.5, 1.25, 1.5, 1.5, 0.5,
    ]);
    expect(() => of("1,500")).toThrow("1500 1.5");
    expect(() => of("-12,345")).toThrow("-12345 -12.345");
    expect(() => valueOf(setting({ unit: "bytes" }), "1,500 MB", SAYS)).toThrow("1500 1.5");
    expect(() => of("1,234,567")).toThrow("no number");
  });

  it.each([
    ["integer", "many"],
    ["number", "Infinity"],
    ["object", "[1]"],
    ["object", "{"],
    ["object", "null"],
  ] as const)("of type %s does not take %s", (type, text) => {
    expect(() => valueOf(setting({ type }), text, SAYS)).toThrow(Unfit);
  });
});

describe("changes", () => {
  it("are what differs: going back to what holds is none, and a reset only of what is set", () => {
    const settings = { slots: setting({ value: 4 }), priority: setting({ value: 1, source: "model" }) };
    expect(changes(settings, { slots: "4", priority: null, gone: "1" })).toEqual({ priority: null });
    expect(changes(settings, { slots: "5" })).toEqual({ slots: "5" });
    expect(differs(settings.slots, null)).toBe(false);
  });

  it("are in groups, with what a newer server has besides at the end", () => {
    const settings = { top_p: setting({}), novelty: setting({}), slots: setting({}) };
    expect(grouped(settings)).toEqual([["memory", ["slots"]], ["sampling", ["top_p"]], ["other", ["novelty"]]]);
  });
});
