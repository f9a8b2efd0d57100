import type { LicenceClass } from "../../api/types";
import type { card as english } from "../en/card";

const MEANINGS: Record<LicenceClass, string> = {
  permissive: "frei für jeden Zweck",
  copyleft: "frei, und was daraus entsteht, wird ebenso geteilt",
  noncommercial: "nicht für gewerbliche Zwecke",
  terms: "zu eigenen Bedingungen",
};

export const card: typeof english = {
  title: "Beschreibung",
  none: "Es hat keine Beschreibung.",
  source: "Von dem geschrieben, der es veröffentlicht. Bilder werden nicht geladen.",
  picture: (name) => (name ? `[${name}: Bild nicht geladen]` : "[Bild nicht geladen]"),
  licenceText: "Text der Lizenz",
  licence: {
    title: "Lizenz",
    said: (name, allows) => (allows === null ? name : `${name}, ${MEANINGS[allows]}`),
    unknown: "In seinem Ordner nicht genannt",
    asks: (name, allows) =>
      `Seine Lizenz ist ${name}${allows === null ? "" : `, ${MEANINGS[allows]}`}. Lies sie, bevor du das Modell benutzt.`,
    unnamed: "Nichts nennt seine Lizenz. Was der verlangt, der es veröffentlicht, steht beim Hub.",
    kept: "Deine Antwort bleibt auf dieser Seite. Ob du das Modell haben darfst, prüft der Hub.",
    read: "Die Lizenz lesen",
    page: "Seine Beschreibung und Lizenz",
    accept: "Annehmen und installieren",
    acceptAll: "Annehmen und alle installieren",
    several: "Diese haben Lizenzen mit eigenen Bedingungen. Lies sie, bevor du die Modelle benutzt.",
  },
};
