#include "update.h"

#include <math.h>
#include <string.h>

static int n_blocks(const rbmk_updater *u) { return (u->model->n_visible + RBMK_ROW_BLOCK - 1) / RBMK_ROW_BLOCK; }

int rbmk_updater_allocate(rbmk_updater *u, int team_size)
{
    const size_t n_visible = (size_t)u->model->n_visible, n_hidden = (size_t)u->model->n_hidden;
    int ok;
    u->fit = (rbmk_fit){u->W, NULL, NULL, NULL};
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
        const float *w = rbmk_at(&u->W, r, col);
        for (int j = 0; j < n_cols; j++)
            squares[j] += w[j] * w[j];
    }
}

/* largest: of |W|, and of the sums that chains follow, as bits. */
static void update_rows(const rbmk_updater *u, int row, int n_rows, int col, int n_cols, const float *g,
                        uint32_t largest[2])
{
    const rbmk_settings *s = u->settings;
    rbmk_learning *m = u->model;
    float *column = u->column_sums + (int64_t)(row / RBMK_ROW_BLOCK) * m->n_hidden + col;
    float *row_sum = u->row_sums + col / RBMK_PANEL * m->n_visible;
    int32_t of_column[2][RBMK_PANEL] = {{0}};
    float unseen[RBMK_PANEL] = {0};
    rbmk_row_update one = {.n = n_cols, .centered = s->centered, .rate = u->rate, .momentum = u->momentum, .l1 = s->l1,
                           .l2 = s->l2, .hidden_gradient = u->hidden_gradient + col,
                           .hidden_offset = m->hidden_offset + col,
                           .push = s->sparsity_cost > 0.0f ? u->push + col : NULL, .column = column,
                           .largest = of_column[0], .largest_sum = of_column[1]};
    if (s->centered)
        memset(column, 0, (size_t)n_cols * sizeof *column);
    for (int i = row; i < row + n_rows; i++, g += RBMK_PANEL) {
        one.visible_gradient = u->visible_gradient[i];
        one.visible_offset = m->visible_offset[i];
        one.visible_mean = u->visible_mean[i];
        one.g = g;
        one.W = rbmk_at(&u->W, i, col);
        one.velocity = u->forgets ? unseen : rbmk_at(&u->velocity, i, col);
        one.row = row_sum + i;
        if (u->followed)
            rbmk_followed_row(u->followed, i, col, &one);
        u->kernels->update_row(&one);
    }
    for (int of = 0; of < (u->followed ? 2 : 1); of++)
        for (int j = 0; j < n_cols; j++)
            largest[of] = rbmk_larger(largest[of], (uint32_t)of_column[of][j]);
}

static void update_tile(const rbmk_updater *u, int row, int n_rows, int col, int n_cols, void *scratch,
                        uint32_t largest[2])
{
    float *g = scratch;
    u->gradient(u, row, n_rows, col, n_cols, g, g + UPDATE_TILE);
    for (int r = 0; r < n_rows; r += RBMK_ROW_BLOCK) {
        const int n = rbmk_at_most(n_rows - r, RBMK_ROW_BLOCK);
        update_rows(u, row + r, n, col, n_cols, g + r * RBMK_PANEL, largest);
        if (u->settings->max_norm > 0.0f)
            add_squares(u, row + r, n, col, n_cols);
    }
}

/* Panel after panel, so that what the gradient of a panel is made of stays near. */
static void update_weights(rbmk_team team, rbmk_updater *u, void *scratch)
{
    const rbmk_learning *m = u->model;
    const rbmk_rectangle own = rbmk_share_rectangle(team, m->n_visible, RBMK_ROW_BLOCK, m->n_hidden);
    uint32_t largest[2] = {0};
    for (int col = own.first_col; col < own.end_col; col += RBMK_PANEL)
        for (int64_t row = own.first_row; row < own.end_row; row += UPDATE_ROWS)
            update_tile(u, (int)row, rbmk_at_most(own.end_row - row, UPDATE_ROWS), col,
                        rbmk_at_most(own.end_col - col, RBMK_PANEL), scratch, largest);
    u->fit.largest[team.id] = largest[0];
    if (u->followed)
        u->followed->fit.largest[team.id] = largest[1];
}

/* --- After the weights: biases, max-norm, exponent -------------------------------------------------------- */

static float total(const float *parts, int64_t n_parts, int64_t stride)
{
    float sum = 0.0f;
    for (int64_t p = 0; p < n_parts; p++)
        sum += parts[p * stride];
    return sum;
}

/* Returns the size of the new value, as bits. */
static uint32_t step_bias(float *value, float *velocity, float slope, const rbmk_updater *u)
{
    float next = u->momentum * *velocity + u->rate * slope;
    *velocity = fabsf(next) < 0x1p-100f ? 0.0f : next;
    *value = *value + *velocity;
    return rbmk_size_bits(*value);
}

static void update_biases(rbmk_team team, rbmk_updater *u)
{
    uint32_t largest = 0;
    const rbmk_settings *s = u->settings;
    rbmk_learning *m = u->model;
    int64_t from, to;
    rbmk_share(team, m->n_visible, &from, &to);
    for (int64_t i = from; i < to; i++) {
        float slope = u->visible_gradient[i];
        if (s->centered)
            slope = slope - total(u->row_sums + i, rbmk_panels(u->model->n_hidden), m->n_visible);
        largest = rbmk_larger(largest, step_bias(m->a + i, m->a_velocity + i, slope, u));
    }
    rbmk_share(team, m->n_hidden, &from, &to);
    for (int64_t j = from; j < to; j++) {
        float slope = u->hidden_gradient[j];
        if (s->centered)
            slope = slope - total(u->column_sums + j, n_blocks(u), m->n_hidden);
        if (s->sparsity_cost > 0.0f)
            slope = slope + u->push[j];
        largest = rbmk_larger(largest, step_bias(m->b + j, m->b_velocity + j, slope, u));
    }
    if (u->followed)
        rbmk_follow_biases(team, u->followed, m, u->visible_gradient, u->hidden_gradient);
    if (largest >= RBMK_NOT_FINITE_BITS) /* it would poison the next weights: counts as one of them */
        u->fit.largest[team.id] = largest;
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

static uint32_t shrink_row(float *w, const float *factor, int n)
{
    uint32_t largest = 0;
    for (int j = 0; j < n; j++) {
        w[j] = w[j] * factor[j];
        largest = rbmk_larger(largest, rbmk_size_bits(w[j]));
    }
    return largest;
}

static void shrink(rbmk_team team, rbmk_updater *u)
{
    int64_t from, to;
    uint32_t largest = 0;
    rbmk_share(team, u->W.n_visible, &from, &to);
    for (int64_t i = from; i < to; i++)
        for (int col = 0; col < u->W.n_hidden; col += RBMK_PANEL) {
            uint32_t bits = shrink_row(rbmk_at(&u->W, i, col), u->shrink + col, rbmk_panel_width(&u->W, col));
            largest = rbmk_larger(largest, bits);
        }
    if (u->fit.largest[team.id] < RBMK_NOT_FINITE_BITS)
        u->fit.largest[team.id] = largest;
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
    rbmk_barrier(team); /* after biases and shrinkage, which the exponent's test needs, and the last look at statistics */
    if (u->followed && u->settings->max_norm > 0.0f)
        rbmk_follow_weights(team, u->followed, &u->W);
    status = rbmk_fit_exponent(team, &u->fit, before, &exponent);
    if (team.id == 0 && status == RBMK_OK)
        u->model->exponent = exponent; /* all have read the old one, before the barriers */
    return status;
}

/* --- Public ------------------------------------------------------------------------------------------- */

static void copy_gradient(const rbmk_updater *u, int row, int n_rows, int col, int n_cols, float *g, void *scratch)
{
    const float *from = u->source;
    (void)scratch;
    for (int r = 0; r < n_rows; r++)
        memcpy(g + r * RBMK_PANEL, from + (int64_t)(row + r) * u->model->n_hidden + col,
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

static rbmk_updater updater_of(rbmk_learning *model, const rbmk_gradient *gradient)
{
    return (rbmk_updater){
        .model = model,
        .W = rbmk_by_rows(model->W, model->n_visible, model->n_hidden),
        .velocity = rbmk_by_rows(model->W_velocity, model->n_visible, model->n_hidden),
        .kernels = rbmk_current_kernels(),
        .visible_gradient = gradient->a,
        .hidden_gradient = gradient->b,
        .visible_mean = gradient->visible_mean,
        .hidden_mean = gradient->hidden_mean,
        .gradient = copy_gradient,
        .source = gradient->W,
    };
}

rbmk_status rbmk_update(rbmk_learning *model, const rbmk_gradient *gradient, const rbmk_settings *settings,
                        float rate, float momentum)
{
    const int threads = rbmk_threads_for(0.3 * model->n_visible * model->n_hidden);
    update_job job = {.u = updater_of(model, gradient), .status = RBMK_NO_MEMORY};
    job.u.settings = settings;
    job.u.rate = rate;
    job.u.momentum = momentum;
    job.scratch = rbmk_allocate((size_t)threads, UPDATE_TILE * sizeof(float));
    if (rbmk_updater_allocate(&job.u, threads) && job.scratch)
        rbmk_run(threads, job.u.kernels, update_call, &job);
    rbmk_updater_free(&job.u);
    rbmk_free(job.scratch);
    return job.status;
}
