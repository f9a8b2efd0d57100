import type { Model } from "../../lib/api/types";

/** Whether it writes text: only such a model has a chat template and a speed. */
export function writes(model: Model): boolean {
  return model.capabilities.includes("completion");
}
