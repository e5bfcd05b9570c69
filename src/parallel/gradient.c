#include "gradient.h"
#include "../common/transpose.h"

#include <string.h>

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
    g->model_row = rbmk_round_up(data_rows, 64);
    g->stride = (ptrdiff_t)rbmk_round_up(g->model_row + model_rows, 64);
    ok = allocate_sums(g, team_size);
    ok = allocate_results(g) && ok;
    /* of two products; one for both takes no more */
    g->packed = rbmk_allocate(k->packed_bytes((int)g->model_row, g->n_hidden) +
                                  k->packed_bytes((int)model_rows, g->n_hidden), 1);
    g->left = rbmk_allocate(k->left_bytes(g->n_visible, (int)g->model_row) +
                                k->left_bytes(g->n_visible, (int)model_rows), 1);
    g->transposed = rbmk_allocate(n_visible * (size_t)g->stride, 1);
    g->levels = g->grey ? rbmk_allocate(n_visible * (size_t)g->stride, sizeof *g->levels) : NULL;
    return ok && g->packed && g->left && g->transposed && (g->levels || !g->grey);
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
}

/* --- Statistics: where they go, and the products that they take ------------------------------------------- */

/* The product of `rows` rows from `first_row` of the transposed states and of the probabilities. */
static rbmk_pairs product_of(const rbmk_gradients *g, int64_t first_row, int64_t rows, int number)
{
    char *left = g->left, *packed = g->packed;
    return (rbmk_pairs){
        .states = {g->n_visible, (int)rows, 256, number ? left + g->kernels->left_bytes(g->n_visible, (int)first_row) : left},
        .transposed = g->transposed + first_row,
        .hidden = {g->kernels, (int)rows, g->n_hidden, packed + g->kernels->packed_bytes((int)first_row, g->n_hidden)}};
}

/* Both phases of as many binary rows: one product of the states of both with the probabilities of the data and minus
 * those of the model is the difference of the statistics. Otherwise each phase has its own. */
void rbmk_arrange(rbmk_gradients *g, int64_t data_rows, int64_t model_rows)
{
    rbmk_phase *data = &g->phases[RBMK_DATA], *model = &g->phases[RBMK_MODEL];
    const int together = data_rows == model_rows && !g->grey;
    data->n = data_rows;
    model->n = model_rows;
    g->products[RBMK_DATA] = product_of(g, 0, together ? g->model_row + model_rows : data_rows, 0);
    g->products[RBMK_MODEL] = product_of(g, g->model_row, model_rows, 1);
    g->n_products = together ? 1 : 2;
    data->hidden.m = &g->products[RBMK_DATA].hidden;
    data->hidden.first_row = 0;
    data->hidden.negate = 0;
    model->hidden.m = &g->products[together ? RBMK_DATA : RBMK_MODEL].hidden;
    model->hidden.first_row = together ? (int)g->model_row : 0;
    model->hidden.negate = together;
}

void rbmk_take_data(rbmk_team team, rbmk_gradients *g, const void *rows, int64_t n)
{
    const int n_visible = g->n_visible;
    int64_t from, to;
    rbmk_share(team, n, &from, &to);
    if (g->grey)
        transpose_u16((const uint16_t *)rows + from * n_visible, n_visible, (int)(to - from), n_visible, g->levels + from,
                      g->stride);
    else
        transpose_u8((const uint8_t *)rows + from * n_visible, n_visible, (int)(to - from), n_visible,
                     g->transposed + from, g->stride);
    rbmk_share(team, n_visible, &from, &to);
    for (int64_t j = from; j < to; j++) /* rows between the phases are off */
        memset(g->transposed + j * g->stride + n, 0, (size_t)(g->model_row - n));
}

/* Those of grey data stay as they are. */
void rbmk_lay_out(rbmk_team team, rbmk_gradients *g)
{
    int64_t from, to;
    rbmk_share(team, (g->n_visible + 15) / 16, &from, &to);
    from *= 16;
    to = to * 16 < g->n_visible ? to * 16 : g->n_visible;
    for (int p = g->grey ? RBMK_MODEL : RBMK_DATA; p < g->n_products; p++)
        g->kernels->lay_out_u8(&g->products[p].states, (int)from, (int)(to - from),
                               g->products[p].transposed + from * g->stride, g->stride);
}

/* --- Gradients ------------------------------------------------------------------------------------------ */

static float scale(int64_t n, double unit) { return (float)(1.0 / (unit * (double)n)); }

static double level_sum(const uint16_t *level, int64_t n)
{
    int64_t sum = 0;
    for (int64_t row = 0; row < n; row++)
        sum += level[row];
    return (double)sum / 65535.0;
}

static double state_sum(const uint8_t *on, int64_t n)
{
    int64_t sum = 0;
    for (int64_t row = 0; row < n; row++)
        sum += on[row];
    return (double)sum;
}

static double hidden_sum(const rbmk_phase *p, int64_t j, int n_hidden, int team_size)
{
    int64_t sum = 0;
    for (int m = 0; m < team_size; m++)
        sum += p->hidden.sums[(int64_t)m * n_hidden + j];
    return (double)sum;
}

/* The rounding that rbmfast.reference.gradient specifies. */
typedef struct {
    int same; /* number of rows */
    float data, model;
} rounding;

static rounding rounding_of(const rbmk_gradients *g, double unit)
{
    const int64_t n_data = g->phases[RBMK_DATA].n, n_model = g->phases[RBMK_MODEL].n;
    return (rounding){n_data == n_model, scale(n_data, unit), scale(n_model, unit)};
}

static float difference(double positive, double negative, rounding by)
{
    return by.same ? (float)(positive - negative) * by.data : (float)positive * by.data - (float)negative * by.model;
}

void rbmk_bias_gradients(rbmk_team team, rbmk_gradients *g)
{
    const rbmk_phase *data = &g->phases[RBMK_DATA], *model = &g->phases[RBMK_MODEL];
    const rounding of_visible = rounding_of(g, 1.0), of_hidden = rounding_of(g, 65535.0);
    int64_t from, to;
    rbmk_share(team, g->n_visible, &from, &to);
    for (int64_t i = from; i < to; i++) {
        const int64_t at = i * g->stride;
        double positive = g->grey ? level_sum(g->levels + at, data->n) : state_sum(g->transposed + at, data->n);
        double negative = state_sum(g->transposed + at + g->model_row, model->n);
        g->visible_gradient[i] = difference(positive, negative, of_visible);
        g->visible_mean[i] = (float)positive * of_visible.data;
    }
    rbmk_share(team, g->n_hidden, &from, &to);
    for (int64_t j = from; j < to; j++) {
        double positive = hidden_sum(data, j, g->n_hidden, team.size);
        double negative = hidden_sum(model, j, g->n_hidden, team.size);
        g->hidden_gradient[j] = difference(positive, negative, of_hidden);
        g->hidden_mean[j] = (float)positive * of_hidden.data;
    }
}

/* Statistics of a tile of W, from one product each. */
static void binary_statistics(const rbmk_gradients *g, const rbmk_pairs *p, int row, int n_rows, int col, int n_cols,
                              int32_t *sums, void *scratch)
{
    g->kernels->multiply_u8(&p->states, row, n_rows, &p->hidden, col, n_cols, sums, RBMK_PANEL, scratch);
}

static void grey_statistics(const rbmk_gradients *g, int row, int n_rows, int col, int n_cols, double *sums,
                            void *scratch)
{
    g->kernels->multiply_u16(g->levels + row * g->stride, g->stride, n_rows, &g->products[RBMK_DATA].hidden, col, n_cols,
                             sums, RBMK_PANEL, scratch);
}

size_t rbmk_weight_gradient_scratch(const rbmk_gradients *g)
{
    return UPDATE_TILE * (2 * sizeof(int32_t) + sizeof(double)) + RBMK_SCRATCH(g->stride);
}

void rbmk_weight_gradient(const rbmk_updater *u, int row, int n_rows, int col, int n_cols, float *gradient, void *scratch)
{
    const rbmk_gradients *g = u->source;
    const rbmk_kernels *k = g->kernels;
    double *grey = scratch;
    int32_t *positive = (int32_t *)(grey + UPDATE_TILE), *negative = positive + UPDATE_TILE;
    void *rest = negative + UPDATE_TILE;
    const rounding by = rounding_of(g, 65535.0);
    if (g->grey)
        grey_statistics(g, row, n_rows, col, n_cols, grey, rest);
    else
        binary_statistics(g, &g->products[RBMK_DATA], row, n_rows, col, n_cols, positive, rest);
    if (g->n_products == 2)
        binary_statistics(g, &g->products[RBMK_MODEL], row, n_rows, col, n_cols, negative, rest);
    for (int at = 0; at < n_rows * RBMK_PANEL; at += RBMK_PANEL) {
        if (g->n_products == 1)
            k->scaled_i32(positive + at, n_cols, by.data, gradient + at);
        else if (!g->grey)
            k->difference_scaled_i32(positive + at, negative + at, n_cols, by.data, by.model, gradient + at);
        else if (by.same)
            k->difference_f64(grey + at, negative + at, n_cols, by.data, gradient + at);
        else
            k->difference_scaled_f64(grey + at, negative + at, n_cols, by.data, by.model, gradient + at);
    }
}
