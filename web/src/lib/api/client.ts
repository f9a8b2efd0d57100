import { withKey } from "./key";
import type { paths } from "./schema";
import type { ChatMessage, FoundDetail, FoundPage, ImportRequest, LoadPlan, ModelCard, Revision, StarterList } from "./types";
import { visible } from "./visible";

/** What the server answered instead of what was asked for. `code` is stable, `message` a sentence. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint: string,
    readonly requestId: string | null,
    /** The path of the field that was refused, where it is one's fault. */
    readonly param: string | null = null,
  ) {
    super(message);
  }

  /** Everything a report of this error needs, one fact a line. */
  get details(): string {
    const facts = [this.message, this.hint, `code: ${this.code}`, `request: ${this.requestId}`];
    return facts.filter((fact) => fact !== "").join("\n");
  }
}

/** A load was refused because its plan no longer holds; `plan` is the one that does. */
export class PlanChanged extends ApiError {
  constructor(
    error: ApiError,
    readonly plan: LoadPlan,
  ) {
    super(error.code, error.message, error.hint, error.requestId, error.param);
  }
}

export const UNREACHABLE = "unreachable";

export const api = {
  leaveSafeMode: () => call("post", "/v1/manager/leave-safe-mode"),
  /** What loading would do; `context` in tokens, without one that of the settings. */
  plan: (id: string, context: number | null) =>
    call("post", "/v1/models/{name}/plan", { name: id, body: { context } }),
  /** Loads only as the plan with that token and context says. */
  load: (id: string, context: number | null, token: string) =>
    call("post", "/v1/models/{name}/load", { name: id, body: { context, plan_token: token } }),
  unload: (id: string, how: Unload) =>
    call("post", "/v1/models/{name}/unload", { name: id, query: UNLOAD_QUERY[how] }),
  rescan: () => call("post", "/v1/models/rescan"),
  /** What strangers have written of it. */
  modelCard: async (id: string) =>
    visible((await call("get", "/v1/models/{name}/card", { name: id })) as ModelCard),
  /** As it is written, for whoever is to change it: shown it is to be made visible. */
  modelTemplate: (id: string) => call("get", "/v1/models/{name}/template", { name: id }),
  /** What a chat template makes of a short conversation. Loads nothing. */
  tryTemplate: async (id: string, template: string) =>
    visible((await call("post", "/v1/models/{name}/template/try", { name: id, body: { template } })).prompt),
  /** Its commit beside that of the hub, which is asked now. */
  modelRevision: async (id: string) =>
    visible((await call("get", "/v1/models/{name}/revision", { name: id })) as Revision),
  /** The prompt that a conversation becomes, as tokens. Loads the model. */
  tokenize: async (id: string, messages: ChatMessage[]) =>
    (await call("post", "/v1/tokenize", { body: { model: id, messages } })).tokens,
  /** The text of tokens. Loads the model. */
  detokenize: async (id: string, tokens: number[]) =>
    visible((await call("post", "/v1/detokenize", { body: { model: id, tokens } })).prompt),
  settings: (id: string) => call("get", "/v1/models/{name}/settings", { name: id }),
  /** Null resets a setting. */
  changeSettings: (id: string, settings: Record<string, unknown>) =>
    call("patch", "/v1/models/{name}/settings", { name: id, body: { settings } }),
  /** Begins to take in a folder or a GGUF file of the server's machine. */
  import: (asked: ImportRequest) => call("post", "/v1/models/import", { body: asked }),
  cancelJob: (id: string) => call("post", "/v1/jobs/{job_id}/cancel", { name: id }),
  /** Also tries one again that failed. */
  resumeJob: (id: string) => call("post", "/v1/jobs/{job_id}/resume", { name: id }),
  /** Forgets one that has ended; what it has made stays. */
  removeJob: (id: string) => call("delete", "/v1/jobs/{job_id}", { name: id }),
  /** Begins the download of a model of the hub, or goes on with it. */
  install: (id: string, revision: string | null = null) =>
    call("post", "/v1/models/install", { body: { model_id: id, revision } }),
  pauseDownload: (id: string) => call("post", "/v1/downloads/{download_id}/pause", { name: id }),
  /** Also tries one again that failed. */
  resumeDownload: (id: string) => call("post", "/v1/downloads/{download_id}/resume", { name: id }),
  /** Ends it without a trace; forgets one that has ended. `outlives` the page that asks. */
  cancelDownload: (id: string, { outlives = false } = {}) =>
    call("delete", "/v1/downloads/{download_id}", { name: id, outlives }),
  /** Those named have their turn before all others. */
  orderDownloads: (ids: string[]) => call("post", "/v1/downloads/order", { body: { ids } }),
  /** A page of models on the hub; `query` is that of the endpoint. */
  search: async (query: URLSearchParams) =>
    visible((await call("get", "/v1/discover/models", { query: `?${query}` })) as FoundPage),
  found: async (id: string) =>
    visible((await call("get", "/v1/discover/models/{id}", { name: id })) as FoundDetail),
  starters: async () => visible((await call("get", "/v1/discover/starters")) as StarterList),
  /** What lies on the disks; counted now, which may take a while. */
  disk: () => call("get", "/v1/system/disk"),
  /** Moves its files to the trash; where that keeps nothing, they are deleted. */
  removeModel: (id: string) => call("delete", "/v1/models/{name}", { name: id }),
  trash: () => call("get", "/v1/trash"),
  restoreModel: (trashId: string) => call("post", "/v1/trash/{trash_id}/restore", { name: trashId }),
  /** Deletes it for good. */
  deleteTrash: (trashId: string) => call("delete", "/v1/trash/{trash_id}", { name: trashId }),
  /** Begins to measure how fast it is, with the usual trials. */
  benchmark: (id: string) => call("post", "/v1/models/{name}/benchmark", { name: id }),
  /** What was measured of it, the newest first. */
  benchmarks: (id: string) => call("get", "/v1/models/{name}/benchmarks", { name: id }),
  /** Rates, memory and what happened; `query` is that of the endpoint. */
  history: (query: URLSearchParams) => call("get", "/v1/metrics/history", { query: `?${query}` }),
  /** Requests under way, and the last of the others; `query` is that of the endpoint. */
  requests: (query: URLSearchParams) => call("get", "/v1/requests", { query: `?${query}` }),
  cancelRequest: (id: string) => call("post", "/v1/requests/{id}/cancel", { name: id }),
  dismissNotice: (id: number) => call("delete", "/v1/notices/{notice_id}", { name: String(id) }),
  /** All up to that one, and none that has come since. */
  dismissNotices: (until: number) => call("delete", "/v1/notices", { query: `?until=${until}` }),
  /** Loads the models again that have left. */
  undoEviction: (id: number) => call("post", "/v1/notices/{notice_id}/undo", { name: String(id) }),
  /** Where the server can be reached, and why not from elsewhere. */
  addresses: () => call("get", "/v1/system/addresses"),
  serverSettings: () => call("get", "/v1/settings"),
  changeServerSettings: (settings: Record<string, unknown>) =>
    call("patch", "/v1/settings", { body: { settings } }),
};

/** What becomes of running answers: they refuse the unload, are ended by it, or are waited for. */
export type Unload = "now" | "force" | "idle";

const UNLOAD_QUERY: Record<Unload, string> = { now: "", force: "?force=true", idle: "?when=idle" };

type Method = "get" | "post" | "patch" | "delete";
type Paths<M extends Method> = {
  [P in keyof paths]: paths[P][M] extends object ? P : never;
}[keyof paths];
type Answer<P extends keyof paths, M extends Method> = paths[P][M] extends
  | { responses: { 200: { content: { "application/json": infer Body } } } }
  | { responses: { 202: { content: { "application/json": infer Body } } } }
  ? Body
  : never;
type Question<P extends keyof paths, M extends Method> = paths[P][M] extends {
  requestBody?: { content: { "application/json": infer Body } };
}
  ? Body
  : never;

interface Parts<Body> {
  /** What stands in the path in the place of its parameter. */
  name?: string;
  query?: string;
  body?: Body;
  outlives?: boolean;
}

async function call<M extends Method, P extends Paths<M>>(
  method: M,
  path: P,
  { name = "", query = "", body, outlives = false }: Parts<Question<P, M>> = {},
): Promise<Answer<P, M>> {
  // The id's slashes stay slashes, all else is encoded.
  const encoded = name.split("/").map(encodeURIComponent).join("/");
  const address = path.replace(/\{\w+\}/, () => encoded) + query;
  const headers = withKey(body === undefined ? {} : { "content-type": "application/json" });
  const request: RequestInit = { method: method.toUpperCase(), keepalive: outlives, headers };
  if (body !== undefined) request.body = JSON.stringify(body);
  let response: Response;
  try {
    response = await fetch(address, request);
  } catch (cause) {
    throw new ApiError(UNREACHABLE, String(cause), "", null);
  }
  if (!response.ok) throw await refusal(response);
  return (await response.json()) as Answer<P, M>;
}

async function refusal(response: Response): Promise<ApiError> {
  const requestId = response.headers.get("x-request-id");
  const body: unknown = await response.json().catch(() => null);
  const error = member(body, "error");
  const text = (name: string) => {
    const value = member(error, name);
    return typeof value === "string" ? value : "";
  };
  const refused = new ApiError(
    text("code") || `http_${response.status}`,
    text("message") || `${response.status} ${response.statusText}`,
    text("hint"),
    requestId,
    text("param") || null,
  );
  const plan = member(body, "plan");
  return plan ? new PlanChanged(refused, plan as LoadPlan) : refused;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && name in value
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
