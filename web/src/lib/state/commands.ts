import Bell from "@lucide/svelte/icons/bell";
import FileText from "@lucide/svelte/icons/file-text";
import Keyboard from "@lucide/svelte/icons/keyboard";
import Play from "@lucide/svelte/icons/play";
import RefreshCw from "@lucide/svelte/icons/refresh-cw";
import Settings from "@lucide/svelte/icons/settings";
import Square from "@lucide/svelte/icons/square";
import SunMoon from "@lucide/svelte/icons/sun-moon";

import { encoded, HOME, router } from "../../router.svelte";
import type { Model } from "../api/types";
import { t } from "../i18n";
import { load, rescan, unload } from "./model-actions.svelte";
import { showNotices } from "./notices.svelte";
import { preferences } from "./preferences.svelte";

/** An entry of the command palette. */
export interface Command {
  label: string;
  kind: string;
  icon: typeof Play;
  run(): void;
}

/** A page as the palette has it. */
export interface Destination {
  label: () => string;
  icon: typeof Play;
  path: string;
}

/** Everything that can be done from anywhere: pages, models, actions, then settings by their names. */
export function commands(
  pages: readonly Destination[],
  models: readonly Model[],
  settings: readonly string[],
  showHelp: () => void,
): Command[] {
  const theme = preferences.theme === "dark" ? t.theme.toLight : t.theme.toDark;
  return [
    ...pages.map(({ label, icon, path }) => ({
      label: label(),
      icon,
      kind: t.palette.page,
      run: () => router.go(path),
    })),
    ...models.flatMap(modelCommands),
    { label: t.palette.rescan, icon: RefreshCw, kind: t.palette.action, run: () => void rescan() },
    { label: theme, icon: SunMoon, kind: t.palette.action, run: () => preferences.switchTheme() },
    { label: t.shortcuts.notices, icon: Bell, kind: t.palette.action, run: showNotices },
    { label: t.shortcuts.help, icon: Keyboard, kind: t.palette.action, run: showHelp },
    ...models.map(({ id, display_name, owned_by }) => ({
      label: t.palette.open(display_name),
      kind: owned_by,
      icon: FileText,
      run: () => router.go(`${HOME}/${encoded(id)}`),
    })),
    ...Object.entries(t.nav.sections).map(([section, name]) =>
      settingCommand(t.palette.section(name), `/settings/${section}`),
    ),
    ...settings.map((name) => settingCommand(name, `/settings?q=${name}`)),
  ];
}

function settingCommand(label: string, path: string): Command {
  return { label, kind: t.palette.setting, icon: Settings, run: () => router.go(path) };
}

/** A model that answers is not here: to end its answers takes a question, on its page. */
function modelCommands(model: Model): Command[] {
  const kind = model.owned_by;
  const loadable = model.supported && (model.state === "not_loaded" || model.state === "failed");
  if (loadable) {
    const label = t.palette.load(model.display_name);
    return [{ label, kind, icon: Play, run: () => void load(model) }];
  }
  if (model.state !== "ready") return [];
  const label = t.palette.unload(model.display_name);
  return [{ label, kind, icon: Square, run: () => void unload(model) }];
}

/** The commands whose label has every word of `query`. */
export function matching(all: readonly Command[], query: string): readonly Command[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter(({ label, kind }) => {
    const text = `${label} ${kind}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
