// Enough of them that no three letters stand together unmarked.
const PLAIN = "AEILNORSTUacdehilnorstuy";
const MARKED = "ÅÉÎĻÑÖŘŠŤÛåçďéħîļñöřšťûý";

/** `words` with every text marked, also those that come of a function. */
export function marked<Words>(words: Words): Words {
  return of(words) as Words;
}

function of(words: unknown): unknown {
  if (typeof words === "string") return text(words);
  if (typeof words === "function") return (...given: unknown[]) => of(words(...given));
  if (words === null || typeof words !== "object") return words;
  return Object.fromEntries(Object.entries(words).map(([name, value]) => [name, of(value)]));
}

function text(plain: string): string {
  const letters = [...plain].map((letter) => MARKED[PLAIN.indexOf(letter)] ?? letter).join("");
  return `${letters}${"~".repeat(Math.ceil(plain.length / 3))}`;
}
