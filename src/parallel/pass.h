/* One pass through the weights: total inputs of a layer, and what is wanted of them. Shared by the public calls,
 * the chains and the epoch; runs inside a region. */
#ifndef RBMK_PASS_H
#define RBMK_PASS_H

#include <stdatomic.h>

#include "quantise.h"

/* Where probabilities go that statistics are made of: rows of a packed matrix, in units of 1/65535. */
typedef struct {
    rbmk_matrix *m;
    int first_row;  /* a multiple of 4 */
    int negate;
    const uint16_t *shares; /* of each state, which multiply its probabilities, or NULL: whole ones */
    int64_t *sums;  /* (team size, m->cols): their column sums, each member's; never negated */
} rbmk_statistic;

/* Softplus sums of total inputs of another model: of the same weights at another beta, or of other weights. */
typedef struct {
    const rbmk_weights *weights; /* or NULL: the pass's */
    float beta;
    const float *bias;
    double *softplus; /* as the pass's */
    float *input;     /* as the pass's, where it has a layer */
} rbmk_other;

/* Weights and biases at several betas, each of so many states: those are beta times 2^-exponent, these (betas, cols). */
typedef struct {
    int64_t n;
    const float *scale, *bias;
} rbmk_rungs;

typedef struct {
    const rbmk_kernels *kernels;
    int rows, cols, exponent;      /* of the weights in the pass's direction */
    const rbmk_matrix *packed;     /* they; NULL: packed from `source`, piece by piece, when they are needed */
    const rbmk_source *source;
    const rbmk_matrix *keep;       /* where to leave what is packed, or NULL; members must own whole columns */
    int up;                        /* direction, of `source` */
    float beta;                    /* multiplies the weights */
    const float *bias;
    const rbmk_rungs *rungs;       /* in place of beta and bias, or NULL */
    rbmk_states states;
    const rbmk_stream *stream;     /* of `sample` */
    const rbmk_layer *layer;       /* that answers, if not all of its units are switches; or NULL. Then out.input is there,
                                    * and afterwards anything, and out.softplus has one number a row */
    rbmk_outputs out;              /* rows of `cols` elements; softplus: a sum per row and panel, (n, n_panels) */
    uint16_t *normal;              /* samples of real-valued units, in steps; or NULL */
    atomic_llong *outside;         /* becomes `number` where one of them does not fit */
    long long number;
    uint8_t *sample_transposed;    /* (cols, transposed_stride), or NULL */
    ptrdiff_t transposed_stride;
    const rbmk_statistic *statistic; /* or NULL */
    const rbmk_other *other;       /* or NULL */
    const rbmk_chosen *chosen;     /* the states once more, up to RBMK_TILE_ROWS 0/1 ones, or NULL */
    const uint8_t *clamp;          /* where 1, `sample` keeps its value */
    const uint8_t *absent;         /* where 1, `sample` is 0; or NULL */
    uint8_t *second;               /* another sample, drawn from a stream of its own; or NULL */
    const rbmk_stream *second_stream;
} rbmk_layer_pass;

/* A pass through packed weights, or through float ones; the caller adds what is to be done. */
rbmk_layer_pass rbmk_pass_packed(const rbmk_weights *w, int up);
rbmk_layer_pass rbmk_pass_source(const rbmk_kernels *kernels, const rbmk_source *source, int up);

/* Scratch of one member for passes of up to n states through `rows` rows of weights, in bytes. */
size_t rbmk_pass_scratch(const rbmk_kernels *kernels, int64_t n, int rows);

/* The member's share of the pass, of up to 2^31 states. Ends without a barrier; with a layer it has one inside. */
void rbmk_pass_member(rbmk_team team, const rbmk_layer_pass *pass, void *scratch);

/* The second half of it, by rows: what the layer answers to its inputs. Scratch as above, of all rows and columns. */
void rbmk_answer_rows(rbmk_team team, const rbmk_layer_pass *pass, void *scratch);

/* States of a layer that is not all switches, drawn from a row of total inputs. */
void rbmk_draw_row(const rbmk_kernels *k, const rbmk_layer *layer, const rbmk_stream *stream, int64_t row, const float *x,
                   uint8_t *state);

/* Log of the summed weight of such a layer's states, given a row of total inputs. */
double rbmk_log_normalizer(const rbmk_kernels *k, const rbmk_layer *layer, const float *x);

/* Whether each member of the team does all of the n rows of some of the columns. */
int rbmk_pass_by_columns(rbmk_team team, int64_t n, int columns);

/* Sum of state * weight of a row of m states. */
double rbmk_weighted_row(const rbmk_kernels *k, const rbmk_states *states, int64_t row, int m, const float *weights);

/* The same of 0/1 states of a layer of n_units: of each block, and the blocks in order. */
double rbmk_weighted_layer(const rbmk_kernels *k, const rbmk_states *states, int64_t row, const rbmk_layer *layer,
                           int n_units, const float *weights);

/* Numbers that such a layer of n_units leaves of a row in `softplus`, and what a row's sum up to. */
int rbmk_softplus_parts(const rbmk_layer *layer, int n_units);
double rbmk_softplus_row(const double *softplus, int64_t row, int n_parts);

/* Philox counter of row i of a stream; the row's first random number; whether the logarithm of that, as one between 0 and 1,
 * is at most `bound`. */
rbmk_counter rbmk_counter_of(const rbmk_stream *stream, int64_t i);
uint32_t rbmk_random_bits(const rbmk_kernels *k, const rbmk_stream *stream, int64_t row);
int rbmk_accepts(const rbmk_kernels *k, const rbmk_stream *stream, int64_t row, double bound);

#endif
