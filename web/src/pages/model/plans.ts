const USUAL = [2_048, 8_192, 32_768, 131_072, 524_288];

/** The contexts that a model is planned for: the usual ones below its own, and that. */
export function contextsOf(longest: number): number[] {
  return [...USUAL.filter((tokens) => tokens < longest), longest];
}
