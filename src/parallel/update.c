#include "update.h"

#include <math.h>
#include <string.h>

static int n_blocks(const rbmk_updater *u) { return (u->model->n_visible + RBMK_ROW_BLOCK - 1) / RBMK_ROW_BLOCK; }

int rbmk_updater_allocate(rbmk_updater *u, int team_size)
{
    const size_t n_visible = (size_t)u->model->n_visible, n_hidden = (size_t)u->model->n_hidden;
    int ok;
    u->fit = (rbmk_fit){u->model->W, u->model->n_visible, u->model->n_hidden, NULL, NULL, NULL};
    ok = rbmk_fit_allocate(&u->fit, team_size);
    u->push = rbmk_allocate(n_hidden, sizeof(float));
    u->shrink = rbmk_allocate(n_hidden, sizeof(float));
    u->row_sums = rbmk_allocate((size_t)rbmk_panels(u->model->n_hidden) * n_visible, sizeof(float));
    u->column_sums = rbmk_allocate((size_t)n_blocks(u) * n_hidden, sizeof(float));
    u->squares = rbmk_allocate((size_t)n_blocks(u) * n_hidden, sizeof(float));
    return ok && u->push && u->shrink && u->row_sums && u->column_sums && u->squares;
}

void rbmk_updater_free(rbmk_updater *u)
{
    rbmk_fit_free(&u->fit);
    rbmk_free(u->push);
    rbmk_free(u->shrink);
    rbmk_free(u->row_sums);
    rbmk_free(u->column_sums);
    rbmk_free(u->squares);
}

/* --- Before the weights: offsets and sparsity ------------------------------------------------------------ */

static void slide(float *average, const float *mean, float rate, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++)
        average[i] = average[i] + rate * (mean[i] - average[i]);
}

static void prepare(rbmk_team team, rbmk_updater *u)
{
    const rbmk_settings *s = u->settings;
    rbmk_learning *m = u->model;
    int64_t from, to;
    rbmk_share(team, m->n_visible, &from, &to);
    if (s->centered)
        slide(m->visible_offset, u->visible_mean, s->offset_rate, from, to);
    rbmk_share(team, m->n_hidden, &from, &to);
    if (s->centered)
        slide(m->hidden_offset, u->hidden_mean, s->offset_rate, from, to);
    if (s->sparsity_cost > 0.0f)
        for (int64_t j = from; j < to; j++) {
            m->activity[j] = s->sparsity_decay * m->activity[j] + (1.0f - s->sparsity_decay) * u->hidden_mean[j];
            u->push[j] = s->sparsity_cost * (s->sparsity_target - m->activity[j]);
        }
}

/* --- The weights, tile by tile ----------------------------------------------------------------------------- */

static void add_squares(const rbmk_updater *u, int row, int n_rows, int col, int n_cols)
{
    float *squares = u->squares + (int64_t)(row / RBMK_ROW_BLOCK) * u->model->n_hidden + col;
    memset(squares, 0, (size_t)n_cols * sizeof *squares);
    for (int r = row; r < row + n_rows; r++) {
        const float *w = u->model->W + (int64_t)r * u->model->n_hidden + col;
        for (int j = 0; j < n_cols; j++)
            squares[j] += w[j] * w[j];
    }
}

static uint32_t update_rows(const rbmk_updater *u, int row, int n_rows, int col, int n_cols, const float *g)
{
    const rbmk_settings *s = u->settings;
    rbmk_learning *m = u->model;
    uint32_t largest = 0;
    float column[UPDATE_COLUMNS] = {0};
    rbmk_row_update one = {.centered = s->centered, .rate = u->rate, .momentum = u->momentum, .l1 = s->l1, .l2 = s->l2};
    for (int r = 0; r < n_rows; r++) {
        const int64_t i = row + r;
        one.visible_gradient = u->visible_gradient[i];
        one.visible_offset = m->visible_offset[i];
        one.visible_mean = u->visible_mean[i];
        for (int c = 0; c < n_cols; c += RBMK_PANEL) {
            const int64_t j = col + c, at = i * m->n_hidden + j;
            one.n = n_cols - c < RBMK_PANEL ? n_cols - c : RBMK_PANEL;
            one.hidden_gradient = u->hidden_gradient + j;
            one.hidden_offset = m->hidden_offset + j;
            one.push = s->sparsity_cost > 0.0f ? u->push + j : NULL;
            one.g = g + r * UPDATE_COLUMNS + c;
            one.W = m->W + at;
            one.velocity = m->W_velocity + at;
            one.column = column + c;
            one.row = u->row_sums + j / RBMK_PANEL * m->n_visible + i;
            uint32_t bits = u->kernels->update_row(&one);
            largest = bits > largest ? bits : largest;
        }
    }
    memcpy(u->column_sums + (int64_t)(row / RBMK_ROW_BLOCK) * m->n_hidden + col, column,
           (size_t)n_cols * sizeof *column);
    return largest;
}

/* The parameters come from the last-level cache while the products run in the first: ask for them early. */
static void prefetch_tile(const rbmk_learning *m, int row, int n_rows, int col, int n_cols)
{
#if defined(__GNUC__)
    for (int r = row; r < row + n_rows; r++)
        for (int j = col; j < col + n_cols; j += 16) {
            __builtin_prefetch(m->W + (int64_t)r * m->n_hidden + j, 1, 2);
            __builtin_prefetch(m->W_velocity + (int64_t)r * m->n_hidden + j, 1, 2);
        }
#else
    (void)m, (void)row, (void)n_rows, (void)col, (void)n_cols;
#endif
}

static uint32_t update_tile(const rbmk_updater *u, int row, int n_rows, int col, int n_cols, void *scratch)
{
    float *g = scratch;
    uint32_t largest;
    prefetch_tile(u->model, row, n_rows, col, n_cols);
    u->gradient(u, row, n_rows, col, n_cols, g, g + UPDATE_TILE);
    largest = update_rows(u, row, n_rows, col, n_cols, g);
    if (u->settings->max_norm > 0.0f)
        add_squares(u, row, n_rows, col, n_cols);
    else if (u->weights)
        rbmk_pack_block(u->model->W, u->weights, row, n_rows, col, n_cols);
    return largest;
}

static void update_weights(rbmk_team team, rbmk_updater *u, void *scratch)
{
    const rbmk_learning *m = u->model;
    int64_t blocks = n_blocks(u), from, to;
    int64_t column_tasks = (m->n_hidden + UPDATE_COLUMNS - 1) / UPDATE_COLUMNS;
    uint32_t largest = 0;
    rbmk_share(team, blocks * column_tasks, &from, &to);
    for (int64_t t = from; t < to; t++) {
        int row = (int)(t % blocks) * RBMK_ROW_BLOCK, col = (int)(t / blocks) * UPDATE_COLUMNS;
        int n_rows = m->n_visible - row < RBMK_ROW_BLOCK ? m->n_visible - row : RBMK_ROW_BLOCK;
        int n_cols = m->n_hidden - col < UPDATE_COLUMNS ? m->n_hidden - col : UPDATE_COLUMNS;
        uint32_t bits = update_tile(u, row, n_rows, col, n_cols, scratch);
        largest = bits > largest ? bits : largest;
    }
    u->fit.largest[team.id] = largest;
}

/* --- After the weights: biases, max-norm, exponent -------------------------------------------------------- */

static float total(const float *parts, int64_t n_parts, int64_t stride)
{
    float sum = 0.0f;
    for (int64_t p = 0; p < n_parts; p++)
        sum += parts[p * stride];
    return sum;
}

static void step_bias(float *value, float *velocity, float slope, const rbmk_updater *u)
{
    float next = u->momentum * *velocity + u->rate * slope;
    *velocity = fabsf(next) < 0x1p-100f ? 0.0f : next;
    *value = *value + *velocity;
}

static void update_biases(rbmk_team team, const rbmk_updater *u)
{
    const rbmk_settings *s = u->settings;
    rbmk_learning *m = u->model;
    int64_t from, to;
    rbmk_share(team, m->n_visible, &from, &to);
    for (int64_t i = from; i < to; i++) {
        float slope = u->visible_gradient[i];
        if (s->centered)
            slope = slope - total(u->row_sums + i, rbmk_panels(u->model->n_hidden), m->n_visible);
        step_bias(m->a + i, m->a_velocity + i, slope, u);
    }
    rbmk_share(team, m->n_hidden, &from, &to);
    for (int64_t j = from; j < to; j++) {
        float slope = u->hidden_gradient[j];
        if (s->centered)
            slope = slope - total(u->column_sums + j, n_blocks(u), m->n_hidden);
        if (s->sparsity_cost > 0.0f)
            slope = slope + u->push[j];
        step_bias(m->b + j, m->b_velocity + j, slope, u);
    }
}

static void find_shrinkage(rbmk_team team, const rbmk_updater *u)
{
    float limit = u->settings->max_norm, square = limit * limit;
    int64_t from, to;
    rbmk_share(team, u->model->n_hidden, &from, &to);
    for (int64_t j = from; j < to; j++) {
        float norm = total(u->squares + j, n_blocks(u), u->model->n_hidden);
        u->shrink[j] = norm > square ? limit / sqrtf(norm) : 1.0f;
    }
}

static void shrink(rbmk_team team, rbmk_updater *u)
{
    const rbmk_learning *m = u->model;
    int64_t from, to;
    uint32_t largest = 0;
    rbmk_share(team, m->n_visible, &from, &to);
    for (int64_t i = from; i < to; i++) {
        float *w = m->W + i * m->n_hidden;
        for (int j = 0; j < m->n_hidden; j++) {
            uint32_t bits;
            w[j] = w[j] * u->shrink[j];
            memcpy(&bits, w + j, sizeof bits);
            bits &= 0x7FFFFFFFu;
            largest = bits > largest ? bits : largest;
        }
    }
    u->fit.largest[team.id] = largest;
}

/* A bias that overflowed poisons the next weights; look before the caller sees it. */
static int biases_finite(const rbmk_learning *m)
{
    float sum = 0.0f;
    for (int64_t i = 0; i < m->n_visible; i++)
        sum += m->a[i] * 0.0f;
    for (int64_t j = 0; j < m->n_hidden; j++)
        sum += m->b[j] * 0.0f;
    return sum == 0.0f;
}

rbmk_status rbmk_update_member(rbmk_team team, rbmk_updater *u, void *scratch)
{
    const int before = u->model->exponent;
    int exponent = before;
    rbmk_status status;
    prepare(team, u);
    rbmk_barrier(team);
    update_weights(team, u, scratch);
    rbmk_barrier(team);
    update_biases(team, u);
    if (u->settings->max_norm > 0.0f) {
        find_shrinkage(team, u);
        rbmk_barrier(team);
        shrink(team, u);
    }
    rbmk_barrier(team);
    status = rbmk_fit_exponent(team, &u->fit, before, &exponent);
    if (status == RBMK_OK && !biases_finite(u->model))
        status = RBMK_NOT_FINITE;
    rbmk_barrier(team); /* all have read the old exponent */
    if (team.id == 0 && status == RBMK_OK) {
        u->model->exponent = exponent;
        if (u->weights)
            u->weights->exponent = exponent;
    }
    if (status == RBMK_OK && u->weights && (exponent != before || u->settings->max_norm > 0.0f)) {
        rbmk_barrier(team);
        rbmk_pack_weights(team, u->model->W, u->weights);
    }
    rbmk_barrier(team);
    return status;
}

/* --- Public ------------------------------------------------------------------------------------------- */

static void copy_gradient(const rbmk_updater *u, int row, int n_rows, int col, int n_cols, float *g, void *scratch)
{
    const float *from = u->source;
    (void)scratch;
    for (int r = 0; r < n_rows; r++)
        memcpy(g + r * UPDATE_COLUMNS, from + (int64_t)(row + r) * u->model->n_hidden + col,
               (size_t)n_cols * sizeof *g);
}

typedef struct {
    rbmk_updater u;
    char *scratch;
    rbmk_status status;
} update_job;

static void update_call(rbmk_team team, void *arg)
{
    update_job *job = arg;
    rbmk_status status = rbmk_update_member(team, &job->u, job->scratch + (size_t)team.id * UPDATE_TILE * sizeof(float));
    if (team.id == 0)
        job->status = status;
}

rbmk_status rbmk_update(rbmk_learning *model, const rbmk_gradient *gradient, const rbmk_settings *settings,
                        float rate, float momentum)
{
    int threads = rbmk_threads_for(8.0 * model->n_visible * model->n_hidden);
    update_job job = {.u = {.model = model, .settings = settings, .kernels = rbmk_current_kernels(), .rate = rate,
                            .momentum = momentum, .visible_gradient = gradient->a, .hidden_gradient = gradient->b,
                            .visible_mean = gradient->visible_mean, .hidden_mean = gradient->hidden_mean,
                            .gradient = copy_gradient, .source = gradient->W},
                      .status = RBMK_NO_MEMORY};
    job.scratch = rbmk_allocate((size_t)threads, UPDATE_TILE * sizeof(float));
    if (rbmk_updater_allocate(&job.u, threads) && job.scratch)
        rbmk_run(threads, job.u.kernels, update_call, &job);
    rbmk_updater_free(&job.u);
    rbmk_free(job.scratch);
    return job.status;
}
