import { SvelteSet } from "svelte/reactivity";

import { api, ApiError, UNREACHABLE } from "../api/client";
import type { Download } from "../api/types";
import { t } from "../i18n";
import { hasEnded, runs } from "./download-states";
import { live } from "./live.svelte";
import { toasts } from "./toasts.svelte";

/** What this tab waits for: downloads by their id, installations by the model's. */
const pending = new SvelteSet<string>();
/** Those that somebody gave up, who may still think better of it. */
const leaving = new SvelteSet<string>();

export function isPending(id: string): boolean {
  return pending.has(id);
}

/** All that show, the newest first; null before they were told. */
export function shownDownloads(): readonly Download[] | null {
  return live.downloads?.filter(({ id }) => !leaving.has(id)) ?? null;
}

/** What is on its way now, whether it runs or has its turn later. */
export function onTheirWay(): readonly Download[] {
  return shownDownloads()?.filter((each) => runs(each) || each.state === "queued") ?? [];
}

/** The download of that model that is not over, if it shows. */
export function downloadOf(modelId: string): Download | undefined {
  const download = live.downloadOf(modelId);
  return download && !leaving.has(download.id) ? download : undefined;
}

export async function install(modelId: string): Promise<void> {
  await attempt(modelId, () => api.install(modelId), (reason) => t.downloads.notInstalled(modelId, reason));
}

export async function pause(download: Download): Promise<boolean> {
  return attempt(download.id, () => api.pauseDownload(download.id), changing(download));
}

/** Also tries again what failed, and now what would be tried later. */
export async function resume(download: Download): Promise<boolean> {
  return attempt(download.id, () => api.resumeDownload(download.id), changing(download));
}

/** Gives those before all others their turn, in this order. */
export async function order(downloads: readonly Download[], moved: Download): Promise<void> {
  await attempt(moved.id, () => api.orderDownloads(downloads.map(({ id }) => id)), changing(moved));
}

/** It rests at once, and is ended when nobody has taken that back. What has come stays until then. */
export async function cancel(download: Download): Promise<void> {
  leaving.add(download.id);
  const rests = download.state === "paused" || (await pause(download));
  if (!rests) {
    leaving.delete(download.id);
    return;
  }
  toasts.show({
    text: t.downloads.cancelled(download.model_id),
    action: { label: t.downloads.undo, run: () => takeBack(download) },
    onend: () => void end(download),
  });
}

/** Forgets downloads that are over, unless that is taken back. */
export function forget(downloads: readonly Download[]): void {
  for (const { id } of downloads) leaving.add(id);
  toasts.show({
    text: t.downloads.forgotten(downloads.length),
    action: { label: t.downloads.undo, run: () => downloads.forEach(({ id }) => leaving.delete(id)) },
    onend: () => downloads.forEach((download) => void end(download)),
  });
}

function takeBack(download: Download): void {
  leaving.delete(download.id);
  if (download.state !== "paused") void resume(download);
}

async function end(download: Download): Promise<void> {
  const ended = await attempt(download.id, () => api.cancelDownload(download.id), changing(download));
  // One that was cancelled goes on to the history.
  if (!ended || !hasEnded(download)) leaving.delete(download.id);
}

// Whoever closes the page has had the time to think better of it.
addEventListener("pagehide", () => {
  for (const id of leaving) void api.cancelDownload(id, { outlives: true });
});

const changing = (download: Download) => (reason: string) =>
  t.downloads.notDone(download.model_id, reason);

/** Does `work` while `id` is pending; true if that went well, else a toast says why not. */
async function attempt(
  id: string,
  work: () => Promise<unknown>,
  sentence: (reason: string) => string,
): Promise<boolean> {
  pending.add(id);
  try {
    await work();
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const reason = error.code === UNREACHABLE ? t.models.unreachable : error.message;
    toasts.fail([sentence(reason), error.hint].filter(Boolean).join(" "), error.details);
    return false;
  } finally {
    pending.delete(id);
  }
}
