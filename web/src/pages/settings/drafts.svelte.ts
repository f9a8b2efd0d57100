import { api, ApiError, UNREACHABLE } from "../../lib/api/client";
import type { ServerSetting } from "../../lib/api/types";
import { words } from "../../lib/i18n/settings";
import type { Written } from "../../lib/measure";
import { live } from "../../lib/state/live.svelte";
import { keep, kept } from "../../lib/state/storage";
import { toasts } from "../../lib/state/toasts.svelte";
import { now, valueOf, type Draft } from "./draft";

export type Settings = Readonly<Record<string, ServerSetting>>;
type Drafted = Readonly<Record<string, Draft>>;

/** Why the server took none of the changes. */
interface Problem {
  readonly text: string;
  readonly details: string;
}

const KEY = "mlx-gui:settings";
const PREFIX = "settings.";

/** What somebody has written on the page of settings. It outlives a look elsewhere, and a reload. */
class Drafts {
  #all = $state.raw<Drafted>(read());
  #refused = $state.raw<Readonly<Record<string, string>>>({});
  #problem = $state.raw<Problem | null>(null);
  #applying = $state(false);

  of(name: string): Draft | undefined {
    return this.#all[name];
  }

  /** The names of what is changed, in the order in which that was begun. */
  get names(): string[] {
    return Object.keys(this.#all);
  }

  get applying(): boolean {
    return this.#applying;
  }

  /** What is no single one's fault. */
  get problem(): Problem | null {
    return this.#problem;
  }

  /** Why the server did not take what is written for `name`. */
  refusal(name: string): string | undefined {
    return this.#refused[name];
  }

  /** What is written in its field; what is written back to what it was is no change. */
  write(name: string, setting: ServerSetting, text: Written): void {
    const draft = { ...this.#begun(name, setting), written: text };
    const back = setting.secret ? text.text === "" : JSON.stringify(valueOf(setting, draft)) === now(setting);
    this.#set(name, back ? null : draft);
  }

  reset(name: string, setting: ServerSetting): void {
    this.#set(name, { ...this.#begun(name, setting), written: null });
  }

  /** Takes back what is written for `name`. */
  drop(name: string): void {
    this.#set(name, null);
  }

  /** Takes back everything; the toast brings it back. */
  discard(): void {
    const before = this.#all;
    this.#put({});
    toasts.show({
      text: words.changes.discarded(Object.keys(before).length),
      action: { label: words.changes.undo, run: () => this.#put({ ...before, ...this.#all }) },
    });
  }

  /** Has the server take all of it, or none. What is refused stays as it is written. */
  async apply(settings: Settings): Promise<void> {
    const sent = Object.entries(this.#all).filter(([name]) => name in settings);
    this.#applying = true;
    this.#problem = null;
    this.#refused = {};
    try {
      const changes = sent.map(([name, draft]) => [name, valueOf(settings[name]!, draft)]);
      live.answered(await api.changeServerSettings(Object.fromEntries(changes)));
      // What was written meanwhile is not what was sent.
      const left = Object.entries(this.#all).filter(([, draft]) => !sent.some(([, each]) => each === draft));
      this.#put(Object.fromEntries(left));
      toasts.show({ text: words.changes.applied(sent.length) });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#refuse(error);
    } finally {
      this.#applying = false;
    }
  }

  #refuse(error: ApiError): void {
    const name = error.param?.startsWith(PREFIX) ? error.param.slice(PREFIX.length) : "";
    if (name in this.#all) {
      this.#refused = { [name]: error.message };
      return;
    }
    const reason = [error.message, error.hint].filter(Boolean).join(" ");
    const text = error.code === UNREACHABLE ? words.changes.unreachable : words.changes.refused(reason);
    this.#problem = { text, details: error.details };
  }

  #begun(name: string, setting: ServerSetting): Omit<Draft, "written"> {
    return { base: this.#all[name]?.base ?? now(setting), secret: setting.secret };
  }

  #set(name: string, draft: Draft | null): void {
    const without = <Each>(all: Readonly<Record<string, Each>>) =>
      Object.fromEntries(Object.entries(all).filter(([each]) => each !== name));
    this.#refused = without(this.#refused);
    this.#problem = null;
    this.#put(draft === null ? without(this.#all) : { ...this.#all, [name]: draft });
  }

  #put(all: Drafted): void {
    this.#all = all;
    // No secret is left in the browser.
    const plain = Object.entries(all).filter(([, { secret }]) => !secret);
    keep("sessionStorage", KEY, plain.length > 0 ? JSON.stringify(Object.fromEntries(plain)) : null);
  }
}

function read(): Drafted {
  try {
    return JSON.parse(kept("sessionStorage", KEY) ?? "{}") as Drafted;
  } catch {
    return {};
  }
}

export const drafts = new Drafts();
