/** A part of a model card; `text` is what is to be read, never HTML. */
export type CardBlock =
  | { kind: "heading"; text: string; level: 3 | 4 }
  | { kind: "text"; text: string }
  | { kind: "code"; text: string }
  | { kind: "list"; items: string[] };

const FRONT_MATTER = /^---\r?\n[\s\S]*?\r?\n---\r?\n/;
const FENCE = /^ {0,3}(```+|~~~+)/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*)$/;
const CLOSING = /#+$/;
const ITEM = /^\s*(?:[-*+]|\d+[.)])\s+(.*)$/;

/**
 * The blocks of a card's Markdown, as far as a reader needs them. `picture` is what stands in the
 * place of one. Whatever it does not know stays as it was written.
 */
export function cardBlocks(markdown: string, picture: (name: string) => string): CardBlock[] {
  const blocks: CardBlock[] = [];
  let paragraph: string[] = [];
  const endParagraph = () => {
    const text = plain(paragraph.join("\n"), picture).trim();
    if (text) blocks.push({ kind: "text", text });
    paragraph = [];
  };
  const lines = markdown.replace(FRONT_MATTER, "").split(/\r?\n/);
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!;
    const fence = FENCE.exec(line)?.[1];
    const heading = HEADING.exec(line);
    const item = ITEM.exec(line)?.[1];
    if (fence !== undefined) {
      endParagraph();
      const end = lines.findIndex((other, index) => index > at && other.trimStart().startsWith(fence));
      const close = end === -1 ? lines.length : end;
      blocks.push({ kind: "code", text: lines.slice(at + 1, close).join("\n") });
      at = close;
    } else if (heading) {
      endParagraph();
      const text = plain(heading[2]!.trimEnd().replace(CLOSING, ""), picture).trim();
      if (text) blocks.push({ kind: "heading", text, level: heading[1]!.length <= 2 ? 3 : 4 });
    } else if (item !== undefined) {
      endParagraph();
      const text = plain(item, picture).trim();
      const before = blocks.at(-1);
      if (text && before?.kind === "list") before.items.push(text);
      else if (text) blocks.push({ kind: "list", items: [text] });
    } else if (line.trim() === "") {
      endParagraph();
    } else {
      paragraph.push(line);
    }
  }
  endParagraph();
  return blocks;
}

/**
 * Without the marks of Markdown and HTML; the address of a link stands beside its words. Every
 * pattern has a bound, so that no text takes long.
 */
function plain(text: string, picture: (name: string) => string): string {
  return text
    .replace(/!\[([^\[\]]{0,300})\]\([^()]{0,2000}\)/g, (_, name: string) => picture(name))
    .replace(/<img\b[^<>]{0,2000}>/gi, () => picture(""))
    .replace(/\[([^\[\]]{1,300})\]\(([^()\s]{1,2000})(?:\s[^()]{0,300})?\)/g, (_, words: string, address: string) =>
      words === address ? words : /^https?:/.test(address) ? `${words} (${address})` : words,
    )
    .replace(/<\/?[a-z][^<>]{0,2000}>/gi, "")
    .replace(/(\*\*|__)(?=\S)([^*_]{1,500})\1/g, "$2")
    .replace(/(?<![\w*])\*(?=[^\s*])([^*\n]{1,500})\*(?![\w*])/g, "$1")
    .replace(/`([^`\n]{1,500})`/g, "$1");
}
