/** The words of model cards and licences, which several pages show. */
export const card = {
  title: "Model card",
  none: "It has no model card.",
  source: "Written by its publisher. Pictures are not loaded.",
  picture: (name: string) => (name ? `[${name}: picture not loaded]` : "[picture not loaded]"),
  licenceText: "Licence text",
};
