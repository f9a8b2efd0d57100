import type { installed as english } from "../en/installed";
import { bytes, inOneUnit, listed, number, plural } from "../format";

const modelCount = (count: number) => plural(count, { one: "Modell", other: "Modelle" });

export const installed: typeof english = {
  add: "Modell hinzufügen",
  types: { loaded: "Geladen", vision: "Bilder" },
  nothing: "Kein Modell hier ist so.",
  sort: "Reihenfolge",
  sorts: { "": "Nach Namen", size: "Größte zuerst", used: "Zuletzt benutzte zuerst" },
  keepAlive: "Bleibt geladen",
  pinned: "Angeheftet",
  more: {
    page: "Alles darüber",
    settings: "Einstellungen",
    snippet: "Beispiel",
    copyPath: "Ordner kopieren",
  },
  select: {
    begin: "Auswählen",
    end: "Fertig",
    bar: "Ausgewählte Modelle",
    named: (name) => `${name} auswählen`,
    all: "Alle gezeigten auswählen",
    count: (count, size) =>
      count === 0 ? "Nichts ausgewählt" : `${number(count)} ausgewählt · ${bytes(size)} auf der Platte`,
    load: "Laden",
    unload: "Entladen",
    pin: "Anheften",
    unpin: "Lösen",
    shortcut: "Das Modell der Zeile auswählen",
    remove: "Das Ausgewählte entfernen",
  },
  unloadThose: (count) => `${modelCount(count)} entladen`,
  stillAnswering: (count) =>
    `${plural(count, { one: "davon antwortet gerade", other: "davon antworten gerade" })}.`,
  unloaded: (count, freed) =>
    `${plural(count, { one: "Modell ist", other: "Modelle sind" })} entladen, ${bytes(freed)} sind frei.`,
  notLoaded: (count, names) =>
    `${plural(count, { one: "Modell passt", other: "Modelle passen" })} nicht neben das, was geladen ist: ${listed(names)}.`,
  showPlan: "Den Plan zeigen",
  pinnedThose: (count) =>
    `${plural(count, { one: "Modell bleibt", other: "Modelle bleiben" })} im Speicher, sobald geladen.`,
  unpinnedThose: (count) =>
    `${plural(count, { one: "Modell darf", other: "Modelle dürfen" })} den Speicher wieder verlassen.`,
  refused: (count, names, reason) => `Nicht getan bei ${plural(count, { one: "Modell", other: "Modellen" })} (${listed(names)}): ${reason}`,
  andMore: (count) => `${number(count)} weitere`,
  remove: {
    button: "Entfernen",
    named: (name) => `${name} entfernen`,
    those: (count) => `${modelCount(count)} entfernen`,
    question: (count, size) =>
      `${modelCount(count)} mit ${bytes(size)} kommen in den Papierkorb, aus dem sie zurückgeholt werden können.`,
    forGood: (count, size) =>
      `${modelCount(count)} mit ${bytes(size)} werden endgültig gelöscht: Der Papierkorb behält nichts.`,
    delete: (size) => `${bytes(size)} löschen`,
    removed: (count, names) =>
      count === 1 ? `${names[0]} ist im Papierkorb.` : `${modelCount(count)} sind im Papierkorb.`,
    deleted: (count, freed) => `${modelCount(count)} gelöscht, ${bytes(freed)} sind frei.`,
    restored: (count) => `${plural(count, { one: "Modell ist", other: "Modelle sind" })} zurück.`,
  },
  import: {
    button: "Ordner importieren",
    title: "Ein Modell importieren",
    lead: "Ein Ordner mit config.json und Gewichten, oder eine GGUF-Datei, auf der Maschine, auf der der Server läuft.",
    path: "Ordner oder Datei",
    pathHint: "Der ganze Pfad, wie ~/Downloads/Qwen3-8B-4bit",
    name: "Name",
    nameHint: "Ohne einen heißt es wie sein Ordner.",
    mode: "Was mit dem Ordner geschieht",
    modes: { copy: "Kopieren", link: "Verknüpfen", move: "Verschieben" },
    modeMeans: {
      copy: "Seine Dateien werden in den Modellordner kopiert.",
      link: "Er bleibt, wo er ist, und wird von dort benutzt. Nichts wird kopiert.",
      move: "Er wird in den Modellordner verschoben und ist nicht mehr, wo er war.",
    },
    gguf: "Eine GGUF-Datei wird umgewandelt und bleibt, wo sie ist.",
    begin: "Importieren",
    cancel: "Abbrechen",
  },
  making: {
    title: "Importe",
    state: {
      queued: "Wartet",
      running: "Wird importiert",
      paused: "Angehalten",
      done: "Fertig",
      failed: "Fehlgeschlagen",
      cancelled: "Abgebrochen",
    },
    stages: {
      copy: "kopiert",
      weights: "wandelt Gewichte um",
      tokenizer: "wandelt den Tokenizer um",
      quantize: "packt Gewichte",
      write: "schreibt",
    },
    bytes: (done, total) => inOneUnit(done, total).join(" von "),
    progress: (name) => `Import von ${name}`,
    cancelNamed: (name) => `Import von ${name} abbrechen`,
    retryNamed: (name) => `Noch einmal versuchen: Import von ${name}`,
    goOnNamed: (name) => `Mit dem Import von ${name} weitermachen`,
    goOn: "Weitermachen",
    forgetNamed: (name) => `Import von ${name} ausblenden`,
    done: (name) => `${name} ist importiert.`,
    notDone: (reason) => `Der Import wurde nicht geändert: ${reason}`,
  },
};
