import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { Connection, type LinkStatus } from "../src/lib/api/events";
import { takeKey } from "../src/lib/api/key";

/** A server of which the test decides when it answers, speaks and hangs up. */
class FakeServer {
  up = true;
  /** What it wants of whoever asks. */
  key: string | null = null;
  requests: Headers[] = [];
  stream: ReadableStreamDefaultController<Uint8Array> | null = null;

  fetch = (_: unknown, { headers, signal }: { headers: HeadersInit; signal: AbortSignal }) => {
    this.requests.push(new Headers(headers));
    if (this.key !== null && new Headers(headers).get("authorization") !== `Bearer ${this.key}`)
      return Promise.resolve(new Response("{}", { status: 401 }));
    if (!this.up) return Promise.reject(new TypeError("refused"));
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.stream = controller;
        signal.addEventListener("abort", () => controller.error(new DOMException("", "AbortError")));
      },
    });
    return Promise.resolve(new Response(body));
  };

  say(text: string): void {
    this.stream?.enqueue(new TextEncoder().encode(text));
  }

  hangUp(): void {
    this.stream?.close();
  }
}

let server: FakeServer;
let connection: Connection;
let states: LinkStatus["state"][];
let heard: string[];

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  vi.stubGlobal("fetch", server.fetch);
  states = [];
  heard = [];
  connection = new Connection({
    event: (name, data) => heard.push(`${name} ${data}`),
    beat: () => {},
    status: ({ state }) => states.at(-1) !== state && states.push(state),
  });
  void connection.run();
});

afterEach(() => {
  connection.stop();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

it("passes on what the server says", async () => {
  await pass(0);
  server.say("event: model\ndata: {}\n\n");
  await pass(0);
  expect(states).toEqual(["connected"]);
  expect(heard).toEqual(["model {}"]);
});

it("comes back after the server hung up, and says from where", async () => {
  await pass(0);
  server.say("id: 7\nevent: model\ndata: 1\n\n");
  await pass(0);
  server.hangUp();
  await pass(0);
  expect(states).toEqual(["connected", "lost"]);
  await pass(1_000);
  expect(states).toEqual(["connected", "lost", "connected"]);
  expect(server.requests.map((headers) => headers.get("last-event-id"))).toEqual([null, "7"]);
});

it("takes 25 s of silence for a lost link, and a comment for life", async () => {
  await pass(0);
  await pass(20_000);
  server.say(": still here\n\n");
  await pass(20_000);
  expect(states).toEqual(["connected"]);
  await pass(5_000);
  expect(states).toEqual(["connected", "lost"]);
});

it("waits longer after each failure, but no more than 10 s", async () => {
  server.up = false;
  server.hangUp();
  await pass(60_000);
  const count = server.requests.length;
  await pass(10_000);
  expect(server.requests.length - count).toBe(1);
});

it("tries at once when asked to", async () => {
  await pass(0);
  server.up = false;
  server.hangUp();
  await pass(20_000);
  server.up = true;
  connection.retry();
  await pass(0);
  expect(states.at(-1)).toBe("connected");
});

it("waits for a key that the server wants, and asks with it", async () => {
  await pass(0);
  server.key = "right";
  server.hangUp();
  await pass(1_000);
  expect(states).toEqual(["connected", "lost", "locked"]);
  const asked = server.requests.length;
  await pass(60_000);
  expect(server.requests).toHaveLength(asked);
  takeKey("wrong");
  connection.retry();
  await pass(0);
  expect(states.at(-1)).toBe("locked");
  takeKey("right");
  connection.retry();
  await pass(0);
  expect(states.at(-1)).toBe("connected");
});

it("tries no more after it was stopped", async () => {
  await pass(0);
  connection.stop();
  await pass(60_000);
  expect(server.requests).toHaveLength(1);
});
