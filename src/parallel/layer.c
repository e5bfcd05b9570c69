/* Layers that are not all switches: their answers need whole rows of total inputs, which members share once these are there. */
#include <string.h>

#include "../common/scalar.h"
#include "../common/transpose.h"
#include "pass.h"

/* --- Answers to a row of total inputs x ------------------------------------------------------------------- */

/* Kernels count random numbers from a multiple of 16: switches draw for units before them, too, which groups then
 * overwrite. */
void rbmk_draw_row(const rbmk_kernels *k, const rbmk_layer *layer, const rbmk_stream *stream, int64_t row, const float *x,
                   uint8_t *state)
{
    const rbmk_counter counter = rbmk_counter_of(stream, row);
    for (int i = 0; i < layer->n_blocks; i++) {
        const rbmk_block *block = layer->blocks + i;
        const int before = block->first % RBMK_LANES, first = block->first - before;
        if (!block->start)
            k->sigmoid_bernoulli(x + first, before + block->n_units, first, &counter, state + first);
    }
    for (int i = 0; i < layer->n_blocks; i++) {
        const rbmk_block *block = layer->blocks + i;
        if (block->start)
            k->draw_groups(x, block->start, block->n_groups, &counter, state);
    }
}

/* As rbmfast.reference.row_sums of n <= 64 terms. */
static double panel_sum(const double *term, int n)
{
    double lane[RBMK_LANES] = {0};
    for (int j = 0; j < n; j++)
        lane[j % RBMK_LANES] += term[j];
    for (int width = RBMK_LANES / 2; width; width /= 2)
        for (int l = 0; l < width; l++)
            lane[l] += lane[l + width];
    return lane[0];
}

static double block_normalizer(const rbmk_kernels *k, const rbmk_block *block, const float *x)
{
    const int n = block->start ? block->n_groups : block->n_units;
    double total = 0.0, sums[RBMK_PANEL];
    for (int at = 0; at < n; at += RBMK_PANEL) {
        const int here = n - at < RBMK_PANEL ? n - at : RBMK_PANEL;
        if (block->start)
            k->log_sum_groups(x, block->start + at, here, sums);
        total += block->start ? panel_sum(sums, here) : k->softplus_panel(x + block->first + at, here);
    }
    return total;
}

double rbmk_log_normalizer(const rbmk_kernels *k, const rbmk_layer *layer, const float *x)
{
    double total = block_normalizer(k, layer->blocks, x);
    for (int i = 1; i < layer->n_blocks; i++)
        total += block_normalizer(k, layer->blocks + i, x);
    return total;
}

/* In place: probabilities in units of 1/65535. */
static void levels(const rbmk_layer_pass *p, float *x)
{
    int32_t *level = (int32_t *)x;
    for (int i = 0; i < p->layer->n_blocks; i++) {
        const rbmk_block *block = p->layer->blocks + i;
        const int first = block->first, end = first + block->n_units;
        if (!block->start) {
            p->kernels->sigmoid_i32(x + first, block->n_units, level + first);
            continue;
        }
        p->kernels->softmax_groups(x, block->start, block->n_groups, x);
        for (int j = first; j < end; j++)
            level[j] = level1(x[j]);
    }
}

/* --- Of the member's rows ------------------------------------------------------------------------------- */

/* `old` has room for a row. */
static void sample(const rbmk_layer_pass *p, int64_t row, uint8_t *old)
{
    const int64_t at = row * p->cols;
    uint8_t *state = p->out.sample + at;
    if (p->clamp)
        memcpy(old, state, (size_t)p->cols);
    rbmk_draw_row(p->kernels, p->layer, p->stream, row, p->out.input + at, state);
    if (p->clamp)
        for (int j = 0; j < p->cols; j++)
            state[j] = p->clamp[at + j] ? old[j] : state[j];
    if (p->absent)
        for (int j = 0; j < p->cols; j++)
            state[j] = p->absent[at + j] ? 0 : state[j];
}

static void leave_statistic(rbmk_team team, const rbmk_layer_pass *p, int64_t from, int64_t to)
{
    const rbmk_statistic *s = p->statistic;
    int64_t *sums = s->sums + (int64_t)team.id * p->cols;
    int32_t *level = (int32_t *)p->out.input + from * p->cols;
    memset(sums, 0, (size_t)p->cols * sizeof *sums);
    for (int64_t row = from; row < to; row++) {
        int32_t *own = (int32_t *)p->out.input + row * p->cols;
        levels(p, p->out.input + row * p->cols);
        for (int j = 0; j < p->cols; j++) {
            own[j] = s->shares ? share1((uint16_t)own[j], s->shares[row]) : own[j];
            sums[j] += own[j];
            own[j] = s->negate ? -own[j] : own[j];
        }
    }
    p->kernels->pack_tile(s->m, s->first_row + (int)from, 0, (int)(to - from), p->cols, level, p->cols);
}

void rbmk_answer_rows(rbmk_team team, const rbmk_layer_pass *p, void *scratch)
{
    const int n = (int)p->states.n;
    int64_t from, to;
    rbmk_share(team, (n + 15) / 16, &from, &to); /* packing works on groups of rows */
    from *= 16;
    to = to * 16 < n ? to * 16 : n;
    for (int64_t row = from; row < to; row++) {
        if (p->out.softplus)
            p->out.softplus[row] = rbmk_log_normalizer(p->kernels, p->layer, p->out.input + row * p->cols);
        if (p->other)
            p->other->softplus[row] = rbmk_log_normalizer(p->kernels, p->layer, p->other->input + row * p->cols);
        if (p->second)
            rbmk_draw_row(p->kernels, p->layer, p->second_stream, row, p->out.input + row * p->cols,
                          p->second + row * p->cols);
        if (p->out.sample)
            sample(p, row, scratch);
    }
    if (p->sample_transposed)
        transpose_u8(p->out.sample + from * p->cols, p->cols, (int)(to - from), p->cols, p->sample_transposed + from,
                     p->transposed_stride);
    if (p->statistic)
        leave_statistic(team, p, from, to);
}
