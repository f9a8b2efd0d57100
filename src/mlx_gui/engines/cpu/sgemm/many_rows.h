/* A product of many rows with a matrix: the rows lie side by side in vectors, so that a weight is
 * multiplied with all of a panel at once and nothing is left to add up. */
#pragma once
#include "packed.h"

enum { PANEL_ROWS = VECTORS * LANES, ROWS_AT_ONCE = 256, DEPTH = 512, COLUMNS = 12 };

/* So many columns have their sums in registers; COLUMNS are a multiple of it. */
#define TOGETHER(VECTORS) \
  (SUMS / (VECTORS) >= 12 ? 12 : SUMS / (VECTORS) >= 6 ? 6 : SUMS / (VECTORS) >= 3 ? 3 : 1)

/* What stays in a core's cache: panels [panel, depth, row] of a, and unpacked rows of b. */
static _Thread_local float panels[ROWS_AT_ONCE * DEPTH] __attribute__((aligned(64)));
static _Thread_local float opened[COLUMNS * DEPTH] __attribute__((aligned(64)));

INLINE int least(int one, int other) { return one < other ? one : other; }

INLINE int vectors_of(int rows) { return (rows + LANES - 1) / LANES; }

/* Rows of a, `depth` of each: all panels have whole vectors, and only the last has fewer. */
static void lay_out(int rows, int depth, const float *a, long lda) {
  float *to = panels;
  for (int first = 0; first < rows; first += PANEL_ROWS) {
    const int own = least(PANEL_ROWS, rows - first), width = vectors_of(own) * LANES;
    for (int i = 0; i < depth; i++, to += width) {
      for (int row = 0; row < own; row++) to[row] = a[(first + row) * lda + i];
      for (int row = own; row < width; row++) to[row] = 0;
    }
  }
}

/* c = a b^T for a panel of `rows` and a few `columns`. With `ahead`, what of b is next in memory is
 * asked for meanwhile. */
INLINE void tile(int vectors, int columns, int ahead, int rows, int depth, const float *panel,
                 const float *b, long ldb, float alpha, float beta, float *c, long ldc) {
  lanes sums[COLUMNS][VECTORS] = {0};
  for (int i = 0; i < depth; i++, panel += vectors * LANES) {
    if (ahead && i % LANES == 0)
      for (int column = 0; column < columns; column++)
        __builtin_prefetch(b + (columns + column) * ldb + i);
    lanes of_rows[VECTORS];
    for (int at = 0; at < vectors; at++) of_rows[at] = load(panel + at * LANES);
    for (int column = 0; column < columns; column++)
      for (int at = 0; at < vectors; at++) sums[column][at] += of_rows[at] * b[column * ldb + i];
  }
  float by_column[COLUMNS][PANEL_ROWS];
  for (int column = 0; column < columns; column++)
    for (int at = 0; at < vectors; at++)
      memcpy(by_column[column] + at * LANES, &sums[column][at], sizeof(lanes));
  for (int row = 0; row < rows; row++)
    for (int column = 0; column < columns; column++)
      store(c + row * ldc + column, by_column[column][row], alpha, beta);
}

INLINE void tiles(int vectors, int ahead, int rows, int columns, int depth, const float *panel,
                  const float *b, long ldb, float alpha, float beta, float *c, long ldc) {
  const int together = TOGETHER(vectors);
  int j = 0;
  for (; j + together <= columns; j += together)
    tile(vectors, together, ahead, rows, depth, panel, b + j * ldb, ldb, alpha, beta, c + j, ldc);
  for (; j < columns; j++)
    tile(vectors, 1, 0, rows, depth, panel, b + j * ldb, ldb, alpha, beta, c + j, ldc);
}

/* c = a b^T for up to COLUMNS rows of b, and all rows of a that are laid out. */
static void all_panels(int ahead, int rows, int columns, int depth, const float *b, long ldb,
                       float alpha, float beta, float *c, long ldc) {
  const float *panel = panels;
  for (int first = 0; first < rows; first += PANEL_ROWS) {
    const int own = least(PANEL_ROWS, rows - first), vectors = vectors_of(own);
#define TILES(COUNT)                                                                      \
  case COUNT:                                                                             \
    tiles(COUNT < VECTORS ? COUNT : VECTORS, ahead && !first, own, columns, depth, panel, \
          b, ldb, alpha, beta, c + first * ldc, ldc);                                     \
    break
    switch (vectors) {
      TILES(1);
      TILES(2);
      TILES(3);
      TILES(4);
    }
#undef TILES
    panel += (long)vectors * LANES * depth;
  }
}

/* c = a b^T, some rows of a and a piece of their depth at a time. With `b` packed, a piece of its
 * rows is opened for all of these. */
INLINE void many_rows_of(int bits, int m, int n, int k, float alpha, const float *a, long lda,
                         const float *floats, long ldb, struct packed packed, float beta, float *c,
                         long ldc) {
  for (int row = 0; row < m; row += ROWS_AT_ONCE)
    for (int from = 0; from < k; from += DEPTH) {
      const int rows = least(ROWS_AT_ONCE, m - row), depth = least(DEPTH, k - from);
      const float kept = from ? 1 : beta;
      lay_out(rows, depth, a + row * lda + from, lda);
      for (int j = 0; j < n; j += COLUMNS) {
        const int columns = least(COLUMNS, n - j);
        float *to = c + row * ldc + j;
        if (bits) open_rows(bits, rows_from(packed, j), columns, from, depth, opened, DEPTH);
        const float *b = bits ? opened : floats + j * ldb + from;
        all_panels(!bits, rows, columns, depth, b, bits ? DEPTH : ldb, alpha, kept, to, ldc);
      }
    }
}

static void many_rows(int m, int n, int k, float alpha, const float *a, long lda, const float *b,
                      long ldb, float beta, float *c, long ldc) {
  const struct packed none = {0};
  many_rows_of(0, m, n, k, alpha, a, lda, b, ldb, none, beta, c, ldc);
}

INLINE void many_rows_packed(int bits, int m, int n, int k, float alpha, const float *a, long lda,
                             struct packed b, float beta, float *c, long ldc) {
  many_rows_of(bits, m, n, k, alpha, a, lda, NULL, 0, b, beta, c, ldc);
}
