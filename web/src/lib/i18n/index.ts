import { downloads } from "./en/downloads";
import { frame } from "./en/frame";
import { models } from "./en/models";
import { notices } from "./en/notices";
import { direction, language } from "./language";
import { spoken } from "./spoken";

const english = { ...frame, ...models, ...downloads, ...notices };

/**
 * The words that are there from the beginning: those of the frame, and those of what is done and
 * told from anywhere. A page that needs more has a file beside this one, which comes with it.
 */
export let t = english;

/** Has `t` speak the language of this visit: before anything is shown, so that all of it does. */
export async function speak(): Promise<void> {
  t = await spoken(english, async () => (await import("./de")).common);
  // Also where the words of another did not come.
  document.documentElement.dir = direction;
  document.documentElement.lang = t === english ? "en" : language;
}
