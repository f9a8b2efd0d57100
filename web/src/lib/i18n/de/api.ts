import type { api as english } from "../en/api";
import { bytes } from "../format";

export const api: typeof english = {
  title: "API & Beispiele",
  summary:
    "Vom Modell zum ersten Aufruf: was wohin zu senden ist, für diesen Server und was auf ihm installiert ist.",
  address: {
    title: "Adressen",
    base: "Basis-URL für Clients von OpenAI",
    plain: "Basis-URL für Clients von Anthropic und Ollama",
    key: "Ein Client, der auf einem Schlüssel besteht, darf auf dieser Maschine irgendeinen Text haben; von anderswo ist es der Schlüssel des Servers.",
    reference: "API-Referenz",
  },
  snippets: {
    title: "Beispiele",
    model: "Modell",
    none: "Kein Modell, das hier läuft, ist installiert.",
    find: "Ein Modell suchen",
    task: "Aufgabe",
    language: "Sprache",
    code: (task, language) => `${task} in ${language}`,
    size: bytes,
  },
  tasks: {
    chat: "Chat",
    stream: "Chat, nach und nach",
    schema: "Antwort nach einem JSON-Schema",
    messages: "Chat über die API von Anthropic",
    embeddings: "Einbettungen",
    rerank: "Neuordnung",
    transcription: "Transkription",
    models: "Liste der Modelle",
  },
  languages: { curl: "curl", python: "Python", javascript: "JavaScript" },
  programs: {
    title: "Programme",
    program: "Programm",
    into: (file) => `Das kommt in ${file}:`,
    inTerminal: "In einem Terminal:",
    byHand: "In seinen Einstellungen:",
    names: {
      "claude-code": "Claude Code",
      codex: "Codex",
      opencode: "OpenCode",
      pi: "pi",
      "open-webui": "Open WebUI",
      continue: "Continue",
      zed: "Zed",
      cline: "Cline",
      "home-assistant": "Home Assistant",
    },
    code: (program) => `Einstellungen für ${program}`,
    chatOnly: "Diese brauchen ein Modell, das chattet.",
  },
};
