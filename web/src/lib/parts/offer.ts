import type { Fit, Starter } from "../api/types";

/** What can be installed by one button: one quantization of a model. */
export interface Offer {
  id: string;
  name: string;
  quantization: string | null;
  sizeBytes: number | null;
  fit: Fit;
  gated: boolean;
  /** Why this version cannot serve it. */
  unsupported: string | null;
}

export function starterOffer(starter: Starter): Offer {
  return {
    id: starter.id,
    name: starterName(starter),
    quantization: starter.quantization,
    sizeBytes: starter.size_bytes,
    fit: starter.fit,
    gated: false,
    unsupported: starter.supported.ok ? null : (starter.supported.reason ?? ""),
  };
}

/** Its id without whose it is. */
export function starterName({ id }: Starter): string {
  return id.split("/").at(-1) ?? id;
}
