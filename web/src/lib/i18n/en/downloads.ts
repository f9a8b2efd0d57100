import { about, bytes, duration, inOneUnit, number, plural, rate } from "../format";

const downloadCount = (count: number) => plural(count, { one: "download", other: "downloads" });

/** The words of downloads, which show on several pages. */
export const downloads = {
  downloads: {
    title: "Downloads",
    size: bytes,
    summary: (running: number, waiting: number) =>
      running + waiting === 0
        ? "Nothing is on its way."
        : `${number(running)} running · ${number(waiting)} waiting`,
    left: (size: number) => `${bytes(size)} to come`,
    disk: (free: number) => `${bytes(free)} free on disk`,
    diskAfter: (free: number) =>
      free < 0 ? `${bytes(-free)} too little disk for all of it` : `${bytes(free)} left after all of it`,
    groups: {
      running: "Running",
      waiting: "Waiting",
      resting: "Paused and failed",
      ended: "History",
    },
    state: {
      queued: "Waiting",
      checking: "Checking",
      downloading: "Downloading",
      verifying: "Verifying",
      paused: "Paused",
      done: "Installed",
      failed: "Failed",
      cancelled: "Cancelled",
    },
    bytes: (done: number, total: number) => inOneUnit(done, total).join(" of "),
    rate,
    timeLeft: (seconds: number | null) =>
      seconds === null ? "time left –" : `${duration(seconds * 1_000)} left`,
    files: (done: number, total: number) => `${number(done)} of ${plural(total, { one: "file", other: "files" })}`,
    file: (name: string) => `Now: ${name}`,
    ago: (ms: number) => `${about(ms)} ago`,
    nextTry: (ms: number) => `Next try in ${about(ms)}.`,
    progress: (name: string) => `Download of ${name}`,
    speed: (name: string) => `Speed of ${name} in the last minute`,
    pause: "Pause",
    pauseNamed: (name: string) => `Pause the download of ${name}`,
    resume: "Resume",
    resumeNamed: (name: string) => `Resume the download of ${name}`,
    tryNow: "Try now",
    tryNowNamed: (name: string) => `Try now: download of ${name}`,
    retry: "Try again",
    retryNamed: (name: string) => `Try again: download of ${name}`,
    cancelNamed: (name: string) => `Cancel the download of ${name}`,
    forgetNamed: (name: string) => `Remove ${name} from the history`,
    upNamed: (name: string) => `Move ${name} up`,
    downNamed: (name: string) => `Move ${name} down`,
    pauseAll: "Pause all",
    resumeAll: "Resume all",
    clear: "Clear history",
    show: "Show",
    showNamed: (name: string) => `Show ${name} among the installed models`,
    cancelled: (name: string) => `The download of ${name} is cancelled.`,
    forgotten: (count: number) => `${downloadCount(count)} removed from the history.`,
    undo: "Undo",
    notDone: (name: string, reason: string) => `The download of ${name} was not changed: ${reason}`,
    notInstalled: (name: string, reason: string) => `${name} is not installed: ${reason}`,
    empty: "Nothing has been downloaded yet.",
    find: "Find a model",
    loading: "Reading the list of downloads",
    limits: {
      title: "Limits",
      atOnce: "At the same time",
      speed: "Speed",
      unit: "MB/s",
      none: "no limit",
      apply: "Apply",
      applied: "The limits hold from now on.",
      notRead: (reason: string) => `The limits could not be read: ${reason}`,
      notApplied: (reason: string) => `The limits were not changed: ${reason}`,
      locked: (name: string) => `${name} is set by the environment or the command line.`,
    },
    announce: {
      begins: (name: string) => `${name} is being downloaded`,
      came: (name: string, share: string) => `${name}: ${share} downloaded`,
      done: (name: string) => `${name} is installed`,
      failed: (name: string, reason: string) => `The download of ${name} failed: ${reason}`,
    },
  },
};
