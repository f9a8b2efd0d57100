import { api } from "./en/api";
import { spoken } from "./spoken";

/** The words of the page of the API, which come with it. */
export const words = await spoken(api, async () => (await import("./de/api")).api);
