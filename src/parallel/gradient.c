#include "gradient.h"
#include "../common/scalar.h"
#include "../common/transpose.h"

#include <math.h>
#include <string.h>

enum { PACKED_ROWS = 4 }; /* that are packed together */

/* --- Memory ------------------------------------------------------------------------------------------- */

static int allocate_sums(rbmk_gradients *g, int team_size)
{
    for (int p = 0; p < 2; p++)
        g->phases[p].hidden.sums = rbmk_allocate((size_t)team_size * (size_t)g->n_hidden, sizeof(int64_t));
    return g->phases[RBMK_DATA].hidden.sums && g->phases[RBMK_MODEL].hidden.sums;
}

static int allocate_results(rbmk_gradients *g)
{
    g->visible_gradient = rbmk_allocate((size_t)g->n_visible, sizeof(float));
    g->visible_mean = rbmk_allocate((size_t)g->n_visible, sizeof(float));
    g->hidden_gradient = rbmk_allocate((size_t)g->n_hidden, sizeof(float));
    g->hidden_mean = rbmk_allocate((size_t)g->n_hidden, sizeof(float));
    return g->visible_gradient && g->visible_mean && g->hidden_gradient && g->hidden_mean;
}

int rbmk_gradients_allocate(rbmk_gradients *g, int64_t data_rows, int64_t model_rows, int team_size)
{
    const rbmk_kernels *k = g->kernels;
    const size_t n_visible = (size_t)g->n_visible;
    int ok;
    g->model_row = rbmk_round_up(data_rows, g->phases[RBMK_DATA].real ? PACKED_ROWS : 64); /* bits come in words */
    g->stride = (ptrdiff_t)rbmk_round_up(g->model_row + model_rows, 64);
    ok = allocate_sums(g, team_size);
    ok = allocate_results(g) && ok;
    /* of two products; one for both takes no more */
    g->packed = rbmk_allocate(k->packed_bytes((int)g->model_row, g->n_hidden) +
                                  k->packed_bytes((int)model_rows, g->n_hidden), 1);
    g->left = rbmk_allocate(k->left_bytes(g->n_visible, (int)g->model_row) +
                                k->left_bytes(g->n_visible, (int)model_rows), 1);
    g->transposed = rbmk_allocate(n_visible * (size_t)g->stride, 1);
    for (int p = 0; g->phases[RBMK_DATA].real && p < 2; p++)
        ok = (g->zero[p] = rbmk_allocate((size_t)g->n_hidden, sizeof(double))) && ok;
    if (g->phases[RBMK_DATA].grey)
        ok = (g->levels = rbmk_allocate(n_visible * (size_t)g->stride, sizeof *g->levels)) && ok;
    if (g->weighted)
        ok = (g->shares = rbmk_allocate((size_t)data_rows, sizeof *g->shares)) && ok;
    return ok && g->packed && g->left && g->transposed;
}

void rbmk_gradients_free(rbmk_gradients *g)
{
    rbmk_free(g->phases[RBMK_DATA].hidden.sums);
    rbmk_free(g->phases[RBMK_MODEL].hidden.sums);
    rbmk_free(g->visible_gradient);
    rbmk_free(g->visible_mean);
    rbmk_free(g->hidden_gradient);
    rbmk_free(g->hidden_mean);
    rbmk_free(g->packed);
    rbmk_free(g->left);
    rbmk_free(g->transposed);
    rbmk_free(g->levels);
    rbmk_free(g->shares);
    rbmk_free(g->zero[RBMK_DATA]);
    rbmk_free(g->zero[RBMK_MODEL]);
}

/* --- Statistics: where they go, and the products that they take ------------------------------------------- */

/* The product of `rows` rows of a phase, and of what follows them. */
static rbmk_pairs product_of(const rbmk_gradients *g, int phase, int64_t rows)
{
    const rbmk_kernels *k = g->kernels;
    char *left = g->left, *packed = g->packed;
    if (phase == RBMK_MODEL) {
        left += k->left_bytes(g->n_visible, (int)g->model_row);
        packed += k->packed_bytes((int)g->model_row, g->n_hidden);
    }
    return (rbmk_pairs){.states = {g->n_visible, (int)rows, 256, left},
                        .transposed = g->transposed + g->phases[phase].first_row,
                        .hidden = {k, (int)rows, g->n_hidden, packed}};
}

/* The rounding that rbmfast.reference.shares specifies. */
static void share_out(rbmk_gradients *g, const double *weights, int paired)
{
    rbmk_phase *data = &g->phases[RBMK_DATA], *model = &g->phases[RBMK_MODEL];
    double top = 0.0;
    int64_t sum = 0;
    for (int64_t i = 0; i < data->n; i++)
        top = weights[i] > top ? weights[i] : top;
    for (int64_t i = 0; i < data->n; i++) {
        g->shares[i] = top > 0.0 ? (uint16_t)rint(weights[i] / top * 65535.0) : 0;
        sum += g->shares[i];
    }
    g->rows = sum ? (double)sum / 65535.0 : 1.0;
    data->weight = top;
    model->weight = paired ? top : top * (g->rows / (double)data->n);
    data->hidden.shares = g->shares;
    model->hidden.shares = paired ? g->shares : NULL;
}

static void weigh(rbmk_gradients *g, const double *weights, int paired)
{
    g->rows = (double)g->phases[RBMK_DATA].n;
    for (int p = 0; p < 2; p++) {
        g->phases[p].weight = 1.0;
        g->phases[p].hidden.shares = NULL;
    }
    if (weights)
        share_out(g, weights, paired);
}

static int same_scale(const rbmk_gradients *g)
{
    const rbmk_phase *data = &g->phases[RBMK_DATA], *model = &g->phases[RBMK_MODEL];
    return data->n == model->n && data->weight == model->weight;
}

/* Of rows between two phases of real states, whose level is not 0. */
static void pack_nothing(rbmk_gradients *g, int64_t n)
{
    static const int32_t none[RBMK_ROW_BLOCK * RBMK_PANEL] = {0};
    for (int64_t row = n / PACKED_ROWS * PACKED_ROWS; row < g->model_row; row += RBMK_ROW_BLOCK)
        for (int col = 0; col < g->n_hidden; col += RBMK_PANEL)
            g->kernels->pack_tile(&g->products[RBMK_DATA].hidden, (int)row, col,
                                  rbmk_at_most(g->model_row - row, RBMK_ROW_BLOCK),
                                  rbmk_at_most(g->n_hidden - col, RBMK_PANEL), none, RBMK_PANEL);
}

/* Both phases of as many binary or real rows of the same weight: one product of the states of both with the probabilities
 * of the data and minus those of the model is the difference of the statistics; where both have the same states the difference of the
 * probabilities takes their place. Otherwise each phase has its own product, as levels round each statistic. */
void rbmk_arrange(rbmk_gradients *g, int64_t data_rows, int64_t model_rows, const double *weights, int paired)
{
    rbmk_phase *data = &g->phases[RBMK_DATA], *model = &g->phases[RBMK_MODEL];
    int together, stacked;
    data->n = data_rows;
    model->n = model_rows;
    weigh(g, weights, paired);
    together = same_scale(g) && (!data->grey || data->real);
    stacked = together && !g->shared;
    data->first_row = 0;
    model->first_row = g->shared ? 0 : g->model_row;
    g->products[RBMK_DATA] = product_of(g, RBMK_DATA, stacked ? g->model_row + model_rows : data_rows);
    g->products[RBMK_MODEL] = product_of(g, RBMK_MODEL, model_rows);
    g->n_products = together ? 1 : 2;
    data->hidden.m = &g->products[RBMK_DATA].hidden;
    data->hidden.first_row = 0;
    data->hidden.negate = 0;
    model->hidden.m = &g->products[together ? RBMK_DATA : RBMK_MODEL].hidden;
    model->hidden.first_row = stacked ? (int)g->model_row : 0;
    model->hidden.negate = together;
    if (stacked && data->real)
        pack_nothing(g, data_rows);
}

void rbmk_take_states(rbmk_team team, rbmk_gradients *g, int phase, const rbmk_states *states)
{
    const int64_t first = phase == RBMK_MODEL ? g->model_row : 0;
    int64_t from, to;
    rbmk_share(team, states->n, &from, &to);
    if (g->phases[phase].grey)
        transpose_u16((const uint16_t *)states->data + from * states->stride, states->stride, (int)(to - from),
                      g->n_visible, g->levels + first + from, g->stride);
    else
        transpose_u8((const uint8_t *)states->data + from * states->stride, states->stride, (int)(to - from),
                     g->n_visible, g->transposed + first + from, g->stride);
    if (phase == RBMK_MODEL)
        return;
    rbmk_share(team, g->n_visible, &from, &to);
    for (int64_t j = from; j < to; j++) { /* rows between the phases are off */
        memset(g->transposed + j * g->stride + states->n, 0, (size_t)(g->model_row - states->n));
        for (int64_t i = states->n; g->phases[phase].real && i < g->model_row; i++)
            g->levels[j * g->stride + i] = RBMK_REAL_ZERO;
    }
}

/* Levels stay as they are. */
void rbmk_lay_out(rbmk_team team, rbmk_gradients *g)
{
    int64_t from, to;
    rbmk_share(team, (g->n_visible + 15) / 16, &from, &to);
    from *= 16;
    to = to * 16 < g->n_visible ? to * 16 : g->n_visible;
    for (int p = 0; p < g->n_products; p++)
        if (!g->phases[p].grey)
            g->kernels->lay_out_u8(&g->products[p].states, (int)from, (int)(to - from),
                                   g->products[p].transposed + from * g->stride, g->stride);
}

/* --- Gradients ------------------------------------------------------------------------------------------ */

static float scale(double weight, double rows, double unit) { return (float)(weight / (unit * rows)); }

/* All sums of so many rows fit int32. */
static int32_t level_sum(const uint16_t *level, int64_t n)
{
    int32_t sum = 0;
    for (int64_t row = 0; row < n; row++)
        sum += level[row];
    return sum;
}

static int32_t shared_level_sum(const uint16_t *level, const uint16_t *share, int64_t n)
{
    int32_t sum = 0;
    for (int64_t row = 0; row < n; row++)
        sum += share1(level[row], share[row]);
    return sum;
}

static int32_t shared_state_sum(const uint8_t *on, const uint16_t *share, int64_t n)
{
    int32_t sum = 0;
    for (int64_t row = 0; row < n; row++)
        sum += (uint16_t)(on[row] * share[row]); /* of 16 bits: what every vector unit multiplies */
    return sum;
}

static int32_t state_sum(const uint8_t *on, int64_t n)
{
    int32_t sum = 0;
    for (int64_t row = 0; row < n; row++)
        sum += on[row];
    return sum;
}

/* Sums over a phase, when it is complete, in units of 1/65535. */
static int64_t visible_sum(const rbmk_gradients *g, const rbmk_phase *p, int64_t i)
{
    const int64_t at = i * g->stride + p->first_row;
    const uint16_t *shares = p->hidden.shares;
    if (p->grey)
        return shares ? shared_level_sum(g->levels + at, shares, p->n) : level_sum(g->levels + at, p->n);
    return shares ? shared_state_sum(g->transposed + at, shares, p->n)
                  : RBMK_GREY * state_sum(g->transposed + at, p->n);
}

static int64_t hidden_sum(const rbmk_gradients *g, const rbmk_phase *p, int64_t j, int team_size)
{
    int64_t sum = 0;
    for (int m = 0; m < team_size; m++)
        sum += p->hidden.sums[(int64_t)m * g->n_hidden + j];
    return sum;
}

/* The rounding that rbmfast.reference.gradient specifies. */
typedef struct {
    int same; /* scale of both phases */
    float data, model, mean; /* of the data */
} rounding;

static rounding rounding_of(const rbmk_gradients *g, double unit)
{
    const rbmk_phase *data = &g->phases[RBMK_DATA], *model = &g->phases[RBMK_MODEL];
    return (rounding){same_scale(g), scale(data->weight, (double)data->n, unit),
                      scale(model->weight, (double)model->n, unit), scale(1.0, g->rows, unit)};
}

static float difference(double positive, double negative, rounding by)
{
    return by.same ? (float)(positive - negative) * by.data : (float)positive * by.data - (float)negative * by.model;
}

/* Of real-valued states: float64 until the end. */
static void real_bias_gradients(rbmk_team team, rbmk_gradients *g)
{
    const rbmk_phase *data = &g->phases[RBMK_DATA], *model = &g->phases[RBMK_MODEL];
    int64_t from, to;
    rbmk_share(team, g->n_visible, &from, &to);
    for (int64_t i = from; i < to; i++) {
        double means[2];
        for (int p = 0; p < 2; p++) {
            const rbmk_phase *phase = &g->phases[p];
            const int64_t sum = level_sum(g->levels + i * g->stride + phase->first_row, phase->n);
            means[p] = (double)(sum - RBMK_REAL_ZERO * phase->n) / ((double)RBMK_REAL_STEPS * (double)phase->n);
        }
        g->visible_gradient[i] = (float)(means[RBMK_DATA] - means[RBMK_MODEL]);
        g->visible_mean[i] = (float)means[RBMK_DATA];
    }
    rbmk_share(team, g->n_hidden, &from, &to);
    for (int64_t j = from; j < to; j++) {
        const double positive = (double)hidden_sum(g, data, j, team.size);
        const double negative = (double)hidden_sum(g, model, j, team.size);
        const double mean = positive / (65535.0 * (double)data->n);
        g->hidden_gradient[j] = (float)(mean - negative / (65535.0 * (double)model->n));
        g->hidden_mean[j] = (float)mean;
        g->zero[RBMK_DATA][j] = RBMK_REAL_ZERO * (g->n_products == 1 ? positive - negative : positive);
        g->zero[RBMK_MODEL][j] = RBMK_REAL_ZERO * negative;
    }
}

void rbmk_bias_gradients(rbmk_team team, rbmk_gradients *g)
{
    if (g->phases[RBMK_DATA].real) {
        real_bias_gradients(team, g);
        return;
    }
    const rbmk_phase *data = &g->phases[RBMK_DATA], *model = &g->phases[RBMK_MODEL];
    const rounding of_visible = rounding_of(g, 1.0), of_hidden = rounding_of(g, 65535.0);
    int64_t from, to;
    rbmk_share(team, g->n_visible, &from, &to);
    for (int64_t i = from; i < to; i++) {
        double positive = (double)visible_sum(g, data, i) / 65535.0;
        double negative = (double)visible_sum(g, model, i) / 65535.0;
        g->visible_gradient[i] = difference(positive, negative, of_visible);
        g->visible_mean[i] = (float)positive * of_visible.mean;
    }
    rbmk_share(team, g->n_hidden, &from, &to);
    for (int64_t j = from; j < to; j++) {
        double positive = (double)hidden_sum(g, data, j, team.size);
        double negative = (double)hidden_sum(g, model, j, team.size);
        g->hidden_gradient[j] = difference(positive, negative, of_hidden);
        g->hidden_mean[j] = (float)positive * of_hidden.mean;
    }
}

/* Statistics of a tile of W, up to 64 x 64, from one product: int32, or double in units of 1/65535 where the phase is
 * grey, in rows of 64. */
static void tile_statistics(const rbmk_gradients *g, int number, int row, int n_rows, int col, int n_cols, void *sums,
                            void *scratch)
{
    const rbmk_pairs *p = &g->products[number];
    const rbmk_phase *phase = &g->phases[number];
    if (phase->grey)
        g->kernels->multiply_u16(g->levels + row * g->stride + phase->first_row, g->stride, n_rows, &p->hidden, col,
                                 n_cols, sums, RBMK_PANEL, scratch);
    else
        g->kernels->multiply_u8(&p->states, row, n_rows, &p->hidden, col, n_cols, sums, RBMK_PANEL, scratch);
}

/* From a sum over a phase to a mean. */
static double real_scale(const rbmk_gradients *g, int phase)
{
    return 1.0 / ((double)RBMK_REAL_STEPS * 65535.0 * (double)g->phases[phase].n);
}

size_t rbmk_weight_gradient_scratch(const rbmk_gradients *g)
{
    return UPDATE_TILE * 2 * sizeof(double) + RBMK_SCRATCH(g->stride);
}

void rbmk_weight_gradient(const rbmk_gradients *g, int row, int n_rows, int col, int n_cols, float *gradient,
                          ptrdiff_t ld, void *scratch)
{
    const rbmk_kernels *k = g->kernels;
    double *positive = scratch, *negative = positive + UPDATE_TILE;
    const int32_t *positive_i32 = scratch, *negative_i32 = (const int32_t *)negative;
    const rounding by = rounding_of(g, 65535.0);
    for (int p = 0; p < g->n_products; p++)
        tile_statistics(g, p, row, n_rows, col, n_cols, p ? negative : positive, negative + UPDATE_TILE);
    if (g->n_products == 1 && !g->phases[RBMK_DATA].grey && ld == RBMK_PANEL) { /* most common, in one stretch */
        k->scaled_i32(positive_i32, n_rows * RBMK_PANEL, by.data, gradient);
        return;
    }
    for (int at = 0; at < n_rows * RBMK_PANEL; at += RBMK_PANEL, gradient += ld) {
        if (g->phases[RBMK_DATA].real && g->n_products == 1)
            k->mean_real(positive + at, g->zero[RBMK_DATA] + col, n_cols, real_scale(g, RBMK_DATA), gradient);
        else if (g->phases[RBMK_DATA].real)
            k->difference_real(positive + at, g->zero[RBMK_DATA] + col, real_scale(g, RBMK_DATA), negative + at,
                               g->zero[RBMK_MODEL] + col, real_scale(g, RBMK_MODEL), n_cols, gradient);
        else if (g->n_products == 1)
            k->scaled_i32(positive_i32 + at, n_cols, by.data, gradient);
        else if (!g->phases[RBMK_DATA].grey)
            k->difference_scaled_i32(positive_i32 + at, negative_i32 + at, n_cols, by.data, by.model, gradient);
        else if (!g->phases[RBMK_MODEL].grey && by.same)
            k->difference_f64(positive + at, negative_i32 + at, n_cols, by.data, gradient);
        else if (!g->phases[RBMK_MODEL].grey)
            k->difference_scaled_f64(positive + at, negative_i32 + at, n_cols, by.data, by.model, gradient);
        else if (by.same)
            k->difference_grey(positive + at, negative + at, n_cols, by.data, gradient);
        else
            k->difference_scaled_grey(positive + at, negative + at, n_cols, by.data, by.model, gradient);
    }
}
