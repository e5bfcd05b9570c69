#include "pass.h"
#include "../common/transpose.h"

#include <math.h>
#include <string.h>

enum {
    STRIP_ROWS = 512,   /* states that are laid out together, and use a piece of the weights while it is near */
    PIECE_COLUMNS = 128 /* of the weights: a group of random blocks */
};

/* --- Random numbers ----------------------------------------------------------------------------------------- */

rbmk_counter rbmk_counter_of(const rbmk_stream *stream, int64_t i)
{
    uint64_t row = (uint64_t)(stream->rows ? stream->rows[i] : stream->first_row + i);
    return (rbmk_counter){
        .c1 = (uint32_t)row,
        .c2 = (uint32_t)stream->step,
        .c3 = stream->purpose << 26 | stream->layer << 20 | (uint32_t)(row >> 32) << 12 |
              (uint32_t)(stream->step >> 32),
        .k0 = (uint32_t)stream->seed,
        .k1 = (uint32_t)(stream->seed >> 32),
    };
}

uint32_t rbmk_random_bits(const rbmk_kernels *k, const rbmk_stream *stream, int64_t row)
{
    const rbmk_counter counter = rbmk_counter_of(stream, row);
    uint32_t bits;
    k->uniform_u32(1, 0, &counter, &bits);
    return bits;
}

int rbmk_accepts(const rbmk_kernels *k, const rbmk_stream *stream, int64_t row, double bound)
{
    return (double)log1((float)(((double)rbmk_random_bits(k, stream, row) + 0.5) * 0x1p-32)) <= bound; /* never of 0 */
}

/* --- States ------------------------------------------------------------------------------------------- */

double rbmk_weighted_row(const rbmk_kernels *k, const rbmk_states *states, int64_t row, int m, const float *weights)
{
    const int64_t at = row * states->stride;
    double total = 0.0;
    for (int c = 0; c < m; c += RBMK_PANEL) {
        const int n = m - c < RBMK_PANEL ? m - c : RBMK_PANEL;
        total += states->grey ? k->dot_panel_u16((const uint16_t *)states->data + at + c, weights + c, n)
                              : k->dot_panel_u8((const uint8_t *)states->data + at + c, weights + c, n);
    }
    return total / 65535.0;
}

double rbmk_weighted_layer(const rbmk_kernels *k, const rbmk_states *states, int64_t row, const rbmk_layer *layer,
                           int n_units, const float *weights)
{
    const rbmk_block all = {.n_units = n_units};
    double total = 0.0;
    for (int b = 0; b == 0 || b < layer->n_blocks; b++) {
        const rbmk_block *block = layer->n_blocks ? layer->blocks + b : &all;
        const rbmk_states own = {(const uint8_t *)states->data + block->first, 0, states->stride, states->n};
        const double sum = rbmk_weighted_row(k, &own, row, block->n_units, weights + block->first);
        total = b ? total + sum : sum;
    }
    return total;
}

int rbmk_softplus_parts(const rbmk_layer *layer, int n_units) { return layer->n_blocks ? 1 : rbmk_panels(n_units); }

double rbmk_softplus_row(const double *softplus, int64_t row, int n_parts)
{
    double total = 0.0;
    for (int i = 0; i < n_parts; i++)
        total += softplus[row * n_parts + i];
    return total;
}

/* --- Weights ------------------------------------------------------------------------------------------- */

static const rbmk_matrix *matrix_of(const rbmk_weights *w, int up) { return up ? &w->up : &w->down; }

rbmk_layer_pass rbmk_pass_packed(const rbmk_weights *w, int up)
{
    const rbmk_matrix *m = matrix_of(w, up);
    return (rbmk_layer_pass){
        .kernels = m->kernels, .rows = m->rows, .cols = m->cols, .exponent = w->exponent, .packed = m, .up = up,
        .beta = 1.0f};
}

rbmk_layer_pass rbmk_pass_source(const rbmk_kernels *kernels, const rbmk_source *s, int up)
{
    return (rbmk_layer_pass){.kernels = kernels, .rows = up ? s->W.n_visible : s->W.n_hidden,
                             .cols = up ? s->W.n_hidden : s->W.n_visible, .exponent = s->exponent, .source = s, .up = up,
                             .beta = 1.0f};
}

static rbmk_matrix piece_of(const rbmk_layer_pass *p, int col, int n_cols, void *memory)
{
    rbmk_matrix piece = {p->kernels, p->rows, n_cols, memory};
    if (p->packed)
        return rbmk_columns(p->packed, col, n_cols);
    if (p->keep)
        piece = rbmk_columns(p->keep, col, n_cols);
    if (p->up)
        rbmk_pack_up(p->source, col, &piece);
    else
        rbmk_pack_down(p->source, col, &piece);
    return piece;
}

/* --- Scratch -------------------------------------------------------------------------------------------- */

enum { TILE = RBMK_TILE_ROWS * PIECE_COLUMNS };

typedef struct {
    double *grey;   /* (128, 128) */
    double *zero;   /* (128,): the sums of states that are all real zeros */
    int32_t *sums;  /* (128, 128); afterwards the probabilities to pack */
    float *x;       /* (128,) */
    uint8_t *state; /* (128, 128) */
    void *kernel, *left, *piece;
    uint16_t *zeros; /* (rows,): such states */
} pass_scratch;

static int64_t strip_rows(int64_t n) { return n < STRIP_ROWS ? n : STRIP_ROWS; }

static size_t whole_lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

size_t rbmk_pass_scratch(const rbmk_kernels *k, int64_t n, int rows)
{
    return TILE * (sizeof(double) + sizeof(int32_t) + 1) + PIECE_COLUMNS * sizeof(float) +
           whole_lines(RBMK_SCRATCH(rows)) + whole_lines(k->left_bytes((int)strip_rows(n), rows)) +
           whole_lines(k->packed_bytes(rows, PIECE_COLUMNS)) + PIECE_COLUMNS * sizeof(double) +
           whole_lines((size_t)rows * sizeof(uint16_t));
}

static pass_scratch divide(const rbmk_layer_pass *p, void *memory)
{
    pass_scratch s;
    s.grey = memory;
    s.zero = s.grey + TILE;
    s.sums = (int32_t *)(s.zero + PIECE_COLUMNS);
    s.x = (float *)(s.sums + TILE);
    s.state = (uint8_t *)(s.x + PIECE_COLUMNS);
    s.kernel = s.state + TILE;
    s.left = (char *)s.kernel + whole_lines(RBMK_SCRATCH(p->rows));
    s.piece = (char *)s.left + whole_lines(p->kernels->left_bytes((int)strip_rows(p->states.n), p->rows));
    s.zeros = (uint16_t *)((char *)s.piece + whole_lines(p->kernels->packed_bytes(p->rows, PIECE_COLUMNS)));
    for (int j = 0; p->states.grey == RBMK_REAL && j < p->rows; j++)
        s.zeros[j] = RBMK_REAL_ZERO;
    return s;
}

/* --- Tiles: up to 128 rows x 128 columns ----------------------------------------------------------------- */

typedef struct {
    const rbmk_layer_pass *p;
    pass_scratch s;
    rbmk_left left;    /* the strip */
    int64_t strip_row; /* where it starts */
    rbmk_matrix piece;
    int col, n_cols;   /* of the piece */
    int64_t row;
    int n;
    float scale, other_scale;
    int64_t *sums;     /* of the statistic, the member's */
    int32_t *tile_sums; /* (128,): the same of the tile's rows */
} tile;

static void multiply(const tile *t, const rbmk_matrix *piece)
{
    const rbmk_layer_pass *p = t->p;
    if (p->chosen)
        p->kernels->add_chosen(p->chosen, t->n, t->col, t->n_cols, t->s.sums, PIECE_COLUMNS);
    else if (p->states.grey)
        p->kernels->multiply_u16((const uint16_t *)p->states.data + t->row * p->states.stride, p->states.stride, t->n,
                                 piece, 0, t->n_cols, t->s.grey, PIECE_COLUMNS, t->s.kernel);
    else
        p->kernels->multiply_u8(&t->left, (int)(t->row - t->strip_row), t->n, piece, 0, t->n_cols, t->s.sums,
                                PIECE_COLUMNS, t->s.kernel);
}

static void inputs(const tile *t, int r, float scale, const float *bias, float *x)
{
    const rbmk_layer_pass *p = t->p;
    if (p->states.grey == RBMK_REAL)
        p->kernels->affine_real(t->s.grey + r * PIECE_COLUMNS, t->s.zero, t->n_cols, (double)scale / RBMK_REAL_STEPS,
                                bias + t->col, x);
    else if (p->states.grey)
        p->kernels->affine_f64(t->s.grey + r * PIECE_COLUMNS, t->n_cols, scale, bias + t->col, x);
    else
        p->kernels->affine_i32(t->s.sums + r * PIECE_COLUMNS, t->n_cols, scale, bias + t->col, x);
}

static void draw_second(const tile *t, int r, const float *x)
{
    const rbmk_layer_pass *p = t->p;
    rbmk_counter counter = rbmk_counter_of(p->second_stream, t->row + r);
    uint8_t *drawn = t->s.state + r * PIECE_COLUMNS; /* not yet in use */
    p->kernels->sigmoid_bernoulli(x, t->n_cols, t->col, &counter, drawn);
    memcpy(p->second + (t->row + r) * p->cols + t->col, drawn, (size_t)t->n_cols);
}

static void draw(const tile *t, int r, const float *x)
{
    const rbmk_layer_pass *p = t->p;
    rbmk_counter counter = rbmk_counter_of(p->stream, t->row + r);
    uint8_t *drawn = t->s.state + r * PIECE_COLUMNS;
    int64_t at = (t->row + r) * p->cols + t->col;
    p->kernels->sigmoid_bernoulli(x, t->n_cols, t->col, &counter, drawn);
    if (p->clamp)
        for (int j = 0; j < t->n_cols; j++)
            drawn[j] = p->clamp[at + j] ? p->out.sample[at + j] : drawn[j];
    if (p->absent)
        for (int j = 0; j < t->n_cols; j++)
            drawn[j] = p->absent[at + j] ? 0 : drawn[j];
    memcpy(p->out.sample + at, drawn, (size_t)t->n_cols);
}

static void draw_normal(const tile *t, int r, float *x)
{
    const rbmk_layer_pass *p = t->p;
    const rbmk_counter counter = rbmk_counter_of(p->stream, t->row + r);
    p->kernels->add_normal(x, t->n_cols, t->col, &counter, x);
    if (!p->kernels->real_levels(x, t->n_cols, p->normal + (t->row + r) * p->cols + t->col))
        atomic_store_explicit(p->outside, p->number, memory_order_relaxed);
}

static void sum_softplus(const tile *t, int r, const float *x, double *sums)
{
    double *sum = sums + (t->row + r) * rbmk_panels(t->p->cols) + t->col / RBMK_PANEL;
    for (int c = 0; c < t->n_cols; c += RBMK_PANEL)
        sum[c / RBMK_PANEL] =
            t->p->kernels->softplus_panel(x + c, t->n_cols - c < RBMK_PANEL ? t->n_cols - c : RBMK_PANEL);
}

static void one_row(const tile *t, int r)
{
    const rbmk_layer_pass *p = t->p;
    const int64_t at = (t->row + r) * p->cols + t->col;
    float *x = p->out.input ? p->out.input + at : t->s.x;
    const int64_t rung = p->rungs ? (t->row + r) / p->rungs->n : 0;
    const float scale = p->rungs ? p->rungs->scale[rung] : t->scale;
    const float *bias = p->rungs ? p->rungs->bias + rung * p->cols : p->bias;
    inputs(t, r, scale, bias, x);
    if (p->layer) /* answers when its rows are whole */
        return;
    if (p->out.probability)
        p->kernels->sigmoid(x, t->n_cols, p->out.probability + at);
    if (p->out.softplus)
        sum_softplus(t, r, x, p->out.softplus);
    if (p->second)
        draw_second(t, r, x);
    if (p->out.sample)
        draw(t, r, x);
    if (p->normal)
        draw_normal(t, r, x);
    if (p->statistic) {
        const uint16_t *shares = p->statistic->shares;
        p->kernels->sigmoid_statistic(x, t->n_cols, shares ? shares[t->row + r] : RBMK_GREY, p->statistic->negate,
                                      t->s.sums + r * PIECE_COLUMNS, t->tile_sums);
    }
}

static void do_other(const tile *t)
{
    const rbmk_layer_pass *p = t->p;
    for (int r = 0; r < t->n; r++) {
        float *x = p->layer ? p->other->input + (t->row + r) * p->cols + t->col : t->s.x;
        inputs(t, r, t->other_scale, p->other->bias, x);
        if (!p->layer)
            sum_softplus(t, r, x, p->other->softplus);
    }
}

static void do_tile(tile *t)
{
    const rbmk_layer_pass *p = t->p;
    int32_t sums[PIECE_COLUMNS] = {0};
    t->tile_sums = sums;
    if (p->other && p->other->weights) {
        const rbmk_matrix piece = rbmk_columns(matrix_of(p->other->weights, p->up), t->col, t->n_cols);
        multiply(t, &piece);
        do_other(t);
    }
    multiply(t, &t->piece);
    if (p->other && !p->other->weights)
        do_other(t);
    for (int r = 0; r < t->n; r++)
        one_row(t, r);
    if (p->layer)
        return;
    for (int j = 0; p->statistic && j < t->n_cols; j++)
        t->sums[t->col + j] += sums[j];
    if (p->statistic)
        p->kernels->pack_tile(p->statistic->m, p->statistic->first_row + (int)t->row, t->col, t->n, t->n_cols,
                              t->s.sums, PIECE_COLUMNS);
    if (p->sample_transposed)
        transpose_u8(t->s.state, PIECE_COLUMNS, t->n, t->n_cols,
                     p->sample_transposed + t->col * p->transposed_stride + t->row, p->transposed_stride);
}

/* --- The pass ------------------------------------------------------------------------------------------- */

static int to_next_multiple(int at, int unit) { return unit - at % unit; }

static void do_strip(tile *t, int64_t end_row, int first_col, int end_col)
{
    const rbmk_layer_pass *p = t->p;
    if (!p->states.grey && !p->chosen)
        p->kernels->lay_out_u8(&t->left, 0, (int)(end_row - t->strip_row),
                               (const uint8_t *)p->states.data + t->strip_row * p->states.stride, p->states.stride);
    for (t->col = first_col; t->col < end_col; t->col += t->n_cols) {
        t->n_cols = to_next_multiple(t->col, PIECE_COLUMNS);
        t->n_cols = end_col - t->col < t->n_cols ? end_col - t->col : t->n_cols;
        t->piece = piece_of(p, t->col, t->n_cols, t->s.piece);
        if (p->states.grey == RBMK_REAL)
            p->kernels->multiply_u16(t->s.zeros, 0, 1, &t->piece, 0, t->n_cols, t->s.zero, PIECE_COLUMNS, t->s.kernel);
        for (t->row = t->strip_row; t->row < end_row; t->row += RBMK_TILE_ROWS) {
            t->n = end_row - t->row < RBMK_TILE_ROWS ? (int)(end_row - t->row) : RBMK_TILE_ROWS;
            do_tile(t);
        }
    }
}

int rbmk_pass_by_columns(rbmk_team team, int64_t n, int columns)
{
    const rbmk_rectangle own = rbmk_share_rectangle(team, n, 16, columns);
    return own.end_row - own.first_row == n;
}

void rbmk_pass_member(rbmk_team team, const rbmk_layer_pass *p, void *scratch)
{
    const int row_unit = p->statistic ? 16 : 1; /* packing works on groups of rows */
    const rbmk_rectangle own = rbmk_share_rectangle(team, p->states.n, row_unit, p->cols);
    tile t = {.p = p, .s = divide(p, scratch), .scale = ldexpf(p->beta, -p->exponent)};
    if (p->other)
        t.other_scale = ldexpf(p->other->beta, -(p->other->weights ? p->other->weights->exponent : p->exponent));
    if (p->statistic && !p->layer) {
        t.sums = p->statistic->sums + (int64_t)team.id * p->cols;
        memset(t.sums, 0, (size_t)p->cols * sizeof *t.sums);
    }
    for (int64_t row = own.first_row; row < own.end_row; row += STRIP_ROWS) {
        int64_t end = row + STRIP_ROWS < own.end_row ? row + STRIP_ROWS : own.end_row;
        t.strip_row = row;
        t.left = (rbmk_left){(int)(end - row), p->rows, RBMK_DEPTH, t.s.left};
        do_strip(&t, end, own.first_col, own.end_col);
    }
    if (p->layer) {
        rbmk_barrier(team);
        rbmk_answer_rows(team, p, scratch);
    }
}
