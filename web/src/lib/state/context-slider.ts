/** The least context that a model can be loaded with, in tokens. */
const LEAST_TOKENS = 16;
/** About so many positions have a slider enough for the hand. */
const POSITIONS = 64;

/** Positions of a slider that ends at exactly `longest` tokens: multiples of a power of two. */
export function contextSteps(longest: number): { least: number; step: number } {
  let step = 1;
  while (longest % (step * 2) === 0 && step * 2 * POSITIONS <= longest) step *= 2;
  return { least: Math.ceil(LEAST_TOKENS / step) * step, step };
}

/** Where `tokens` are on that slider, from 0 to 1. */
export function sliderShare(tokens: number, longest: number): number {
  const { least } = contextSteps(longest);
  if (longest <= least) return 1;
  return Math.min(Math.max((tokens - least) / (longest - least), 0), 1);
}
