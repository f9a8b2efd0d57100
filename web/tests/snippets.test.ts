import { describe, expect, it } from "vitest";

import { PROGRAMS, setup } from "../src/lib/parts/programs";
import { LANGUAGES, quoted, shell, snippet, tasksOf } from "../src/lib/parts/snippets";
import { model } from "./models";

const HOSTILE = `a'b"c\\d$(x)\`y\` \n#{z}`;

describe("the tasks of a model", () => {
  it("are those of its kind, and the list of models", () => {
    expect(tasksOf(model("m"))).toEqual(["chat", "stream", "schema", "messages", "models"]);
    expect(tasksOf(model("m", { kind: "embedding" }))).toEqual(["embeddings", "models"]);
    expect(tasksOf(model("m", { kind: "transcription" }))).toEqual(["transcription", "models"]);
    expect(tasksOf(model("m", { kind: "reranker" }))).toEqual(["rerank", "models"]);
    expect(tasksOf(undefined)).toEqual(["models"]);
  });
});

it("writes any name as one word of a shell and one string of a program", () => {
  expect(shell("it's $(x)")).toBe(`'it'\\''s $(x)'`);
  expect(JSON.parse(quoted(HOSTILE))).toBe(HOSTILE);
});

it("has the name in every snippet as it is quoted there", () => {
  for (const language of LANGUAGES) {
    for (const task of ["chat", "stream", "schema", "messages", "embeddings", "rerank", "transcription"] as const) {
      const text = snippet(task, language, HOSTILE, "http://127.0.0.1:8000");
      const forms = [quoted(HOSTILE), shell(quoted(HOSTILE)).slice(1, -1), shell(HOSTILE)];
      expect(forms.some((form) => text.includes(form))).toBe(true);
    }
  }
});

it("tells each program this server and this model", () => {
  const told = { server: "http://127.0.0.1:8000", model: "org/m", name: "m", context: 4096 };
  for (const program of PROGRAMS) {
    const { text } = setup(program, told);
    expect(text).toContain(program === "open-webui" ? "http://host.docker.internal:8000/v1" : told.server);
    if (program !== "open-webui") expect(text).toContain("org/m");
  }
});
