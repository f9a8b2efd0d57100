import { bytes, listed, percent } from "../format";

/** The words of the first visit. */
export const welcome = {
  title: "Welcome",
  machine: (name: string | null, facts: readonly string[]) =>
    `${name ?? "This machine"}: ${listed(facts)}.`,
  memory: (size: number) => `${bytes(size)} memory`,
  usable: (size: number) => `about ${bytes(size)} usable for models`,
  free: (size: number) => `${bytes(size)} free on disk`,
  unknown: "Asking the machine what it is.",
  offline: {
    text: "The server is offline by its settings, so nothing can be installed from the hub.",
    change: "Change that",
  },
  start: {
    title: "Start with this",
    another: "Model to start with",
    none: "No model of the catalogue fits this machine but one that comes without a hub. It answers right away:",
    needs: (need: number, context: string | null) =>
      context === null ? `needs ${bytes(need)} of memory` : `needs ${bytes(need)} of memory with ${context} of context`,
    details: "Details",
    detailsNamed: (name: string) => `Details of ${name}`,
    failed: "The models to begin with could not be read.",
    loading: "Looking for models that suit this machine",
    installed: "It is installed.",
    loadingNow: (progress: number | null) => (progress === null ? "It is being loaded." : `${percent(progress)} loaded`),
    ready: "It is loaded, and answers.",
    load: "Load",
    ask: "Ask it",
  },
  useful: {
    title: "Also useful",
    kinds: {
      vision: "Reads pictures",
      transcription: "Writes down speech",
      embedding: "Finds what is alike",
      reranker: "Orders what was found",
      speech: "Speaks",
    } as Record<string, string>,
    all: (size: number) => `Install all, ${bytes(size)}`,
    total: (size: number, free: number | null) =>
      free === null ? `${bytes(size)} in all` : `${bytes(size)} of ${bytes(free)} free`,
    more: "More in Discover",
  },
  steps: {
    title: "First steps",
    done: "Done",
    install: "Install a model",
    installing: (share: string) => `${share} has come`,
    installHelp: "It comes from the hub, is checked file by file, and goes on after a break.",
    load: "Load it into memory",
    loadHelp: "Its plan says beforehand what it takes. A request loads it by itself, too.",
    ask: "Ask it something",
    askHelp: "In a terminal of this machine, or from any program that speaks to OpenAI:",
    question: "What is the capital of France?",
    snippets: "API & snippets",
  },
  have: {
    title: "Already have models?",
    text: "Put a folder with config.json and safetensors into one of these; it is noticed by itself.",
    away: "Without a network, copy such a folder here from another machine.",
    folders: "Use other folders",
    rescan: "Rescan",
    import: "A folder from elsewhere, or a GGUF file, can be copied or linked from where it is.",
  },
  api: {
    title: "Only need the API?",
    text: "Clients of OpenAI, Anthropic and Ollama find this server at:",
    more: "Programs and snippets",
  },
};
