import type { FolderOnDisk } from "../../../lib/api/types";

/** A piece of a folder's bar; `share` is of the whole disk. */
export interface DiskPart {
  kind: "models" | "downloads" | "trash" | "other" | "rest";
  bytes: number;
  share: number;
}

/** What the folder and everything else take of its disk; the free part is what is left of the bar. */
export function diskParts(folder: FolderOnDisk): DiskPart[] {
  const { total_bytes: total, free_bytes: free } = folder;
  const ours = {
    models: folder.models_bytes,
    downloads: folder.downloads_bytes,
    trash: folder.trash_bytes,
    other: folder.other_bytes,
  };
  const taken = Object.values(ours).reduce((sum, bytes) => sum + bytes, 0);
  // Files with holes are larger than what they take.
  const whole = Math.max(total ?? taken, taken + (free ?? 0));
  const rest = total === null || free === null ? 0 : Math.max(0, total - free - taken);
  return Object.entries({ ...ours, rest })
    .filter(([, bytes]) => bytes > 0)
    .map(([kind, bytes]) => ({ kind: kind as DiskPart["kind"], bytes, share: bytes / Math.max(1, whole) }));
}
