import { downloads } from "./downloads";
import { frame } from "./frame";
import { models } from "./models";
import { notices } from "./notices";

/** The words that are there from the beginning, as `../index.ts` has them in English. */
export const common = { ...frame, ...models, ...downloads, ...notices };
