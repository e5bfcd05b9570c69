/* Networks of layers: what comes between their matrix products, and the steps of gradient descent. */
#include "../common/scalar.h"
#include "pass.h"

/* --- Rows of a layer ------------------------------------------------------------------------------------ */

typedef struct layer_job layer_job;
struct layer_job {
    float *x; /* (n, m) */
    int64_t n;
    int m;
    const float *bias, *h, *targets;
    const int64_t *labels;
    double *loss;
    uint8_t *wrong;
    uint32_t threshold;
    float scale;
    const rbmk_stream *stream;
    float *sent, *factor;
    void (*row)(const layer_job *job, const rbmk_kernels *kernels, int64_t i);
};

static void layer_member(rbmk_team team, void *arg)
{
    const layer_job *job = arg;
    const rbmk_kernels *kernels = rbmk_current_kernels();
    int64_t from, to;
    rbmk_share(team, job->n, &from, &to);
    for (int64_t i = from; i < to; i++)
        job->row(job, kernels, i);
}

static void layer_run(layer_job job)
{
    rbmk_run_apart(rbmk_threads_for((double)job.n * job.m), rbmk_current_kernels(), layer_member, &job);
}

/* Of terms of a panel, in lanes folded by halves. */
static double panel_sum(const double *term)
{
    double lane[RBMK_LANES] = {0};
    for (int part = 0; part < RBMK_PANEL; part += RBMK_LANES)
        for (int l = 0; l < RBMK_LANES; l++)
            lane[l] += term[part + l];
    for (int width = RBMK_LANES / 2; width; width /= 2)
        for (int l = 0; l < width; l++)
            lane[l] += lane[l + width];
    return lane[0];
}

/* The sum over a row of TERM, which knows column j. */
#define ROW_SUM(total, m, TERM) \
    for (int first = 0; first < (m); first += RBMK_PANEL) { \
        double term[RBMK_PANEL] = {0}; \
        for (int j = first; j < first + RBMK_PANEL && j < (m); j++) \
            term[j - first] = (TERM); \
        total += panel_sum(term); \
    }

static void add_bias(const layer_job *job, float *x)
{
    for (int j = 0; j < job->m; j++)
        x[j] = x[j] + job->bias[j];
}

static void sigmoid_row(const layer_job *job, const rbmk_kernels *kernels, int64_t i)
{
    kernels->add_bias_sigmoid(job->bias, job->m, job->x + i * job->m);
}

static float largest_of(const float *x, int m)
{
    float top = x[0];
    for (int j = 1; j < m; j++)
        top = x[j] > top ? x[j] : top;
    return top;
}

/* exp(x - top), and their sum. */
static float exponentials(float *x, int m, float top)
{
    double total = 0.0;
    for (int j = 0; j < m; j++)
        x[j] = exp_negative(top - x[j]);
    ROW_SUM(total, m, (double)x[j])
    return (float)total;
}

static void softmax_row(const layer_job *job, const rbmk_kernels *kernels, int64_t i)
{
    float *x = job->x + i * job->m;
    (void)kernels;
    add_bias(job, x);
    const float total = exponentials(x, job->m, largest_of(x, job->m));
    for (int j = 0; j < job->m; j++)
        x[j] = x[j] / total;
}

static void softmax_loss_row(const layer_job *job, const rbmk_kernels *kernels, int64_t i)
{
    float *x = job->x + i * job->m;
    const int64_t label = job->labels[i];
    int64_t best = 0;
    (void)kernels;
    add_bias(job, x);
    const float top = largest_of(x, job->m), behind = top - x[label];
    while (best < label && x[best] != top)
        best++;
    job->wrong[i] = best < label || behind > 0.0f;
    const float total = exponentials(x, job->m, top);
    job->loss[i] = (double)log1(total) + (double)behind;
    for (int j = 0; j < job->m; j++)
        x[j] = x[j] / total;
    x[label] = x[label] - 1.0f;
}

static void sigmoid_loss_row(const layer_job *job, const rbmk_kernels *kernels, int64_t i)
{
    float *x = job->x + i * job->m;
    const float *target = job->targets + i * job->m;
    double softplus = 0.0, chosen = 0.0;
    add_bias(job, x);
    for (int c = 0; c < job->m; c += RBMK_PANEL)
        softplus += kernels->softplus_panel(x + c, job->m - c < RBMK_PANEL ? job->m - c : RBMK_PANEL);
    ROW_SUM(chosen, job->m, (double)target[j] * (double)x[j])
    job->loss[i] = softplus - chosen;
    kernels->sigmoid(x, job->m, x);
    for (int j = 0; j < job->m; j++)
        x[j] = x[j] - target[j];
}

static void squared_loss_row(const layer_job *job, const rbmk_kernels *kernels, int64_t i)
{
    float *x = job->x + i * job->m;
    const float *target = job->targets + i * job->m;
    double squares = 0.0;
    (void)kernels;
    add_bias(job, x);
    for (int j = 0; j < job->m; j++)
        x[j] = x[j] - target[j];
    ROW_SUM(squares, job->m, (double)x[j] * (double)x[j])
    job->loss[i] = 0.5 * squares;
}

static void drop_row(const layer_job *job, const rbmk_kernels *kernels, int64_t i)
{
    enum { CHUNK = 1024 }; /* whole groups of 128 units */
    const rbmk_counter counter = rbmk_counter_of(job->stream, i);
    const uint32_t threshold = job->threshold;
    const float scale = job->scale;
    uint32_t uniform[CHUNK];
    for (int first = 0; first < job->m; first += CHUNK) {
        const int n = job->m - first < CHUNK ? job->m - first : CHUNK;
        const float *restrict x = job->x + i * job->m + first;
        float *restrict sent = job->sent + i * job->m + first;
        float *restrict factor = job->factor + i * job->m + first;
        kernels->uniform_u32(n, first, &counter, uniform);
        for (int j = 0; j < n; j++) {
            factor[j] = uniform[j] >= threshold ? scale : 0.0f;
            sent[j] = x[j] * factor[j];
        }
    }
}

static void backward_row(const layer_job *job, const rbmk_kernels *kernels, int64_t i)
{
    float *restrict delta = job->x + i * job->m;
    const float *restrict factor = job->factor ? job->factor + i * job->m : NULL;
    if (job->h)
        kernels->sigmoid_slope(job->h + i * job->m, job->m, delta);
    for (int j = 0; factor && j < job->m; j++)
        delta[j] = delta[j] * factor[j];
}

void rbmk_add_bias_sigmoid(float *x, int64_t n, int m, const float *bias)
{
    layer_run((layer_job){.x = x, .n = n, .m = m, .bias = bias, .row = sigmoid_row});
}

void rbmk_softmax(float *x, int64_t n, int m, const float *bias)
{
    layer_run((layer_job){.x = x, .n = n, .m = m, .bias = bias, .row = softmax_row});
}

void rbmk_drop(const float *x, int64_t n, int m, uint32_t threshold, float scale, const rbmk_stream *stream,
               float *sent, float *factor)
{
    layer_run((layer_job){.x = (float *)x, .n = n, .m = m, .threshold = threshold, .scale = scale, .stream = stream,
                          .sent = sent, .factor = factor, .row = drop_row});
}

void rbmk_backward(float *delta, int64_t n, int m, const float *h, const float *factor)
{
    layer_run((layer_job){.x = delta, .n = n, .m = m, .h = h, .factor = (float *)factor, .row = backward_row});
}

void rbmk_softmax_cross_entropy(float *x, int64_t n, int m, const float *bias, const int64_t *labels, double *loss,
                                uint8_t *wrong)
{
    layer_run((layer_job){.x = x, .n = n, .m = m, .bias = bias, .labels = labels, .loss = loss, .wrong = wrong,
                          .row = softmax_loss_row});
}

void rbmk_sigmoid_cross_entropy(float *x, int64_t n, int m, const float *bias, const float *targets, double *loss)
{
    layer_run((layer_job){.x = x, .n = n, .m = m, .bias = bias, .targets = targets, .loss = loss,
                          .row = sigmoid_loss_row});
}

void rbmk_squared_error(float *x, int64_t n, int m, const float *bias, const float *targets, double *loss)
{
    layer_run((layer_job){.x = x, .n = n, .m = m, .bias = bias, .targets = targets, .loss = loss,
                          .row = squared_loss_row});
}

/* --- Steps ---------------------------------------------------------------------------------------------- */

static void momentum_member(rbmk_team team, void *arg)
{
    const rbmk_momentum *step = arg;
    int64_t from, to;
    rbmk_share(team, step->n, &from, &to);
    rbmk_current_kernels()->momentum_step(step, from, to);
}

static void adam_member(rbmk_team team, void *arg)
{
    const rbmk_adam *step = arg;
    int64_t from, to;
    rbmk_share(team, step->n, &from, &to);
    rbmk_current_kernels()->adam_step(step, from, to);
}

void rbmk_momentum_step(const rbmk_momentum *step)
{
    rbmk_run_apart(rbmk_threads_for(0.5 * (double)step->n), rbmk_current_kernels(), momentum_member, (void *)step);
}

void rbmk_adam_step(const rbmk_adam *step)
{
    rbmk_run_apart(rbmk_threads_for((double)step->n), rbmk_current_kernels(), adam_member, (void *)step);
}
