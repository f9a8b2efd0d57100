import type { LicenceClass } from "../../api/types";

const MEANINGS: Record<LicenceClass, string> = {
  permissive: "free for any use",
  copyleft: "free, and what is made of it is shared alike",
  noncommercial: "not for commercial use",
  terms: "on terms of its own",
};

/** The words of model cards and licences, which several pages show. */
export const card = {
  title: "Model card",
  none: "It has no model card.",
  source: "Written by its publisher. Pictures are not loaded.",
  picture: (name: string) => (name ? `[${name}: picture not loaded]` : "[picture not loaded]"),
  licenceText: "Licence text",
  licence: {
    title: "Licence",
    said: (name: string, allows: LicenceClass | null) => (allows === null ? name : `${name}, ${MEANINGS[allows]}`),
    unknown: "Not named in its folder",
    asks: (name: string, allows: LicenceClass | null) =>
      `Its licence is ${name}${allows === null ? "" : `, ${MEANINGS[allows]}`}. Read it before you use the model.`,
    unnamed: "Nothing names its licence. What its publisher asks for stands at the hub.",
    kept: "Your answer stays on this page. Whether you may have the model is for the hub to check.",
    read: "Read the licence",
    page: "Its card and licence",
    accept: "Accept and install",
    acceptAll: "Accept and install all",
    several: "These come under licences with terms of their own. Read them before you use the models.",
  },
};
