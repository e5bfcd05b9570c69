/* The kernel table: what src/isa implements and src/parallel calls. Not installed. */
#ifndef RBMK_KERNELS_H
#define RBMK_KERNELS_H

#include "rbmk.h"

enum {
    RBMK_TILE_ROWS = 128, /* states of one product */
    RBMK_DEPTH = 128      /* rows of 64 int32 (32 KB) that stay near while all states use them; best of 48 to 1024 */
};

/* Bytes of scratch that a kernel may use for a right operand of `rows` rows. */
#define RBMK_SCRATCH(rows) ((size_t)RBMK_TILE_ROWS * 2 * (((size_t)(rows) + 63) / 64 * 64) + 65536)

/* 0/1 states (n, rows), laid out once and multiplied by many matrices of `rows` rows. All states use `depth` rows of
 * the matrix before any uses the next ones: a multiple of 64, at most 256. */
typedef struct {
    int n, rows, depth;
    void *data;
} rbmk_left;

/* A Philox counter but for its unit block, and the key. */
typedef struct {
    uint32_t c1, c2, c3, k0, k1;
} rbmk_counter;

/* Groups of at most n_units units, as in rbmk_block, given n_states 0/1 states: factors of exp(total input), from which
 * cumulative weights are known up to slack times themselves. */
typedef struct {
    int n_groups, n_units, n_states, quads; /* of states, each of which is choice number 0 to 15 */
    float slack;
    const int32_t *start;
    void *factors; /* RBMK_ODDS_BYTES */
} rbmk_odds;

/* Of factors, and of scratch: entries of 16 floats. */
#define RBMK_ODDS_BYTES(o) (((size_t)(o)->n_groups * (size_t)(o)->n_units + 15) / 16 * (1 + 4 * (size_t)(o)->quads) * 64)
#define RBMK_ODDS_SCRATCH(o) (32768 + ((size_t)RBMK_TILE_ROWS * (size_t)(o)->n_units + 1) * 64)

/* States of which one in each group is on, as in rbmk_block, and what they are multiplied by, 16 columns after each other. */
typedef struct {
    int n_groups, rows;
    const int32_t *start;
    const int32_t *weights; /* (columns / 16, rows, 16) */
    uint16_t *choice;       /* (n_groups, RBMK_TILE_ROWS): 64 times the number, within its group, of each that is on */
} rbmk_chosen;

enum { RBMK_SITES = 256 }; /* units that are drawn in turn between two products, but for a larger group alone */

/* Sites of a layer: its units from `first` on, a multiple of 16 for switches (start NULL), or groups as in rbmk_block.
 * Total inputs are sums times `scale`, and the bias. */
typedef struct {
    int first, n_units, n_groups, ld;
    const int32_t *start, *q; /* q (n_units, ld): the weights between them, 0 within a site */
    const float *bias;
    float scale;
} rbmk_sites;

/* Of scratch. */
#define RBMK_SITES_SCRATCH(largest_group) ((size_t)(largest_group) * 16 * sizeof(float))

enum { RBMK_HIGH_STATES = 4 };

/* Factors of a layer's groups, as in rbmk_block (a switch is one of one unit): none + the sum over units of low * high, for
 * each of 16 * n_tiles low states and any high one. low (n_tiles, n_units, 16), 64-byte aligned; products of the groups of a
 * stretch, stretch[c] to stretch[c + 1] - 1, are far from over- and underflow. */
typedef struct {
    int n_groups, n_units, n_stretches, n_tiles;
    const int32_t *start, *stretch; /* (n_groups + 1,), (n_stretches + 1,) */
    const double *low;
} rbmk_factors;

/* Rows of filters on the way down, and of an image that reaches as far as they do, in whole groups of 16; scratch for one
 * filter and such an image. */
#define RBMK_FILTER_ROW(c) (((ptrdiff_t)(c)->filter_width * (c)->channels + 15) / 16 * 16)
#define RBMK_WIDE_ROW(c) ((ptrdiff_t)((c)->map_width + (c)->filter_width) * (c)->channels + 16)
#define RBMK_DOWN_SCRATCH(c) \
    (RBMK_FILTER_ROW(c) * (c)->filter_height + RBMK_WIDE_ROW(c) * ((c)->map_height + (c)->filter_height))

/* One row i of one panel of n <= 64 columns. */
typedef struct {
    int n, centered;
    float rate, momentum, l1, l2;
    float visible_gradient, visible_offset, visible_mean; /* of row i */
    const float *hidden_gradient, *hidden_offset, *push;  /* of the panel's columns; push: sparsity */
    const float *g;
    float *W, *velocity;
    float *column; /* += g * visible_offset, when centered */
    float *row;    /* = panel sum of g * hidden_offset, when centered */
    int32_t *largest; /* (64,): of |W|, as bits, in each column */
    float *fast, *sum; /* fast weights, which learn from g, or NULL; and W plus these */
    float fast_rate, fast_decay;
    int32_t *largest_sum; /* (64,): of |sum| */
} rbmk_row_update;

struct rbmk_kernels {
#define RBMK_KERNEL(type, name, args) type(*name) args;
#include "kernels.def"
#undef RBMK_KERNEL
    void (*thread_begin)(void); /* prepare a thread for these kernels (tile configuration); may be NULL */
    void (*thread_end)(void);
};

/* The paths, isa/<name>/kernels.c: NULL where this compiler could not build one. */
extern const rbmk_kernels *const rbmk_portable, *const rbmk_avx2, *const rbmk_avx512, *const rbmk_amx, *const rbmk_neon;

const rbmk_kernels *rbmk_current_kernels(void);

/* cpu.c */
int rbmk_cpu_always(void);
int rbmk_cpu_has_avx2(void);
int rbmk_cpu_has_avx512(void);
int rbmk_cpu_has_vnni(void); /* beside AVX-512 */
int rbmk_cpu_has_amx(void);

#endif
