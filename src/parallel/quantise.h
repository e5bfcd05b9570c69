/* From float32 weights to the integers that are multiplied; runs inside a region. */
#ifndef RBMK_QUANTISE_H
#define RBMK_QUANTISE_H

#include "team.h"

typedef struct {
    const float *W;
    int n_visible, n_hidden;
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

/* Quantise a tile (n_rows <= 16, any columns) of W at weights->exponent into both orientations. */
void rbmk_pack_block(const float *W, rbmk_weights *weights, int row, int n_rows, int col, int n_cols);

/* Every member: its share of the whole matrix. */
void rbmk_pack_weights(rbmk_team team, const float *W, rbmk_weights *weights);

#endif
