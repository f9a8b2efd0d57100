import { bytes, inOneUnit, listed, number, plural } from "../format";

const modelCount = (count: number) => plural(count, { one: "model", other: "models" });

/** The words of the page of installed models that no other page has. */
export const installed = {
  add: "Add model",
  types: { loaded: "Loaded", vision: "Vision" } as Record<string, string>,
  nothing: "No model here is like that.",
  sort: "Order",
  sorts: { "": "By name", size: "Largest first", used: "Last used first" },
  keepAlive: "Keep-alive",
  pinned: "Pinned",
  more: {
    page: "Everything about it",
    settings: "Settings",
    snippet: "Snippet",
    copyPath: "Copy folder",
  },
  select: {
    begin: "Select",
    end: "Done",
    bar: "Selected models",
    named: (name: string) => `Select ${name}`,
    all: "Select all that are shown",
    count: (count: number, size: number) =>
      count === 0 ? "Nothing selected" : `${number(count)} selected · ${bytes(size)} on disk`,
    load: "Load",
    unload: "Unload",
    pin: "Pin",
    unpin: "Unpin",
    shortcut: "Select the model of the row",
    remove: "Remove what is selected",
  },
  unloadThose: (count: number) => `Unload ${modelCount(count)}`,
  stillAnswering: (count: number) =>
    `${plural(count, { one: "of them is answering", other: "of them are answering" })}.`,
  unloaded: (count: number, freed: number) => `${modelCount(count)} unloaded, ${bytes(freed)} free.`,
  notLoaded: (count: number, names: readonly string[]) =>
    `${plural(count, { one: "model does", other: "models do" })} not fit beside what is loaded: ${listed(names)}.`,
  showPlan: "Show the plan",
  pinnedThose: (count: number) => `${plural(count, { one: "model stays", other: "models stay" })} in memory once loaded.`,
  unpinnedThose: (count: number) => `${plural(count, { one: "model", other: "models" })} may leave the memory again.`,
  refused: (count: number, names: readonly string[], reason: string) =>
    `Not done for ${modelCount(count)} (${listed(names)}): ${reason}`,
  andMore: (count: number) => `${number(count)} more`,
  remove: {
    button: "Remove",
    named: (name: string) => `Remove ${name}`,
    those: (count: number) => `Remove ${modelCount(count)}`,
    question: (count: number, size: number) =>
      `${modelCount(count)} with ${bytes(size)} go to the trash, from where they can come back.`,
    forGood: (count: number, size: number) =>
      `${modelCount(count)} with ${bytes(size)} are deleted for good: the trash keeps nothing.`,
    delete: (size: number) => `Delete ${bytes(size)}`,
    removed: (count: number, names: readonly string[]) =>
      count === 1 ? `${names[0]} is in the trash.` : `${modelCount(count)} are in the trash.`,
    deleted: (count: number, freed: number) => `${modelCount(count)} deleted, ${bytes(freed)} free.`,
    restored: (count: number) => `${plural(count, { one: "model is", other: "models are" })} back.`,
  },
  import: {
    button: "Import folder",
    title: "Import a model",
    lead: "A folder with config.json and weights, or a GGUF file, on the machine that the server runs on.",
    path: "Folder or file",
    pathHint: "The whole path, like ~/Downloads/Qwen3-8B-4bit",
    name: "Name",
    nameHint: "Without one it is called as its folder is.",
    mode: "What happens to the folder",
    modes: { copy: "Copy", link: "Link", move: "Move" },
    modeMeans: {
      copy: "Its files are copied into the model folder.",
      link: "It stays where it is, and is used from there. Nothing is copied.",
      move: "It is moved into the model folder, and is no longer where it was.",
    },
    gguf: "A GGUF file is converted and stays where it is.",
    begin: "Import",
    cancel: "Cancel",
  },
  making: {
    title: "Imports",
    state: {
      queued: "Waiting",
      running: "Importing",
      paused: "Paused",
      done: "Done",
      failed: "Failed",
      cancelled: "Cancelled",
    },
    stages: {
      copy: "copying",
      weights: "converting weights",
      tokenizer: "converting the tokenizer",
      quantize: "packing weights",
      write: "writing",
    } as Record<string, string>,
    bytes: (done: number, total: number) => inOneUnit(done, total).join(" of "),
    progress: (name: string) => `Import of ${name}`,
    cancelNamed: (name: string) => `Cancel the import of ${name}`,
    retryNamed: (name: string) => `Try again: import of ${name}`,
    goOnNamed: (name: string) => `Go on with the import of ${name}`,
    goOn: "Go on",
    forgetNamed: (name: string) => `Dismiss the import of ${name}`,
    done: (name: string) => `${name} is imported.`,
    notDone: (reason: string) => `The import was not changed: ${reason}`,
  },
};
