import type { Download, DownloadState, SystemStatus } from "../api/types";

const RUNNING: ReadonlySet<DownloadState> = new Set(["checking", "downloading", "verifying"]);
const ENDED: ReadonlySet<DownloadState> = new Set(["done", "failed", "cancelled"]);

export function runs({ state }: Download): boolean {
  return RUNNING.has(state);
}

export function hasEnded({ state }: Download): boolean {
  return ENDED.has(state);
}

/** What is still to come of all that are not over, in bytes. */
export function bytesToCome(downloads: readonly Download[]): number {
  const left = ({ bytes_total, bytes_done }: Download) => bytes_total - bytes_done;
  return downloads.filter((each) => !hasEnded(each)).reduce((sum, each) => sum + left(each), 0);
}

/** What is free where downloads go, in bytes; null where that is not known. */
export function freeDiskBytes(system: SystemStatus | null): number | null {
  const folders = system?.folders.filter(({ use }) => use === "models") ?? [];
  const cache = folders.find(({ path }) => /huggingface.hub$/.test(path));
  return (cache ?? folders[0])?.free_bytes ?? null;
}
