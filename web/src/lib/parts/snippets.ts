import type { Model } from "../api/types";
import type { ApiTask } from "../i18n/en/api";

export const LANGUAGES = ["curl", "python", "javascript"] as const;
export type Language = (typeof LANGUAGES)[number];

const JSON_TYPE = "content-type: application/json";
const QUESTION = "What is the capital of France?";
const ANSWER_TOKENS = 100;
const CITY = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

/** What can be asked of that model; the list of models can be asked for without any. */
export function tasksOf(model: Model | undefined): ApiTask[] {
  const tasks: Partial<Record<string, ApiTask[]>> = {
    text: ["chat", "stream", "schema", "messages"],
    embedding: ["embeddings"],
    reranker: ["rerank"],
    transcription: ["transcription"],
  };
  const own = (model?.kind && tasks[model.kind]) || [];
  const chats = model?.capabilities.includes("chat") ?? false;
  return [...own.filter((task) => chats || model?.kind !== "text" || task !== "messages"), "models"];
}

/** A program that does the task at the server of that address, such as `http://127.0.0.1:8000`. */
export function snippet(task: ApiTask, language: Language, model: string, server: string): string {
  return WRITERS[language](task, model, server);
}

const WRITERS: Record<Language, (task: ApiTask, model: string, server: string) => string> = {
  curl: asCurl,
  python: asPython,
  javascript: asJavaScript,
};

const PATHS: Record<ApiTask, string> = {
  chat: "/v1/chat/completions",
  stream: "/v1/chat/completions",
  schema: "/v1/chat/completions",
  messages: "/v1/messages",
  embeddings: "/v1/embeddings",
  rerank: "/v1/rerank",
  transcription: "/v1/audio/transcriptions",
  models: "/v1/models",
};

/** The JSON that is sent; null where the task sends none. */
function bodyOf(task: ApiTask, model: string): Record<string, unknown> | null {
  const messages = [{ role: "user", content: QUESTION }];
  const short = { model, messages, max_tokens: ANSWER_TOKENS };
  switch (task) {
    case "chat":
    case "messages":
      return short;
    case "stream":
      return { ...short, stream: true };
    case "schema":
      return {
        ...short,
        response_format: { type: "json_schema", json_schema: { name: "city", strict: true, schema: CITY } },
      };
    case "embeddings":
      return { model, input: ["Paris is the capital of France."] };
    case "rerank":
      return { model, query: QUESTION, documents: ["Paris is the capital.", "The sea is blue."] };
    case "transcription":
    case "models":
      return null;
  }
}

function asCurl(task: ApiTask, model: string, server: string): string {
  const url = shell(server + PATHS[task]);
  if (task === "models") return `curl --fail ${url}`;
  if (task === "transcription") {
    return `curl --fail ${url} \\\n  --form model=${shell(model)} \\\n  --form file=@interview.wav`;
  }
  const flags = task === "stream" ? "--fail --no-buffer" : "--fail";
  const body = shell(JSON.stringify(bodyOf(task, model), null, 2));
  return `curl ${flags} ${url} \\\n  --header ${shell(JSON_TYPE)} \\\n  --data ${body}`;
}

function asPython(task: ApiTask, model: string, server: string): string {
  const open = `from openai import OpenAI\n\nclient = OpenAI(base_url=${quoted(`${server}/v1`)}, api_key="none")\n`;
  const named = `    model=${quoted(model)},\n`;
  const asked = `${named}    messages=[{"role": "user", "content": ${quoted(QUESTION)}}],\n    max_tokens=${ANSWER_TOKENS},\n`;
  switch (task) {
    case "models":
      return `${open}for model in client.models.list():\n    print(model.id)`;
    case "chat":
      return `${open}answer = client.chat.completions.create(\n${asked})\nprint(answer.choices[0].message.content)`;
    case "stream":
      return (
        `${open}answer = client.chat.completions.create(\n${asked}    stream=True,\n)\n` +
        `for chunk in answer:\n    print(chunk.choices[0].delta.content or "", end="")`
      );
    case "schema":
      return (
        `${open}answer = client.chat.completions.create(\n${asked}    response_format={\n        "type": "json_schema",\n` +
        `        "json_schema": {\n            "name": "city",\n            "strict": True,\n            "schema": {\n` +
        `                "type": "object",\n                "properties": {"city": {"type": "string"}},\n` +
        `                "required": ["city"],\n                "additionalProperties": False,\n            },\n        },\n` +
        `    },\n)\nprint(answer.choices[0].message.content)`
      );
    case "messages":
      return (
        `from anthropic import Anthropic\n\nclient = Anthropic(base_url=${quoted(server)}, api_key="none")\n` +
        `message = client.messages.create(\n${asked})\nprint(message.content[0].text)`
      );
    case "embeddings":
      return `${open}answer = client.embeddings.create(\n${named}    input=["Paris is the capital of France."],\n)\nprint(answer.data[0].embedding)`;
    case "rerank":
      return (
        `import httpx\n\nanswer = httpx.post(\n    ${quoted(server + PATHS.rerank)},\n    json={\n        "model": ${quoted(model)},\n` +
        `        "query": ${quoted(QUESTION)},\n        "documents": ["Paris is the capital.", "The sea is blue."],\n    },\n` +
        `    timeout=60,\n)\nprint(answer.raise_for_status().json()["results"])`
      );
    case "transcription":
      return `${open}with open("interview.wav", "rb") as file:\n    answer = client.audio.transcriptions.create(model=${quoted(model)}, file=file)\nprint(answer.text)`;
  }
}

function asJavaScript(task: ApiTask, model: string, server: string): string {
  const url = quoted(server + PATHS[task]);
  if (task === "models") {
    return `const response = await fetch(${url});\nconst { data } = await response.json();\nconsole.log(data.map(({ id }) => id));`;
  }
  if (task === "transcription") {
    return (
      `import { openAsBlob } from "node:fs";\n\nconst form = new FormData();\nform.set("model", ${quoted(model)});\n` +
      `form.set("file", await openAsBlob("interview.wav"), "interview.wav");\n` +
      `const response = await fetch(${url}, { method: "POST", body: form });\nconsole.log((await response.json()).text);`
    );
  }
  const body = JSON.stringify(bodyOf(task, model), null, 2).replaceAll("\n", "\n  ");
  const asked =
    `const response = await fetch(${url}, {\n  method: "POST",\n  headers: { "content-type": "application/json" },\n` +
    `  body: JSON.stringify(${body}),\n});\nif (!response.ok) throw new Error(await response.text());\n`;
  const SHOWN: Partial<Record<ApiTask, string>> = {
    messages: "console.log((await response.json()).content[0].text);",
    embeddings: "console.log((await response.json()).data[0].embedding);",
    rerank: "console.log((await response.json()).results);",
    stream: "for await (const part of response.body.pipeThrough(new TextDecoderStream())) console.log(part);",
  };
  return asked + (SHOWN[task] ?? "console.log((await response.json()).choices[0].message.content);");
}

/** A string of Python, JavaScript, JSON, TOML and YAML alike. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}

/** One word of a POSIX shell. */
export function shell(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
