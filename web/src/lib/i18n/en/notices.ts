import { about, listed, number } from "../format";

/** The words of what the server tells by itself, and of the list behind the bell. */
export const notices = {
  notices: {
    title: "Notices",
    open: (unread: number) => (unread === 0 ? "Notices" : `Notices, ${number(unread)} new`),
    empty: "Nothing to tell. What the server does by itself shows here.",
    ago: (ms: number) => (ms < 60_000 ? "just now" : `${about(ms)} ago`),
    dismissAll: "Dismiss all",
    undo: "Undo",
    undone: "Taken back",
    levels: { info: "Note", warning: "Warning", error: "Error" },
    unloaded: (gone: readonly string[], reason: string) => `Unloaded ${listed(gone)}: ${reason}.`,
    madeRoom: (gone: readonly string[], cause: string) =>
      `Unloaded ${listed(gone)} to make room for ${cause}.`,
    askedBy: (client: string) => `asked for by ${client}`,
    modelFailed: (name: string, reason: string) => `${name} failed: ${reason}`,
    jobFailed: (title: string, reason: string) => `Failed: ${title}. ${reason}`,
    jobPaused: (title: string, reason: string) => `Paused: ${title}. ${reason}`,
    diskLow: (folder: string) => `The disk of ${folder} is nearly full.`,
    memoryCritical:
      "The memory of this machine is nearly full. Idle models are unloaded, and none is loaded.",
    newerVersion: (version: string) => `mlx-gui ${version} is there.`,
    times: (count: number) => `${number(count)} times`,
    comeBack: (names: readonly string[]) => `Loading ${listed(names)} again.`,
    notUndone: (reason: string) => `Not taken back: ${reason}`,
    notDismissed: (reason: string) => `Not dismissed: ${reason}`,
    left: {
      madeRoom: (ago: string, cause: string, reason: string) =>
        `Unloaded ${ago} to make room for ${cause}: ${reason}.`,
      because: (ago: string, reason: string) => `Unloaded ${ago}: ${reason}.`,
      expire: (ago: string) => `Unloaded ${ago}: its keep-alive was over.`,
    },
  },
};
