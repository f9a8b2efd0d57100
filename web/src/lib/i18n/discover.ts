import { discover } from "./en/discover";

/** The words of Discover, which come with it. */
export const words = discover;
