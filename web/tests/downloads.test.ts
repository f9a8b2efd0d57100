import { expect, it } from "vitest";

import { downloadAnnouncement } from "../src/lib/state/announcement";
import { NOTHING_YET, parseEvent, reduce, type StreamEvent } from "../src/lib/state/reduce";
import { grouped, withMoved, withPut } from "../src/pages/downloads/groups";
import { download, memory } from "./models";

const ids = (list: readonly { id: string }[] | null) => list?.map(({ id }) => id);

it("knows downloads from the first snapshot on, the newest first", () => {
  const events: StreamEvent[] = [
    { event: "download", data: download("too-early") },
    { event: "snapshot", data: { models: [], memory: memory(), downloads: [download("a")] } },
    { event: "download", data: download("b") },
    { event: "download", data: download("a", { bytes_done: 5 }) },
  ];
  const state = events.reduce(reduce, NOTHING_YET);
  expect(ids(state.downloads)).toEqual(["b", "a"]);
  expect(state.downloads?.[1]?.bytes_done).toBe(5);
  const gone = parseEvent("download_removed", '{"id": "b"}');
  expect(ids(reduce(state, gone!).downloads)).toEqual(["a"]);
});

it("has what waits in the order of its turns", () => {
  const groups = grouped([
    download("late", { state: "queued", turn: 3 }),
    download("runs", { state: "verifying" }),
    download("soon", { state: "queued", turn: 1 }),
    download("rests", { state: "paused" }),
    download("broken", { state: "failed", turn: null }),
    download("over", { state: "done", turn: null }),
    download("given-up", { state: "cancelled", turn: null }),
  ]);
  expect(Object.entries(groups).map(([name, list]) => [name, ids(list)])).toEqual([
    ["running", ["runs"]],
    ["waiting", ["soon", "late"]],
    ["resting", ["rests", "broken"]],
    ["ended", ["over", "given-up"]],
  ]);
});

it.each([
  ["b", -1, ["b", "a", "c"]],
  ["b", 1, ["a", "c", "b"]],
  ["a", -1, ["a", "b", "c"]],
  ["c", 1, ["a", "b", "c"]],
  ["x", 1, ["a", "b", "c"]],
] as const)("moves %s by %i", (moved, step, moved_list) => {
  expect(withMoved(["a", "b", "c"], moved, step)).toEqual(moved_list);
});

it.each([
  ["a", 2, ["b", "c", "a"]],
  ["c", 0, ["c", "a", "b"]],
  ["b", 1, ["a", "b", "c"]],
  ["b", 7, ["a", "b", "c"]],
  ["x", 0, ["a", "b", "c"]],
] as const)("puts %s at the place %i", (moved, to, list) => {
  expect(withPut(["a", "b", "c"], moved, to)).toEqual(list);
});

it("speaks at the start of a download, at each quarter, at its end and of its failure", () => {
  const came = (bytes_done: number) => download("d", { state: "downloading", bytes_done, bytes_total: 100 });
  const steps = [download("d"), came(0), came(10), came(26), came(30), came(80), download("d", { state: "done" })];
  const spoken = steps.map((step, index) => downloadAnnouncement(steps[index - 1], step)).filter(Boolean);
  expect(spoken).toEqual(["org/d is being downloaded", "org/d: 25 % downloaded", "org/d: 75 % downloaded", "org/d is installed"]);
  const failed = download("d", { state: "failed", error: { code: "x", message: "No room.", hint: "" } });
  expect(downloadAnnouncement(came(3), failed)).toBe("The download of org/d failed: No room.");
});
