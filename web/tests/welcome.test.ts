import { expect, it } from "vitest";

import type { Starter } from "../src/lib/api/types";
import { starterName, starterOffer } from "../src/lib/parts/offer";
import { begin, facts } from "../src/pages/welcome/begin";

function starter(id: string, changes: Partial<Starter> = {}): Starter {
  return {
    id: `org/${id}`,
    kind: "text",
    family: "Family",
    model_type: "llama",
    memory_gb: 6,
    size_bytes: 4,
    parameter_count: 8,
    quantization: "4-bit",
    license: "mit",
    license_class: "permissive",
    dimensions: null,
    embedded: false,
    tried: true,
    note: null,
    chosen: false,
    supported: { ok: true, reason: null },
    fit: { state: "yes", need_bytes: 5, context: null },
    installed: null,
    ...changes,
  };
}

const names = (list: readonly Starter[]) => list.map(starterName);

it("begins with the chat model that is advised, or with the one that was asked for", () => {
  const all = [starter("small"), starter("advised", { chosen: true }), starter("eyes", { kind: "vision", chosen: true })];
  expect(begin(all, "").first?.id).toBe("org/advised");
  expect(begin(all, "org/small").first?.id).toBe("org/small");
  expect(begin(all, "org/eyes").first?.id).toBe("org/advised");
  expect(names(begin(all, "").others)).toEqual(["small", "advised"]);
  expect(names(begin(all, "").useful)).toEqual(["eyes"]);
});

it("leaves out what does not fit, is not served, or comes without a hub", () => {
  const none = [
    starter("large", { fit: { state: "no", need_bytes: 99, context: null } }),
    starter("odd", { supported: { ok: false, reason: "No." } }),
    starter("here", { embedded: true, chosen: true }),
  ];
  expect(begin(none, "org/large")).toEqual({ first: undefined, others: [], useful: [] });
  expect(begin([...none, starter("plain")], "").first?.id).toBe("org/plain");
});

it("says of the machine what is known of it", () => {
  expect(facts({ memoryBytes: 36e9, usableBytes: 27e9, freeBytes: null })).toEqual([
    "36.0 GB memory",
    "about 27.0 GB usable for models",
  ]);
  expect(facts({ memoryBytes: null, usableBytes: null, freeBytes: null })).toEqual([]);
});

it("offers a starter that cannot be served with the reason", () => {
  expect(starterOffer(starter("odd", { supported: { ok: false, reason: "No." } })).unsupported).toBe("No.");
  expect(starterOffer(starter("plain")).unsupported).toBeNull();
});
