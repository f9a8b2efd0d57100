import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { clock } from "../../lib/i18n/format";
import { isolated, type Frame, type Line } from "./columns";

/** What a chart is drawn of, and who hears of the pointer. */
export interface Drawing {
  frame: Frame;
  lines: readonly Line[];
  /** Turns a value for CSS into a colour of the present theme. */
  colorOf: (value: string) => string;
  /** Of the axes: `aside` is that of the lines that have one of their own. */
  format: { main: (value: number) => string; aside: (value: number) => string };
  /** The step under the pointer; null when it has left. */
  onpoint: (at: number | null) => void;
  /** A part was chosen by dragging; Unix time in milliseconds. */
  onchoose: (fromMs: number, toMs: number) => void;
}

const FONT = '11px "Inter Variable", system-ui, sans-serif';
const CROSSHAIR = "monitor";
const LEAST_PX = 6;
const DASH = [6, 4];
const MARK_DASH = [2, 3];

/** A chart in `node`, as wide as it. */
export function plot(node: HTMLElement, drawing: Drawing): { update(drawing: Drawing): void; destroy(): void } {
  let shown = drawing;
  const chart = new uPlot(options(node, () => shown), dataOf(drawing), node);
  const watcher = new ResizeObserver(() => chart.setSize(sizeOf(node)));
  watcher.observe(node);
  return {
    update(next) {
      shown = next;
      chart.setData(dataOf(next), true);
    },
    destroy() {
      watcher.disconnect();
      chart.destroy();
    },
  };
}

function dataOf({ frame, lines }: Drawing): uPlot.AlignedData {
  const times = Array.from({ length: frame.steps }, (_, at) => (frame.startMs + at * frame.stepMs) / 1_000);
  // What lies above is drawn first: the lower sums cover it.
  const columns = [...lines].reverse().map(({ values, drawn }) => [...(drawn ?? values)]);
  return [times, ...columns] as uPlot.AlignedData;
}

function options(node: HTMLElement, shown: () => Drawing): uPlot.Options {
  const { lines, colorOf, format } = shown();
  const [muted, border] = [colorOf("var(--subtle)"), colorOf("var(--border)")];
  const axis = { stroke: muted, font: FONT, ticks: { show: false }, grid: { stroke: border, width: 1 } };
  const aside = lines.some((line) => line.aside);
  return {
    ...sizeOf(node),
    padding: [6, aside ? 0 : 8, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: CROSSHAIR },
      drag: { x: true, y: false, setScale: false, dist: LEAST_PX },
      points: { size: 7 },
    },
    scales: {
      x: { time: true, range: () => rangeOf(shown().frame) },
      y: { range: (_, __, most) => [0, top(most)] },
      aside: { range: (_, __, most) => [0, top(most)] },
    },
    axes: [
      {
        ...axis,
        size: 24,
        gap: 4,
        space: 76,
        grid: { show: false },
        values: (_, splits) => splits.map((second) => clock(second * 1_000, clockForm(shown().frame))),
      },
      { ...axis, scale: "y", size: 46, gap: 6, space: 34, values: (_, splits) => splits.map(format.main) },
      ...(aside
        ? [
            {
              ...axis,
              scale: "aside",
              side: 1 as const,
              size: 46,
              gap: 6,
              space: 34,
              grid: { show: false },
              values: (_: uPlot, splits: number[]) => splits.map(format.aside),
            },
          ]
        : []),
    ],
    series: [{}, ...[...lines].reverse().map((line) => series(line, colorOf))],
    hooks: {
      drawClear: [(chart) => drawMarks(chart, shown())],
      setCursor: [({ cursor }) => shown().onpoint(cursor.idx ?? null)],
      setSelect: [(chart) => choose(chart, shown())],
    },
  };
}

function series(line: Line, colorOf: Drawing["colorOf"]): uPlot.Series {
  const stroke = colorOf(line.color);
  const whole: uPlot.Series = {
    scale: line.aside ? "aside" : "y",
    stroke,
    width: 1.5,
    points: {
      size: 5,
      fill: stroke,
      // A value between two gaps has no line to be seen by.
      filter: (chart, index) => isolated(chart.data[index] as (number | null)[]),
    },
  };
  if (line.area) whole.fill = `color-mix(in srgb, ${stroke} ${line.drawn ? 45 : 14}%, ${colorOf("var(--surface)")})`;
  if (line.dashed) whole.dash = DASH;
  return whole;
}

/** The range ends with its last step, whatever is known of it. */
function rangeOf({ startMs, stepMs, steps }: Frame): [number, number] {
  return [startMs / 1_000, (startMs + Math.max(steps - 1, 1) * stepMs) / 1_000];
}

/** A little room above; something where all is zero. */
function top(most: number | null): number {
  return most === null || most <= 0 ? 1 : most * 1.08;
}

function clockForm({ stepMs, steps }: Frame): "seconds" | "minutes" | "days" {
  const range = stepMs * steps;
  if (range <= 600_000) return "seconds";
  return range <= 86_400_000 ? "minutes" : "days";
}

/** A line for each thing that happened, behind the values. */
function drawMarks(chart: uPlot, { frame, colorOf }: Drawing): void {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.setLineDash(MARK_DASH.map((length) => length * devicePixelRatio));
  ctx.lineWidth = devicePixelRatio;
  for (const { at, tone } of frame.happenings) {
    const x = Math.round(chart.valToPos(at / 1_000, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = colorOf(tone === "danger" ? "var(--danger)" : "var(--border-strong)");
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

function choose(chart: uPlot, { onchoose }: Drawing): void {
  const { left, width } = chart.select;
  if (width < LEAST_PX) return;
  const [from, to] = [chart.posToVal(left, "x"), chart.posToVal(left + width, "x")];
  chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  onchoose(from * 1_000, to * 1_000);
}

function sizeOf(node: HTMLElement): { width: number; height: number } {
  return { width: Math.max(node.clientWidth, 120), height: Math.max(node.clientHeight, 80) };
}
