import { quoted, shell } from "./snippets";

export const PROGRAMS = [
  "claude-code",
  "codex",
  "opencode",
  "pi",
  "open-webui",
  "continue",
  "zed",
  "cline",
  "home-assistant",
] as const;
export type Program = (typeof PROGRAMS)[number];

/** What a program is to be told; `file` is where, for those that have one. */
export interface Setup {
  file: string | null;
  text: string;
}

interface Told {
  /** As `http://127.0.0.1:8000`. */
  server: string;
  model: string;
  name: string;
  /** Tokens that prompt and answer may have together. */
  context: number;
}

export function setup(program: Program, told: Told): Setup {
  return SETUPS[program](told);
}

const json = (value: unknown) => JSON.stringify(value, null, 2);

const SETUPS: Record<Program, (told: Told) => Setup> = {
  "claude-code": ({ server, model }) => ({
    file: null,
    text: [
      `export ANTHROPIC_BASE_URL=${shell(server)}`,
      "export ANTHROPIC_AUTH_TOKEN=none",
      `export ANTHROPIC_MODEL=${shell(model)}`,
      `export ANTHROPIC_DEFAULT_HAIKU_MODEL=${shell(model)}`,
      "claude",
    ].join("\n"),
  }),
  codex: ({ server, model }) => ({
    file: "~/.codex/config.toml",
    text: [
      `model = ${quoted(model)}`,
      'model_provider = "mlx-gui"',
      "",
      "[model_providers.mlx-gui]",
      'name = "mlx-gui"',
      `base_url = ${quoted(`${server}/v1`)}`,
      'wire_api = "responses"',
    ].join("\n"),
  }),
  opencode: ({ server, model, context }) => ({
    file: "opencode.json",
    text: json({
      provider: {
        "mlx-gui": {
          npm: "@ai-sdk/openai-compatible",
          options: { baseURL: `${server}/v1`, apiKey: "none" },
          models: { [model]: { limit: { context, output: answerTokens(context) } } },
        },
      },
      model: `mlx-gui/${model}`,
    }),
  }),
  pi: ({ server, model, context }) => ({
    file: "~/.pi/agent/models.json",
    text: json({
      providers: {
        "mlx-gui": {
          baseUrl: `${server}/v1`,
          api: "openai-completions",
          apiKey: "none",
          models: [{ id: model, contextWindow: context, maxTokens: answerTokens(context), input: ["text"], reasoning: false }],
        },
      },
    }),
  }),
  "open-webui": ({ server }) => ({
    file: "compose.yaml",
    text: [
      "services:",
      "  open-webui:",
      "    image: ghcr.io/open-webui/open-webui:main",
      '    ports: ["3000:8080"]',
      "    environment:",
      `      OPENAI_API_BASE_URL: ${quoted(`${fromContainer(server)}/v1`)}`,
      "      OPENAI_API_KEY: none",
      '    extra_hosts: ["host.docker.internal:host-gateway"]',
    ].join("\n"),
  }),
  continue: ({ server, model, name }) => ({
    file: "~/.continue/config.yaml",
    text: [
      "name: Local",
      "version: 1.0.0",
      "schema: v1",
      "models:",
      `  - name: ${quoted(name)}`,
      "    provider: openai",
      `    model: ${quoted(model)}`,
      `    apiBase: ${quoted(`${server}/v1`)}`,
      "    apiKey: none",
      "    roles: [chat, edit, apply]",
    ].join("\n"),
  }),
  zed: ({ server, model, name, context }) => ({
    file: "settings.json",
    text: json({
      language_models: {
        openai_compatible: {
          "mlx-gui": {
            api_url: `${server}/v1`,
            available_models: [{ name: model, display_name: name, max_tokens: context }],
          },
        },
      },
    }),
  }),
  cline: ({ server, model }) => ({
    file: null,
    text: ["API Provider: OpenAI Compatible", `Base URL: ${server}/v1`, "API Key: none", `Model ID: ${model}`].join("\n"),
  }),
  "home-assistant": ({ server, model }) => ({
    file: null,
    text: ["Integration: Ollama", `URL: ${server}`, `Model: ${model}`].join("\n"),
  }),
};

/** A container has a loopback of its own. */
function fromContainer(server: string): string {
  return server.replace(/^(https?:\/\/)(127\.0\.0\.1|localhost|\[::1\])(?=[:/]|$)/, "$1host.docker.internal");
}

function answerTokens(context: number): number {
  return Math.min(8_192, Math.floor(context / 2));
}
