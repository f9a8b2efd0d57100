import type { notices as english } from "../en/notices";
import { about, listed, number } from "../format";

export const notices: typeof english = {
  notices: {
    title: "Meldungen",
    open: (unread) => (unread === 0 ? "Meldungen" : `Meldungen, ${number(unread)} neu`),
    empty: "Nichts zu melden. Was der Server von selbst tut, steht hier.",
    ago: (ms) => (ms < 60_000 ? "gerade eben" : `vor ${about(ms)}`),
    dismissAll: "Alle verwerfen",
    undo: "Rückgängig",
    undone: "Zurückgenommen",
    levels: { info: "Hinweis", warning: "Warnung", error: "Fehler" },
    unloaded: (gone, reason) => `${listed(gone)} entladen: ${reason}.`,
    madeRoom: (gone, cause) => `${listed(gone)} entladen, um Platz für ${cause} zu machen.`,
    askedBy: (client) => `verlangt von ${client}`,
    modelFailed: (name, reason) => `${name} ist fehlgeschlagen: ${reason}`,
    jobFailed: (title, reason) => `Fehlgeschlagen: ${title}. ${reason}`,
    jobPaused: (title, reason) => `Angehalten: ${title}. ${reason}`,
    diskLow: (folder) => `Die Platte von ${folder} ist fast voll.`,
    memoryCritical:
      "Der Speicher dieser Maschine ist fast voll. Ruhende Modelle werden entladen, und keines wird geladen.",
    newerVersion: (version) => `mlx-gui ${version} ist da.`,
    times: (count) => `${number(count)}-mal`,
    comeBack: (names) => `${listed(names)} wird wieder geladen.`,
    notUndone: (reason) => `Nicht zurückgenommen: ${reason}`,
    notDismissed: (reason) => `Nicht verworfen: ${reason}`,
    left: {
      madeRoom: (ago, cause, reason) =>
        `Entladen ${ago}, um Platz für ${cause} zu machen: ${reason}.`,
      because: (ago, reason) => `Entladen ${ago}: ${reason}.`,
      expire: (ago) => `Entladen ${ago}: seine Zeit im Speicher war um.`,
    },
  },
};
