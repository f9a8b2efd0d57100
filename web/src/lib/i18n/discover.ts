import { discover } from "./en/discover";
import { spoken } from "./spoken";

/** The words of Discover, which come with it. */
export const words = await spoken(discover, async () => (await import("./de/discover")).discover);
