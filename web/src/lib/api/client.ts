import type { paths } from "./schema";

/** What the server answered instead of what was asked for. `code` is stable, `message` a sentence. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint: string,
    readonly requestId: string | null,
  ) {
    super(message);
  }

  /** Everything a report of this error needs, one fact a line. */
  get details(): string {
    const facts = [this.message, this.hint, `code: ${this.code}`, `request: ${this.requestId}`];
    return facts.filter((fact) => fact !== "").join("\n");
  }
}

export const UNREACHABLE = "unreachable";

export const api = {
  system: () => call("get", "/v1/system/status"),
  load: (id: string) => call("post", "/v1/models/{name}/load", { name: id }),
  unload: (id: string, force: boolean) =>
    call("post", "/v1/models/{name}/unload", { name: id, query: force ? "?force=true" : "" }),
  rescan: () => call("post", "/v1/models/rescan"),
};

type Method = "get" | "post";
type Paths<M extends Method> = {
  [P in keyof paths]: paths[P][M] extends object ? P : never;
}[keyof paths];
type Answer<P extends keyof paths, M extends Method> = paths[P][M] extends {
  responses: { 200: { content: { "application/json": infer Body } } };
}
  ? Body
  : never;

async function call<M extends Method, P extends Paths<M>>(
  method: M,
  path: P,
  { name = "", query = "" } = {},
): Promise<Answer<P, M>> {
  // The id's slashes stay slashes, all else is encoded.
  const encoded = name.split("/").map(encodeURIComponent).join("/");
  const address = path.replace("{name}", encoded) + query;
  let response: Response;
  try {
    response = await fetch(address, { method: method.toUpperCase(), headers: { "x-mlx-gui": "1" } });
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
  return new ApiError(
    text("code") || `http_${response.status}`,
    text("message") || `${response.status} ${response.statusText}`,
    text("hint"),
    requestId,
  );
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && name in value
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
