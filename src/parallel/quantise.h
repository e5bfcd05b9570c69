/* From float32 weights to the integers that are multiplied; runs inside a region. */
#ifndef RBMK_QUANTISE_H
#define RBMK_QUANTISE_H

#include "../common/scalar.h"
#include "array.h"

/* |x| as bits, which compare as sizes of any floats do. */
static inline uint32_t rbmk_size_bits(float x) { return (uint32_t)float_bits(x) & 0x7FFFFFFFu; }

static inline uint32_t rbmk_larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

enum { RBMK_NOT_FINITE_BITS = 0x7F800000 }; /* of infinity; NaN has more */

typedef struct {
    rbmk_array W;
    uint32_t *largest;    /* (team size,): the largest |W| that each member saw, as bits */
    int64_t *column_sums; /* (team size, n_hidden) */
    int64_t *largest_sum; /* (team size,) */
} rbmk_fit;

/* Memory for the three arrays; 0 when there is none. */
int rbmk_fit_allocate(rbmk_fit *fit, int team_size);
void rbmk_fit_free(rbmk_fit *fit);

/* Every member: note the largest |W| of its share. */
void rbmk_fit_scan(rbmk_team team, rbmk_fit *fit);

/* Every member, after a barrier that followed the writing of `largest`: the largest exponent <= start that fits.
 * All members return the same. */
rbmk_status rbmk_fit_exponent(rbmk_team team, const rbmk_fit *fit, int start, int *exponent);

/* Float weights and the exponent at which they are quantised. */
typedef struct {
    rbmk_array W;
    int exponent;
} rbmk_source;

/* Pack columns from `col` of W as a matrix of their own: (n_visible, m->cols). */
void rbmk_pack_up(const rbmk_source *source, int col, rbmk_matrix *m);

/* Pack rows from `row` of W as columns of a matrix of their own: (n_hidden, m->cols). */
void rbmk_pack_down(const rbmk_source *source, int row, rbmk_matrix *m);

/* The columns from `col`, a multiple of 64, as a matrix of their own. */
rbmk_matrix rbmk_columns(const rbmk_matrix *m, int col, int n_cols);

#endif
