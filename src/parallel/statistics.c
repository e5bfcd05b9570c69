/* Statistics of phases that are given, and the gradient of two. */
#include <string.h>

#include "gradient.h"

typedef struct {
    const rbmk_samples *samples[2]; /* of the two phases, or of one */
    rbmk_gradients gradients;
    float *W;                         /* its gradient */
    int64_t *pairs, *visible, *hidden; /* or sums */
    int add;                          /* to the sums of earlier rows */
    char *scratch;
    size_t scratch_size;
} statistics_job;

static int allocate(statistics_job *job, int64_t n_data, int64_t n_model, int threads)
{
    if (!rbmk_gradients_allocate(&job->gradients, n_data, n_model, threads))
        return 0;
    job->scratch_size = (size_t)rbmk_round_up((int64_t)rbmk_weight_gradient_scratch(&job->gradients), 64);
    job->scratch = rbmk_allocate((size_t)threads, job->scratch_size);
    return job->scratch != NULL;
}

static void release(statistics_job *job)
{
    rbmk_free(job->scratch);
    rbmk_gradients_free(&job->gradients);
}

static void *scratch_of(const statistics_job *job, rbmk_team team)
{
    return job->scratch + (size_t)team.id * job->scratch_size;
}

static rbmk_gradients gradients_of(int n_visible, int n_hidden)
{
    return (rbmk_gradients){.kernels = rbmk_current_kernels(), .n_visible = n_visible, .n_hidden = n_hidden};
}

/* --- Hidden probabilities --------------------------------------------------------------------------------- */

static void add_levels(const uint16_t *restrict levels, int n, int negate, int32_t *restrict total,
                       int32_t *restrict sums)
{
    const int32_t sign = negate ? -1 : 0;
    for (int j = 0; j < n; j++) {
        const int32_t one = levels[j];
        sums[j] += one;
        total[j] += (one ^ sign) - sign;
    }
}

/* 16 rows of a panel, from `row`: packed, and added to the panel's sums. */
static void take_tile(const statistics_job *job, int first, int last, int64_t row, int n_rows, int col, int n_cols,
                      int32_t sums[2][RBMK_PANEL])
{
    const rbmk_gradients *g = &job->gradients;
    const rbmk_statistic *to = &g->phases[first].hidden;
    int32_t total[UPDATE_TILE] = {0};
    for (int p = first; p <= last; p++)
        for (int r = 0; r < n_rows; r++)
            add_levels(job->samples[p]->hidden + (row + r) * g->n_hidden + col, n_cols, g->phases[p].hidden.negate,
                       total + r * RBMK_PANEL, sums[p]);
    g->kernels->pack_tile(to->m, to->first_row + (int)row, col, n_rows, n_cols, total, RBMK_PANEL);
}

/* The member's part of the probabilities of the phases first ... last, added up where these are two, and their sums. */
static void take_hidden(rbmk_team team, const statistics_job *job, int first, int last)
{
    const rbmk_gradients *g = &job->gradients;
    const rbmk_rectangle own = rbmk_share_rectangle(team, g->phases[first].n, RBMK_ROW_BLOCK, g->n_hidden);
    for (int p = first; p <= last; p++)
        memset(g->phases[p].hidden.sums + (int64_t)team.id * g->n_hidden, 0, (size_t)g->n_hidden * sizeof(int64_t));
    for (int col = own.first_col; col < own.end_col; col += RBMK_PANEL) {
        const int n_cols = rbmk_at_most(own.end_col - col, RBMK_PANEL);
        int32_t sums[2][RBMK_PANEL] = {{0}};
        for (int64_t row = own.first_row; row < own.end_row; row += RBMK_ROW_BLOCK)
            take_tile(job, first, last, row, rbmk_at_most(own.end_row - row, RBMK_ROW_BLOCK), col, n_cols, sums);
        for (int p = first; p <= last; p++)
            for (int j = 0; j < n_cols; j++)
                g->phases[p].hidden.sums[(int64_t)team.id * g->n_hidden + col + j] = sums[p][j];
    }
}

/* --- The gradient ------------------------------------------------------------------------------------------- */

static void take_samples(rbmk_team team, statistics_job *job)
{
    rbmk_gradients *g = &job->gradients;
    rbmk_take_states(team, g, RBMK_DATA, &job->samples[RBMK_DATA]->visible);
    if (!g->shared)
        rbmk_take_states(team, g, RBMK_MODEL, &job->samples[RBMK_MODEL]->visible);
    if (g->shared && g->n_products == 1) {
        take_hidden(team, job, RBMK_DATA, RBMK_MODEL);
    } else {
        take_hidden(team, job, RBMK_DATA, RBMK_DATA);
        take_hidden(team, job, RBMK_MODEL, RBMK_MODEL);
    }
}

static void contrast_member(rbmk_team team, void *arg)
{
    statistics_job *job = arg;
    rbmk_gradients *g = &job->gradients;
    const rbmk_rectangle own = rbmk_share_rectangle(team, g->n_visible, RBMK_ROW_BLOCK, g->n_hidden);
    take_samples(team, job);
    rbmk_barrier(team);
    rbmk_lay_out(team, g);
    rbmk_bias_gradients(team, g);
    rbmk_barrier(team);
    for (int col = own.first_col; col < own.end_col; col += RBMK_PANEL)
        for (int64_t row = own.first_row; row < own.end_row; row += RBMK_ROW_BLOCK)
            rbmk_weight_gradient(g, (int)row, rbmk_at_most(own.end_row - row, RBMK_ROW_BLOCK), col,
                                 rbmk_at_most(own.end_col - col, RBMK_PANEL), job->W + row * g->n_hidden + col,
                                 g->n_hidden, scratch_of(job, team));
}

static int same_states(const rbmk_states *x, const rbmk_states *y)
{
    return x->data == y->data && x->grey == y->grey && x->stride == y->stride && x->n == y->n;
}

rbmk_status rbmk_contrast(const rbmk_samples *data, const rbmk_samples *model, int n_visible, int n_hidden,
                          float *W, float *a, float *b, float *visible_mean, float *hidden_mean)
{
    const int64_t n_data = data->visible.n, n_model = model->visible.n;
    const int threads = rbmk_threads_for(0.01 * (double)(n_data + n_model) * n_visible * n_hidden);
    const size_t of_visible = (size_t)n_visible * sizeof *a, of_hidden = (size_t)n_hidden * sizeof *b;
    statistics_job job = {.samples = {data, model}, .gradients = gradients_of(n_visible, n_hidden), .W = W};
    rbmk_gradients *g = &job.gradients;
    rbmk_status status = RBMK_NO_MEMORY;
    g->shared = same_states(&data->visible, &model->visible);
    g->phases[RBMK_DATA].grey = data->visible.grey;
    g->phases[RBMK_MODEL].grey = model->visible.grey;
    if (allocate(&job, n_data, n_model, threads)) {
        rbmk_arrange(g, n_data, n_model);
        rbmk_run(threads, g->kernels, contrast_member, &job);
        memcpy(a, g->visible_gradient, of_visible);
        memcpy(b, g->hidden_gradient, of_hidden);
        memcpy(visible_mean, g->visible_mean, of_visible);
        memcpy(hidden_mean, g->hidden_mean, of_hidden);
        status = RBMK_OK;
    }
    release(&job);
    return status;
}

/* --- Statistics of one phase --------------------------------------------------------------------------------- */

static void add_sum(const statistics_job *job, int64_t sum, int64_t *to) { *to = (job->add ? *to : 0) + sum; }

static void sum_units(rbmk_team team, const statistics_job *job)
{
    const rbmk_gradients *g = &job->gradients;
    const rbmk_phase *data = &g->phases[RBMK_DATA];
    int64_t from, to;
    rbmk_share(team, g->n_visible, &from, &to);
    for (int64_t i = from; i < to; i++)
        add_sum(job, rbmk_visible_sum(g, data, i), job->visible + i);
    rbmk_share(team, g->n_hidden, &from, &to);
    for (int64_t j = from; j < to; j++)
        add_sum(job, rbmk_hidden_sum(g, data, j, team.size), job->hidden + j);
}

static void sum_pairs(rbmk_team team, const statistics_job *job, int row, int n_rows, int col, int n_cols)
{
    const rbmk_gradients *g = &job->gradients;
    double *grey = scratch_of(job, team);
    const int32_t *binary = scratch_of(job, team);
    rbmk_tile_statistics(g, RBMK_DATA, row, n_rows, col, n_cols, grey, grey + UPDATE_TILE);
    for (int r = 0; r < n_rows; r++) {
        int64_t *pairs = job->pairs + (int64_t)(row + r) * g->n_hidden + col;
        for (int j = 0, at = r * RBMK_PANEL; j < n_cols; j++, at++)
            add_sum(job, g->phases[RBMK_DATA].grey ? (int64_t)grey[at] : (int64_t)binary[at] * RBMK_GREY, pairs + j);
    }
}

static void statistics_member(rbmk_team team, void *arg)
{
    statistics_job *job = arg;
    rbmk_gradients *g = &job->gradients;
    const rbmk_rectangle own = rbmk_share_rectangle(team, g->n_visible, RBMK_ROW_BLOCK, g->n_hidden);
    rbmk_take_states(team, g, RBMK_DATA, &job->samples[RBMK_DATA]->visible);
    take_hidden(team, job, RBMK_DATA, RBMK_DATA);
    rbmk_barrier(team);
    rbmk_lay_out(team, g);
    sum_units(team, job);
    rbmk_barrier(team);
    for (int col = own.first_col; col < own.end_col; col += RBMK_PANEL)
        for (int64_t row = own.first_row; row < own.end_row; row += RBMK_ROW_BLOCK)
            sum_pairs(team, job, (int)row, rbmk_at_most(own.end_row - row, RBMK_ROW_BLOCK), col,
                      rbmk_at_most(own.end_col - col, RBMK_PANEL));
}

static rbmk_samples rows_from(const rbmk_samples *samples, int64_t first, int64_t n, int n_hidden)
{
    rbmk_samples part = *samples;
    const char *visible = samples->visible.data;
    part.visible.data = visible + first * samples->visible.stride * (samples->visible.grey ? 2 : 1);
    part.visible.n = n;
    part.hidden += first * n_hidden;
    return part;
}

rbmk_status rbmk_statistics(const rbmk_samples *samples, int n_visible, int n_hidden, int64_t *pairs, int64_t *visible,
                            int64_t *hidden)
{
    enum { PART = 4096 }; /* rows that are laid out together */
    const int64_t n = samples->visible.n;
    const int64_t most = n < PART ? n : PART;
    const int threads = rbmk_threads_for(0.01 * (double)most * n_visible * n_hidden);
    statistics_job job = {.gradients = gradients_of(n_visible, n_hidden), .pairs = pairs, .visible = visible,
                          .hidden = hidden};
    rbmk_status status = RBMK_NO_MEMORY;
    job.gradients.phases[RBMK_DATA].grey = samples->visible.grey;
    if (allocate(&job, most, 0, threads)) {
        for (int64_t first = 0; first < n; first += PART) {
            const rbmk_samples part = rows_from(samples, first, n - first < PART ? n - first : PART, n_hidden);
            job.samples[RBMK_DATA] = &part;
            job.add = first > 0;
            rbmk_arrange(&job.gradients, part.visible.n, 0);
            rbmk_run(threads, job.gradients.kernels, statistics_member, &job);
        }
        status = RBMK_OK;
    }
    release(&job);
    return status;
}
