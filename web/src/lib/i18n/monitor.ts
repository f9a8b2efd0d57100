import { monitor } from "./en/monitor";
import { spoken } from "./spoken";

/** The words of Monitor, which come with it. */
export const words = await spoken(monitor, async () => (await import("./de/monitor")).monitor);
