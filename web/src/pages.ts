import BookOpen from "@lucide/svelte/icons/book-open";
import Boxes from "@lucide/svelte/icons/boxes";
import type { Component } from "svelte";

import { t } from "./lib/i18n";
import { HOME } from "./router.svelte";

type Group = keyof typeof t.nav.groups;

interface Entry {
  label: string;
  group: Group;
  icon: typeof Boxes;
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

/** The navigation in its order; a page is added by one line. */
export const ENTRIES: readonly (Page | Outside)[] = [
  { group: "models", label: t.nav.installed, icon: Boxes, path: HOME, key: "m", load: () => import("./pages/models/ModelsPage.svelte") },
  { group: "connect", label: t.nav.reference, icon: BookOpen, address: "/docs" },
];

export const PAGES = ENTRIES.filter((entry): entry is Page => "path" in entry);

/** The page that shows `path`, its own or one below it. */
export function pageAt(path: string): Page | undefined {
  return PAGES.find((page) => path === page.path || path.startsWith(`${page.path}/`));
}
