import { model } from "./en/model";
import { spoken } from "./spoken";

/** The words of the page of one model, which come with it. */
export const words = await spoken(model, async () => (await import("./de/model")).model);
