import { expect, it } from "vitest";

import { about, bytes, bytesOf, context, parameters, percent, plural } from "../src/lib/i18n/format";

it.each([
  [bytes(4_300_000_000), "4.3 GB"],
  [bytes(145_000_000), "0.1 GB"],
  [bytes(50_000_000), "50 MB"],
  [bytes(1), "1 kB"],
  [bytes(0), "0 GB"],
  [bytesOf(18_900_000_000, 24_000_000_000), "18.9 / 24.0 GB"],
  [parameters(8_200_000_000), "8.2B"],
  [parameters(135_000_000), "135M"],
  [context(131_072), "128K"],
  [context(512), "512"],
  [percent(0.999), "99 %"],
  [about(59_600), "1 min"],
  [about(7_200_000), "2 h"],
  [about(59_000), "59 s"],
  [about(721_000), "12 min"],
  [about(-5), "0 s"],
  [plural(1, { one: "model", other: "models" }), "1 model"],
  [plural(2, { one: "model", other: "models" }), "2 models"],
])("writes %s", (written, expected) => {
  expect(written).toBe(expected);
});
