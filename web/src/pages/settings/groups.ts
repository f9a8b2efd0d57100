import type { ServerSetting } from "../../lib/api/types";
import { t } from "../../lib/i18n";
import { words } from "../../lib/i18n/settings";

export type Section = keyof typeof t.nav.sections;

/** The sections in their order. */
export const SECTIONS = Object.keys(t.nav.sections) as Section[];

/** The settings of the server by their section; one that stands nowhere comes into the last of these. */
const NAMES: readonly (readonly [Section, readonly string[]])[] = [
  [
    "server",
    [
      "host",
      "port",
      "allowed_hosts",
      "allowed_origins",
      "trusted_proxies",
      "offline",
      "check_updates",
      "log_level",
      "log_file",
      "notify_downloads",
      "notify_failures",
      "notify_memory",
      "notify_evictions",
      "shutdown_grace_s",
    ],
  ],
  [
    "memory",
    [
      "memory_limit_bytes",
      "memory_reserve_bytes",
      "max_loaded_models",
      "keep_alive_s",
      "time_slice_s",
      "preload",
      "warm_spare",
      "worker_memory_limit_bytes",
      "recycle_requests",
    ],
  ],
  [
    "generation",
    ["max_context_tokens", "slots", "prefix_cache_bytes", "kv_bits", "tool_prompt", "truncate", "chat_audio_model"],
  ],
  [
    "requests",
    [
      "max_queue",
      "queue_timeout_s",
      "load_timeout_s",
      "client_stall_s",
      "stream_commit_s",
      "max_body_bytes",
      "max_upload_bytes",
      "max_audio_bytes",
      "max_audio_s",
      "max_speech_characters",
      "max_pictures",
      "max_picture_bytes",
      "max_picture_pixels",
      "media_urls",
      "media_timeout_s",
    ],
  ],
  ["storage", ["model_dirs", "watch_s", "trash_retention_days", "disk_reserve_bytes", "data_dir"]],
  [
    "downloads",
    ["hub_endpoint", "hub_token", "downloads_at_once", "download_limit_bytes", "download_connections", "download_stall_s", "xet"],
  ],
  [
    "privacy",
    ["requests_retention_days", "requests_kept", "responses_retention_days", "samples_retention_days", "otlp_endpoint"],
  ],
  ["advanced", ["health_timeout_s", "hang_timeout_s", "blas", "engine"]],
];

export interface Named {
  name: string;
  setting: ServerSetting;
}

export interface Group {
  section: Section;
  settings: readonly Named[];
}

/** Every setting once, in the group that it belongs to. */
export function grouped(settings: Readonly<Record<string, ServerSetting>>): Group[] {
  const known = new Set(NAMES.flatMap(([, names]) => names));
  const others = Object.keys(settings).filter((name) => !known.has(name));
  return NAMES.map(([section, names], index) => {
    const all = index === NAMES.length - 1 ? [...names, ...others] : names;
    return {
      section,
      settings: all.flatMap((name) => {
        const setting = settings[name];
        return setting ? [{ name, setting }] : [];
      }),
    };
  });
}

/** The groups with those of their settings that have every word of `query` in name, label or help. */
export function searched(groups: readonly Group[], query: string): Group[] {
  const wanted = query.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = ({ name, setting }: Named) => {
    const text = `${name} ${label(name)} ${setting.help}`.toLowerCase();
    return wanted.every((word) => text.includes(word));
  };
  return groups
    .map((group) => ({ ...group, settings: group.settings.filter(matches) }))
    .filter((group) => group.settings.length > 0);
}

/** What a setting is called; one that is new to this page by its own name. */
export function label(name: string): string {
  const spaced = name.replaceAll("_", " ");
  return words.names[name] ?? spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** The section of an address; the first one where it names none. */
export function sectionOf(path: string): Section {
  const named = path.split("/")[2];
  return SECTIONS.find((section) => section === named) ?? SECTIONS[0]!;
}
