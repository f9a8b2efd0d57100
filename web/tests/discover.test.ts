import { describe, expect, it } from "vitest";

import type { Found, Variant } from "../src/lib/api/types";
import { visible } from "../src/lib/api/visible";
import { cardBlocks } from "../src/lib/parts/card";
import { asksForLicence } from "../src/lib/parts/offer";
import { apiQuery, asksNothing, filtersOf, idIn } from "../src/pages/discover/filters";
import { rowsOf } from "../src/pages/discover/offers";
import { found } from "./models";

const filters = (address: string) => {
  const query = new URLSearchParams(address);
  return filtersOf((name) => query.get(name) ?? "");
};

describe("the filters of an address", () => {
  it("become the query of the endpoint", () => {
    const asked = apiQuery(filters("q= qwen &kind=vision&size=8&quantization=4-bit&licence=terms&sort=newest&fits=1&all=1&author=org"));
    expect(Object.fromEntries(asked)).toEqual({
      query: "qwen",
      kind: "vision",
      author: "org",
      sort: "newest",
      max_bytes: "8000000000",
      quantization: "4-bit",
      license: "terms",
      fits: "true",
      supported: "false",
      limit: "30",
    });
  });

  it("are anything where they are none of the choices", () => {
    const odd = filters("kind=magic&size=7&sort=worst&quantization=1-bit&licence=none&fits=yes");
    expect(Object.fromEntries(apiQuery(odd))).toEqual({ limit: "30" });
    expect(asksNothing(odd)).toBe(true);
  });
});

it.each([
  ["org/name", "org/name"],
  ["  org/name-1.5_b ", "org/name-1.5_b"],
  ["https://huggingface.co/org/name", "org/name"],
  ["https://huggingface.co/org/name/tree/main?x=1", "org/name"],
  ["qwen", null],
  ["two words/three", null],
  ["javascript:org/name", null],
  ["https://huggingface.co/org", null],
  ["", null],
])("takes %j for %j", (text, id) => {
  expect(idIn(text)).toBe(id);
});

describe("rows", () => {
  const variant = (id: string, changes: Partial<Variant> = {}): Variant => ({
    id,
    quantization: "8-bit",
    size_bytes: 8,
    license: null,
    license_link: null,
    license_class: null,
    gated: null,
    downloads: null,
    fit: fit("yes"),
    installed: null,
    ...changes,
  });
  const fit = (state: "yes" | "no") => ({ state, need_bytes: 1, context: null });

  it("have the quantizations of one model once", () => {
    const listed = [
      found("o/a-4", { variants: [variant("o/a-8")] }),
      found("o/b"),
      found("o/a-8", { variants: [variant("o/a-4")] }),
    ];
    expect(rowsOf(listed).map(({ offers }) => offers.map(({ id }) => id))).toEqual([["o/a-4", "o/a-8"], ["o/b"]]);
  });

  it("advise the largest that fits in the place of one that does not", () => {
    const large = found("o/a", { fit: fit("no"), variants: [variant("o/a-8")] });
    expect(rowsOf([large])[0]?.offers.map(({ id }) => id)).toEqual(["o/a-8", "o/a"]);
  });

  it("ask for the licence of each quantization by itself", () => {
    const own = variant("o/a-8", { license: "gemma", license_class: "terms" });
    const [row] = rowsOf([found("o/a-4", { license: "mit", license_class: "permissive", variants: [own] })]);
    expect(row?.offers.map(({ id }) => id)).toEqual(["o/a-4", "o/a-8"]);
    expect(row?.offers.map(asksForLicence)).toEqual([false, true]);
    const asks = (changes: Partial<Found>) => asksForLicence(rowsOf([found("o/a", changes)])[0]!.offers[0]!);
    expect(asks({ license_class: "noncommercial" })).toBe(true);
    expect(asks({ license_class: "copyleft" })).toBe(false);
    expect(asks({})).toBe(false);
    expect(asks({ gated: true })).toBe(true);
  });
});

describe("a model card", () => {
  const blocks = (text: string) => cardBlocks(text, (name) => `[${name}]`);

  it("is read without its front matter", () => {
    expect(blocks("---\nlicense: mit\n---\n# Title #\n\ntext\nmore\n")).toEqual([
      { kind: "heading", text: "Title", level: 3 },
      { kind: "text", text: "text\nmore" },
    ]);
  });

  it("keeps code as it is, to its fence or to the end", () => {
    expect(blocks("```py\n# <b>x</b>\n```\nafter\n~~~\n- y")).toEqual([
      { kind: "code", text: "# <b>x</b>" },
      { kind: "text", text: "after" },
      { kind: "code", text: "- y" },
    ]);
  });

  it("shows where a link leads, and no picture", () => {
    expect(blocks("[here](https://a.test/x) ![cat](https://a.test/c.png) <img src=x> [bad](javascript:y)")).toEqual([
      { kind: "text", text: "here (https://a.test/x) [cat] [] bad" },
    ]);
  });

  it("is read without the marks of emphasis, which other stars are not", () => {
    expect(blocks("a *b c* **d** 2*3*4 * e *f")).toEqual([{ kind: "text", text: "a b c d 2*3*4 * e *f" }]);
  });

  it("is text for every beginning of it", () => {
    const card = "# A\n- b\n\n```\nc\n```\n<div>**d**</div> [e](f \n![g](h) `i` ".repeat(3);
    for (let end = 0; end <= card.length; end++) {
      for (const block of blocks(card.slice(0, end))) expect(block.kind).toMatch(/heading|text|code|list/);
    }
  });

  it("takes no time to speak of, whatever it is", () => {
    const hard = ["[".repeat(20_000), "<".repeat(20_000), "![".repeat(10_000), "**".repeat(10_000), " *a".repeat(10_000), "`".repeat(20_000), "[a](".repeat(5_000), "<a ".repeat(7_000)];
    for (const text of hard) expect(blocks(text).length).toBeGreaterThan(-1);
  }, 2_000);
});

it("takes out of strangers' texts what cannot be seen", () => {
  const told = { name: "a\u202eb\u200bc\u0000", list: ["\u2066x\u2069"], n: 1, none: null, text: "a\n\tb" };
  expect(visible(told)).toEqual({ name: "abc", list: ["x"], n: 1, none: null, text: "a\n\tb" });
});
