import { createSubscriber } from "svelte/reactivity";

const tick = createSubscriber((update) => {
  const timer = setInterval(update, 1_000);
  return () => clearInterval(timer);
});

/** Now, in milliseconds; what reads it is drawn again every second. */
export function now(): number {
  tick();
  return Date.now();
}
