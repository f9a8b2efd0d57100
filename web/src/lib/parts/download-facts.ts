import type { Download } from "../api/types";
import { t } from "../i18n";

/** What stands beside a download's name: bytes, and while they come, how fast and how long. */
export function downloadFacts(download: Download): string[] {
  const facts = [t.downloads.bytes(download.bytes_done, download.bytes_total)];
  if (download.state !== "downloading") return facts;
  if (download.bytes_per_s !== null) facts.push(t.downloads.rate(download.bytes_per_s));
  return [...facts, t.downloads.timeLeft(download.eta_s)];
}
