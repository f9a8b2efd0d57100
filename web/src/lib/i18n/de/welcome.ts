import type { welcome as english } from "../en/welcome";
import { bytes, listed, percent } from "../format";

export const welcome: typeof english = {
  title: "Willkommen",
  machine: (name, facts) => `${name ?? "Diese Maschine"}: ${listed(facts)}.`,
  memory: (size) => `${bytes(size)} Arbeitsspeicher`,
  usable: (size) => `etwa ${bytes(size)} für Modelle`,
  free: (size) => `${bytes(size)} frei auf der Platte`,
  unknown: "Die Maschine wird gefragt, was sie ist.",
  offline: {
    text: "Der Server ist nach seinen Einstellungen offline, darum lässt sich nichts vom Hub installieren.",
    change: "Das ändern",
  },
  start: {
    title: "Damit anfangen",
    another: "Modell für den Anfang",
    none: "Kein Modell der Liste passt auf diese Maschine, außer einem, das ohne Hub kommt. Es antwortet sofort:",
    needs: (need, context) =>
      context === null
        ? `braucht ${bytes(need)} Speicher`
        : `braucht ${bytes(need)} Speicher mit ${context} Kontext`,
    details: "Einzelheiten",
    detailsNamed: (name) => `Einzelheiten zu ${name}`,
    failed: "Die Modelle für den Anfang ließen sich nicht lesen.",
    loading: "Es werden Modelle gesucht, die zu dieser Maschine passen",
    installed: "Es ist installiert.",
    loadingNow: (progress) =>
      progress === null ? "Es wird geladen." : `${percent(progress)} geladen`,
    ready: "Es ist geladen und antwortet.",
    load: "Laden",
    ask: "Fragen",
  },
  useful: {
    title: "Auch nützlich",
    kinds: {
      vision: "Liest Bilder",
      transcription: "Schreibt Gesprochenes auf",
      embedding: "Findet, was ähnlich ist",
      reranker: "Ordnet, was gefunden wurde",
      speech: "Spricht",
    },
    all: (size) => `Alle installieren, ${bytes(size)}`,
    total: (size, free) =>
      free === null ? `zusammen ${bytes(size)}` : `${bytes(size)} von ${bytes(free)} freien`,
    more: "Mehr unter Entdecken",
  },
  steps: {
    title: "Erste Schritte",
    done: "Erledigt",
    install: "Ein Modell installieren",
    installing: (share) => `${share} sind da`,
    installHelp:
      "Es kommt vom Hub, wird Datei für Datei geprüft und geht nach einer Unterbrechung weiter.",
    load: "In den Speicher laden",
    loadHelp: "Der Plan sagt vorher, was es nimmt. Auch eine Anfrage lädt es von selbst.",
    ask: "Etwas fragen",
    askHelp: "In einem Terminal dieser Maschine, oder aus jedem Programm, das OpenAI spricht:",
    question: "What is the capital of France?",
    snippets: "API & Beispiele",
  },
  have: {
    title: "Schon Modelle da?",
    text: "Einen Ordner mit config.json und safetensors in einen von diesen legen; er wird von selbst bemerkt.",
    away: "Ohne Netz so einen Ordner von einer anderen Maschine hierher kopieren.",
    folders: "Andere Ordner verwenden",
    rescan: "Neu lesen",
    import: "Ein Ordner von anderswo, oder eine GGUF-Datei, kann kopiert oder von dort verknüpft werden.",
  },
  api: {
    title: "Nur die API gebraucht?",
    text: "Clients von OpenAI, Anthropic und Ollama finden diesen Server unter:",
    more: "Programme und Beispiele",
  },
};
