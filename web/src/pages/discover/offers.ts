import type { Found, Variant } from "../../lib/api/types";
import type { Offer } from "../../lib/parts/offer";

/** A model with all its quantizations that are listed; `offers` has them, the advised one first. */
export interface FoundRow {
  model: Found;
  offers: readonly Offer[];
}

/** The list with the quantizations of one model in one row, where the first of them was. */
export function rowsOf(models: readonly Found[]): FoundRow[] {
  const taken = new Set<string>();
  const listed = new Map(models.map((model) => [model.id, model]));
  const rows: FoundRow[] = [];
  for (const model of models) {
    if (taken.has(model.id)) continue;
    const offers = [offerOf(model), ...model.variants.map((variant) => variantOffer(variant, model, listed))];
    for (const { id } of offers) taken.add(id);
    rows.push({ model, offers: advisedFirst(offers) });
  }
  return rows;
}

export function offerOf(model: Found): Offer {
  return {
    id: model.id,
    name: model.name,
    quantization: model.quantization,
    sizeBytes: model.size_bytes,
    fit: model.fit,
    gated: model.gated === true,
    licence: licenceOf(model),
    unsupported: model.supported.ok ? null : (model.supported.reason ?? ""),
  };
}

/** `listed` are those in the list, which knows more of them. */
export function variantOffer(variant: Variant, of: Found, listed: ReadonlyMap<string, Found> = new Map()): Offer {
  const model = listed.get(variant.id);
  if (model) return offerOf(model);
  const { id, quantization, size_bytes: sizeBytes, fit, gated } = variant;
  const name = id.split("/").at(-1) ?? id;
  return { ...offerOf(of), id, name, quantization, sizeBytes, fit, gated: gated === true, licence: licenceOf(variant) };
}

function licenceOf({ license: name, license_class: allows, license_link: link }: Found | Variant): Offer["licence"] {
  return { name, allows, link };
}

/** The one that was found first, unless it does not fit well and another does: the largest of these. */
function advisedFirst(offers: readonly Offer[]): Offer[] {
  const comfortable = (offer: Offer) => offer.fit.state === "yes" || offer.fit.state === "after_eviction";
  const first = offers[0]!;
  const better = offers.filter(comfortable).sort((a, b) => (b.sizeBytes ?? 0) - (a.sizeBytes ?? 0))[0];
  const advised = comfortable(first) || first.fit.state === "unknown" ? first : (better ?? first);
  return [advised, ...offers.filter((offer) => offer !== advised)];
}
