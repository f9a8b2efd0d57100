/** One frame of an event stream. A comment is a frame without data: it only shows life. */
export interface Frame {
  id: string | null;
  event: string;
  data: string | null;
}

/** Cuts a text stream into frames, wherever its pieces happen to break. */
export class FrameParser {
  #rest = "";

  /** The frames that `text` completes. */
  feed(text: string): Frame[] {
    const blocks = (this.#rest + text).replace(/\r\n/g, "\n").split("\n\n");
    this.#rest = blocks.pop() ?? "";
    return blocks.map(parseBlock);
  }
}

function parseBlock(block: string): Frame {
  const frame: Frame = { id: null, event: "message", data: null };
  for (const line of block.split("\n")) {
    const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === "id") frame.id = value;
    else if (field === "event") frame.event = value;
    else if (field === "data") frame.data = frame.data === null ? value : `${frame.data}\n${value}`;
  }
  return frame;
}
