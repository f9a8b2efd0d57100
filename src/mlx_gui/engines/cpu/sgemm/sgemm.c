/* cblas_sgemm for MLX: products with transposed weights of few and of many rows are done here, all
 * others by the library LIBRARY.
 *
 * A decode step multiplies one row per sequence with every weight of the model, the next turn of a
 * conversation some twenty. BLAS libraries copy the weights into tiles first, which costs several
 * times the product itself; here each weight is read once from memory. With very many rows copying
 * pays.
 *
 * Weights may be packed: whoever says so by `mlx_gui_hold_packed` multiplies with a matrix of
 * float32 that begins at their address, and it is never read.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "few_rows.h"
#include "many_rows.h"

enum { ROW_MAJOR = 101, AS_IS = 111, TRANSPOSED = 112 };

/* Up to so many rows were faster than OpenBLAS, and whether packed ones are faster than float32. */
#if defined(__AVX2__)
enum { MOST_ROWS = 128, FAST_WHERE_PACKED = 1 };
#elif defined(__ARM_NEON)
enum { MOST_ROWS = 16, FAST_WHERE_PACKED = 0 };
#else
enum { MOST_ROWS = 4, FAST_WHERE_PACKED = 0 };
#endif

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

/* --- matrices that are packed ----------------------------------------------------------------- */

/* `count` matrices of `rows` rows, one behind the other. */
struct held {
  struct packed first;
  long count, rows;
};

static struct held *all_held;
static long held_count;
static pthread_rwlock_t held_lock = PTHREAD_RWLOCK_INITIALIZER;

INLINE long matrix_bytes(const struct held *of) { return of->rows * of->first.row_bytes; }

/* The place of the last one that does not begin behind `address`, or -1. */
static long place_of(const void *address) {
  long low = -1, high = held_count - 1;
  while (low < high) {
    const long middle = low + (high - low + 1) / 2;
    if ((const void *)all_held[middle].first.numbers <= address)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

/* `count` matrices of `rows` times `columns` numbers, whose memory is never given back. Returns
 * whether products with them can be computed: else nothing has changed. */
int mlx_gui_hold_packed(const void *packed, const float *scales, const float *biases, long count,
                        long rows, long columns, int bits, int group) {
  const int known = FAST_WHERE_PACKED && bits >= 2 && bits <= 8 && bits != 7;
  const int whole = group >= LANES && (group & (group - 1)) == 0 && columns % group == 0;
  if (!known || !whole) return 0;
  const struct packed first = {
      .bits = bits,
      .group = group,
      .row_bytes = columns * bits / 8,
      .row_groups = columns / group,
      .numbers = packed,
      .scales = scales,
      .biases = biases,
  };
  pthread_rwlock_wrlock(&held_lock);
  const long place = place_of(packed) + 1;
  struct held *grown = realloc(all_held, (held_count + 1) * sizeof *grown);
  if (grown) {
    all_held = grown;
    memmove(grown + place + 1, grown + place, (held_count - place) * sizeof *grown);
    grown[place] = (struct held){first, count, rows};
    held_count++;
  }
  pthread_rwlock_unlock(&held_lock);
  return grown != NULL;
}

/* Whether a packed matrix begins at `address`, and which. */
static int find_held(const void *address, struct packed *found) {
  if (!held_count) return 0;
  int is_held = 0;
  pthread_rwlock_rdlock(&held_lock);
  const long place = place_of(address);
  if (place >= 0) {
    const struct held *held = all_held + place;
    const long offset = (const unsigned char *)address - held->first.numbers;
    const long index = offset / matrix_bytes(held);
    is_held = index < held->count && offset % matrix_bytes(held) == 0;
    if (is_held) {
      *found = rows_from(held->first, index * held->rows);
    }
  }
  pthread_rwlock_unlock(&held_lock);
  return is_held;
}

/* --- products --------------------------------------------------------------------------------- */

/* c = a b: sums of the rows of b, weighted by the rows of a. */
INLINE void times_plain(int m, int n, int k, float alpha, const float *a, long lda, const float *b,
                        long ldb, float beta, float *c, long ldc) {
  int j = 0;
  for (; j + LANES <= n; j += LANES) {
    lanes sums[DOT_ROWS] = {0};
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
                 const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

/* c = a b of a packed b, some of its rows at a time. */
INLINE void times_packed(int bits, int m, int n, int k, float alpha, const float *a, long lda,
                         struct packed b, float beta, float *c, long ldc) {
  for (int j = 0; j < n; j += DEPTH)
    for (int i = 0; i < k; i += COLUMNS) {
      const int columns = least(DEPTH, n - j), rows = least(COLUMNS, k - i);
      open_rows(bits, rows_from(b, i), rows, j, columns, opened, DEPTH);
      cblas_sgemm(ROW_MAJOR, AS_IS, AS_IS, m, columns, rows, alpha, a + i, lda, opened, DEPTH,
                  i ? 1 : beta, c + j, ldc);
    }
}

static void times_held(int transposed, int m, int n, int k, float alpha, const float *a, long lda,
                       struct packed b, float beta, float *c, long ldc) {
#define OF(BITS)                                                              \
  case BITS:                                                                  \
    if (!transposed)                                                          \
      times_packed(BITS, m, n, k, alpha, a, lda, b, beta, c, ldc);            \
    else if (m <= FEW_ROWS)                                                   \
      few_rows_packed(BITS, m, n, k, alpha, a, lda, b, beta, c, ldc);         \
    else                                                                      \
      many_rows_packed(BITS, m, n, k, alpha, a, lda, b, beta, c, ldc);        \
    return
  switch (b.bits) {
    OF(2);
    OF(3);
    OF(4);
    OF(5);
    OF(6);
    OF(8);
  }
#undef OF
}

/* A copy of a [k, m] as [m, k], to be freed. */
static float *turned(int m, int k, const float *a, long lda) {
  float *copy = malloc((size_t)m * k * sizeof *copy);
  if (!copy) abort();
  for (int i = 0; i < k; i++)
    for (int row = 0; row < m; row++) copy[(long)row * k + i] = a[i * lda + row];
  return copy;
}

void cblas_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                 const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc) {
#define PLAIN(ROWS) \
  case ROWS: times_plain(ROWS, n, k, alpha, a, lda, b, ldb, beta, c, ldc); return
  const int transposed = trans_b == TRANSPOSED;
  struct packed packed;
  if (find_held(b, &packed)) {
    if (order != ROW_MAJOR) abort(); /* MLX has no other, and nobody else may read it. */
    float *copy = trans_a == AS_IS ? NULL : turned(m, k, a, lda);
    const float *rows = copy ? copy : a;
    times_held(transposed, m, n, k, alpha, rows, copy ? k : lda, packed, beta, c, ldc);
    free(copy);
    return;
  }
  if (order == ROW_MAJOR && trans_a == AS_IS && k > 0) {
    if (transposed && m <= MOST_ROWS) {
      (m <= FEW_ROWS ? few_rows : many_rows)(m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
      return;
    }
    if (!transposed) switch (m) {
        PLAIN(1);
        PLAIN(2);
        PLAIN(3);
        PLAIN(4);
      }
  }
#undef PLAIN
  library_sgemm(order, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
