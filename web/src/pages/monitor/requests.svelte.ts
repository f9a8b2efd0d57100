import { api, ApiError, UNREACHABLE } from "../../lib/api/client";
import type { RequestFacts } from "../../lib/api/types";
import { t } from "../../lib/i18n";
import { words } from "../../lib/i18n/monitor";
import { toasts } from "../../lib/state/toasts.svelte";

const RUNNING = new URLSearchParams({ limit: "1" });

/** The requests under way, as the server lists them when it is asked. */
export class Running {
  #list = $state.raw<readonly RequestFacts[] | null>(null);
  #refused = $state(false);
  #asked = 0;

  /** Null before the first answer. */
  get list(): readonly RequestFacts[] | null {
    return this.#list;
  }

  /** Who asks is not for whoever looks. */
  get refused(): boolean {
    return this.#refused;
  }

  async ask(): Promise<void> {
    const turn = ++this.#asked;
    try {
      const { running } = await api.requests(RUNNING);
      if (turn !== this.#asked) return;
      this.#list = running as RequestFacts[];
      this.#refused = false;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // A lost link is told elsewhere, and what was known is still the best guess.
      if (error.code !== UNREACHABLE) this.#refused = true;
    }
  }

  async cancel(request: RequestFacts): Promise<void> {
    try {
      await api.cancelRequest(request.id);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const reason = error.code === UNREACHABLE ? t.models.unreachable : error.message;
      toasts.fail(words.running.notCancelled(reason), error.details);
    }
    await this.ask();
  }
}
