/* Numbers that are computed with together, and how many of them fit the registers. */
#pragma once
#include <string.h>

/* SUMS is how many vectors of sums stay in registers, beside VECTORS that are added to them. */
#if defined(__AVX512BW__)
enum { LANES = 16, SUMS = 24, VECTORS = 4 };
#elif defined(__AVX2__) || defined(__ARM_NEON)
enum { LANES = 8, SUMS = 12, VECTORS = 2 };
#else
enum { LANES = 8, SUMS = 4, VECTORS = 1 };
#endif

typedef float four __attribute__((vector_size(16)));
typedef float lanes __attribute__((vector_size(4 * LANES)));

/* What is inlined with constants where it loops keeps its sums in registers. */
#define INLINE static inline __attribute__((always_inline))

INLINE lanes load(const float *from) {
  lanes value;
  memcpy(&value, from, sizeof value);
  return value;
}

INLINE float total(lanes sums) {
  union {
    lanes whole;
    four parts[LANES / 4];
  } of = {sums};
  four sum = of.parts[0];
  for (int part = 1; part < LANES / 4; part++) sum += of.parts[part];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

INLINE void store(float *to, float value, float alpha, float beta) {
  *to = beta == 0 ? alpha * value : alpha * value + beta * *to;
}
