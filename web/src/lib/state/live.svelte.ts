import { api } from "../api/client";
import type { LinkStatus } from "../api/events";
import { SharedLink } from "../api/shared-link";
import type { Model, SystemStatus } from "../api/types";
import { assignSeries } from "../series";
import { NOTHING_YET, parseEvent, reduce, type LiveState } from "./reduce";

/** A lost link under this age is nobody's business yet. */
const GRACE_MS = 2_000;

/** What the server tells by events, and whether it still does. */
class Live {
  #state = $state.raw<LiveState>(NOTHING_YET);
  #link = $state.raw<LinkStatus>({ state: "connecting" });
  #system = $state.raw<SystemStatus | null>(null);
  #graceOver = $state(false);
  #series = $derived(assignSeries(this.#state.memory?.segments.map(({ model_id }) => model_id) ?? []));
  #grace: ReturnType<typeof setTimeout> | undefined;

  readonly #shared = new SharedLink<LiveState>({
    event: (name, data) => this.#event(name, data),
    status: (status) => this.#status(status),
    adopt: ({ state, status }) => {
      this.#state = state;
      this.#status(status);
    },
    share: () => ({ state: this.#state, status: this.#link }),
  });

  start(): void {
    this.#shared.start();
  }

  retry(): void {
    this.#shared.retry();
  }

  get models(): readonly Model[] | null {
    return this.#state.models;
  }

  get memory(): LiveState["memory"] {
    return this.#state.memory;
  }

  get system(): SystemStatus | null {
    return this.#system;
  }

  get link(): LinkStatus {
    return this.#link;
  }

  /** Lost for long enough to say so; all values are then as old as `link.since`. */
  get lost(): boolean {
    return this.#link.state === "lost" && this.#graceOver;
  }

  /** The server is of another version than this page. */
  get outdated(): boolean {
    const served = this.#state.hello?.ui_build;
    return Boolean(served && __UI_BUILD__ && served !== __UI_BUILD__);
  }

  /** The colour of a model, the same wherever it shows, as a value for CSS. */
  color(modelId: string): string {
    return `var(--series-${this.#series.get(modelId) ?? 1})`;
  }

  #event(name: string, data: string): void {
    const event = parseEvent(name, data);
    if (event) this.#state = reduce(this.#state, event);
  }

  #status(status: LinkStatus): void {
    const before = this.#link.state;
    this.#link = status;
    if (status.state === before) return;
    clearTimeout(this.#grace);
    this.#graceOver = false;
    if (status.state === "lost") this.#grace = setTimeout(() => (this.#graceOver = true), GRACE_MS);
    if (status.state === "connected") void this.#readSystem();
  }

  /** What changes only with the server's own life. The stream has the rest. */
  async #readSystem(): Promise<void> {
    this.#system = await api.system().catch(() => this.#system);
  }
}

export const live = new Live();
