import { onMount } from "svelte";

import { ApiError } from "../api/client";

/** Something that the server is asked for when a part is shown, and again when somebody wants it. */
export class Asking<Answer> {
  #answer = $state.raw<Answer | null>(null);
  #failure = $state.raw<ApiError | null>(null);
  #busy = $state(false);

  constructor(readonly question: () => Promise<Answer>) {
    onMount(() => void this.ask());
  }

  get answer(): Answer | null {
    return this.#answer;
  }

  get failure(): ApiError | null {
    return this.#failure;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** What is known now, as by a change of one's own. */
  take(answer: Answer): void {
    this.#answer = answer;
  }

  async ask(): Promise<void> {
    this.#busy = true;
    try {
      this.#answer = await this.question();
      this.#failure = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#failure = error;
    } finally {
      this.#busy = false;
    }
  }
}
