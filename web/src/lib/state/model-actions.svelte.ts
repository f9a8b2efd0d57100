import { SvelteSet } from "svelte/reactivity";

import { api, ApiError, UNREACHABLE } from "../api/client";
import type { Model } from "../api/types";
import { t } from "../i18n";
import { toasts } from "./toasts.svelte";

/** The row itself shows these, with the reason. */
const SHOWN_BY_STATE = new Set(["load_failed", "load_timeout", "worker_failed", "model_unsupported"]);
/** What a load ends with when somebody cancels it by an unload. */
const CANCELLED = "conflict";

/** Models (by id) that this tab waits for; the others' changes come by events alone. */
const pending = new SvelteSet<string>();

export function isPending(id: string): boolean {
  return pending.has(id);
}

export async function load(model: Model): Promise<void> {
  await attempt(model, async () => {
    await api.load(model.id);
  }, t.models.notLoaded, [...SHOWN_BY_STATE, CANCELLED]);
}

/** Takes it out of memory; `force` also when it answers. The toast brings it back. */
export async function unload(model: Model, { force = false } = {}): Promise<void> {
  await attempt(model, async () => {
    const { was_loaded, freed_bytes } = await api.unload(model.id, force);
    if (!was_loaded) return;
    toasts.show({
      text: t.models.unloaded(model.display_name, freed_bytes),
      action: { label: t.models.loadAgain, run: () => void load(model) },
    });
  }, t.models.notUnloaded, []);
}

export async function rescan(): Promise<void> {
  try {
    const { data } = await api.rescan();
    toasts.show({ text: t.models.rescanned(data.length) });
  } catch (error) {
    fail(error, t.models.notRescanned);
  }
}

async function attempt(
  model: Model,
  work: () => Promise<void>,
  sentence: (name: string, reason: string) => string,
  silent: readonly string[],
): Promise<void> {
  pending.add(model.id);
  try {
    await work();
  } catch (error) {
    if (error instanceof ApiError && silent.includes(error.code)) return;
    fail(error, (reason) => sentence(model.display_name, reason));
  } finally {
    pending.delete(model.id);
  }
}

function fail(error: unknown, sentence: (reason: string) => string): void {
  if (!(error instanceof ApiError)) throw error;
  const reason = error.code === UNREACHABLE ? t.models.unreachable : error.message;
  const text = [sentence(reason), error.hint].filter(Boolean).join(" ");
  toasts.fail(text, error.details);
}
