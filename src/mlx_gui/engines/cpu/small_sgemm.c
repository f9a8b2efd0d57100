/* cblas_sgemm for MLX: products of few rows are done here, others by the library LIBRARY.
 *
 * A decode step multiplies one row per sequence with every weight of the model, the next turn of a
 * conversation some twenty. BLAS libraries copy the weights into packed tiles first, which costs
 * several times the product itself; here each weight is read once from memory, straight into sums
 * that stay in registers. With more rows packing pays, the sooner the shorter the rows are.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_MAJOR = 101, AS_IS = 111, TRANSPOSED = 112 };

/* Up to so many rows were faster than OpenBLAS, with depths from LONG on and below. */
#if defined(__AVX512F__)
enum { LANES = 16, COLUMNS = 4, MOST_ROWS = 40, MOST_SHORT_ROWS = 16 };
#elif defined(__AVX2__) || defined(__ARM_NEON)
enum { LANES = 8, COLUMNS = 2, MOST_ROWS = 16, MOST_SHORT_ROWS = 16 };
#else
enum { LANES = 8, COLUMNS = 2, MOST_ROWS = 4, MOST_SHORT_ROWS = 4 };
#endif
enum { LONG = 256 };

typedef float four __attribute__((vector_size(4 * sizeof(float))));
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));
typedef void sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                   const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

static sgemm *library_sgemm;

__attribute__((constructor)) static void open_library(void) {
  void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  library_sgemm = library ? (sgemm *)dlsym(library, "cblas_sgemm") : NULL;
  if (!library_sgemm) {
    fprintf(stderr, "%s\n", dlerror());
    abort();
  }
}

static inline lanes load(const float *from) {
  lanes value;
  memcpy(&value, from, sizeof value);
  return value;
}

static inline float total(lanes sums) {
  union {
    lanes whole;
    four parts[LANES / 4];
  } of = {sums};
  four sum = of.parts[0];
  for (int part = 1; part < LANES / 4; part++) sum += of.parts[part];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static inline void store(float *to, float value, float alpha, float beta) {
  *to = beta == 0 ? alpha * value : alpha * value + beta * *to;
}

/* What is inlined with a constant number of rows and columns keeps its sums in registers. */
#define INLINE static inline __attribute__((always_inline))

/* c = a b^T for m rows of a and n rows of b: their dot products. With `ahead`, what of b is next in
 * memory is asked for meanwhile. */
INLINE void tile(int ahead, int m, int n, int k, float alpha, const float *a, long lda,
                 const float *b, long ldb, float beta, float *c, long ldc) {
  lanes sums[m][n];
  memset(sums, 0, sizeof sums);
  int i = 0;
  for (; i + LANES <= k; i += LANES)
    for (int column = 0; column < n; column++) {
      if (ahead) __builtin_prefetch(b + (n + column) * ldb + i);
      lanes weights = load(b + column * ldb + i);
      for (int row = 0; row < m; row++) sums[row][column] += weights * load(a + row * lda + i);
    }
  for (int row = 0; row < m; row++)
    for (int column = 0; column < n; column++) {
      float sum = total(sums[row][column]);
      for (int rest = i; rest < k; rest++) sum += b[column * ldb + rest] * a[row * lda + rest];
      store(c + row * ldc + column, sum, alpha, beta);
    }
}

/* c = a b^T for n rows of b, which the first tile brings into the cache for the others. */
INLINE void tiles(int n, int m, int k, float alpha, const float *a, long lda, const float *b,
                  long ldb, float beta, float *c, long ldc) {
#define TILE(AHEAD, ROWS) \
  tile(AHEAD, ROWS, n, k, alpha, a + row * lda, lda, b, ldb, beta, c + row * ldc, ldc)
  int row = 0;
  if (m >= 4) {
    TILE(1, 4);
    for (row = 4; row + 4 <= m; row += 4) TILE(0, 4);
  }
  switch (m - row) {
    case 3: TILE(row == 0, 3); return;
    case 2: TILE(row == 0, 2); return;
    case 1: TILE(row == 0, 1); return;
  }
#undef TILE
}

static void times_transposed(int m, int n, int k, float alpha, const float *a, long lda,
                             const float *b, long ldb, float beta, float *c, long ldc) {
  int j = 0;
  for (; j + COLUMNS <= n; j += COLUMNS)
    tiles(COLUMNS, m, k, alpha, a, lda, b + j * ldb, ldb, beta, c + j, ldc);
  for (; j < n; j++) tiles(1, m, k, alpha, a, lda, b + j * ldb, ldb, beta, c + j, ldc);
}

/* c = a b: sums of the rows of b, weighted by the rows of a. */
INLINE void times_plain(int m, int n, int k, float alpha, const float *a, long lda, const float *b,
                        long ldb, float beta, float *c, long ldc) {
  int j = 0;
  for (; j + LANES <= n; j += LANES) {
    lanes sums[m];
    memset(sums, 0, sizeof sums);
    for (int i = 0; i < k; i++)
      for (int row = 0; row < m; row++) sums[row] += load(b + i * ldb + j) * a[row * lda + i];
    for (int row = 0; row < m; row++)
      for (int lane = 0; lane < LANES; lane++)
        store(c + row * ldc + j + lane, sums[row][lane], alpha, beta);
  }
  for (; j < n; j++)
    for (int row = 0; row < m; row++) {
      float sum = 0;
      for (int i = 0; i < k; i++) sum += a[row * lda + i] * b[i * ldb + j];
      store(c + row * ldc + j, sum, alpha, beta);
    }
}

void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                 const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc) {
#define PLAIN(ROWS) \
  case ROWS: times_plain(ROWS, n, k, alpha, a, lda, b, ldb, beta, c, ldc); return
  if (order == ROW_MAJOR && trans_a == AS_IS) {
    if (trans_b == TRANSPOSED && m <= (k < LONG ? MOST_SHORT_ROWS : MOST_ROWS)) {
      times_transposed(m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
      return;
    }
    if (trans_b == AS_IS) switch (m) {
        PLAIN(1);
        PLAIN(2);
        PLAIN(3);
        PLAIN(4);
      }
  }
#undef PLAIN
  library_sgemm(order, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
