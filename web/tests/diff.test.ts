import { describe, expect, it } from "vitest";

import { lineDiff, shortened, type DiffLine } from "../src/lib/diff";

const told = (lines: readonly DiffLine[]) =>
  lines.map(({ kind, text }) => ({ same: " ", added: "+", removed: "-" })[kind] + text);

/** What one of the two texts was, by the lines of a difference. */
const side = (lines: readonly DiffLine[], left: "added" | "removed") =>
  lines.filter(({ kind }) => kind !== left).map(({ text }) => text);

describe("the difference of two texts", () => {
  it("names the lines that came and went, with their numbers", () => {
    const lines = lineDiff("a\nb\nc\nd\n", "a\nB\nc\nd\ne\n");
    expect(told(lines)).toEqual([" a", "-b", "+B", " c", " d", "+e"]);
    expect(lines.map(({ before, after }) => [before, after])).toEqual([
      [1, 1], [2, null], [null, 2], [3, 3], [4, 4], [null, 5],
    ]);
  });

  it("is nothing for texts that are the same, whatever ends them", () => {
    expect(told(lineDiff("a\nb", "a\nb\n"))).toEqual([" a", " b"]);
    expect(lineDiff("", "")).toEqual([]);
  });

  it("has all of a text that comes from nothing, or goes", () => {
    expect(told(lineDiff("", "a\nb"))).toEqual(["+a", "+b"]);
    expect(told(lineDiff("a\nb", ""))).toEqual(["-a", "-b"]);
  });

  it("always has both texts in it, and no line twice", () => {
    // A generator of numbers that are the same in each run.
    let seed = 7;
    const next = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const text = () => Array.from({ length: next(12) }, () => "abc"[next(3)]).join("\n");
    for (let round = 0; round < 500; round++) {
      const [before, after] = [text(), text()];
      const lines = lineDiff(before, after);
      expect(side(lines, "added").join("\n")).toBe(before);
      expect(side(lines, "removed").join("\n")).toBe(after);
    }
  });

  it("ends soon for long texts that have nothing in common", () => {
    const many = (letter: string) => Array.from({ length: 5_000 }, (_, at) => `${letter}${at}`).join("\n");
    const lines = lineDiff(many("a"), many("b"));
    expect(lines.length).toBe(10_000);
    expect(lines[0]!.kind).toBe("removed");
    expect(lines.at(-1)!.kind).toBe("added");
  });
});

describe("a shortened difference", () => {
  it("leaves out what is far from any change and says how much", () => {
    const before = Array.from({ length: 30 }, (_, at) => `${at}`).join("\n");
    const shown = shortened(lineDiff(before, before.replace("\n15\n", "\nfifteen\n")));
    expect(shown.map((each) => (each.kind === "skipped" ? each.count : each.text))).toEqual([
      12, "12", "13", "14", "15", "fifteen", "16", "17", "18", 11,
    ]);
  });
});
