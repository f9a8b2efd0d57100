/* cblas_sgemm for MLX: products of up to four rows are done here, others by the library LIBRARY.
 *
 * A decode step multiplies one row per sequence with every weight of the model. BLAS libraries copy
 * the weights into packed tiles first, which costs several times the product itself; here each
 * weight is read once, straight into the sums of all rows. From about eight rows on packing pays.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_MAJOR = 101, AS_IS = 111, TRANSPOSED = 112, LANES = 8 };

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
  for (int half = LANES / 2; half; half /= 2)
    for (int lane = 0; lane < half; lane++) sums[lane] += sums[lane + half];
  return sums[0];
}

static inline void store(float *to, float value, float alpha, float beta) {
  *to = beta == 0 ? alpha * value : alpha * value + beta * *to;
}

/* c = a b^T: dot products of the rows of a with the rows of b. */
static inline __attribute__((always_inline)) void times_transposed(
    int m, int n, int k, float alpha, const float *a, long lda, const float *b, long ldb,
    float beta, float *c, long ldc) {
  for (int j = 0; j < n; j++) {
    const float *weights = b + j * ldb;
    lanes sums[m];
    memset(sums, 0, sizeof sums);
    int i = 0;
    for (; i + LANES <= k; i += LANES)
      for (int row = 0; row < m; row++) sums[row] += load(weights + i) * load(a + row * lda + i);
    for (int row = 0; row < m; row++) {
      float sum = total(sums[row]);
      for (int rest = i; rest < k; rest++) sum += weights[rest] * a[row * lda + rest];
      store(c + row * ldc + j, sum, alpha, beta);
    }
  }
}

/* c = a b: sums of the rows of b, weighted by the rows of a. */
static inline __attribute__((always_inline)) void times_plain(
    int m, int n, int k, float alpha, const float *a, long lda, const float *b, long ldb,
    float beta, float *c, long ldc) {
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

/* A constant number of rows keeps their sums in registers. */
#define ROWS(M)                                                             \
  case M:                                                                   \
    if (trans_b == TRANSPOSED)                                              \
      times_transposed(M, n, k, alpha, a, lda, b, ldb, beta, c, ldc);       \
    else                                                                    \
      times_plain(M, n, k, alpha, a, lda, b, ldb, beta, c, ldc);            \
    return;

void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                 const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc) {
  if (order == ROW_MAJOR && trans_a == AS_IS && (trans_b == TRANSPOSED || trans_b == AS_IS))
    switch (m) {
      ROWS(1) ROWS(2) ROWS(3) ROWS(4)
    }
  library_sgemm(order, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
