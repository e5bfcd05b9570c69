#include "pass.h"
#include "../common/transpose.h"

#include <math.h>
#include <string.h>

/* --- Counters ----------------------------------------------------------------------------------------- */

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

/* --- Tasks: up to 32 rows x 256 columns ---------------------------------------------------------------- */

typedef struct {
    int32_t *sums;  /* (32, 256); afterwards the probabilities to pack */
    double *grey;   /* (32, 256) */
    float *x;       /* (256,) */
    uint8_t *state; /* (32, 256) */
    void *kernel;
} tile_scratch;

size_t rbmk_pass_scratch(int rows)
{
    return RBMK_TILE_ROWS * TILE_COLUMNS * (sizeof(int32_t) + sizeof(double) + 1) + TILE_COLUMNS * sizeof(float) +
           RBMK_SCRATCH(rows);
}

static tile_scratch divide(void *memory)
{
    const size_t elements = RBMK_TILE_ROWS * TILE_COLUMNS;
    tile_scratch s;
    s.grey = memory;
    s.sums = (int32_t *)(s.grey + elements);
    s.x = (float *)(s.sums + elements);
    s.state = (uint8_t *)(s.x + TILE_COLUMNS);
    s.kernel = s.state + elements;
    return s;
}

static void multiply(const rbmk_layer_pass *p, int64_t row, int n, int col, int n_cols, tile_scratch s)
{
    const rbmk_kernels *k = p->m->kernels;
    ptrdiff_t stride = p->states.stride;
    if (p->states.grey)
        k->multiply_u16((const uint16_t *)p->states.data + row * stride, stride, n, p->m, col, n_cols, s.grey,
                        TILE_COLUMNS, s.kernel);
    else
        k->multiply_u8((const uint8_t *)p->states.data + row * stride, stride, n, p->m, col, n_cols, s.sums,
                       TILE_COLUMNS, s.kernel);
}

static void inputs(const rbmk_layer_pass *p, int r, int col, int n_cols, tile_scratch s)
{
    const rbmk_kernels *k = p->m->kernels;
    if (p->states.grey)
        k->affine_f64(s.grey + r * TILE_COLUMNS, n_cols, ldexp(1.0, -p->exponent), p->bias + col, s.x);
    else
        k->affine_i32(s.sums + r * TILE_COLUMNS, n_cols, ldexpf(1.0f, -p->exponent), p->bias + col, s.x);
}

static void draw(const rbmk_layer_pass *p, int64_t row, int r, int col, int n_cols, tile_scratch s)
{
    rbmk_counter counter = rbmk_counter_of(p->stream, row);
    uint8_t *drawn = s.state + r * TILE_COLUMNS;
    ptrdiff_t at = row * (p->sample_stride ? p->sample_stride : p->m->cols) + col;
    p->m->kernels->sigmoid_bernoulli(s.x, n_cols, col, &counter, drawn);
    if (p->clamp)
        for (int j = 0; j < n_cols; j++)
            drawn[j] = p->clamp[at + j] ? p->out.sample[at + j] : drawn[j];
    memcpy(p->out.sample + at, drawn, (size_t)n_cols);
}

static void sum_softplus(const rbmk_layer_pass *p, int64_t row, int col, int n_cols, const float *x)
{
    for (int c = 0; c < n_cols; c += RBMK_PANEL)
        p->out.softplus[row * rbmk_panels(p->m->cols) + (col + c) / RBMK_PANEL] =
            p->m->kernels->softplus_panel(x + c, n_cols - c < RBMK_PANEL ? n_cols - c : RBMK_PANEL);
}

static void one_row(const rbmk_layer_pass *p, int64_t row, int r, int col, int n_cols, tile_scratch s,
                    int64_t *packed_sums)
{
    const rbmk_kernels *k = p->m->kernels;
    int64_t at = row * p->m->cols + col;
    if (p->out.input)
        s.x = p->out.input + at;
    inputs(p, r, col, n_cols, s);
    if (p->out.probability)
        k->sigmoid(s.x, n_cols, p->out.probability + at);
    if (p->out.softplus)
        sum_softplus(p, row, col, n_cols, s.x);
    if (p->out.sample)
        draw(p, row, r, col, n_cols, s);
    if (p->packed) {
        int32_t *probability = s.sums + r * TILE_COLUMNS;
        k->sigmoid_i32(s.x, n_cols, probability);
        for (int j = 0; j < n_cols; j++)
            packed_sums[col + j] += probability[j];
    }
}

static void task(const rbmk_layer_pass *p, int64_t row, int n, int col, int n_cols, tile_scratch s,
                 int64_t *packed_sums)
{
    multiply(p, row, n, col, n_cols, s);
    for (int r = 0; r < n; r++)
        one_row(p, row + r, r, col, n_cols, s, packed_sums);
    if (p->packed)
        p->m->kernels->pack_tile(p->packed, (int)row, col, n, n_cols, s.sums, TILE_COLUMNS);
    if (p->sample_transposed)
        transpose_u8(s.state, TILE_COLUMNS, n, n_cols, p->sample_transposed + col * p->transposed_stride + row,
                     p->transposed_stride);
}

/* --- Shares: a rectangle of rows x columns for each member ------------------------------------------------- */

/* The first column of part i of n: a panel's first. */
static int column_bound(int columns, int i, int n)
{
    int64_t exact = (int64_t)columns * i / n, nearest = (exact + RBMK_PANEL / 2) / RBMK_PANEL * RBMK_PANEL;
    return i == n || nearest > columns ? columns : (int)nearest;
}

static int largest_part(int columns, int n)
{
    int largest = 0;
    for (int i = 0; i < n; i++) {
        int size = column_bound(columns, i + 1, n) - column_bound(columns, i, n);
        largest = size > largest ? size : largest;
    }
    return largest;
}

/* Into how many parts to cut the columns (the rows into team size / parts), so that the largest share is smallest;
 * columns first, since a member then keeps its part of the matrix in its cache. */
static int column_parts(int team_size, int64_t rows, int columns)
{
    int best = 1;
    int64_t best_size = INT64_MAX;
    for (int parts = team_size; parts >= 1; parts--) {
        int64_t row_parts = team_size / parts;
        int64_t size = (rows + row_parts - 1) / row_parts * largest_part(columns, parts);
        if (team_size % parts == 0 && size < best_size) {
            best = parts;
            best_size = size;
        }
    }
    return best;
}

void rbmk_pass_member(rbmk_team team, const rbmk_layer_pass *p, void *scratch)
{
    tile_scratch s = divide(scratch);
    const int parts = column_parts(team.size, p->states.n, p->m->cols), part = team.id % parts;
    const int first_col = column_bound(p->m->cols, part, parts), end_col = column_bound(p->m->cols, part + 1, parts);
    const rbmk_team row_team = {team.id / parts, team.size / parts, NULL};
    int64_t *sums = p->packed ? p->packed_sums + (int64_t)team.id * p->m->cols : NULL;
    int64_t first_row, end_row;
    rbmk_share(row_team, p->states.n, &first_row, &end_row);
    if (p->packed) { /* tiles to pack start at multiples of 32 rows */
        first_row = rbmk_round_up(first_row, RBMK_TILE_ROWS);
        end_row = row_team.id + 1 == row_team.size ? end_row : rbmk_round_up(end_row, RBMK_TILE_ROWS);
        end_row = end_row < p->states.n ? end_row : p->states.n;
    }
    if (sums)
        memset(sums, 0, (size_t)p->m->cols * sizeof *sums);
    for (int col = first_col; col < end_col; col += TILE_COLUMNS)
        for (int64_t row = first_row; row < end_row; row += RBMK_TILE_ROWS) {
            int n = end_row - row < RBMK_TILE_ROWS ? (int)(end_row - row) : RBMK_TILE_ROWS;
            int n_cols = end_col - col < TILE_COLUMNS ? end_col - col : TILE_COLUMNS;
            task(p, row, n, col, n_cols, s, sums);
        }
}
