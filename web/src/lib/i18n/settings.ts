import { settings } from "./en/settings";

/** The words of the settings, which come with their page. */
export const words = settings;
