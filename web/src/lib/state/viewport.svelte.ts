import { MediaQuery } from "svelte/reactivity";

const narrow = new MediaQuery("width < 860px");

/** Narrow screens get a drawer for the sidebar and lists in place of tables. */
export const viewport = {
  get narrow(): boolean {
    return narrow.current;
  },
};
