import type { Left, Notice } from "../api/types";
import { t } from "../i18n";
import { live } from "./live.svelte";

/** The name of a model, also of one that is not installed any more. */
export const nameOf = (id: string) => live.installed(id)?.display_name ?? id;

/** What a notice says, in a sentence. */
export function noticeText(notice: Notice): string {
  const { kind, models, subject, reason, message } = notice;
  const why = reason ?? "";
  switch (kind) {
    case "evicted": {
      const gone = models.map(nameOf);
      return subject === null ? t.notices.unloaded(gone, why) : t.notices.madeRoom(gone, nameOf(subject));
    }
    case "model_failed":
      return t.notices.modelFailed(nameOf(subject ?? ""), why);
    case "job_failed":
      return t.notices.jobFailed(subject ?? "", why);
    case "job_paused":
      return t.notices.jobPaused(subject ?? "", why);
    case "disk_low":
      return t.notices.diskLow(subject ?? "");
    case "memory_critical":
      return t.notices.memoryCritical;
    case "safe_mode":
      return message;
    case "newer_version":
      return t.notices.newerVersion(subject ?? "");
  }
}

/** What else there is to know about it, in short pieces. */
export function noticeFacts(notice: Notice): string[] {
  const { kind, client, reason, subject, hint, count } = notice;
  return [
    kind === "evicted" && client ? t.notices.askedBy(client) : "",
    (kind === "evicted" && subject !== null) || kind === "disk_low" ? (reason ?? "") : "",
    kind === "job_failed" || kind === "job_paused" || kind === "newer_version" ? (hint ?? "") : "",
    count > 1 ? t.notices.times(count) : "",
  ].filter(Boolean);
}

/** Why a model left memory, and how long ago. */
export function leftText({ at, action, reason, cause }: Left, now: number): string {
  const ago = t.notices.ago(now - Date.parse(at));
  if (action === "expire") return t.notices.left.expire(ago);
  if (cause !== null) return t.notices.left.madeRoom(ago, nameOf(cause), reason);
  return t.notices.left.because(ago, reason);
}
