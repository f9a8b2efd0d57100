import type { Model } from "../api/types";
import { t } from "../i18n";

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

function quarterOf(model: Model): number {
  return Math.floor((model.load_progress ?? 0) * QUARTERS);
}
