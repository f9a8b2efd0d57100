import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, it } from "vitest";

const NAMES = readdirSync("src", { recursive: true, encoding: "utf8" }).map((name) => join("src", name));
const COMPONENTS = NAMES.filter((name) => name.endsWith(".svelte"));
const STYLED = NAMES.filter((name) => /\.(svelte|css)$/.test(name) && !name.endsWith("tokens.css"));

const having = (names: readonly string[], pattern: RegExp) =>
  names.filter((name) => pattern.test(readFileSync(name, "utf8")));

it("takes every colour from tokens.css", () => {
  expect(STYLED.length).toBeGreaterThan(20);
  expect(having(STYLED, /#[\da-f]{3,8}\b(?=[^{]*[;)])|\b(rgb|hsl|oklch)a?\(/i)).toEqual([]);
});

it("has no inline style, which the policy forbids", () => {
  expect(having(COMPONENTS, /\sstyle="/)).toEqual([]);
});

it("never puts HTML text on the page", () => {
  expect(having(COMPONENTS, /\{@html|innerHTML/)).toEqual([]);
});

it("never asks with the browser's own dialogs", () => {
  expect(having(NAMES.filter((name) => /\.(ts|svelte)$/.test(name)), /\b(confirm|alert|prompt)\(/)).toEqual([]);
});

it("keeps components under 300 lines", () => {
  const long = COMPONENTS.filter((name) => readFileSync(name, "utf8").split("\n").length > 300);
  expect(long).toEqual([]);
});

it("says where things lie so that they lie right from the right, too", () => {
  const sides = String.raw`left|right`;
  const rules = new RegExp(
    [
      String.raw`(?:^|[\s;{])(?:margin|padding|border|inset|scroll-margin|scroll-padding)-(?:${sides})\b[\w-]*\s*:`,
      String.raw`(?:^|[\s;{])(?:${sides})\s*:`,
      String.raw`(?:text-align|float|clear)\s*:\s*(?:${sides})\b`,
      String.raw`border-(?:top|bottom)-(?:${sides})-radius`,
      // Four values that are not the same on both sides.
      String.raw`(?:margin|padding|inset|border-width)\s*:\s*(\S+) (\S+) (\S+) (?!\2[;\s])(\S+);`,
    ].join("|"),
  );
  const physical = STYLED.filter((name) => rules.test(styles(readFileSync(name, "utf8"), name)));
  expect(physical).toEqual([]);
});

/** The rules of a sheet, or those in a component. */
function styles(text: string, name: string): string {
  return name.endsWith(".css") ? text : (/<style>([^]*)<\/style>/.exec(text)?.[1] ?? "");
}

it("has a state that knows no page", () => {
  const states = NAMES.filter((name) => /src.lib.state.*\.ts$/.test(name));
  expect(states.length).toBeGreaterThan(10);
  expect(having(states, /from "[./]+\/pages/)).toEqual([]);
});

it("touches the network in the clients alone", () => {
  // The snippets are programs of others, as text.
  const allowed = [join("lib", "api"), join("lib", "parts", "snippets.ts")];
  const others = NAMES.filter(
    (name) => /\.(ts|svelte)$/.test(name) && !allowed.some((place) => name.includes(place)),
  );
  expect(having(others, /\bfetch\(|EventSource|XMLHttpRequest|sendBeacon/)).toEqual([]);
});
