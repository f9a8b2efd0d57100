import type { ChartMark, History } from "../../lib/api/types";
import { words } from "../../lib/i18n/monitor";

/** One line of a chart. `color` is a value for CSS, `drawn` what is drawn where that is not `values`. */
export interface Line {
  label: string;
  values: readonly (number | null)[];
  color: string;
  format: (value: number) => string;
  drawn?: readonly (number | null)[];
  area?: boolean;
  /** Has an axis of its own, on the other side. */
  aside?: boolean;
  dashed?: boolean;
}

/** Something that happened, as charts name it; `at` is Unix time in milliseconds. */
export interface Happening {
  at: number;
  text: string;
  tone: "neutral" | "danger";
}

/** What all charts of the page have in common. */
export interface Frame {
  startMs: number;
  stepMs: number;
  steps: number;
  happenings: readonly Happening[];
}

export const RANGES = { "5m": 300, "1h": 3_600, "6h": 21_600, "24h": 86_400, "7d": 604_800 } as const;
export type Range = keyof typeof RANGES;

/** The range that the address names; an hour where it names none that there is. */
export function rangeOf(name: string): Range {
  return Object.hasOwn(RANGES, name) ? (name as Range) : "1h";
}

/** How often what is shown is read anew: with each step, and not more than every two seconds. */
export function everyMs(stepS: number): number {
  return Math.min(Math.max(stepS, 2), 60) * 1_000;
}

export function frameOf(history: History, nameOf: (id: string) => string): Frame {
  return {
    startMs: Date.parse(history.start),
    stepMs: history.step_s * 1_000,
    steps: history.steps,
    happenings: history.marks.map((mark) => happening(mark, nameOf)),
  };
}

function happening(mark: ChartMark, nameOf: (id: string) => string): Happening {
  const name = mark.model === null ? "" : nameOf(mark.model);
  const cause = mark.cause === null ? null : nameOf(mark.cause);
  // A tab that was open before an update may not know every word of the server.
  const say = words.marks[mark.kind] as ((name: string, text: string, cause: string | null) => string) | undefined;
  return {
    at: Date.parse(mark.at),
    text: say?.(name, mark.text, cause) ?? [mark.kind, name].filter(Boolean).join(" "),
    tone: mark.kind === "failure" ? "danger" : "neutral",
  };
}

/** The sums of each line and all before it, so that they lie on top of each other. */
export function stacked(lines: readonly Line[]): Line[] {
  let below: readonly (number | null)[] = [];
  return lines.map((line) => {
    const before = below;
    const drawn = line.values.map((value, at) => (value === null ? null : value + (before[at] ?? 0)));
    below = drawn;
    return { ...line, drawn, area: true };
  });
}

/** Where a value stands alone between gaps: a line would not show it. */
export function isolated(values: readonly (number | null | undefined)[]): number[] {
  return values.flatMap((value, at) =>
    value != null && values[at - 1] == null && values[at + 1] == null ? [at] : [],
  );
}

/** The place of the last step in which a line has a value; -1 where none has. */
export function lastKnown(lines: readonly Line[]): number {
  const length = Math.max(0, ...lines.map(({ values }) => values.length));
  for (let at = length - 1; at >= 0; at--) {
    if (lines.some(({ values }) => values[at] != null)) return at;
  }
  return -1;
}

/** What happened in the step that begins at `atMs`, or so near to it that a pointer means it. */
export function happenedAt(frame: Frame, atMs: number, withinMs = frame.stepMs): readonly Happening[] {
  return frame.happenings.filter(({ at }) => at >= atMs - withinMs && at < atMs + Math.max(withinMs, frame.stepMs));
}

/** The rows of a chart's table, the newest first; of what is known nowhere there are none. */
export function tableRows(frame: Frame, lines: readonly Line[]): { atMs: number; at: number; happened: string }[] {
  const rows = [];
  for (let at = frame.steps - 1; at >= 0; at--) {
    const atMs = frame.startMs + at * frame.stepMs;
    const happened = frame.happenings
      .filter((each) => each.at >= atMs && each.at < atMs + frame.stepMs)
      .map(({ text }) => text);
    const known = lines.some(({ values }) => values[at] != null);
    if (known || happened.length > 0) rows.push({ atMs, at, happened: happened.join("; ") });
  }
  return rows;
}
