import { SvelteMap } from "svelte/reactivity";

/** Chat templates that are being written, by model: nothing of them is lost while other pages are looked at. */
export const templateDrafts = new SvelteMap<string, string>();
