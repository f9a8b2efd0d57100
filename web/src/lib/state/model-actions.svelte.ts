import { SvelteSet } from "svelte/reactivity";

import { api, ApiError, PlanChanged, UNREACHABLE, type Unload } from "../api/client";
import type { LoadPlan, Model } from "../api/types";
import { t } from "../i18n";
import { proposals } from "./proposal.svelte";
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

/** Loads it if it simply fits; else its plan is shown, and somebody has to say yes. */
export async function load(model: Model): Promise<void> {
  // What is disabled meanwhile loses the focus.
  const opener = document.activeElement;
  await attempt(model, async () => {
    const plan = await api.plan(model.id, null);
    if (plan.fits === "yes") await loadAs(model, plan, null);
    else proposals.show(model.id, plan, opener);
  }, t.models.notLoaded);
}

/** Loads it as `plan` for that context says. What no longer holds is shown anew. */
export async function loadAs(model: Model, plan: LoadPlan, context: number | null): Promise<void> {
  await attempt(model, async () => {
    try {
      await api.load(model.id, context, plan.plan_token);
    } catch (error) {
      if (!(error instanceof PlanChanged)) throw error;
      if (error.plan.fits === "yes") await loadAs(model, error.plan, context);
      else proposals.showChanged(model.id, error.plan, context);
    }
  }, t.models.notLoaded, [...SHOWN_BY_STATE, CANCELLED]);
}

/** Takes it out of memory. The toast brings it back. */
export async function unload(model: Model, how: Unload = "now"): Promise<void> {
  const ask = async () => {
    const { was_loaded, freed_bytes } = await api.unload(model.id, how);
    if (!was_loaded) return;
    toasts.show({
      text: t.models.unloaded(model.display_name, freed_bytes),
      action: { label: t.models.loadAgain, run: () => void load(model) },
    });
  };
  // Whoever waits for the answers can still stop them, so that is nothing to wait for.
  if (how === "idle") await told(model, ask, t.models.notUnloaded);
  else await attempt(model, ask, t.models.notUnloaded);
}

/** Pins or unpins it; true if that was done. */
export async function pin(model: Model, pinned: boolean): Promise<boolean> {
  let done = false;
  await told(model, async () => {
    await api.changeSettings(model.id, { pinned });
    done = true;
  }, t.models.notChanged);
  return done;
}

/** Turns its pin round, wherever it is shown; the toast turns it back. */
export async function switchPin(model: Model): Promise<void> {
  const pinned = !model.pinned;
  if (!(await pin(model, pinned))) return;
  const text = pinned ? t.models.pinnedName : t.models.unpinnedName;
  toasts.show({
    text: text(model.display_name),
    action: { label: t.models.undo, run: () => void pin(model, !pinned) },
  });
}

export async function leaveSafeMode(): Promise<void> {
  try {
    await api.leaveSafeMode();
  } catch (error) {
    failed(error, t.safeMode.notLeft);
  }
}

/** Plans the proposed load anew: for that context, or (null) because something else has changed. */
export function replan(model: Model, context: number | null): void {
  const notPlanned = (error: unknown) =>
    failed(error, (reason) => t.plan.notPlanned(model.display_name, reason));
  if (context === null) void proposals.again().catch(notPlanned);
  else proposals.want(context, notPlanned);
}

export async function rescan(): Promise<void> {
  try {
    const { data } = await api.rescan();
    toasts.show({ text: t.models.rescanned(data.length) });
  } catch (error) {
    failed(error, t.models.notRescanned);
  }
}

/** Does `work` while the model is pending. */
async function attempt(
  model: Model,
  work: () => Promise<void>,
  sentence: (name: string, reason: string) => string,
  silent: readonly string[] = [],
): Promise<void> {
  await whilePending(model, () => told(model, work, sentence, silent));
}

/** Does `work`, whose end somebody waits for who can do nothing else with the model meanwhile. */
export async function whilePending<Done>(model: Model, work: () => Promise<Done>): Promise<Done> {
  pending.add(model.id);
  try {
    return await work();
  } finally {
    pending.delete(model.id);
  }
}

/** Does `work`; a toast tells why it was refused, unless the code is one of `silent`. */
async function told(
  model: Model,
  work: () => Promise<void>,
  sentence: (name: string, reason: string) => string,
  silent: readonly string[] = [],
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof ApiError && silent.includes(error.code)) return;
    failed(error, (reason) => sentence(model.display_name, reason));
  }
}

/** Shows that something was refused; `sentence` has the reason in it. Raises what is no refusal. */
export function failed(error: unknown, sentence: (reason: string) => string): void {
  const reason = reasonOf(error);
  toasts.fail([sentence(reason.message), reason.hint].filter(Boolean).join(" "), reason.details);
}

/** Why something was refused, in words. Raises what is no refusal. */
export function reasonOf(error: unknown): { message: string; hint: string; details: string } {
  if (!(error instanceof ApiError)) throw error;
  const { hint, details } = error;
  return { message: error.code === UNREACHABLE ? t.models.unreachable : error.message, hint, details };
}
