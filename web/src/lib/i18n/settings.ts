import { settings } from "./en/settings";
import { spoken } from "./spoken";

/** The words of the settings, which come with their page. */
export const words = await spoken(settings, async () => (await import("./de/settings")).settings);
