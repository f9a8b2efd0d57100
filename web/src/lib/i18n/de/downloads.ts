import type { downloads as english } from "../en/downloads";
import { about, bytes, duration, inOneUnit, number, plural, rate } from "../format";

const downloadCount = (count: number) => plural(count, { one: "Download", other: "Downloads" });

export const downloads: typeof english = {
  downloads: {
    title: "Downloads",
    size: bytes,
    summary: (running, waiting) =>
      running + waiting === 0
        ? "Nichts ist unterwegs."
        : `${number(running)} unterwegs · ${number(waiting)} warten`,
    left: (size) => `${bytes(size)} kommen noch`,
    disk: (free) => `${bytes(free)} frei auf der Platte`,
    diskAfter: (free) =>
      free < 0
        ? `${bytes(-free)} Platz fehlen für alles`
        : `${bytes(free)} bleiben danach frei`,
    groups: {
      running: "Unterwegs",
      waiting: "Warten",
      resting: "Angehalten und fehlgeschlagen",
      ended: "Verlauf",
    },
    state: {
      queued: "Wartet",
      checking: "Prüft",
      downloading: "Lädt herunter",
      verifying: "Prüft nach",
      paused: "Angehalten",
      done: "Installiert",
      failed: "Fehlgeschlagen",
      cancelled: "Abgebrochen",
    },
    bytes: (done, total) => inOneUnit(done, total).join(" von "),
    rate,
    timeLeft: (seconds) =>
      seconds === null ? "Restzeit –" : `noch ${duration(seconds * 1_000)}`,
    files: (done, total) =>
      `${number(done)} von ${plural(total, { one: "Datei", other: "Dateien" })}`,
    file: (name) => `Jetzt: ${name}`,
    ago: (ms) => `vor ${about(ms)}`,
    nextTry: (ms) => `Nächster Versuch in ${about(ms)}.`,
    progress: (name) => `Download von ${name}`,
    speed: (name) => `Tempo von ${name} in der letzten Minute`,
    pause: "Anhalten",
    pauseNamed: (name) => `Download von ${name} anhalten`,
    resume: "Fortsetzen",
    resumeNamed: (name) => `Download von ${name} fortsetzen`,
    tryNow: "Jetzt versuchen",
    tryNowNamed: (name) => `Jetzt versuchen: Download von ${name}`,
    retry: "Noch einmal",
    retryNamed: (name) => `Noch einmal: Download von ${name}`,
    cancelNamed: (name) => `Download von ${name} abbrechen`,
    forgetNamed: (name) => `${name} aus dem Verlauf nehmen`,
    upNamed: (name) => `${name} nach oben`,
    downNamed: (name) => `${name} nach unten`,
    pauseAll: "Alle anhalten",
    resumeAll: "Alle fortsetzen",
    clear: "Verlauf leeren",
    show: "Zeigen",
    showNamed: (name) => `${name} unter den installierten Modellen zeigen`,
    cancelled: (name) => `Der Download von ${name} ist abgebrochen.`,
    forgotten: (count) => `${downloadCount(count)} aus dem Verlauf genommen.`,
    undo: "Rückgängig",
    notDone: (name, reason) => `Der Download von ${name} wurde nicht geändert: ${reason}`,
    notInstalled: (name, reason) => `${name} ist nicht installiert: ${reason}`,
    empty: "Noch nichts wurde heruntergeladen.",
    find: "Ein Modell suchen",
    loading: "Die Liste der Downloads wird gelesen",
    limits: {
      title: "Grenzen",
      atOnce: "Gleichzeitig",
      speed: "Tempo",
      unit: "MB/s",
      none: "ohne Grenze",
      apply: "Anwenden",
      applied: "Die Grenzen gelten ab jetzt.",
      notRead: (reason) => `Die Grenzen ließen sich nicht lesen: ${reason}`,
      notApplied: (reason) => `Die Grenzen wurden nicht geändert: ${reason}`,
      locked: (name) => `${name} ist von der Umgebung oder der Befehlszeile gesetzt.`,
    },
    announce: {
      begins: (name) => `${name} wird heruntergeladen`,
      came: (name, share) => `${name}: ${share} heruntergeladen`,
      done: (name) => `${name} ist installiert`,
      failed: (name, reason) => `Der Download von ${name} ist fehlgeschlagen: ${reason}`,
    },
  },
};
