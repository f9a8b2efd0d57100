import { api } from "./en/api";

/** The words of the page of the API, which come with it. */
export const words = api;
