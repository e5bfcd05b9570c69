/* What is looked up, and draws by it; groups in doubt are drawn from their total inputs. */
#include "odds.h"

#include <math.h>
#include <string.h>

enum {
    LARGEST_GROUP = 32,
    MOST_STATES = 1024 /* more leave too much in doubt */
};

static const float largest_input = 80.0f; /* in size: its exponential, and all on the way there, are normal floats */

/* --- Factors ------------------------------------------------------------------------------------------- */

/* Logarithms (1 + rows, cols): biases and weights as the engine has them, its inputs of states of which one is on. */
static float *logarithms(const rbmk_layer_pass *pass)
{
    const size_t rows = (size_t)pass->rows, cols = (size_t)pass->cols;
    float *x = rbmk_allocate((rows + 1) * cols, sizeof *x), *zero = rbmk_allocate(cols, sizeof *zero);
    uint8_t *one_on = rbmk_allocate(rows, rows);
    void *scratch = rbmk_allocate(1, rbmk_pass_scratch(pass->kernels, pass->rows, pass->rows));
    if (x && zero && one_on && scratch) {
        const rbmk_team alone = {0, 1, NULL, 0};
        rbmk_layer_pass each = *pass;
        memset(zero, 0, cols * sizeof *zero);
        memset(one_on, 0, rows * rows);
        for (size_t i = 0; i < rows; i++)
            one_on[i * rows + i] = 1;
        memcpy(x, pass->bias, cols * sizeof *x);
        each.bias = zero;
        each.states = (rbmk_states){one_on, 0, pass->rows, pass->rows};
        each.layer = NULL;
        each.out = (rbmk_outputs){.input = x + cols};
        rbmk_pass_member(alone, &each, scratch);
    } else {
        rbmk_free(x);
        x = NULL;
    }
    rbmk_free(zero);
    rbmk_free(one_on);
    rbmk_free(scratch);
    return x;
}

/* The largest size that a total input can have, of (n, cols) summands. */
static float largest_sum(const float *x, int n, int cols)
{
    float largest = 0.0f;
    for (int first = 0; first < cols; first += RBMK_PANEL) {
        const int width = cols - first < RBMK_PANEL ? cols - first : RBMK_PANEL;
        float sum[RBMK_PANEL] = {0};
        for (int i = 0; i < n; i++)
            for (int j = 0; j < width; j++)
                sum[j] += fabsf(x[(size_t)i * (size_t)cols + (size_t)(first + j)]);
        for (int j = 0; j < width; j++)
            largest = sum[j] <= largest ? largest : sum[j] <= largest_input ? sum[j] : INFINITY; /* NaN, too */
    }
    return largest;
}

/* Twice the sum of all that may be wrong with a weight, in units of 2^-24: five roundings for each factor (four of its
 * exponential, one of the product), a rounding of the sum for each unit; what the definition itself rounds, which is four
 * times an input's size, and its exponential; the limit. */
static float slack_of(float largest, int rows)
{
    return 2.0f * (5.0f * (float)(rows + 1) + 4.0f * largest + LARGEST_GROUP + 8.0f) / 16777216.0f;
}

static int largest_group(const rbmk_block *block)
{
    int largest = 0;
    for (int g = 0; g < block->n_groups; g++) {
        const int size = block->start[g + 1] - block->start[g];
        largest = size > largest ? size : largest;
    }
    return largest;
}

/* All groups take the room and the time of the largest one. */
static int is_worth_it(const rbmk_block *block)
{
    const int largest = largest_group(block);
    return largest <= LARGEST_GROUP && (int64_t)block->n_groups * largest <= 2 * (int64_t)block->n_units;
}

/* Weights (rows, cols) as integers, transposed: for each 16 rows those of column after column. */
static int32_t *transposed(const float *x, int rows, int cols, int exponent)
{
    const float scale = ldexpf(1.0f, exponent);
    int32_t *q = rbmk_allocate((size_t)rbmk_round_up(rows, RBMK_LANES) * (size_t)cols, sizeof *q);
    if (q)
        memset(q, 0, (size_t)rbmk_round_up(rows, RBMK_LANES) * (size_t)cols * sizeof *q);
    for (int i = 0; q && i < rows; i++)
        for (int j = 0; j < cols; j++)
            q[((size_t)(i / RBMK_LANES) * (size_t)cols + (size_t)j) * RBMK_LANES + (size_t)(i % RBMK_LANES)] =
                (int32_t)(x[(size_t)i * (size_t)cols + (size_t)j] * scale); /* exact */
    return q;
}

rbmk_lookups rbmk_lookups_of(const rbmk_layer_pass *pass, const rbmk_layer *layer)
{
    const rbmk_block *block = layer->blocks;
    const int rows = pass->rows, cols = pass->cols;
    rbmk_lookups l = {.odds.factors = NULL};
    float *x, largest;
    if (layer->n_blocks != 1 || rows > MOST_STATES || !block->start || !is_worth_it(block))
        return l;
    x = logarithms(pass);
    if (!x)
        return l;
    largest = largest_sum(x, rows + 1, cols);
    if (largest <= largest_input) {
        l.odds = (rbmk_odds){.n_groups = block->n_groups, .n_units = largest_group(block), .n_states = rows,
                             .quads = (rows + 3) / 4, .slack = slack_of(largest, rows), .start = block->start};
        l.odds.factors = rbmk_allocate(1, RBMK_ODDS_BYTES(&l.odds));
        l.chosen = (rbmk_chosen){block->n_groups, cols, block->start, transposed(x + cols, rows, cols, pass->exponent), NULL};
    }
    if (l.odds.factors && l.chosen.weights) {
        pass->kernels->pack_odds(&l.odds, x, cols);
    } else {
        rbmk_lookups_free(&l);
        l.odds.factors = NULL;
    }
    rbmk_free(x);
    return l;
}

void rbmk_lookups_free(const rbmk_lookups *l)
{
    rbmk_free(l->odds.factors);
    rbmk_free((void *)l->chosen.weights);
}

/* --- Draws ------------------------------------------------------------------------------------------------ */

/* choices of quads and groups, then the kernel's. */
static size_t choices_size(int n) { return RBMK_TILE_ROWS * (size_t)n * sizeof(uint16_t); }

size_t rbmk_lookups_scratch(const rbmk_lookups *l)
{
    const rbmk_odds *o = &l->odds;
    return o->factors ? choices_size(o->n_groups) + choices_size(o->quads) + RBMK_ODDS_SCRATCH(o) : 0;
}

rbmk_lookups rbmk_own_lookups(const rbmk_lookups *l, void *scratch)
{
    rbmk_lookups own = *l;
    own.chosen.choice = scratch;
    memset(scratch, 0, choices_size(l->odds.n_groups)); /* rows that are not there, too, choose */
    return own;
}

/* Of one row of states. */
static void choose(const rbmk_odds *o, const uint8_t *state, uint16_t *choice)
{
    for (int q = 0; q < o->quads; q++) {
        int chosen = 0;
        for (int i = 0; i < 4 && q + i * o->quads < o->n_states; i++)
            chosen |= state[q + i * o->quads] << (6 + i);
        choice[q * RBMK_TILE_ROWS] = (uint16_t)chosen;
    }
}

/* One group by its total inputs. */
static void draw_group(const rbmk_lookups *l, const rbmk_layer_pass *pass, int64_t row, int group, void *scratch)
{
    const rbmk_team alone = {0, 1, NULL, 0};
    const int32_t *start = l->odds.start + group;
    uint8_t *sample = pass->out.sample + row * pass->cols;
    const int col = start[0] / RBMK_PANEL * RBMK_PANEL, to = (int)rbmk_round_up(start[1], RBMK_PANEL);
    const rbmk_matrix columns = rbmk_columns(pass->packed, col, (to < pass->cols ? to : pass->cols) - col);
    const rbmk_counter counter = rbmk_counter_of(pass->stream, row);
    rbmk_layer_pass own = *pass;
    own.packed = &columns;
    own.cols = columns.cols;
    own.bias = pass->bias + col;
    own.states.data = (const uint8_t *)pass->states.data + row * pass->states.stride;
    own.states.n = 1;
    own.layer = NULL;
    own.out = (rbmk_outputs){.input = pass->out.input + col};
    rbmk_pass_member(alone, &own, scratch);
    pass->kernels->draw_groups(pass->out.input, start, 1, &counter, sample);
    for (int k = start[0]; k < start[1]; k++)
        if (sample[k])
            l->chosen.choice[group * RBMK_TILE_ROWS + row] = (uint16_t)(64 * (k - start[0]));
}

void rbmk_lookups_sample(const rbmk_lookups *l, const rbmk_layer_pass *pass, void *scratch)
{
    const rbmk_odds *o = &l->odds;
    const int n = (int)pass->states.n;
    uint16_t *choice = l->chosen.choice + RBMK_TILE_ROWS * o->n_groups;
    void *kernel = choice + RBMK_TILE_ROWS * o->quads;
    uint16_t doubts[RBMK_TILE_ROWS];
    rbmk_counter counter[RBMK_TILE_ROWS];
    memset(choice, 0, choices_size(o->quads));
    for (int i = 0; i < n; i++) {
        counter[i] = rbmk_counter_of(pass->stream, i);
        choose(o, (const uint8_t *)pass->states.data + i * pass->states.stride, choice + i);
    }
    for (int at = 0; at < o->n_groups; at += RBMK_LANES) {
        pass->kernels->draw_odds(o, at, choice, n, counter, pass->out.sample, pass->cols, l->chosen.choice,
                                 doubts, kernel);
        for (int i = 0; i < n; i++)
            for (unsigned left = doubts[i], g = 0; left; left >>= 1, g++)
                if (left & 1)
                    draw_group(l, pass, i, at + (int)g, scratch);
    }
}
