import type { Fit, LicenceClass, Starter } from "../api/types";

/** What can be installed by one button: one quantization of a model. */
export interface Offer {
  id: string;
  name: string;
  quantization: string | null;
  sizeBytes: number | null;
  fit: Fit;
  gated: boolean;
  licence: { name: string | null; allows: LicenceClass | null; link: string | null };
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
    licence: { name: starter.license, allows: starter.license_class, link: null },
    unsupported: starter.supported.ok ? null : (starter.supported.reason ?? ""),
  };
}

/** Whether somebody should have read its licence before: its own terms, or those of whoever gives it. */
export function asksForLicence({ gated, licence: { allows } }: Offer): boolean {
  return gated || allows === "terms" || allows === "noncommercial";
}

/** Its id without whose it is. */
export function starterName({ id }: Starter): string {
  return id.split("/").at(-1) ?? id;
}
