import { downloads } from "./en/downloads";
import { frame } from "./en/frame";
import { models } from "./en/models";

/**
 * The words that are there from the beginning: those of the frame, and those of what is done and
 * told from anywhere. A page that needs more has a file beside this one, which comes with it.
 */
export const t = { ...frame, ...models, ...downloads };
