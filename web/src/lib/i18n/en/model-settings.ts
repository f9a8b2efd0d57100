/** What a setting is called, and what it does; `choices` are those of its values that are words. */
interface Row {
  label: string;
  help: string;
  choices?: Record<string, string>;
}

/** The words of the settings of one model, by their names. */
export const modelSettings = {
  context_tokens: {
    label: "Longest context",
    help: "Prompt and answer together. It is never more than the model was made for, nor than fits into memory. With `auto` it is the longest up to 65,536 tokens within an eighth of the budget.",
  },
  slots: { label: "Answers at the same time", help: "So many requests are answered together; others wait." },
  keep_alive_s: {
    label: "Keep-alive",
    help: "How long the model stays in memory after its last request. 0 unloads it at once, -1 never.",
  },
  pinned: {
    label: "Pin",
    help: "Once it is loaded the model stays in memory: it makes room for no other and does not expire.",
  },
  priority: {
    label: "Priority",
    help: "When another model needs room, those with a lower number leave first. From -10 to 10.",
  },
  preload: { label: "Load at the start", help: "The model is loaded when the server starts." },
  memory_limit_bytes: {
    label: "Most memory",
    help: "What the model may take, its caches included. 0 leaves it to the machine.",
  },
  temperature: {
    label: "Temperature",
    help: "How freely words are chosen where a request does not say. 0 takes the likeliest each time.",
  },
  top_p: {
    label: "Top p",
    help: "Only the likeliest tokens are chosen from, as many as have this chance together.",
  },
  top_k: { label: "Top k", help: "Only so many of the likeliest tokens are chosen from. 0 means all." },
  min_p: {
    label: "Min p",
    help: "Only tokens with at least this part of the likeliest one's chance are chosen from.",
  },
  repetition_penalty: {
    label: "Repetition penalty",
    help: "The more it is above 1, the less often what was said is said again. 1 does nothing.",
  },
  reasoning: {
    label: "Thinking",
    help: "Whether the model thinks before it answers, where a request does not say.",
    choices: { on: "on", off: "off", model: "as the model does by itself" },
  },
  tool_prompt: {
    label: "Tools without a template",
    help: "What becomes of a request's tools where the chat template knows none.",
    choices: { generic: "described in the prompt", refuse: "refused with an error" },
  },
  truncate: {
    label: "Shorten what is too long",
    help: "The oldest turns of a conversation that is longer than the context are left out, and the end of a text to embed or to rank.",
  },
  vision: {
    label: "Pictures",
    help: "Whether a model that can see is loaded with what it sees by. Without it takes less memory.",
    choices: { auto: "where it can see", off: "text only" },
  },
  chat_template: {
    label: "Chat template",
    help: "Makes one prompt of a conversation. It is edited on the tab Template, where it is tried and compared with the model's own.",
  },
  template_arguments: {
    label: "Template arguments",
    help: "Further variables of the chat template, as a JSON object.",
  },
  prompts: {
    label: "Prefixes of texts",
    help: 'What an embedding model reads before a text, by the name that a request calls it, like `{"query": "query: "}`. They stand beside those of its files.',
  },
  pooling: {
    label: "One vector of many",
    help: "How an embedding model makes the vector of a text from those of its tokens. It must be set where its files do not say.",
    choices: {
      cls: "the first token's",
      mean: "their mean",
      max: "their maximum",
      lasttoken: "the last token's",
      weightedmean: "their mean, later ones count more",
      mean_sqrt_len: "their sum by the root of their number",
    },
  },
  normalize: {
    label: "Vectors of length 1",
    help: "Whether all vectors of an embedding model get the same length.",
    choices: { on: "on", off: "off", model: "as its files say" },
  },
  draft_model: {
    label: "Draft model",
    help: "The id of a small installed model with the same vocabulary that drafts answers, which the model checks. It then answers one request at a time.",
  },
  draft_tokens: { label: "Tokens of a draft", help: "So many are drafted at a time, from 1 to 16." },
  kv_bits: {
    label: "Cache quantisation",
    help: "Bits of a value in the cache. Fewer take less memory, and the model then answers one request at a time.",
    choices: { "0": "as it computes", "4": "4 bits", "8": "8 bits" },
  },
  prefix_cache_bytes: {
    label: "Prefix cache",
    help: "Memory in which prompts of earlier requests are kept, so that what begins alike is read once. 0 keeps none.",
  },
} satisfies Record<string, Row>;
