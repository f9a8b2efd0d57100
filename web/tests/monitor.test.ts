import { describe, expect, it } from "vitest";

import type { History } from "../src/lib/api/types";
import {
  everyMs,
  frameOf,
  happenedAt,
  isolated,
  lastKnown,
  rangeOf,
  stacked,
  tableRows,
  type Line,
} from "../src/pages/monitor/columns";

const line = (values: (number | null)[], label = "line"): Line => ({
  label,
  values,
  color: "red",
  format: String,
});

const history = (marks: History["marks"] = []): History => ({
  start: "2026-01-01T00:00:00.000Z",
  step_s: 10,
  steps: 4,
  series: {} as History["series"],
  models: [],
  marks,
  totals: {} as History["totals"],
  records: true,
});

const mark = (kind: string, second: number, more = {}) =>
  ({ at: new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString(), kind, model: null, cause: null, text: "", ...more }) as
    History["marks"][number];

const named = (id: string) => id.toUpperCase();

describe("the range of the address", () => {
  it("is one that there is, else an hour", () => {
    expect([rangeOf("24h"), rangeOf(""), rangeOf("toString"), rangeOf("1y")]).toEqual(["24h", "1h", "1h", "1h"]);
  });

  it("is read anew with its steps, within reason", () => {
    expect([everyMs(1), everyMs(10), everyMs(1800)]).toEqual([2_000, 10_000, 60_000]);
  });
});

describe("what happened", () => {
  it("names models and for whose sake", () => {
    const { happenings } = frameOf(history([mark("evict", 5, { model: "a", cause: "b" })]), named);
    expect(happenings).toEqual([{ at: Date.UTC(2026, 0, 1, 0, 0, 5), text: "A unloaded for B", tone: "neutral" }]);
  });

  it("shows a word that is newer than the page as it is", () => {
    const { happenings } = frameOf(history([mark("upgrade", 5, { model: "a" }), mark("failure", 6, { model: "a" })]), named);
    expect(happenings.map(({ text, tone }) => [text, tone])).toEqual([["upgrade A", "neutral"], ["A failed", "danger"]]);
  });

  it("is found near the pointer and not elsewhere", () => {
    const frame = frameOf(history([mark("start", 15)]), named);
    expect(happenedAt(frame, frame.startMs + 10_000)).toHaveLength(1);
    expect(happenedAt(frame, frame.startMs + 30_000)).toHaveLength(0);
    expect(happenedAt(frame, frame.startMs + 30_000, 20_000)).toHaveLength(1);
  });
});

describe("lines", () => {
  it("lie on top of each other, and a gap stays one", () => {
    const [first, second] = stacked([line([1, null, 3]), line([10, null, 30])]);
    expect([first?.drawn, second?.drawn]).toEqual([[1, null, 3], [11, null, 33]]);
    expect(second?.values).toEqual([10, null, 30]);
  });

  it("show a value between two gaps as a point", () => {
    expect(isolated([null, 1, null, 2, 3, null, 4])).toEqual([1, 6]);
    expect(isolated([0])).toEqual([0]);
  });

  it("end where something is known last", () => {
    expect(lastKnown([line([1, null, null]), line([null, 0, null])])).toBe(1);
    expect(lastKnown([line([null])])).toBe(-1);
    expect(lastKnown([])).toBe(-1);
  });
});

describe("the table of a chart", () => {
  it("has the steps in which something is known or happened, the newest first", () => {
    const frame = frameOf(history([mark("start", 25)]), named);
    const rows = tableRows(frame, [line([1, null, null, 0])]);
    expect(rows.map(({ at, happened }) => [at, happened])).toEqual([[3, ""], [2, "Server started"], [0, ""]]);
  });
});
