/* Sums over the classes of a classification RBM: the total inputs of the hidden units under class k are x + U[k]. */
#include <string.h>

#include "../common/scalar.h"
#include "share.h"

typedef struct {
    const float *x, *U, *d, *p;
    int64_t n;
    int n_classes, n_hidden;
    double *log_weights;
    uint16_t *mean;
    int64_t *sums;
} classes_job;

/* --- Log-weights of the classes ---------------------------------------------------------------------------- */

/* Each member has some rows. Panel after panel, so that those of U stay near while all rows use them. */
static void log_weights_member(rbmk_team team, void *arg)
{
    const classes_job *job = arg;
    const rbmk_kernels *kernels = rbmk_current_kernels();
    const int n_classes = job->n_classes, n_hidden = job->n_hidden;
    int64_t from, to;
    rbmk_share(team, job->n, &from, &to);
    memset(job->log_weights + from * n_classes, 0, (size_t)((to - from) * n_classes) * sizeof(double));
    for (int col = 0; col < n_hidden; col += RBMK_PANEL)
        for (int64_t i = from; i < to; i++)
            for (int k = 0; k < n_classes; k++) {
                const int n = rbmk_at_most(n_hidden - col, RBMK_PANEL);
                job->log_weights[i * n_classes + k] += kernels->shifted_softplus_panel(
                    job->x + i * n_hidden + col, job->U + (int64_t)k * n_hidden + col, n);
            }
    for (int64_t i = from; i < to; i++)
        for (int k = 0; k < n_classes; k++)
            job->log_weights[i * n_classes + k] = job->d[k] + job->log_weights[i * n_classes + k];
}

void rbmk_class_log_weights(const float *x, int64_t n, int n_hidden, const float *U, const float *d, int n_classes,
                            double *log_weights)
{
    classes_job job = {.x = x, .U = U, .d = d, .n = n, .n_classes = n_classes, .n_hidden = n_hidden,
                       .log_weights = log_weights};
    rbmk_run_apart(rbmk_threads_for((double)n * n_classes * n_hidden), rbmk_current_kernels(), log_weights_member, &job);
}

/* --- Expectations of the hidden units ------------------------------------------------------------------------ */

/* Of a class that counts: the levels of less probable ones are 0, and some would be denormal, which is slow. */
#define LEAST_PROBABILITY 0x1p-32f

/* One row's columns from `col`. */
static void expect(const classes_job *job, const rbmk_kernels *kernels, int64_t i, int col, int n)
{
    const int n_hidden = job->n_hidden;
    const float *p = job->p + i * job->n_classes;
    float mean[RBMK_PANEL] = {0};
    for (int k = 0; k < job->n_classes; k++)
        if (p[k] >= LEAST_PROBABILITY)
            kernels->shifted_sigmoid_sums(job->x + i * n_hidden + col, job->U + (int64_t)k * n_hidden + col, n, p[k],
                                          mean, job->sums + (int64_t)k * n_hidden + col);
    for (int j = 0; j < n; j++)
        job->mean[i * n_hidden + col + j] = (uint16_t)level1(mean[j] < 1.0f ? mean[j] : 1.0f);
}

/* Each member has some columns, in groups of 16, so that nobody else adds to their sums. */
static void expectations_member(rbmk_team team, void *arg)
{
    const classes_job *job = arg;
    const rbmk_kernels *kernels = rbmk_current_kernels();
    int64_t from, to;
    rbmk_share(team, (job->n_hidden + RBMK_LANES - 1) / RBMK_LANES, &from, &to);
    from *= RBMK_LANES;
    to = to * RBMK_LANES < job->n_hidden ? to * RBMK_LANES : job->n_hidden;
    for (int k = 0; k < job->n_classes; k++)
        memset(job->sums + (int64_t)k * job->n_hidden + from, 0, (size_t)(to - from) * sizeof *job->sums);
    for (int64_t col = from; col < to; col += RBMK_PANEL)
        for (int64_t i = 0; i < job->n; i++)
            expect(job, kernels, i, (int)col, rbmk_at_most(to - col, RBMK_PANEL));
}

void rbmk_class_expectations(const float *x, int64_t n, int n_hidden, const float *U, const float *p, int n_classes,
                             uint16_t *mean, int64_t *sums)
{
    classes_job job = {.x = x, .U = U, .p = p, .n = n, .n_classes = n_classes, .n_hidden = n_hidden, .mean = mean,
                       .sums = sums};
    rbmk_run_apart(rbmk_threads_for((double)n * n_classes * n_hidden), rbmk_current_kernels(), expectations_member, &job);
}
