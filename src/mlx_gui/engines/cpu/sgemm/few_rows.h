/* A product of few rows with a matrix, as dot products: each weight is read once, straight into
 * sums that stay in registers. */
#pragma once
#include "packed.h"

enum { FEW_ROWS = 8, DOT_ROWS = 4, DOT_COLUMNS = SUMS / DOT_ROWS };

/* What is computed beside the sums takes registers, too. */
enum { PACKED_COLUMNS = DOT_COLUMNS > 4 ? 4 : DOT_COLUMNS };

/* c = a b^T for `rows` of a and `columns` rows of b. With `ahead`, what of b is next in memory is
 * asked for meanwhile. */
INLINE void dots(int ahead, int rows, int columns, int k, float alpha, const float *a, long lda,
                 const float *b, long ldb, float beta, float *c, long ldc) {
  lanes sums[DOT_ROWS][DOT_COLUMNS] = {0};
  int i = 0;
  for (; i + LANES <= k; i += LANES)
    for (int column = 0; column < columns; column++) {
      if (ahead) __builtin_prefetch(b + (columns + column) * ldb + i);
      const lanes weights = load(b + column * ldb + i);
      for (int row = 0; row < rows; row++) sums[row][column] += weights * load(a + row * lda + i);
    }
  for (int row = 0; row < rows; row++)
    for (int column = 0; column < columns; column++) {
      float sum = total(sums[row][column]);
      for (int rest = i; rest < k; rest++) sum += b[column * ldb + rest] * a[row * lda + rest];
      store(c + row * ldc + column, sum, alpha, beta);
    }
}

/* The same for up to FEW_ROWS of a. The first of them bring b into the cache for the others. */
INLINE void dots_of_rows(int columns, int m, int k, float alpha, const float *a, long lda,
                         const float *b, long ldb, float beta, float *c, long ldc) {
#define DOTS(AHEAD, ROW, ROWS) \
  dots(AHEAD, ROWS, columns, k, alpha, a + (ROW) * lda, lda, b, ldb, beta, c + (ROW) * ldc, ldc)
  switch (m) {
    case 8: DOTS(1, 0, 4); DOTS(0, 4, 4); return;
    case 7: DOTS(1, 0, 4); DOTS(0, 4, 3); return;
    case 6: DOTS(1, 0, 4); DOTS(0, 4, 2); return;
    case 5: DOTS(1, 0, 4); DOTS(0, 4, 1); return;
    case 4: DOTS(1, 0, 4); return;
    case 3: DOTS(1, 0, 3); return;
    case 2: DOTS(1, 0, 2); return;
    case 1: DOTS(1, 0, 1); return;
  }
#undef DOTS
}

static void few_rows(int m, int n, int k, float alpha, const float *a, long lda, const float *b,
                     long ldb, float beta, float *c, long ldc) {
  int j = 0;
  for (; j + DOT_COLUMNS <= n; j += DOT_COLUMNS)
    dots_of_rows(DOT_COLUMNS, m, k, alpha, a, lda, b + j * ldb, ldb, beta, c + j, ldc);
  for (; j < n; j++) dots_of_rows(1, m, k, alpha, a, lda, b + j * ldb, ldb, beta, c + j, ldc);
}

/* c = a b^T for `rows` of a and `columns` packed rows of b. */
INLINE void packed_dots(int bits, int rows, int columns, int k, float alpha, const float *a,
                        long lda, struct packed b, float beta, float *c, long ldc) {
  lanes sums[DOT_ROWS][PACKED_COLUMNS] = {0};
  for (int first = 0, group = 0; first < k; first += b.group, group++) {
    struct meaning meanings[PACKED_COLUMNS];
    for (int column = 0; column < columns; column++) {
      const long at = column * b.row_groups + group;
      meanings[column] = meaning_of(bits, b.scales[at], b.biases[at]);
    }
    for (int i = first; i < first + b.group; i += LANES, b.numbers += bits * LANES / 8)
      for (int column = 0; column < columns; column++) {
        const unsigned char *next = b.numbers + column * b.row_bytes;
        const lanes weights = unpacked(bits, next, &meanings[column]);
        for (int row = 0; row < rows; row++) sums[row][column] += weights * load(a + row * lda + i);
      }
  }
  for (int row = 0; row < rows; row++)
    for (int column = 0; column < columns; column++)
      store(c + row * ldc + column, total(sums[row][column]), alpha, beta);
}

INLINE void few_rows_packed(int bits, int m, int n, int k, float alpha, const float *a, long lda,
                            struct packed b, float beta, float *c, long ldc) {
#define DOTS(ROWS, COLUMNS)                                                                    \
  packed_dots(bits, ROWS, COLUMNS, k, alpha, a + row * lda, lda, rows_from(b, j), beta,        \
              c + row * ldc + j, ldc)
  int j = 0;
  for (; j + PACKED_COLUMNS <= n; j += PACKED_COLUMNS) {
    int row = 0;
    for (; row + DOT_ROWS <= m; row += DOT_ROWS) DOTS(DOT_ROWS, PACKED_COLUMNS);
    switch (m - row) {
      case 3: DOTS(3, PACKED_COLUMNS); break;
      case 2: DOTS(2, PACKED_COLUMNS); break;
      case 1: DOTS(1, PACKED_COLUMNS); break;
    }
  }
  for (; j < n; j++)
    for (int row = 0; row < m; row++) DOTS(1, 1);
#undef DOTS
}
