import Activity from "@lucide/svelte/icons/activity";
import BookOpen from "@lucide/svelte/icons/book-open";
import Boxes from "@lucide/svelte/icons/boxes";
import Compass from "@lucide/svelte/icons/compass";
import Download from "@lucide/svelte/icons/download";
import Rocket from "@lucide/svelte/icons/rocket";
import Settings from "@lucide/svelte/icons/settings";
import SquareTerminal from "@lucide/svelte/icons/square-terminal";
import SwatchBook from "@lucide/svelte/icons/swatch-book";
import type { Component } from "svelte";

import { t } from "./lib/i18n";
import { onTheirWay } from "./lib/state/downloads.svelte";
import { live } from "./lib/state/live.svelte";
import { HOME, WELCOME } from "./router.svelte";

type Group = keyof typeof t.nav.groups;

interface Entry {
  /** In the language of this visit, which is not known yet where this is written. */
  label: () => string;
  group: Group;
  icon: typeof Boxes;
  /** What its entry tells beside its name, while there is something: a figure, and in words. */
  count?: () => { figure: number; words: string };
  /** Whether it stands in the navigation now; the palette always has it. */
  listed?: () => boolean;
}

/** A page of this application. `key` follows `G`. */
export interface Page extends Entry {
  path: string;
  key: string;
  load(): Promise<{ default: Component }>;
}

/** Something that the server shows outside this application. */
export interface Outside extends Entry {
  address: string;
}

/** Every component in every state; no word of it is in a build for users. */
const KIT: Page = {
  group: "connect",
  label: () => "Kit",
  icon: SwatchBook,
  path: "/_kit",
  key: "y",
  load: () => import("./pages/kit/KitPage.svelte"),
};

/** The navigation in its order; a page is added by one line. */
export const ENTRIES: readonly (Page | Outside)[] = [
  {
    group: "models",
    label: () => t.nav.welcome,
    icon: Rocket,
    path: WELCOME,
    key: "h",
    load: () => import("./pages/welcome/WelcomePage.svelte"),
    listed: () => live.models?.length === 0,
  },
  { group: "models", label: () => t.nav.installed, icon: Boxes, path: HOME, key: "m", load: () => import("./pages/models/ModelsPage.svelte") },
  {
    group: "models",
    label: () => t.nav.discover,
    icon: Compass,
    path: "/discover",
    key: "d",
    load: () => import("./pages/discover/DiscoverPage.svelte"),
  },
  {
    group: "models",
    label: () => t.nav.downloads,
    icon: Download,
    path: "/downloads",
    key: "w",
    load: () => import("./pages/downloads/DownloadsPage.svelte"),
    count: () => ({ figure: onTheirWay().length, words: t.nav.downloadsOnTheirWay(onTheirWay().length) }),
  },
  {
    group: "observe",
    label: () => t.nav.monitor,
    icon: Activity,
    path: "/monitor",
    key: "o",
    load: () => import("./pages/monitor/MonitorPage.svelte"),
  },
  {
    group: "connect",
    label: () => t.nav.api,
    icon: SquareTerminal,
    path: "/api",
    key: "a",
    load: () => import("./pages/api/ApiPage.svelte"),
  },
  ...(__DEV_PAGES__ ? [KIT] : []),
  { group: "connect", label: () => t.nav.reference, icon: BookOpen, address: "/docs" },
  {
    group: "connect",
    label: () => t.nav.settings,
    icon: Settings,
    path: "/settings",
    key: "s",
    load: () => import("./pages/settings/SettingsPage.svelte"),
  },
];

export const PAGES = ENTRIES.filter((entry): entry is Page => "path" in entry);

/** The page that shows `path`, its own or one below it. */
export function pageAt(path: string): Page | undefined {
  return PAGES.find((page) => path === page.path || path.startsWith(`${page.path}/`));
}
