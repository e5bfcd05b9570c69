#include "quantise.h"

#include <math.h>
#include <string.h>

static int matrix_create(rbmk_matrix *m, const rbmk_kernels *kernels, int rows, int cols)
{
    *m = (rbmk_matrix){kernels, rows, cols, rbmk_allocate(kernels->packed_bytes(rows, cols), 1)};
    return m->data != NULL;
}

int rbmk_fit_allocate(rbmk_fit *fit, int team_size)
{
    fit->largest = rbmk_allocate((size_t)team_size, sizeof *fit->largest);
    fit->largest_sum = rbmk_allocate((size_t)team_size, sizeof *fit->largest_sum);
    fit->column_sums = rbmk_allocate((size_t)team_size * (size_t)fit->W.n_hidden, sizeof *fit->column_sums);
    return fit->largest && fit->largest_sum && fit->column_sums;
}

void rbmk_fit_free(rbmk_fit *fit)
{
    rbmk_free(fit->largest);
    rbmk_free(fit->largest_sum);
    rbmk_free(fit->column_sums);
}

void rbmk_fit_scan(rbmk_team team, rbmk_fit *fit)
{
    int64_t from, to;
    uint32_t largest = 0;
    rbmk_share(team, fit->W.n_visible, &from, &to);
    for (int64_t i = from; i < to; i++)
        for (int col = 0; col < fit->W.n_hidden; col += RBMK_PANEL) {
            const float *w = rbmk_at(&fit->W, i, col);
            for (int j = 0; j < rbmk_panel_width(&fit->W, col); j++)
                largest = rbmk_larger(largest, rbmk_size_bits(w[j]));
        }
    fit->largest[team.id] = largest;
}

/* Adds |q| of part of a row to the sums of its columns; returns their sum, which fits: 64 times 2^23. */
static int32_t add_sizes(const float *restrict w, int n, float scale, int64_t *restrict column)
{
    int32_t sum = 0;
    for (int j = 0; j < n; j++) {
        int32_t q = round1(absolute(w[j] * scale));
        sum += q;
        column[j] += q;
    }
    return sum;
}

/* Largest sum of |q| along a row or a column at exponent e; every member returns it. */
static int64_t largest_sum(rbmk_team team, const rbmk_fit *fit, int e)
{
    int64_t *mine = fit->column_sums + (int64_t)team.id * fit->W.n_hidden, largest = 0, from, to;
    float scale = ldexpf(1.0f, e);
    memset(mine, 0, (size_t)fit->W.n_hidden * sizeof *mine);
    rbmk_share(team, fit->W.n_visible, &from, &to);
    for (int64_t i = from; i < to; i++) {
        int64_t row = 0;
        for (int col = 0; col < fit->W.n_hidden; col += RBMK_PANEL)
            row += add_sizes(rbmk_at(&fit->W, i, col), rbmk_panel_width(&fit->W, col), scale, mine + col);
        largest = row > largest ? row : largest;
    }
    rbmk_barrier(team);
    rbmk_share(team, fit->W.n_hidden, &from, &to);
    for (int64_t j = from; j < to; j++) {
        int64_t column = 0;
        for (int m = 0; m < team.size; m++)
            column += fit->column_sums[(int64_t)m * fit->W.n_hidden + j];
        largest = column > largest ? column : largest;
    }
    fit->largest_sum[team.id] = largest;
    rbmk_barrier(team);
    for (int m = 0; m < team.size; m++)
        largest = fit->largest_sum[m] > largest ? fit->largest_sum[m] : largest;
    rbmk_barrier(team); /* before anyone writes again */
    return largest;
}

rbmk_status rbmk_fit_exponent(rbmk_team team, const rbmk_fit *fit, int start, int *exponent)
{
    const double max_sum = 2147483647.0;
    int longest = fit->W.n_visible > fit->W.n_hidden ? fit->W.n_visible : fit->W.n_hidden;
    uint32_t bits = 0;
    float largest;
    for (int m = 0; m < team.size; m++)
        bits = rbmk_larger(bits, fit->largest[m]);
    if (bits >= RBMK_NOT_FINITE_BITS)
        return RBMK_NOT_FINITE;
    memcpy(&largest, &bits, sizeof largest);
    for (int e = start; e >= RBMK_MIN_EXPONENT; e--) {
        double q = rint(ldexp(largest, e));
        if (q > RBMK_MAX_Q)
            continue;
        /* nearly always the bound decides and no sum is formed */
        if (q * longest <= max_sum || (double)largest_sum(team, fit, e) <= max_sum) {
            *exponent = e;
            return RBMK_OK;
        }
    }
    return RBMK_TOO_LARGE;
}

/* --- Packing: blocks of 16 rows x 64 columns of W ---------------------------------------------------------- */

void rbmk_pack_up(const rbmk_source *s, int col, rbmk_matrix *m)
{
    const float scale = ldexpf(1.0f, s->exponent);
    for (int c = 0; c < m->cols; c += RBMK_PANEL)
        for (int row = 0; row < s->W.n_visible; row += RBMK_ROW_BLOCK)
            m->kernels->pack_f32(m, row, c, rbmk_at_most(s->W.n_visible - row, RBMK_ROW_BLOCK),
                                 rbmk_at_most(m->cols - c, RBMK_PANEL), rbmk_at(&s->W, row, col + c), s->W.row, scale);
}

void rbmk_pack_down(const rbmk_source *s, int row, rbmk_matrix *m)
{
    const float scale = ldexpf(1.0f, s->exponent);
    for (int col = 0; col < s->W.n_hidden; col += RBMK_PANEL)
        for (int r = 0; r < m->cols; r += RBMK_ROW_BLOCK)
            m->kernels->pack_transposed_f32(m, col, r, rbmk_at_most(m->cols - r, RBMK_ROW_BLOCK),
                                            rbmk_panel_width(&s->W, col), rbmk_at(&s->W, row + r, col), s->W.row, scale);
}

rbmk_matrix rbmk_columns(const rbmk_matrix *m, int col, int n_cols)
{
    char *data = m->data;
    return (rbmk_matrix){m->kernels, m->rows, n_cols, data + m->kernels->packed_bytes(m->rows, col)};
}

static void pack_weights(rbmk_team team, const float *W, const rbmk_weights *weights)
{
    const rbmk_source source = {rbmk_by_rows(W, weights->n_visible, weights->n_hidden), weights->exponent};
    int64_t from, to;
    rbmk_share(team, rbmk_panels(weights->n_hidden), &from, &to);
    for (int col = (int)from * RBMK_PANEL; col < weights->n_hidden && col < to * RBMK_PANEL; col += RBMK_PANEL) {
        rbmk_matrix panel = rbmk_columns(&weights->up, col, rbmk_at_most(weights->n_hidden - col, RBMK_PANEL));
        rbmk_pack_up(&source, col, &panel);
    }
    rbmk_share(team, rbmk_panels(weights->n_visible), &from, &to);
    for (int row = (int)from * RBMK_PANEL; row < weights->n_visible && row < to * RBMK_PANEL; row += RBMK_PANEL) {
        rbmk_matrix panel = rbmk_columns(&weights->down, row, rbmk_at_most(weights->n_visible - row, RBMK_PANEL));
        rbmk_pack_down(&source, row, &panel);
    }
}

/* --- Public ------------------------------------------------------------------------------------------- */

typedef struct {
    rbmk_fit fit;
    rbmk_weights *weights; /* NULL: only the exponent is wanted */
    int start, exponent;
    rbmk_status status;
} quantise_job;

static void quantise_member(rbmk_team team, void *arg)
{
    quantise_job *job = arg;
    int exponent = 0;
    rbmk_fit_scan(team, &job->fit);
    rbmk_barrier(team);
    rbmk_status status = rbmk_fit_exponent(team, &job->fit, job->start, &exponent);
    if (team.id == 0) {
        job->status = status;
        job->exponent = exponent;
        if (job->weights)
            job->weights->exponent = exponent;
    }
    rbmk_barrier(team);
    if (status == RBMK_OK && job->weights)
        pack_weights(team, job->fit.W.data, job->weights);
}

static rbmk_status quantise_run(quantise_job *job)
{
    int threads = rbmk_threads_for(0.2 * job->fit.W.n_visible * job->fit.W.n_hidden);
    if (rbmk_fit_allocate(&job->fit, threads))
        rbmk_run(threads, rbmk_current_kernels(), quantise_member, job);
    else
        job->status = RBMK_NO_MEMORY;
    rbmk_fit_free(&job->fit);
    return job->status;
}

rbmk_status rbmk_exponent(const float *W, int n_visible, int n_hidden, int max_exponent, int *exponent)
{
    quantise_job job = {{rbmk_by_rows(W, n_visible, n_hidden), NULL, NULL, NULL}, NULL, max_exponent, 0, RBMK_OK};
    rbmk_status status = quantise_run(&job);
    *exponent = job.exponent;
    return status;
}

rbmk_status rbmk_weights_create(rbmk_weights *w, const float *W, int n_visible, int n_hidden, int max_exponent)
{
    const rbmk_kernels *kernels = rbmk_current_kernels();
    quantise_job job = {{rbmk_by_rows(W, n_visible, n_hidden), NULL, NULL, NULL}, w, max_exponent, 0, RBMK_NO_MEMORY};
    *w = (rbmk_weights){.n_visible = n_visible, .n_hidden = n_hidden};
    if (matrix_create(&w->up, kernels, n_visible, n_hidden) && matrix_create(&w->down, kernels, n_hidden, n_visible))
        quantise_run(&job);
    if (job.status != RBMK_OK)
        rbmk_weights_free(w);
    return job.status;
}

void rbmk_weights_free(rbmk_weights *w)
{
    rbmk_free(w->up.data);
    rbmk_free(w->down.data);
    w->up.data = w->down.data = NULL;
}
