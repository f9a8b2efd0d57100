import { api, ApiError, type Unload } from "../api/client";
import type { Model } from "../api/types";
import { t } from "../i18n";
import { words } from "../i18n/installed";
import { load, loadAs, reasonOf, unload, whilePending } from "./model-actions.svelte";
import { toasts } from "./toasts.svelte";

/** So many are named; of more it is told how many. */
const NAMED = 3;

/** Loads one after the other, as long as they simply fit; the plan of what does not is offered. */
export async function loadTogether(models: readonly Model[]): Promise<void> {
  const left: Model[] = [];
  await each(models, async (model) => {
    const plan = await api.plan(model.id, null);
    if (plan.fits === "yes") await loadAs(model, plan, null);
    else left.push(model);
  });
  const [first] = left;
  if (first === undefined) return;
  toasts.show({
    text: words.notLoaded(left.length, named(left)),
    action: { label: words.showPlan, run: () => void load(first) },
  });
}

/** Takes them out of memory; `how` is for those that answer. The toast brings the others back. */
export async function unloadTogether(models: readonly Model[], how: Unload = "now"): Promise<void> {
  const waitedFor = how === "idle" ? models.filter(({ active }) => active > 0) : [];
  for (const model of waitedFor) void unload(model, how);
  const gone: Model[] = [];
  let freedBytes = 0;
  await each(models.filter((model) => !waitedFor.includes(model)), async (model) => {
    const { was_loaded, freed_bytes } = await api.unload(model.id, how);
    if (!was_loaded) return;
    gone.push(model);
    freedBytes += freed_bytes;
  });
  if (gone.length === 0) return;
  toasts.show({
    text: words.unloaded(gone.length, freedBytes),
    action: { label: t.models.loadAgain, run: () => void loadTogether(gone) },
  });
}

/** Pins or unpins them; the toast takes that back. */
export async function pinTogether(models: readonly Model[], pinned: boolean): Promise<void> {
  const others = models.filter((model) => model.pinned !== pinned);
  const done = await each(others, ({ id }) => api.changeSettings(id, { pinned }));
  if (done.length === 0) return;
  toasts.show({
    text: (pinned ? words.pinnedThose : words.unpinnedThose)(done.length),
    action: { label: t.models.undo, run: () => void each(done, ({ id }) => api.changeSettings(id, { pinned: !pinned })) },
  });
}

/** Moves them to the trash, and the toast brings them back; where that keeps nothing, they are deleted. */
export async function removeTogether(models: readonly Model[]): Promise<void> {
  const trash = new Map<Model, string>();
  let freedBytes = 0;
  const done = await each(models, async (model) => {
    const { trash_id, freed_bytes } = await api.removeModel(model.id);
    if (trash_id !== null) trash.set(model, trash_id);
    freedBytes += freed_bytes;
  });
  if (done.length === 0) return;
  if (trash.size === 0) {
    toasts.show({ text: words.remove.deleted(done.length, freedBytes) });
    return;
  }
  toasts.show({
    text: words.remove.removed(done.length, named(done)),
    action: { label: t.models.undo, run: () => void restore(trash) },
  });
}

/** Brings the models back from the trash, where each has an id of its own. */
async function restore(trash: ReadonlyMap<Model, string>): Promise<void> {
  const back = await each([...trash.keys()], (model) => api.restoreModel(trash.get(model)!));
  if (back.length > 0) toasts.show({ text: words.remove.restored(back.length) });
}

/** Does `work` for one after the other; those that it was done for. One toast tells of all others. */
async function each(models: readonly Model[], work: (model: Model) => Promise<unknown>): Promise<Model[]> {
  const done: Model[] = [];
  const refused: Model[] = [];
  let first: unknown;
  for (const model of models) {
    try {
      await whilePending(model, () => work(model));
      done.push(model);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      first ??= error;
      refused.push(model);
    }
  }
  if (refused.length > 0) {
    const { message, hint, details } = reasonOf(first);
    const text = words.refused(refused.length, named(refused), message);
    toasts.fail([text, hint].filter(Boolean).join(" "), details);
  }
  return done;
}

function named(models: readonly Model[]): string[] {
  const names = models.slice(0, NAMED).map(({ display_name }) => display_name);
  const more = models.length - names.length;
  return more > 0 ? [...names, words.andMore(more)] : names;
}
