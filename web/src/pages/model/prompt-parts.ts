/** A short conversation that every template takes: some know no system's turn. */
export const CONVERSATION = [
  { role: "user", content: "What is the capital of France?" },
  { role: "assistant", content: "Paris." },
  { role: "user", content: "And of Italy?" },
] as const;

/** A part of a prompt; `added` is what stands in none of the messages. */
export interface Part {
  text: string;
  added: boolean;
}

/** `prompt` cut where the messages of the conversation stand in it, as far as they do. */
export function partsOf(prompt: string, messages: readonly { content: string }[] = CONVERSATION): Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (const { content } of messages) {
    const found = prompt.indexOf(content, at);
    if (found === -1) continue;
    parts.push({ text: prompt.slice(at, found), added: true }, { text: content, added: false });
    at = found + content.length;
  }
  parts.push({ text: prompt.slice(at), added: true });
  return parts.filter(({ text }) => text !== "");
}
