/* The gradient from two phases that are given. */
#include <string.h>

#include "gradient.h"
#include "../common/scalar.h"

typedef struct {
    const rbmk_samples *samples[2]; /* of the two phases */
    const double *weights;
    int paired;
    rbmk_gradients gradients;
    float *W; /* its gradient */
    char *scratch;
    size_t scratch_size;
} contrast_job;

static int allocate(contrast_job *job, int64_t n_data, int64_t n_model, int threads)
{
    if (!rbmk_gradients_allocate(&job->gradients, n_data, n_model, threads))
        return 0;
    job->scratch_size = (size_t)rbmk_round_up((int64_t)rbmk_weight_gradient_scratch(&job->gradients), 64);
    job->scratch = rbmk_allocate((size_t)threads, job->scratch_size);
    return job->scratch != NULL;
}

static void release(contrast_job *job)
{
    rbmk_free(job->scratch);
    rbmk_gradients_free(&job->gradients);
}

/* --- Hidden probabilities --------------------------------------------------------------------------------- */

static void add_levels(const uint16_t *restrict levels, int n, uint16_t share, int negate, int32_t *restrict total,
                       int32_t *restrict sums)
{
    const int32_t sign = negate ? -1 : 0;
    for (int j = 0; j < n; j++) {
        const int32_t one = share1(levels[j], share);
        sums[j] += one;
        total[j] += (one ^ sign) - sign;
    }
}

/* 16 rows of a panel, from `row`: packed, and added to the panel's sums. */
static void take_tile(const contrast_job *job, int first, int last, int64_t row, int n_rows, int col, int n_cols,
                      int32_t sums[2][RBMK_PANEL])
{
    const rbmk_gradients *g = &job->gradients;
    const rbmk_statistic *to = &g->phases[first].hidden;
    int32_t total[RBMK_ROW_BLOCK * RBMK_PANEL] = {0};
    for (int p = first; p <= last; p++) {
        const rbmk_statistic *of = &g->phases[p].hidden;
        for (int r = 0; r < n_rows; r++)
            add_levels(job->samples[p]->hidden + (row + r) * g->n_hidden + col, n_cols,
                       of->shares ? of->shares[row + r] : RBMK_GREY, of->negate, total + r * RBMK_PANEL, sums[p]);
    }
    g->kernels->pack_tile(to->m, to->first_row + (int)row, col, n_rows, n_cols, total, RBMK_PANEL);
}

/* The member's part of the probabilities of the phases first ... last, added up where these are two, and their sums. */
static void take_hidden(rbmk_team team, const contrast_job *job, int first, int last)
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

static void take_samples(rbmk_team team, contrast_job *job)
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
    contrast_job *job = arg;
    rbmk_gradients *g = &job->gradients;
    const rbmk_rectangle own = rbmk_share_rectangle(team, g->n_visible, RBMK_ROW_BLOCK, g->n_hidden);
    if (team.id == 0)
        rbmk_arrange(g, job->samples[RBMK_DATA]->visible.n, job->samples[RBMK_MODEL]->visible.n, job->weights,
                     job->paired);
    rbmk_barrier(team);
    take_samples(team, job);
    rbmk_barrier(team);
    rbmk_lay_out(team, g);
    rbmk_bias_gradients(team, g);
    rbmk_barrier(team);
    for (int col = own.first_col; col < own.end_col; col += RBMK_PANEL)
        for (int64_t row = own.first_row; row < own.end_row; row += UPDATE_ROWS)
            rbmk_weight_gradient(g, (int)row, rbmk_at_most(own.end_row - row, UPDATE_ROWS), col,
                                 rbmk_at_most(own.end_col - col, RBMK_PANEL), job->W + row * g->n_hidden + col,
                                 g->n_hidden, job->scratch + (size_t)team.id * job->scratch_size);
}

static int same_states(const rbmk_states *x, const rbmk_states *y)
{
    return x->data == y->data && x->grey == y->grey && x->stride == y->stride && x->n == y->n;
}

rbmk_status rbmk_contrast(const rbmk_samples *data, const rbmk_samples *model, const double *weights, int paired,
                          int n_visible, int n_hidden, float *W, float *a, float *b, float *visible_mean,
                          float *hidden_mean)
{
    const int64_t n_data = data->visible.n, n_model = model->visible.n;
    const int threads = rbmk_threads_for(0.01 * (double)(n_data + n_model) * n_visible * n_hidden);
    const size_t of_visible = (size_t)n_visible * sizeof *a, of_hidden = (size_t)n_hidden * sizeof *b;
    contrast_job job = {.samples = {data, model}, .weights = weights, .paired = paired, .W = W};
    rbmk_gradients *g = &job.gradients;
    rbmk_status status = RBMK_NO_MEMORY;
    *g = (rbmk_gradients){.kernels = rbmk_current_kernels(), .n_visible = n_visible, .n_hidden = n_hidden};
    g->weighted = weights != NULL;
    g->shared = same_states(&data->visible, &model->visible);
    g->phases[RBMK_DATA].grey = data->visible.grey;
    g->phases[RBMK_DATA].real = g->phases[RBMK_MODEL].real = data->visible.grey == RBMK_REAL;
    g->phases[RBMK_MODEL].grey = model->visible.grey;
    if (allocate(&job, n_data, n_model, threads)) {
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
