import type { HubKind } from "../../lib/api/types";

const GB = 1_000_000_000;
const PAGE = 30;

export const KINDS = ["text", "vision", "embedding", "reranker", "transcription", "speech"] as const satisfies readonly HubKind[];
export const SIZES_GB = [1, 2, 4, 8, 16, 32, 64] as const;
export const QUANTIZATIONS = ["2-bit", "3-bit", "4-bit", "5-bit", "6-bit", "8-bit", "mxfp4", "none"] as const;
/** By what they allow. */
export const LICENCES = ["permissive", "copyleft", "terms", "noncommercial"] as const;
export const SORTS = ["", "trending", "downloads", "likes", "newest", "size"] as const;

/** What is looked for, as the address of the page has it; the empty text is anything. */
export interface Filters {
  query: string;
  kind: string;
  sizeGb: string;
  quantization: string;
  licence: string;
  sort: string;
  author: string;
  fits: boolean;
  /** Also what this version cannot serve. */
  all: boolean;
}

/** Those of an address. What is none of the choices is anything. */
export function filtersOf(parameter: (name: string) => string): Filters {
  const one = (name: string, choices: readonly (string | number)[]) =>
    choices.map(String).includes(parameter(name)) ? parameter(name) : "";
  return {
    query: parameter("q"),
    kind: one("kind", KINDS),
    sizeGb: one("size", SIZES_GB),
    quantization: one("quantization", QUANTIZATIONS),
    licence: one("licence", LICENCES),
    sort: one("sort", SORTS),
    author: parameter("author"),
    fits: parameter("fits") === "1",
    all: parameter("all") === "1",
  };
}

/** Whether nothing is asked for, so that somebody may want to begin. */
export function asksNothing({ query, kind, sizeGb, quantization, licence, author, sort }: Filters): boolean {
  return !(query.trim() || kind || sizeGb || quantization || licence || author || sort);
}

/** The query of `GET /v1/discover/models`. */
export function apiQuery(filters: Filters): URLSearchParams {
  const asked: Record<string, string> = {
    query: filters.query.trim(),
    kind: filters.kind,
    author: filters.author,
    sort: filters.sort,
    max_bytes: filters.sizeGb && String(Number(filters.sizeGb) * GB),
    quantization: filters.quantization,
    license: filters.licence,
    fits: filters.fits ? "true" : "",
    supported: filters.all ? "false" : "",
    limit: String(PAGE),
  };
  return new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== ""));
}

const ID = /^[\w.-]+\/[\w.-]+$/;

/** The id that a text is or that an address in it names; null for words to search for. */
export function idIn(text: string): string | null {
  const written = text.trim();
  if (ID.test(written)) return written;
  try {
    const address = new URL(written);
    const id = address.pathname.split("/").slice(1, 3).join("/");
    return /^https?:$/.test(address.protocol) && ID.test(id) ? id : null;
  } catch {
    return null;
  }
}
