import type { Download, Model } from "../api/types";
import { t } from "../i18n";
import { percent } from "../i18n/format";

const QUARTERS = 4;

/** What a screen reader says about a change: start, each quarter, end and failure of a load. */
export function announcement(before: Model | undefined, after: Model): string | null {
  const name = after.display_name;
  if (after.state === "loading") {
    if (before?.state !== "loading") return t.announce.loading(name, null);
    const quarter = quarterOf(after);
    return quarter > quarterOf(before) ? t.announce.loading(name, quarter / QUARTERS) : null;
  }
  if (before === undefined || before.state === after.state) return null;
  const wasInMemory = before.state === "ready" || before.state === "busy";
  switch (after.state) {
    case "ready":
      return wasInMemory ? null : t.announce.ready(name);
    case "failed":
      return t.announce.failed(name, after.error?.message ?? "");
    case "not_loaded":
      return t.announce.unloaded(name);
    default:
      return null;
  }
}

/** The same of a download. */
export function downloadAnnouncement(before: Download | undefined, after: Download): string | null {
  const name = after.model_id;
  switch (after.state) {
    case "downloading": {
      if (before?.state !== "downloading" && !before?.bytes_done) return t.downloads.announce.begins(name);
      const quarter = cameQuarters(after);
      if (quarter <= cameQuarters(before)) return null;
      return t.downloads.announce.came(name, percent(quarter / QUARTERS));
    }
    case "done":
      return before && before.state !== "done" ? t.downloads.announce.done(name) : null;
    case "failed":
      if (before === undefined || before.state === "failed") return null;
      return t.downloads.announce.failed(name, after.error?.message ?? "");
    default:
      return null;
  }
}

function cameQuarters(download: Download | undefined): number {
  if (download === undefined || download.bytes_total === 0) return 0;
  return Math.floor((download.bytes_done / download.bytes_total) * QUARTERS);
}

function quarterOf(model: Model): number {
  return Math.floor((model.load_progress ?? 0) * QUARTERS);
}
