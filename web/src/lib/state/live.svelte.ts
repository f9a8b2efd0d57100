import type { LinkStatus } from "../api/events";
import { takenKey } from "../api/key";
import { SharedLink } from "../api/shared-link";
import type {
  Download,
  Job,
  LoadedModel,
  Model,
  Notice,
  ServerSettings,
  UnloadedModel,
  WaitingModel,
} from "../api/types";
import { assignSeries } from "../series";
import { NOTHING_YET, parseEvent, reduce, type LiveState } from "./reduce";

/** A lost link under this age is nobody's business yet. */
const GRACE_MS = 2_000;

/** What the server tells by events, and whether it still does. */
class Live {
  #state = $state.raw<LiveState>(NOTHING_YET);
  // Each by itself: a second of figures is nothing to whoever shows models.
  readonly #models = $derived(this.#state.models);
  readonly #memory = $derived(this.#state.memory);
  readonly #manager = $derived(this.#state.manager);
  readonly #system = $derived(this.#state.system);
  readonly #settings = $derived(this.#state.settings);
  readonly #metrics = $derived(this.#state.metrics);
  readonly #downloads = $derived(this.#state.downloads);
  readonly #jobs = $derived(this.#state.jobs);
  readonly #notices = $derived(this.#state.notices);
  readonly #hello = $derived(this.#state.hello);
  #link = $state.raw<LinkStatus>({ state: "connecting" });
  #graceOver = $state(false);
  #unlocked = $state(0);
  /** A model that is about to be loaded: it has its colour already. */
  #expected = $state<string | null>(null);
  #series = $derived(assignSeries(this.#colored));
  #noticed: (notice: Notice) => void = () => {};
  #grace: ReturnType<typeof setTimeout> | undefined;

  readonly #shared = new SharedLink<LiveState>({
    event: (name, data) => this.#event(name, data),
    status: (status) => this.#status(status),
    adopt: ({ state, status }) => {
      this.#state = state;
      this.#status(status);
    },
    share: () => ({ state: this.#state, status: this.#link, key: takenKey() }),
  });

  start(): void {
    this.#shared.start();
  }

  /** Asks the server with that key from now on. */
  unlock(key: string): void {
    this.#shared.unlock(key);
  }

  retry(): void {
    this.#shared.retry();
  }

  get models(): readonly Model[] | null {
    return this.#models;
  }

  get memory(): LiveState["memory"] {
    return this.#memory;
  }

  get manager(): LiveState["manager"] {
    return this.#manager;
  }

  get system(): LiveState["system"] {
    return this.#system;
  }

  /** The settings of the server; null before they were told. */
  get settings(): ServerSettings | null {
    return this.#settings;
  }

  /** What the server has just answered goes before what it told earlier. */
  answered(settings: ServerSettings): void {
    this.#state = reduce(this.#state, { event: "settings", data: settings });
  }

  /** The last second; null before it was told. */
  get metrics(): LiveState["metrics"] {
    return this.#metrics;
  }

  /** The newest first. */
  get downloads(): readonly Download[] | null {
    return this.#downloads;
  }

  /** What takes long, the newest first; null before it was told. */
  get jobs(): readonly Job[] | null {
    return this.#jobs;
  }

  /** In the order in which they were told; null before they were. */
  get notices(): readonly Notice[] | null {
    return this.#notices;
  }

  /** Has `told` called with what an event brings, beside what the snapshot has. */
  onNotice(told: (notice: Notice) => void): void {
    this.#noticed = told;
  }

  /** Changes with every start of the server; null before it was told. */
  get bootId(): string | null {
    return this.#hello?.boot_id ?? null;
  }

  get link(): LinkStatus {
    return this.#link;
  }

  /** Lost for long enough to say so, all values are then as old as `link.since`; or locked. */
  get lost(): boolean {
    return this.locked || (this.#link.state === "lost" && this.#graceOver);
  }

  /** The server wants a key. */
  get locked(): boolean {
    return this.#link.state === "locked";
  }

  /** Becomes another number when a key is found to be right before anything was told. */
  get unlocked(): number {
    return this.#unlocked;
  }

  /** The server is of another version than this page. */
  get outdated(): boolean {
    const served = this.#hello?.ui_build;
    return Boolean(served && __UI_BUILD__ && served !== __UI_BUILD__);
  }

  /** The colour of a model, the same wherever it shows, as a value for CSS. */
  color(modelId: string): string {
    return `var(--series-${this.#series.get(modelId) ?? 1})`;
  }

  /** Gives that model a colour as if it were in memory; null takes it back. */
  expect(modelId: string | null): void {
    this.#expected = modelId;
  }

  /** How the model stands that has a worker. */
  loaded(modelId: string): LoadedModel | undefined {
    return this.#manager?.loaded_models.find(({ id }) => id === modelId) as LoadedModel | undefined;
  }

  /** How the model stands that somebody waits for and that has no worker yet. */
  waiting(modelId: string): WaitingModel | undefined {
    return this.#manager?.waiting.find(({ id }) => id === modelId);
  }

  /** How the model stands that was in memory, or was to be, and is not now. */
  unloaded(modelId: string): UnloadedModel | undefined {
    return this.#manager?.unloaded_models.find(({ id }) => id === modelId);
  }

  /** The installed model with that id. */
  installed(modelId: string): Model | undefined {
    return this.#models?.find(({ id }) => id === modelId);
  }

  /** The latest download of that model, unless it is one that is over. */
  downloadOf(modelId: string): Download | undefined {
    const latest = this.#downloads?.find((download) => download.model_id === modelId);
    return latest && latest.state !== "done" && latest.state !== "cancelled" ? latest : undefined;
  }

  get #colored(): string[] {
    const ids = this.#memory?.segments.map(({ model_id }) => model_id) ?? [];
    const expected = this.#expected;
    return expected === null || ids.includes(expected) ? ids : [...ids, expected];
  }

  #event(name: string, data: string): void {
    const event = parseEvent(name, data);
    if (!event) return;
    if (event.event === "notice") this.#noticed(event.data);
    this.#state = reduce(this.#state, event);
  }

  #status(status: LinkStatus): void {
    const before = this.#link.state;
    this.#link = status;
    if (status.state === before) return;
    if (before === "locked" && status.state === "connected" && this.#state.models === null) this.#unlocked++;
    clearTimeout(this.#grace);
    this.#graceOver = false;
    if (status.state === "lost") this.#grace = setTimeout(() => (this.#graceOver = true), GRACE_MS);
  }
}

export const live = new Live();
