import type { card as english } from "../en/card";

export const card: typeof english = {
  title: "Beschreibung",
  none: "Es hat keine Beschreibung.",
  source: "Von dem geschrieben, der es veröffentlicht. Bilder werden nicht geladen.",
  picture: (name) => (name ? `[${name}: Bild nicht geladen]` : "[Bild nicht geladen]"),
  licenceText: "Text der Lizenz",
};
