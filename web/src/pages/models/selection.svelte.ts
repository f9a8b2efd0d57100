import { SvelteSet } from "svelte/reactivity";

/** The models, by id, that something is to be done to together. */
export class Selection {
  #ids = new SvelteSet<string>();
  #open = $state(false);

  /** Whether somebody selects now, so that every row can be marked. */
  get open(): boolean {
    return this.#open;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  begin(): void {
    this.#open = true;
  }

  /** Marks that one, or takes its mark away. */
  toggle(id: string): void {
    this.#open = true;
    if (!this.#ids.delete(id)) this.#ids.add(id);
  }

  /** Marks exactly these. */
  put(ids: readonly string[]): void {
    this.#ids.clear();
    for (const id of ids) this.#ids.add(id);
  }

  end(): void {
    this.#open = false;
    this.#ids.clear();
  }
}
