import { api, ApiError } from "../../lib/api/client";
import type { History } from "../../lib/api/types";
import { router } from "../../router.svelte";
import { everyMs, RANGES, rangeOf, type Range } from "./columns";

/** What the page shows of the past; the address names the range, and the part that is looked at. */
export class Past {
  #history = $state.raw<History | null>(null);
  #failure = $state.raw<ApiError | null>(null);
  #asking = $state(false);
  #asked = 0;
  paused = $state(false);

  readonly range: Range = $derived(rangeOf(router.parameter("range")));
  /** A part of the range, in Unix time; null is the whole up to now. */
  readonly part: { fromMs: number; toMs: number } | null = $derived(
    partOf(router.parameter("from"), router.parameter("to")),
  );

  get history(): History | null {
    return this.#history;
  }

  get failure(): ApiError | null {
    return this.#failure;
  }

  get asking(): boolean {
    return this.#asking;
  }

  /** Whether there is something newer to be shown with time. */
  get follows(): boolean {
    return !this.paused && this.part === null;
  }

  get everyMs(): number {
    return everyMs(this.#history?.step_s ?? 2);
  }

  choose(range: Range): void {
    this.look(null);
    router.setParameter("range", range);
  }

  /** Looks at a part, or at the whole again. */
  look(part: { fromMs: number; toMs: number } | null): void {
    router.setParameter("from", part ? new Date(part.fromMs).toISOString() : "");
    router.setParameter("to", part ? new Date(part.toMs).toISOString() : "");
  }

  async ask(): Promise<void> {
    const turn = ++this.#asked;
    const toMs = this.part?.toMs ?? Date.now();
    const fromMs = this.part?.fromMs ?? toMs - RANGES[this.range] * 1_000;
    const query = new URLSearchParams({
      from: new Date(fromMs).toISOString(),
      to: new Date(toMs).toISOString(),
    });
    this.#asking = true;
    try {
      const found = await api.history(query);
      if (turn === this.#asked) [this.#history, this.#failure] = [found, null];
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (turn === this.#asked) this.#failure = error;
    } finally {
      if (turn === this.#asked) this.#asking = false;
    }
  }
}

function partOf(from: string, to: string): { fromMs: number; toMs: number } | null {
  const [fromMs, toMs] = [Date.parse(from), Date.parse(to)];
  return fromMs < toMs ? { fromMs, toMs } : null;
}
