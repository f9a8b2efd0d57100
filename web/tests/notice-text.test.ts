import { describe, expect, it } from "vitest";

import { leftText, noticeFacts, noticeText } from "../src/lib/state/notice-text";
import { notice } from "./models";

const NOW = Date.parse("2026-01-01T00:12:00Z");

describe("what a notice says", () => {
  it("names who left, for whom, and who asked for that", () => {
    const eviction = notice(1, { models: ["a", "c"], client: "codex/1.0", count: 3 });
    expect(noticeText(eviction)).toBe("Unloaded a, c to make room for b.");
    expect(noticeFacts(eviction)).toEqual(["asked for by codex/1.0", "idle for 5 s", "3 times"]);
  });

  it("says why where nobody asked for room", () => {
    const eviction = notice(1, { subject: null, reason: "memory pressure is critical" });
    expect(noticeText(eviction)).toBe("Unloaded a: memory pressure is critical.");
    expect(noticeFacts(eviction)).toEqual([]);
  });

  it("has the words of whoever knows why something failed", () => {
    const failed = notice(1, { kind: "job_failed", subject: "Download org/a", reason: "No room.", hint: "Make some." });
    expect(noticeText(failed)).toBe("Failed: Download org/a. No room.");
    expect(noticeFacts(failed)).toEqual(["Make some."]);
  });

  it("names a newer version, and what brings it", () => {
    const newer = notice(1, { kind: "newer_version", subject: "1.2.0", hint: "It comes by: git pull" });
    expect(noticeText(newer)).toBe("mlx-gui 1.2.0 is there.");
    expect(noticeFacts(newer)).toEqual(["It comes by: git pull"]);
  });
});

describe("why a model left", () => {
  const left = { at: "2026-01-01T00:00:00Z", action: "evict", reason: "idle for 5 s", cause: "b" } as const;

  it("names the model that it made room for", () => {
    expect(leftText(left, NOW)).toBe("Unloaded 12 min ago to make room for b: idle for 5 s.");
  });

  it("has the reason of all others", () => {
    expect(leftText({ ...left, action: "expire", cause: null }, NOW)).toContain("its keep-alive was over");
    expect(leftText({ ...left, cause: null }, NOW)).toBe("Unloaded 12 min ago: idle for 5 s.");
  });
});
