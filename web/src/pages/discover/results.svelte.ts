import { api, ApiError } from "../../lib/api/client";
import type { Found } from "../../lib/api/types";

/** What the hub has answered to the latest search. It stays while another page is looked at. */
class Results {
  #models = $state.raw<readonly Found[] | null>(null);
  #notes = $state.raw<readonly string[]>([]);
  #ageMs = $state<number | null>(null);
  #next = $state<string | null>(null);
  #failure = $state.raw<ApiError | null>(null);
  #asking = $state(false);
  /** The search that this is the answer to, or is to be. */
  #query = "";
  #turn = 0;

  get models(): readonly Found[] | null {
    return this.#models;
  }

  get notes(): readonly string[] {
    return this.#notes;
  }

  /** How old the answer is where the hub was not asked. */
  get ageMs(): number | null {
    return this.#ageMs;
  }

  get hasMore(): boolean {
    return this.#next !== null;
  }

  get failure(): ApiError | null {
    return this.#failure;
  }

  get asking(): boolean {
    return this.#asking;
  }

  /** Whether it is the answer to that search. */
  answers(query: URLSearchParams): boolean {
    return this.#query === String(query) && this.#failure === null;
  }

  /** Asks for the first page; of two searches the later one counts. */
  async ask(query: URLSearchParams): Promise<void> {
    this.#query = String(query);
    await this.#page(query, []);
  }

  /** Asks for the next page of the same. */
  async more(): Promise<void> {
    if (this.#next === null || this.#asking) return;
    const query = new URLSearchParams(this.#query);
    query.set("cursor", this.#next);
    await this.#page(query, this.#models ?? []);
  }

  async #page(query: URLSearchParams, before: readonly Found[]): Promise<void> {
    const turn = ++this.#turn;
    this.#asking = true;
    try {
      const page = await api.search(query);
      if (turn !== this.#turn) return;
      const known = new Set(before.map(({ id }) => id));
      this.#models = [...before, ...page.data.filter(({ id }) => !known.has(id))];
      this.#notes = page.notes;
      this.#ageMs = page.source === "cache" && page.age_s > 0 ? page.age_s * 1_000 : null;
      this.#next = page.next_cursor;
      this.#failure = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (turn === this.#turn) this.#failure = error;
    } finally {
      if (turn === this.#turn) this.#asking = false;
    }
  }
}

export const results = new Results();
