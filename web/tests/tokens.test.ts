import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

const SOURCE = readFileSync("src/styles/tokens.css", "utf8");
const PAIR = /--([\w-]+): light-dark\(#([\da-f]{6}), #([\da-f]{6})\)/g;
const THEMES = ["light", "dark"] as const;
type Theme = (typeof THEMES)[number];

const tokens = new Map(
  [...SOURCE.matchAll(PAIR)].map(([, name = "", light = "", dark = ""]) => [name, { light, dark }]),
);

const SURFACES = ["bg", "surface", "sunken", "raised"];
const TEXTS = ["text", "muted", "subtle", "accent", "ok", "warn", "danger", "info"];
const ON_THEIR_OWN: [text: string, ground: string][] = [
  ["on-accent", "accent"],
  ["on-accent", "accent-hover"],
  ["accent-soft-text", "accent-soft"],
  ["muted", "accent-soft"],
  ["ok", "ok-soft"],
  ["warn", "warn-soft"],
  ["text", "warn-soft"],
  ["danger", "danger-soft"],
  ["info", "info-soft"],
  ["on-danger-fill", "danger-fill"],
];
const SERIES = [1, 2, 3, 4, 5, 6].map((number) => `series-${number}`);

/** Contrast as WCAG 2 defines it. */
function contrast(one: string, other: string, theme: Theme): number {
  const [dark = 0, light = 0] = [luminance(one, theme), luminance(other, theme)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(token: string, theme: Theme): number {
  const hex = tokens.get(token)?.[theme];
  if (hex === undefined) throw new Error(`no colour ${token}`);
  const channel = (at: number) => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4);
}

const everywhere = (names: string[]) =>
  names.flatMap((name) => SURFACES.map((surface): [string, string] => [name, surface]));

describe.each(THEMES)("in the %s theme", (theme) => {
  it.each([...everywhere(TEXTS), ...ON_THEIR_OWN])("%s can be read on %s", (text, ground) => {
    expect(contrast(text, ground, theme)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(everywhere(["border-strong", "accent", ...SERIES]))("%s can be seen on %s", (mark, ground) => {
    expect(contrast(mark, ground, theme)).toBeGreaterThanOrEqual(3);
  });
});
