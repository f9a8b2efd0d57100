import { keep, kept } from "../state/storage";

/** What can be chosen, by the name that it has for itself. */
export const LANGUAGES = { en: "English", de: "Deutsch" };

export type Language = keyof typeof LANGUAGES;

/** English with marks and a third longer: what is not in it comes from no file of words. */
const PSEUDO = "en-XA";
/** The same from right to left. */
const PSEUDO_RTL = "ar-XB";
const KEY = "mlx-gui:language";

const chosenTag = kept("localStorage", KEY);

/** The one that somebody has chosen in this browser; null is that of the browser. */
export const chosenLanguage = languageOf(chosenTag);

/** The one of this visit. */
export const language = chosenLanguage ?? languageOf(...navigator.languages) ?? "en";

export const pseudo = chosenTag === PSEUDO || chosenTag === PSEUDO_RTL;

/** Where a line begins. */
export const direction: "ltr" | "rtl" = chosenTag === PSEUDO_RTL ? "rtl" : "ltr";

/** It is spoken from the next visit on. */
export function chooseLanguage(chosen: Language | null): void {
  keep("localStorage", KEY, chosen);
}

/** The first of the languages `de`, `de-AT` and the like that there are words in. */
function languageOf(...tags: (string | null)[]): Language | null {
  const bases = tags.map((tag) => (tag === PSEUDO ? "" : (tag?.split("-")[0] ?? "")));
  return bases.find((base): base is Language => base in LANGUAGES) ?? null;
}
