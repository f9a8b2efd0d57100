/** A line of two texts that are compared; its number in each text where it stands there, from 1. */
export interface DiffLine {
  kind: "same" | "added" | "removed";
  text: string;
  before: number | null;
  after: number | null;
}

/** So many lines in a row that are the same and far from any change. */
export interface Skipped {
  kind: "skipped";
  count: number;
}

const CONTEXT = 3;
/** Texts with more differences are taken to have nothing in common: to find out more takes too long. */
const MOST_DIFFERENCES = 400;

/** The lines of both texts, as few of them as possible removed or added. */
export function lineDiff(before: string, after: string): DiffLine[] {
  const [old, now] = [linesOf(before), linesOf(after)];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start++;
  let end = 0;
  const shorter = Math.min(old.length, now.length) - start;
  while (end < shorter && old.at(-1 - end) === now.at(-1 - end)) end++;

  const lines: DiffLine[] = [];
  const same = (x: number, y: number) => lines.push({ kind: "same", text: old[x]!, before: x + 1, after: y + 1 });
  for (let at = 0; at < start; at++) same(at, at);
  for (const [kind, x, y] of steps(old.slice(start, old.length - end), now.slice(start, now.length - end))) {
    if (kind === "same") same(start + x, start + y);
    else if (kind === "removed") lines.push({ kind, text: old[start + x]!, before: start + x + 1, after: null });
    else lines.push({ kind, text: now[start + y]!, before: null, after: start + y + 1 });
  }
  for (let at = end; at > 0; at--) same(old.length - at, now.length - at);
  return lines;
}

/** The same without what is far from any change. */
export function shortened(lines: readonly DiffLine[]): (DiffLine | Skipped)[] {
  const near = new Set<number>();
  lines.forEach(({ kind }, index) => {
    if (kind === "same") return;
    for (let at = index - CONTEXT; at <= index + CONTEXT; at++) near.add(at);
  });
  const shown: (DiffLine | Skipped)[] = [];
  lines.forEach((line, index) => {
    const last = shown.at(-1);
    if (near.has(index)) shown.push(line);
    else if (last?.kind === "skipped") last.count++;
    else shown.push({ kind: "skipped", count: 1 });
  });
  return shown;
}

function linesOf(text: string): string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  // A break at the end ends the last line.
  return text.endsWith("\n") ? lines.slice(0, -1) : lines;
}

type Step = [DiffLine["kind"], number, number];

/** What leads from `old` to `now`, by the algorithm of Myers. */
function steps(old: readonly string[], now: readonly string[]): Step[] {
  const [width, height] = [old.length, now.length];
  const most = Math.min(width + height, MOST_DIFFERENCES);
  const reached = new Map<number, number>([[1, 0]]);
  const before: Map<number, number>[] = [];
  for (let differences = 0; differences <= most; differences++) {
    before.push(new Map(reached));
    for (let diagonal = -differences; diagonal <= differences; diagonal += 2) {
      let x = comesDown(reached, diagonal, differences)
        ? (reached.get(diagonal + 1) ?? 0)
        : (reached.get(diagonal - 1) ?? 0) + 1;
      while (x < width && x - diagonal < height && old[x] === now[x - diagonal]) x++;
      reached.set(diagonal, x);
      if (x >= width && x - diagonal >= height) return traced(before, width, height);
    }
  }
  return [
    ...old.map((_, x): Step => ["removed", x, 0]),
    ...now.map((_, y): Step => ["added", width, y]),
  ];
}

function comesDown(reached: ReadonlyMap<number, number>, diagonal: number, differences: number): boolean {
  if (diagonal === -differences) return true;
  return diagonal !== differences && (reached.get(diagonal - 1) ?? -1) < (reached.get(diagonal + 1) ?? -1);
}

/** The way back from the end, turned round. */
function traced(before: readonly ReadonlyMap<number, number>[], width: number, height: number): Step[] {
  const found: Step[] = [];
  let [x, y] = [width, height];
  for (let differences = before.length - 1; differences >= 0; differences--) {
    const reached = before[differences]!;
    const diagonal = x - y;
    const down = comesDown(reached, diagonal, differences);
    const from = down ? diagonal + 1 : diagonal - 1;
    const fromX = reached.get(from) ?? 0;
    const fromY = fromX - from;
    while (x > fromX && y > fromY) found.push(["same", --x, --y]);
    if (differences === 0) break;
    found.push(down ? ["added", x, --y] : ["removed", --x, y]);
  }
  return found.reverse();
}
