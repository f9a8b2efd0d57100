import { live } from "./live.svelte";

/** More is not removed without a question, though it can be taken back. */
const MUCH_BYTES = 20_000_000_000;

/** Whether what is removed is deleted for good: the trash keeps nothing. */
export function removesForGood(): boolean {
  return live.settings?.settings["trash_retention_days"]?.value === 0;
}

/** Whether somebody has to say yes before so much is removed. */
export function asksFirst(sizeBytes: number): boolean {
  return removesForGood() || sizeBytes > MUCH_BYTES;
}
