import { card } from "./en/card";
import { spoken } from "./spoken";

/** The words of model cards and licences, which come with what shows them. */
export const words = await spoken(card, async () => (await import("./de/card")).card);
