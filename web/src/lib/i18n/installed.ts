import { installed } from "./en/installed";
import { spoken } from "./spoken";

/** The words of the page of installed models, which come with it. */
export const words = await spoken(installed, async () => (await import("./de/installed")).installed);
