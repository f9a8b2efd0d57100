/* Weights as MLX packs them: whole numbers of 2 to 8 bits without gaps, the first in the lowest
 * bits, with a scale and a bias for each group of them in a row. */
#pragma once
#include <stdint.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "lanes.h"

/* Some rows of a matrix that is packed. */
struct packed {
  int bits, group;
  long row_bytes, row_groups;
  const unsigned char *numbers;
  const float *scales, *biases;
};

INLINE struct packed rows_from(struct packed matrix, long row) {
  matrix.numbers += row * matrix.row_bytes;
  matrix.scales += row * matrix.row_groups;
  matrix.biases += row * matrix.row_groups;
  return matrix;
}

typedef int32_t numbers __attribute__((vector_size(4 * LANES)));

/* What the numbers of a group mean: by their scale and bias, or where there are few of them and the
 * processor looks up that many at once, each. */
struct meaning {
  lanes scale, bias, each;
};

#if defined(__AVX512BW__)
#define LOOKED_UP(BITS) ((BITS) <= 4)
#else
#define LOOKED_UP(BITS) 0
#endif

INLINE struct meaning meaning_of(int bits, float scale, float bias) {
  struct meaning of = {.scale = scale + (lanes){0}, .bias = bias + (lanes){0}};
#if defined(__AVX512BW__)
  const numbers places = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const lanes all = __builtin_convertvector(places & ((1 << bits) - 1), lanes);
  if (LOOKED_UP(bits)) of.each = all * scale + bias;
#else
  (void)bits;
#endif
  return of;
}

/* Up to eight bytes as one number, the first lowest; nothing behind them is touched. */
INLINE uint64_t few_bytes(int size, const unsigned char *from) {
  uint64_t eight, value = 0;
  uint32_t four_of_them;
  uint16_t two;
  if (size >= 8) {
    memcpy(&eight, from, 8);
    return eight;
  }
  int at = 0;
  if (size & 4) {
    memcpy(&four_of_them, from, 4);
    value = four_of_them;
    at = 4;
  }
  if (size & 2) {
    memcpy(&two, from + at, 2);
    value |= (uint64_t)two << (8 * at);
    at += 2;
  }
  if (size & 1) value |= (uint64_t)from[at] << (8 * at);
  return value;
}

/* The next LANES numbers of `bits` each, which take up whole bytes, with other bits above them. */
INLINE numbers cut(int bits, const unsigned char *from) {
/* A number lies in two bytes, of which it is shifted out. */
#define FOUR(OF, L) OF(L), OF(L + 1), OF(L + 2), OF(L + 3)
#define BYTES(L) (L) * bits / 8, (L) * bits / 8 + 1, 0, 0
#define SHIFT(L) (L) * bits % 8
  const int size = bits * LANES / 8;
  const uint64_t low = few_bytes(size, from);
#if defined(__AVX512BW__)
  typedef unsigned char places __attribute__((vector_size(64)));
  typedef uint64_t halves __attribute__((vector_size(16)));
  const halves held = {low, size > 8 ? few_bytes(size - 8, from + 8) : 0};
  const places at = {FOUR(BYTES, 0), FOUR(BYTES, 4), FOUR(BYTES, 8), FOUR(BYTES, 12)};
  const numbers by = {FOUR(SHIFT, 0), FOUR(SHIFT, 4), FOUR(SHIFT, 8), FOUR(SHIFT, 12)};
  const __m512i held_by_all = _mm512_broadcast_i32x4((__m128i)held);
  return (numbers)_mm512_shuffle_epi8(held_by_all, (__m512i)at) >> by;
#elif defined(__AVX2__)
  typedef unsigned char places __attribute__((vector_size(32)));
  const places at = {FOUR(BYTES, 0), FOUR(BYTES, 4)};
  const numbers by = {FOUR(SHIFT, 0), FOUR(SHIFT, 4)};
  return (numbers)_mm256_shuffle_epi8(_mm256_set1_epi64x(low), (__m256i)at) >> by;
#else
  numbers next;
  for (int lane = 0; lane < LANES; lane++) next[lane] = low >> lane * bits;
  return next;
#endif
#undef FOUR
#undef BYTES
#undef SHIFT
}

/* The weights that the next LANES numbers stand for. */
INLINE lanes unpacked(int bits, const unsigned char *from, const struct meaning *meaning) {
  const numbers next = cut(bits, from);
#if defined(__AVX512BW__)
  /* Looks at the lowest four bits of each. */
  if (LOOKED_UP(bits)) return (lanes)_mm512_permutexvar_ps((__m512i)next, (__m512)meaning->each);
#endif
  return __builtin_convertvector(next & ((1 << bits) - 1), lanes) * meaning->scale + meaning->bias;
}

/* `count` weights of each of `rows`, from column `first` on, into rows `stride` apart. */
INLINE void open_rows(int bits, struct packed from, int rows, int first, int count, float *to,
                      long stride) {
  for (int row = 0; row < rows; row++) {
    const struct packed own = rows_from(from, row);
    const unsigned char *next = own.numbers + (long)first * bits / 8;
    for (int i = 0; i < count;) {
      const long group = (first + i) / own.group;
      const struct meaning meaning = meaning_of(bits, own.scales[group], own.biases[group]);
      const int end = (group + 1) * own.group - first;
      for (; i < count && i < end; i += LANES, next += bits * LANES / 8) {
        const lanes weights = unpacked(bits, next, &meaning);
        memcpy(to + row * stride + i, &weights, sizeof weights);
      }
    }
  }
}
