import { Connection, type LinkStatus } from "./events";
import { takeKey } from "./key";

/** What a tab that joins late gets from the tab that holds the connection. */
export interface Shared<State> {
  state: State;
  status: LinkStatus;
  key: string | null;
}

export interface LinkHandlers<State> {
  event(name: string, data: string): void;
  status(status: LinkStatus): void;
  adopt(shared: Shared<State>): void;
  /** The present state of this tab, to hand to others. */
  share(): Shared<State>;
}

type Message<State> =
  | { kind: "event"; name: string; data: string }
  | { kind: "status"; status: LinkStatus }
  | { kind: "beat" }
  | { kind: "join" }
  | { kind: "retry" }
  | { kind: "key"; key: string }
  | { kind: "shared"; shared: Shared<State> };

const NAME = "mlx-gui:events";
const SILENCE_MS = 30_000;

/**
 * One event stream for all tabs of a browser, since it allows only six connections to a server.
 * The tab that holds the Web Lock keeps the stream and passes it on; when it closes, the lock and
 * with it the stream go to another tab. Without Web Locks (a page that is neither HTTPS nor
 * loopback) every tab has its own stream.
 */
export class SharedLink<State> {
  #channel: BroadcastChannel | null = null;
  #connection: Connection | null = null;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #silent = false;

  constructor(readonly handlers: LinkHandlers<State>) {}

  start(): void {
    if (!("locks" in navigator)) {
      void this.#lead();
      return;
    }
    this.#channel = new BroadcastChannel(NAME);
    this.#channel.onmessage = ({ data }: MessageEvent<Message<State>>) => this.#receive(data);
    this.#send({ kind: "join" });
    this.#heard();
    void navigator.locks.request(NAME, () => this.#lead());
  }

  /** Tries a lost connection again now. */
  retry(): void {
    if (this.#connection) this.#connection.retry();
    else this.#send({ kind: "retry" });
  }

  /** Asks with that key from now on, and so do the other tabs. */
  unlock(key: string): void {
    this.#send({ kind: "key", key });
    this.#unlock(key);
  }

  #unlock(key: string): void {
    takeKey(key);
    this.#connection?.retry();
  }

  #lead(): Promise<void> {
    clearTimeout(this.#silence);
    this.#connection = new Connection({
      event: (name, data) => {
        this.handlers.event(name, data);
        this.#send({ kind: "event", name, data });
      },
      status: (status) => {
        this.handlers.status(status);
        this.#send({ kind: "status", status });
      },
      beat: () => this.#send({ kind: "beat" }),
    });
    return this.#connection.run();
  }

  #receive(message: Message<State>): void {
    if (message.kind === "key") return this.#unlock(message.key);
    if (this.#connection) {
      if (message.kind === "join") this.#send({ kind: "shared", shared: this.handlers.share() });
      if (message.kind === "retry") this.#connection.retry();
      return;
    }
    // It speaks again; what it said meanwhile is in its state.
    if (this.#silent) this.#send({ kind: "join" });
    this.#heard();
    if (message.kind === "event") this.handlers.event(message.name, message.data);
    if (message.kind === "status") this.handlers.status(message.status);
    if (message.kind === "shared") {
      if (message.shared.key !== null) takeKey(message.shared.key);
      this.handlers.adopt(message.shared);
    }
  }

  /** A leading tab that the browser froze sends nothing, not even that the link is lost. */
  #heard(): void {
    clearTimeout(this.#silence);
    this.#silent = false;
    this.#silence = setTimeout(() => {
      this.#silent = true;
      this.handlers.status({ state: "lost", since: Date.now(), retryAt: null });
    }, SILENCE_MS);
  }

  #send(message: Message<State>): void {
    this.#channel?.postMessage(message);
  }
}
