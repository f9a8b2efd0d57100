import { language, pseudo } from "./language";

/**
 * `english` in the language of this visit.
 *
 * Words that do not come keep no page from being shown.
 */
export async function spoken<Words>(english: Words, german: () => Promise<Words>): Promise<Words> {
  try {
    if (pseudo) return (await import("./pseudo")).marked(english);
    return language === "de" ? await german() : english;
  } catch {
    return english;
  }
}
