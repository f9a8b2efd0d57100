import { welcome } from "./en/welcome";
import { spoken } from "./spoken";

/** The words of the first visit, which come with its page. */
export const words = await spoken(welcome, async () => (await import("./de/welcome")).welcome);
