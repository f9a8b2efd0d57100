import { bytes } from "../format";

export type ApiTask =
  | "chat"
  | "stream"
  | "schema"
  | "messages"
  | "embeddings"
  | "rerank"
  | "transcription"
  | "models";

/** The words of the API and its snippets. */
export const api = {
  title: "API & snippets",
  summary: "From a model to a working call: what to send where, for this server and what is installed on it.",
  address: {
    title: "Addresses",
    base: "Base URL of OpenAI's clients",
    plain: "Base URL of Anthropic's and Ollama's clients",
    key: "A client that insists on a key may have any text on this machine; from elsewhere it is the server's key.",
    reference: "API reference",
  },
  others: {
    title: "From other devices",
    loading: "Asking where the server can be reached",
    unread: "The addresses were not read.",
    by: (line: string | null) => (line === null ? "Over the network." : `Over ${line}.`),
    named: "By a name that the settings allow.",
    key: "Needs the server's key.",
    change: "Settings of the server",
  },
  snippets: {
    title: "Snippets",
    model: "Model",
    none: "No model that can be served is installed.",
    find: "Find a model",
    task: "Task",
    language: "Language",
    code: (task: string, language: string) => `${task} in ${language}`,
    size: bytes,
  },
  tasks: {
    chat: "Chat",
    stream: "Chat, streamed",
    schema: "Answer by a JSON schema",
    messages: "Chat by Anthropic's API",
    embeddings: "Embeddings",
    rerank: "Reranking",
    transcription: "Transcription",
    models: "List of models",
  } satisfies Record<ApiTask, string>,
  languages: { curl: "curl", python: "Python", javascript: "JavaScript" },
  programs: {
    title: "Programs",
    program: "Program",
    into: (file: string) => `Put this into ${file}:`,
    inTerminal: "In a terminal:",
    byHand: "In its settings:",
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
    code: (program: string) => `Settings for ${program}`,
    chatOnly: "These need a model that chats.",
  },
};
