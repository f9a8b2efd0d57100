import { api, ApiError, UNREACHABLE } from "../api/client";
import type { Notice } from "../api/types";
import { t } from "../i18n";
import { live } from "./live.svelte";
import { nameOf, noticeText } from "./notice-text";
import { keep, kept } from "./storage";
import { toasts, type PastToast } from "./toasts.svelte";

/** An entry of the list behind the bell: what the server told, or a toast of this visit. */
export type Entry =
  | { key: string; at: number; notice: Notice; past?: undefined }
  | { key: string; at: number; past: PastToast; notice?: undefined };

const KEY = "mlx-gui:notices-seen";
/** What happens again so soon is told by the list alone. */
const CALM_MS = 60_000;

/** What somebody has seen in this browser, of the run of the server that is there. */
class Seen {
  #boot = $state("");
  #seq = $state(0);
  #pastId = $state(-1);

  constructor() {
    const [boot = "", seq = "0"] = (kept("localStorage", KEY) ?? "").split(" ");
    this.#boot = boot;
    this.#seq = Number(seq) || 0;
  }

  get unread(): number {
    const seq = this.#boot === live.bootId ? this.#seq : 0;
    const told = live.notices?.filter((notice) => notice.seq > seq).length ?? 0;
    return told + toasts.past.filter(({ id, tone }) => id > this.#pastId && tone === "danger").length;
  }

  /** All that is there now. */
  all(): void {
    this.#pastId = toasts.past.at(-1)?.id ?? this.#pastId;
    const newest = live.notices?.at(-1);
    if (live.bootId === null || newest === undefined) return;
    this.#boot = live.bootId;
    this.#seq = newest.seq;
    keep("localStorage", KEY, `${live.bootId} ${newest.seq}`);
  }
}

export const seen = new Seen();

/** The newest first. */
export function entries(): readonly Entry[] {
  const told = (live.notices ?? []).map((notice) => ({
    key: `notice ${notice.id}`,
    at: Date.parse(notice.at),
    notice,
  }));
  const past = toasts.past.map((past) => ({ key: `toast ${past.id}`, at: past.at, past }));
  return [...told, ...past].sort((a, b) => b.at - a.at);
}

/** Shows what the server tells as it happens, where that calls for somebody's eyes. */
export function tellNotices(): void {
  live.onNotice((notice) => {
    const before = live.notices?.find(({ id }) => id === notice.id);
    const again = before && Date.parse(notice.at) - Date.parse(before.at) < CALM_MS;
    if (again && (before.seq === notice.seq || notice.count > before.count)) return;
    if (notice.kind === "evicted" && notice.undo === "possible") {
      toasts.show({
        text: noticeText(notice),
        told: true,
        action: { label: t.notices.undo, run: () => void undo(notice) },
      });
    } else if (notice.kind === "disk_low") {
      toasts.show({ text: noticeText(notice), told: true });
    }
  });
}

export async function undo(notice: Notice): Promise<void> {
  await told(async () => {
    const { loading } = await api.undoEviction(notice.id);
    if (loading.length > 0) toasts.show({ text: t.notices.comeBack(loading.map(nameOf)) });
  }, t.notices.notUndone);
}

export async function dismiss({ notice, past }: Entry): Promise<void> {
  if (past) toasts.forget(past.id);
  else await told(() => api.dismissNotice(notice.id), t.notices.notDismissed);
}

/** All that this browser knows of. */
export async function dismissAll(): Promise<void> {
  toasts.forget();
  const newest = live.notices?.at(-1);
  if (newest) await told(() => api.dismissNotices(newest.seq), t.notices.notDismissed);
}

/** Opens the list, wherever its bell is. */
export function showNotices(): void {
  document.querySelector<HTMLElement>("[data-bell]")?.click();
}

/** The eviction by which that model left last, if it can be taken back. */
export function evictionOf(modelId: string): Notice | undefined {
  const last = live.notices?.filter(({ models }) => models.includes(modelId)).at(-1);
  return last?.undo === "possible" ? last : undefined;
}

async function told(work: () => Promise<unknown>, sentence: (reason: string) => string): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const reason = error.code === UNREACHABLE ? t.models.unreachable : error.message;
    toasts.fail([sentence(reason), error.hint].filter(Boolean).join(" "), error.details);
  }
}
