/* One pass through the weights: total inputs of a layer, and what is wanted of them. Shared by the public calls,
 * the chains and the epoch; runs inside a region. */
#ifndef RBMK_PASS_H
#define RBMK_PASS_H

#include "team.h"

enum {
    TILE_COLUMNS = 256 /* of one task: a multiple of 128 (a group of random blocks) */
};

typedef struct {
    const rbmk_matrix *m;
    int exponent;
    const float *bias;
    rbmk_states states;
    const rbmk_stream *stream; /* of `sample` */
    rbmk_outputs out;          /* rows of m->cols elements; softplus: a sum per row and panel, (n, n_panels) */
    ptrdiff_t sample_stride;   /* 0: m->cols */
    uint8_t *sample_transposed; /* (m->cols, transposed_stride), or NULL */
    ptrdiff_t transposed_stride;
    rbmk_matrix *packed;        /* probabilities in units of 1/65535, or NULL */
    int64_t *packed_sums;       /* (team size, m->cols): their column sums, each member's */
    const uint8_t *clamp;       /* where 1, `sample` keeps its value */
} rbmk_layer_pass;

/* Scratch of one member, in bytes. */
size_t rbmk_pass_scratch(int rows);

/* The member's share of the pass. Ends without a barrier. */
void rbmk_pass_member(rbmk_team team, const rbmk_layer_pass *pass, void *scratch);

/* Philox counter of row i of a stream. */
rbmk_counter rbmk_counter_of(const rbmk_stream *stream, int64_t i);

#endif
