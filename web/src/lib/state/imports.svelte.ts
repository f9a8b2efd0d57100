import { api } from "../api/client";
import type { Job } from "../api/types";
import { words } from "../i18n/installed";
import { live } from "./live.svelte";
import { failed } from "./model-actions.svelte";

/** Jobs that make a model of something that is on the server's machine. */
const MAKING: ReadonlySet<string> = new Set(["import", "convert"]);

/** Those that are under way, rest, or have failed; the newest first. */
export function shownImports(): readonly Job[] {
  return live.jobs?.filter((job) => MAKING.has(job.kind) && job.state !== "done" && job.state !== "cancelled") ?? [];
}

/** Those that have brought their model. */
export function doneImports(): readonly Job[] {
  return live.jobs?.filter((job) => MAKING.has(job.kind) && job.state === "done") ?? [];
}

/** The id of the model that it makes. */
export function madeBy({ arguments: given, title }: Job): string {
  const id: unknown = given["model_id"];
  return typeof id === "string" ? id : title;
}

export const cancelImport = (job: Job) => changed(() => api.cancelJob(job.id));
export const resumeImport = (job: Job) => changed(() => api.resumeJob(job.id));
export const forgetImport = (job: Job) => changed(() => api.removeJob(job.id));

async function changed(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    failed(error, words.making.notDone);
  }
}
