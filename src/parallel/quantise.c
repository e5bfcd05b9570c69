#include "quantise.h"

#include <math.h>
#include <string.h>

enum { NOT_FINITE_BITS = 0x7F800000 };

static int matrix_create(rbmk_matrix *m, const rbmk_kernels *kernels, int rows, int cols)
{
    *m = (rbmk_matrix){kernels, rows, cols, rbmk_allocate(kernels->packed_bytes(rows, cols), 1)};
    return m->data != NULL;
}

int rbmk_fit_allocate(rbmk_fit *fit, int team_size)
{
    fit->largest = rbmk_allocate((size_t)team_size, sizeof *fit->largest);
    fit->largest_sum = rbmk_allocate((size_t)team_size, sizeof *fit->largest_sum);
    fit->column_sums = rbmk_allocate((size_t)team_size * (size_t)fit->n_hidden, sizeof *fit->column_sums);
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
    rbmk_share(team, (int64_t)fit->n_visible * fit->n_hidden, &from, &to);
    for (int64_t i = from; i < to; i++) {
        uint32_t bits;
        memcpy(&bits, fit->W + i, sizeof bits);
        bits &= 0x7FFFFFFFu;
        largest = bits > largest ? bits : largest;
    }
    fit->largest[team.id] = largest;
}

/* Largest sum of |q| along a row or a column at exponent e; every member returns it. */
static int64_t largest_sum(rbmk_team team, const rbmk_fit *fit, int e)
{
    int64_t *mine = fit->column_sums + (int64_t)team.id * fit->n_hidden, largest = 0, from, to;
    float scale = ldexpf(1.0f, e);
    memset(mine, 0, (size_t)fit->n_hidden * sizeof *mine);
    rbmk_share(team, fit->n_visible, &from, &to);
    for (int64_t i = from; i < to; i++) {
        int64_t row = 0;
        for (int j = 0; j < fit->n_hidden; j++) {
            int64_t q = (int64_t)rintf(fabsf(fit->W[i * fit->n_hidden + j] * scale));
            row += q;
            mine[j] += q;
        }
        largest = row > largest ? row : largest;
    }
    rbmk_barrier(team);
    rbmk_share(team, fit->n_hidden, &from, &to);
    for (int64_t j = from; j < to; j++) {
        int64_t column = 0;
        for (int m = 0; m < team.size; m++)
            column += fit->column_sums[(int64_t)m * fit->n_hidden + j];
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
    int longest = fit->n_visible > fit->n_hidden ? fit->n_visible : fit->n_hidden;
    uint32_t bits = 0;
    float largest;
    for (int m = 0; m < team.size; m++)
        bits = fit->largest[m] > bits ? fit->largest[m] : bits;
    if (bits >= NOT_FINITE_BITS)
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

void rbmk_pack_block(const float *W, rbmk_weights *weights, int row, int n_rows, int col, int n_cols)
{
    const rbmk_kernels *k = weights->up.kernels;
    int32_t q[RBMK_ROW_BLOCK * RBMK_PANEL], transposed[RBMK_PANEL * RBMK_ROW_BLOCK];
    float scale = ldexpf(1.0f, weights->exponent);
    for (int c = 0; c < n_cols; c += RBMK_PANEL) {
        int n = n_cols - c < RBMK_PANEL ? n_cols - c : RBMK_PANEL;
        for (int r = 0; r < n_rows; r++)
            k->quantise(W + (int64_t)(row + r) * weights->n_hidden + col + c, n, scale, q + r * RBMK_PANEL);
        k->pack_tile(&weights->up, row, col + c, n_rows, n, q, RBMK_PANEL);
        k->transpose_i32(q, RBMK_PANEL, n_rows, n, transposed, RBMK_ROW_BLOCK);
        k->pack_tile(&weights->down, col + c, row, n, n_rows, transposed, RBMK_ROW_BLOCK);
    }
}

void rbmk_pack_weights(rbmk_team team, const float *W, rbmk_weights *weights)
{
    int64_t from, to, blocks = (weights->n_visible + RBMK_ROW_BLOCK - 1) / RBMK_ROW_BLOCK;
    rbmk_share(team, blocks, &from, &to);
    for (int64_t block = from; block < to; block++) {
        int row = (int)block * RBMK_ROW_BLOCK, left = weights->n_visible - row;
        rbmk_pack_block(W, weights, row, left < RBMK_ROW_BLOCK ? left : RBMK_ROW_BLOCK, 0, weights->n_hidden);
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
        rbmk_pack_weights(team, job->fit.W, job->weights);
}

static rbmk_status quantise_run(quantise_job *job)
{
    int threads = rbmk_threads_for(8.0 * job->fit.n_visible * job->fit.n_hidden);
    if (rbmk_fit_allocate(&job->fit, threads))
        rbmk_run(threads, rbmk_current_kernels(), quantise_member, job);
    else
        job->status = RBMK_NO_MEMORY;
    rbmk_fit_free(&job->fit);
    return job->status;
}

rbmk_status rbmk_exponent(const float *W, int n_visible, int n_hidden, int max_exponent, int *exponent)
{
    quantise_job job = {{W, n_visible, n_hidden, NULL, NULL, NULL}, NULL, max_exponent, 0, RBMK_OK};
    rbmk_status status = quantise_run(&job);
    *exponent = job.exponent;
    return status;
}

rbmk_status rbmk_weights_create(rbmk_weights *w, const float *W, int n_visible, int n_hidden, int max_exponent)
{
    const rbmk_kernels *kernels = rbmk_current_kernels();
    quantise_job job = {{W, n_visible, n_hidden, NULL, NULL, NULL}, w, max_exponent, 0, RBMK_NO_MEMORY};
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
