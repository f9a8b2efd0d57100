import { takenKey, UNAUTHENTICATED, withKey } from "./key";
import { FrameParser } from "./sse";

export type LinkStatus =
  | { readonly state: "connecting" }
  | { readonly state: "connected" }
  /** It answers, but wants a key, or another one than it was asked with. */
  | { readonly state: "locked"; readonly wrong: boolean }
  | { readonly state: "lost"; readonly since: number; readonly retryAt: number | null };

/** What any page shows; some of it the server tells only to who asks for it. */
const TOPICS = ["models", "memory", "manager", "system", "jobs", "downloads", "settings", "metrics", "notices"] as const;
const SILENCE_MS = 25_000;
const RETRY_MS = [1_000, 2_000, 4_000, 8_000, 10_000] as const;

export interface ConnectionEvents {
  /** An event of the stream; a beat is any sign of life, events included. */
  event(name: string, data: string): void;
  beat(): void;
  status(status: LinkStatus): void;
}

/** The one connection to `/v1/events`. It reconnects for ever; `stop` ends it. */
export class Connection {
  #stopped = new AbortController();
  #attempt = new AbortController();
  #skipDelay = () => {};
  #lastEventId: string | null = null;
  #lostSince: number | null = null;
  #locked = false;

  constructor(readonly events: ConnectionEvents) {}

  async run(): Promise<void> {
    for (let failures = 0; !this.#stopped.signal.aborted; failures++) {
      if (await this.#connectOnce()) failures = 0;
      if (this.#stopped.signal.aborted) return;
      if (this.#locked) await this.#wait();
      else await this.#pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 0);
    }
  }

  /** Tries again now instead of when the delay is over. */
  retry(): void {
    this.#skipDelay();
  }

  stop(): void {
    this.#stopped.abort();
    this.#attempt.abort();
    this.#skipDelay();
  }

  /** Reads the stream to its end; true if it was open at all. */
  async #connectOnce(): Promise<boolean> {
    this.#attempt = new AbortController();
    this.#locked = false;
    let opened = false;
    let watch = this.#watchForSilence();
    try {
      const headers = withKey({ accept: "text/event-stream" });
      if (this.#lastEventId !== null) headers["last-event-id"] = this.#lastEventId;
      const response = await fetch(`/v1/events?topics=${TOPICS.join()}`, { headers, signal: this.#attempt.signal });
      this.#locked = response.status === UNAUTHENTICATED;
      if (this.#locked) this.events.status({ state: "locked", wrong: takenKey() !== null });
      if (!response.ok || !response.body) return false;
      opened = true;
      this.#lostSince = null;
      this.events.status({ state: "connected" });
      const parser = new FrameParser();
      const decoder = new TextDecoder();
      const reader = response.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return opened;
        clearTimeout(watch);
        watch = this.#watchForSilence();
        this.events.beat();
        for (const { id, event, data } of parser.feed(decoder.decode(value, { stream: true }))) {
          if (id !== null) this.#lastEventId = id;
          if (data !== null) this.events.event(event, data);
        }
      }
    } catch (error) {
      // A refused or cut connection is a TypeError of fetch, silence is our own abort.
      if (error instanceof TypeError || this.#attempt.signal.aborted) return opened;
      throw error;
    } finally {
      clearTimeout(watch);
    }
  }

  #watchForSilence(): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#attempt.abort(), SILENCE_MS);
  }

  /** Ends after `ms`, or when somebody wants it to: without `ms` then alone. */
  #wait(ms?: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(resolve, ms);
      this.#skipDelay = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #pause(delayMs: number): Promise<void> {
    this.#lostSince ??= Date.now();
    const since = this.#lostSince;
    this.events.status({ state: "lost", since, retryAt: Date.now() + delayMs });
    await this.#wait(delayMs);
    if (!this.#stopped.signal.aborted) this.events.status({ state: "lost", since, retryAt: null });
  }
}
