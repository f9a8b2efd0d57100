import type {
  Download,
  Hello,
  Job,
  Manager,
  Memory,
  Metrics,
  Model,
  Notice,
  RemovedDownload,
  RemovedJob,
  RemovedModel,
  RemovedNotice,
  ServerSettings,
  Snapshot,
  SystemStatus,
} from "../api/types";

export type StreamEvent =
  | { event: "hello"; data: Hello }
  | { event: "snapshot"; data: Snapshot }
  | { event: "model"; data: Model }
  | { event: "model_removed"; data: RemovedModel }
  | { event: "memory"; data: Memory }
  | { event: "manager"; data: Manager }
  | { event: "system"; data: SystemStatus }
  | { event: "settings"; data: ServerSettings }
  | { event: "metrics"; data: Metrics }
  | { event: "download"; data: Download }
  | { event: "download_removed"; data: RemovedDownload }
  | { event: "job"; data: Job }
  | { event: "job_removed"; data: RemovedJob }
  | { event: "notice"; data: Notice }
  | { event: "notice_removed"; data: RemovedNotice };

/** What the server last told. Null means that it has not told yet. */
export interface LiveState {
  readonly hello: Hello | null;
  readonly models: readonly Model[] | null;
  readonly memory: Memory | null;
  readonly manager: Manager | null;
  readonly system: SystemStatus | null;
  readonly settings: ServerSettings | null;
  /** The newest first. */
  readonly downloads: readonly Download[] | null;
  /** All that take long, downloads among them; the newest first. */
  readonly jobs: readonly Job[] | null;
  /** The last second in which something was other than in the one before. */
  readonly metrics: Metrics | null;
  /** In the order in which they were told. */
  readonly notices: readonly Notice[] | null;
}

export const NOTHING_YET: LiveState = {
  hello: null,
  models: null,
  memory: null,
  manager: null,
  system: null,
  settings: null,
  downloads: null,
  jobs: null,
  metrics: null,
  notices: null,
};

/**
 * The state after `event`. A snapshot replaces everything, so a gap in the stream or a restarted
 * server leaves nothing stale; what it does not know yet stays as it was. Changes of models that
 * come before the first snapshot are dropped.
 */
export function reduce(state: LiveState, { event, data }: StreamEvent): LiveState {
  switch (event) {
    case "hello":
      return { ...state, hello: data };
    case "snapshot":
      return {
        ...state,
        models: data.models,
        memory: data.memory,
        manager: data.manager ?? state.manager,
        system: data.system ?? state.system,
        settings: data.settings ?? state.settings,
        downloads: data.downloads ?? state.downloads,
        jobs: data.jobs ?? state.jobs,
        metrics: data.metrics ?? null,
        notices: data.notices ?? state.notices,
      };
    case "memory":
      return { ...state, memory: data };
    case "manager":
      return { ...state, manager: data };
    case "system":
      return { ...state, system: data };
    case "settings":
      return { ...state, settings: data };
    case "metrics":
      return { ...state, metrics: data };
    case "model":
      return state.models ? { ...state, models: replaced(state.models, data) } : state;
    case "model_removed":
      return { ...state, models: state.models?.filter(({ id }) => id !== data.id) ?? null };
    case "download":
      return state.downloads ? { ...state, downloads: withNews(state.downloads, data) } : state;
    case "download_removed":
      return { ...state, downloads: state.downloads?.filter(({ id }) => id !== data.id) ?? null };
    case "job":
      return state.jobs ? { ...state, jobs: withNews(state.jobs, data) } : state;
    case "job_removed":
      return { ...state, jobs: state.jobs?.filter(({ id }) => id !== data.id) ?? null };
    case "notice":
      return state.notices ? { ...state, notices: withNotice(state.notices, data) } : state;
    case "notice_removed":
      return { ...state, notices: state.notices?.filter(({ id }) => id !== data.id) ?? null };
  }
}

function replaced(models: readonly Model[], model: Model): readonly Model[] {
  const known = models.some(({ id }) => id === model.id);
  if (known) return models.map((old) => (old.id === model.id ? model : old));
  return [...models, model].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The list, the newest first, with `news` of one of its members, which may be a new one. */
function withNews<Each extends { id: string }>(list: readonly Each[], news: Each): readonly Each[] {
  const known = list.some(({ id }) => id === news.id);
  if (!known) return [news, ...list];
  return list.map((old) => (old.id === news.id ? news : old));
}

/** One that was renewed is the newest again; one that has only changed keeps its place. */
function withNotice(notices: readonly Notice[], notice: Notice): readonly Notice[] {
  const others = notices.filter(({ id }) => id !== notice.id);
  return [...others, notice].sort((a, b) => a.seq - b.seq);
}

const EVENTS: ReadonlySet<string> = new Set<StreamEvent["event"]>([
  "hello",
  "snapshot",
  "model",
  "model_removed",
  "memory",
  "manager",
  "system",
  "settings",
  "metrics",
  "download",
  "download_removed",
  "job",
  "job_removed",
  "notice",
  "notice_removed",
]);

/** A frame's content as an event; null for events that this build does not know. */
export function parseEvent(event: string, data: string): StreamEvent | null {
  return EVENTS.has(event) ? ({ event, data: JSON.parse(data) } as StreamEvent) : null;
}
