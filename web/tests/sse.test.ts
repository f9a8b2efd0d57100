import { expect, it } from "vitest";

import { FrameParser } from "../src/lib/api/sse";

const STREAM =
  'id: 1\nevent: hello\ndata: {"a":1}\n\n: still here\n\nid: 2\r\nevent: model\r\ndata: one\r\ndata: two\r\n\r\n';
const FRAMES = [
  { id: "1", event: "hello", data: '{"a":1}' },
  { id: null, event: "message", data: null },
  { id: "2", event: "model", data: "one\ntwo" },
];

it("cuts a stream into frames, comments among them", () => {
  expect(new FrameParser().feed(STREAM)).toEqual(FRAMES);
});

it.each([1, 2, 3, 7])("finds the same frames in pieces of %i characters", (size) => {
  const parser = new FrameParser();
  const pieces = STREAM.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
  expect(pieces.flatMap((piece) => parser.feed(piece))).toEqual(FRAMES);
});

it("waits for the rest of a frame", () => {
  const parser = new FrameParser();
  expect(parser.feed("data: half")).toEqual([]);
  expect(parser.feed(" and half\n\n")).toEqual([{ id: null, event: "message", data: "half and half" }]);
});
