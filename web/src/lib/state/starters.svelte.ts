import { api, ApiError } from "../api/client";
import type { StarterList } from "../api/types";

/** The catalogue that comes with the program. */
class Starters {
  #list = $state.raw<StarterList | null>(null);
  #failure = $state.raw<ApiError | null>(null);

  get list(): StarterList | null {
    return this.#list;
  }

  get failure(): ApiError | null {
    return this.#failure;
  }

  async read(): Promise<void> {
    try {
      this.#list = await api.starters();
      this.#failure = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#failure = error;
    }
  }
}

export const starters = new Starters();
