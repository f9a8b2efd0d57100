import { expect, it } from "vitest";

import { about, bytes, bytesOf, context, day, duration, inOneUnit, parameters, percent, plural, rate } from "../src/lib/i18n/format";

it.each([
  [bytes(4_300_000_000), "4.3 GB"],
  [bytes(145_000_000), "0.1 GB"],
  [bytes(50_000_000), "50 MB"],
  [bytes(1), "1 kB"],
  [bytes(0), "0 GB"],
  [bytesOf(18_900_000_000, 24_000_000_000), "18.9 / 24.0 GB"],
  [inOneUnit(3_190_000_000, 7_000_000_000).join(" of "), "3.1 of 7.0 GB"],
  [inOneUnit(6_999_999_999, 7_000_000_000).join(" of "), "6.9 of 7.0 GB"],
  [inOneUnit(1_999_999, 2_000_000).join(" of "), "1.9 of 2.0 MB"],
  [inOneUnit(999, 20_000).join(" of "), "0 of 20 kB"],
  [rate(48_400_000), "48 MB/s"],
  [rate(1_250_000), "1.3 MB/s"],
  [rate(40_000), "40 kB/s"],
  [duration(82_000), "1 min 22 s"],
  [duration(59_400), "59 s"],
  [duration(1_500_000), "25 min"],
  [duration(7_500_000), "2 h 5 min"],
  [parameters(8_200_000_000), "8.2B"],
  [parameters(135_000_000), "135M"],
  [context(131_072), "128K"],
  [context(512), "512"],
  [percent(0.999), "99 %"],
  [day("2025-09-14T10:00:00.000Z"), "Sep 14, 2025"],
  [day("soon"), "soon"],
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
