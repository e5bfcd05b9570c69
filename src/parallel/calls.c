/* The public calls that are one region each: passes, functions of total inputs, random numbers. */
#include <math.h>

#include "../common/philox.h"
#include "../common/scalar.h"
#include "pass.h"

/* --- Passes ------------------------------------------------------------------------------------------- */

typedef struct {
    rbmk_layer_pass pass;
    double *sum; /* of the softplus of a row, from those of its panels */
    char *scratch;
    size_t scratch_size;
    atomic_int ended;
} pass_job;

static void add_panels(const rbmk_layer_pass *pass, double *sum)
{
    for (int64_t i = 0; i < pass->states.n; i++)
        sum[i] = rbmk_softplus_row(pass->out.softplus, i, rbmk_panels(pass->cols));
}

static void pass_member(rbmk_team team, void *arg)
{
    pass_job *job = arg;
    rbmk_pass_member(team, &job->pass, job->scratch + (size_t)team.id * job->scratch_size);
    if (job->sum && rbmk_is_last(team, &job->ended))
        add_panels(&job->pass, job->sum);
}

rbmk_status rbmk_pass(const rbmk_weights *w, int up, rbmk_states states, const float *bias, rbmk_outputs out,
                      const rbmk_stream *stream)
{
    pass_job job = {.pass = rbmk_pass_packed(w, up), .sum = out.softplus};
    const rbmk_kernels *k = job.pass.kernels;
    const int rows = job.pass.rows, cols = job.pass.cols;
    int threads = rbmk_threads_for(0.005 * (double)states.n * rows * cols);
    double *parts = NULL;
    rbmk_status status = RBMK_NO_MEMORY;
    job.scratch_size = (size_t)rbmk_round_up((int64_t)rbmk_pass_scratch(k, states.n, rows), 64);
    job.scratch = rbmk_allocate((size_t)threads, job.scratch_size);
    if (job.sum)
        out.softplus = parts = rbmk_allocate((size_t)states.n * (size_t)rbmk_panels(cols), sizeof *parts);
    if (job.scratch && (parts || !job.sum)) {
        job.pass.bias = bias;
        job.pass.states = states;
        job.pass.stream = stream;
        job.pass.out = out;
        rbmk_run_apart(threads, k, pass_member, &job);
        status = RBMK_OK;
    }
    rbmk_free(parts);
    rbmk_free(job.scratch);
    return status;
}

/* --- Functions of total inputs -------------------------------------------------------------------------- */

typedef struct {
    const float *x, *weights;
    int64_t n;
    int m, n_groups;
    const int32_t *start; /* of groups */
    void *out;
    rbmk_states states;
    const rbmk_stream *stream;
    void (*rows)(const void *job, int64_t from, int64_t to);
} map_job;

static void map_member(rbmk_team team, void *arg)
{
    const map_job *job = arg;
    int64_t from, to;
    rbmk_share(team, job->n, &from, &to);
    job->rows(job, from, to);
}

static void map_run(map_job job)
{
    rbmk_run_apart(rbmk_threads_for((double)job.n * (job.m ? job.m : 1)), rbmk_current_kernels(), map_member, &job);
}

/* Kernels take int lengths. */
#define FOR_CHUNKS(from, to) \
    for (int64_t at = from, n; n = to - at < 4096 ? to - at : 4096, at < to; at += n)

static void sigmoid_rows(const void *arg, int64_t from, int64_t to)
{
    const map_job *job = arg;
    FOR_CHUNKS(from, to)
        rbmk_current_kernels()->sigmoid(job->x + at, (int)n, (float *)job->out + at);
}

static void sigmoid_u16_rows(const void *arg, int64_t from, int64_t to)
{
    const map_job *job = arg;
    int32_t p[4096];
    FOR_CHUNKS(from, to)
    {
        rbmk_current_kernels()->sigmoid_i32(job->x + at, (int)n, p);
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)job->out)[at + i] = (uint16_t)p[i];
    }
}

static void softplus_rows(const void *arg, int64_t from, int64_t to)
{
    const map_job *job = arg;
    FOR_CHUNKS(from, to)
        rbmk_current_kernels()->softplus(job->x + at, (int)n, (float *)job->out + at);
}

static void log_rows(const void *arg, int64_t from, int64_t to)
{
    const map_job *job = arg;
    for (int64_t i = from; i < to; i++)
        ((float *)job->out)[i] = log1(job->x[i]);
}

static void softplus_sum_rows(const void *arg, int64_t from, int64_t to)
{
    const map_job *job = arg;
    for (int64_t i = from; i < to; i++) {
        const float *x = job->x + i * job->m;
        double total = 0.0;
        for (int c = 0; c < job->m; c += RBMK_PANEL)
            total += rbmk_current_kernels()->softplus_panel(x + c, job->m - c < RBMK_PANEL ? job->m - c : RBMK_PANEL);
        ((double *)job->out)[i] = total;
    }
}

static void weighted_sum_rows(const void *arg, int64_t from, int64_t to)
{
    const map_job *job = arg;
    for (int64_t i = from; i < to; i++)
        ((double *)job->out)[i] = rbmk_weighted_row(rbmk_current_kernels(), &job->states, i, job->m, job->weights);
}

static void bernoulli_rows(const void *arg, int64_t from, int64_t to)
{
    const map_job *job = arg;
    for (int64_t i = from; i < to; i++) {
        rbmk_counter counter = rbmk_counter_of(job->stream, i);
        rbmk_current_kernels()->sigmoid_bernoulli(job->x + i * job->m, job->m, 0, &counter,
                                                  (uint8_t *)job->out + i * job->m);
    }
}

static void add_normal_rows(const void *arg, int64_t from, int64_t to)
{
    const map_job *job = arg;
    for (int64_t i = from; i < to; i++) {
        rbmk_counter counter = rbmk_counter_of(job->stream, i);
        rbmk_current_kernels()->add_normal(job->x + i * job->m, job->m, 0, &counter, (float *)job->out + i * job->m);
    }
}

static void softmax_groups_rows(const void *arg, int64_t from, int64_t to)
{
    const map_job *job = arg;
    for (int64_t i = from; i < to; i++)
        rbmk_current_kernels()->softmax_groups(job->x + i * job->m, job->start, job->n_groups,
                                               (float *)job->out + i * job->m);
}

static void log_sum_groups_rows(const void *arg, int64_t from, int64_t to)
{
    const map_job *job = arg;
    for (int64_t i = from; i < to; i++)
        rbmk_current_kernels()->log_sum_groups(job->x + i * job->m, job->start, job->n_groups,
                                               (double *)job->out + i * job->n_groups);
}

static void categorical_rows(const void *arg, int64_t from, int64_t to)
{
    const map_job *job = arg;
    for (int64_t i = from; i < to; i++) {
        rbmk_counter counter = rbmk_counter_of(job->stream, i);
        rbmk_current_kernels()->draw_groups(job->x + i * job->m, job->start, job->n_groups, &counter,
                                            (uint8_t *)job->out + i * job->m);
    }
}

static void uniform_rows(const void *arg, int64_t from, int64_t to)
{
    const map_job *job = arg;
    for (int64_t i = from; i < to; i++) {
        rbmk_counter counter = rbmk_counter_of(job->stream, i);
        rbmk_current_kernels()->uniform_u32(job->m, 0, &counter, (uint32_t *)job->out + i * job->m);
    }
}

void rbmk_sigmoid(const float *x, int64_t n, float *p)
{
    map_run((map_job){.x = x, .n = n, .out = p, .rows = sigmoid_rows});
}

void rbmk_sigmoid_u16(const float *x, int64_t n, uint16_t *p)
{
    map_run((map_job){.x = x, .n = n, .out = p, .rows = sigmoid_u16_rows});
}

void rbmk_softplus(const float *x, int64_t n, float *y)
{
    map_run((map_job){.x = x, .n = n, .out = y, .rows = softplus_rows});
}

void rbmk_log(const float *x, int64_t n, float *y)
{
    map_run((map_job){.x = x, .n = n, .out = y, .rows = log_rows});
}

void rbmk_softplus_sum(const float *x, int64_t n, int m, double *sum)
{
    map_run((map_job){.x = x, .n = n, .m = m, .out = sum, .rows = softplus_sum_rows});
}

void rbmk_weighted_sum(rbmk_states states, int m, const float *weights, double *sum)
{
    map_run((map_job){.weights = weights, .n = states.n, .m = m, .out = sum, .states = states,
                      .rows = weighted_sum_rows});
}

void rbmk_bernoulli(const float *x, int64_t n, int m, const rbmk_stream *stream, uint8_t *state)
{
    map_run((map_job){.x = x, .n = n, .m = m, .out = state, .stream = stream, .rows = bernoulli_rows});
}

void rbmk_add_normal(const float *x, int64_t n, int m, const rbmk_stream *stream, float *state)
{
    map_run((map_job){.x = x, .n = n, .m = m, .out = state, .stream = stream, .rows = add_normal_rows});
}

static map_job of_groups(const float *x, int64_t n, const int32_t *start, int n_groups, void *out)
{
    return (map_job){.x = x, .n = n, .m = start[n_groups], .n_groups = n_groups, .start = start, .out = out};
}

void rbmk_softmax_groups(const float *x, int64_t n, const int32_t *start, int n_groups, float *p)
{
    map_job job = of_groups(x, n, start, n_groups, p);
    job.rows = softmax_groups_rows;
    map_run(job);
}

void rbmk_log_sum_groups(const float *x, int64_t n, const int32_t *start, int n_groups, double *sums)
{
    map_job job = of_groups(x, n, start, n_groups, sums);
    job.rows = log_sum_groups_rows;
    map_run(job);
}

void rbmk_categorical(const float *x, int64_t n, const int32_t *start, int n_groups, const rbmk_stream *stream,
                      uint8_t *state)
{
    map_job job = of_groups(x, n, start, n_groups, state);
    job.stream = stream;
    job.rows = categorical_rows;
    map_run(job);
}

/* --- Random numbers ------------------------------------------------------------------------------------- */

void rbmk_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    philox4x32(counter, key, out);
}

void rbmk_uniform_u32(int64_t n, int m, const rbmk_stream *stream, uint32_t *out)
{
    map_run((map_job){.n = n, .m = m, .out = out, .stream = stream, .rows = uniform_rows});
}

void rbmk_shuffle_keys(int64_t n, uint64_t seed, uint32_t epoch, uint32_t purpose, uint64_t *keys)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t word[4];
    for (int64_t i = 0; i < n; i += 2) {
        philox4x32((const uint32_t[4]){(uint32_t)(i / 2), 0, epoch, purpose << 26}, key, word);
        keys[i] = (uint64_t)word[1] << 32 | word[0];
        if (i + 1 < n)
            keys[i + 1] = (uint64_t)word[3] << 32 | word[2];
    }
}

/* The top bits of a random key say nearly where it belongs; insertion does the rest. */
rbmk_status rbmk_argsort(const uint64_t *keys, int64_t n, int64_t *order)
{
    int bits = 1;
    while (bits < 20 && n >> bits)
        bits++;
    const int shift = 64 - bits;
    int64_t *end = rbmk_allocate((size_t)1 << bits, sizeof *end); /* of each bucket; at first, of the part that is filled */
    if (!end)
        return RBMK_NO_MEMORY;
    memset(end, 0, sizeof *end << bits);
    for (int64_t i = 0; i < n; i++)
        end[keys[i] >> shift]++;
    for (int64_t bucket = 0, before = 0; bucket < (int64_t)1 << bits; bucket++) {
        const int64_t size = end[bucket];
        end[bucket] = before;
        before += size;
    }
    for (int64_t i = 0; i < n; i++)
        order[end[keys[i] >> shift]++] = i;
    for (int64_t i = 1; i < n; i++) {
        const int64_t moved = order[i];
        int64_t to = i;
        for (; to > 0 && keys[order[to - 1]] > keys[moved]; to--)
            order[to] = order[to - 1];
        order[to] = moved;
    }
    rbmk_free(end);
    return RBMK_OK;
}

typedef struct {
    int64_t n;
    int m;
    double scale;
    uint64_t seed;
    uint32_t purpose, layer;
    float *out;
} normal_job;

static void normal_member(rbmk_team team, void *arg)
{
    const normal_job *job = arg;
    const uint32_t key[2] = {(uint32_t)job->seed, (uint32_t)(job->seed >> 32)};
    const double deviation = sqrt(8.0 * (65536.0 * 65536.0 - 1.0) / 12.0); /* of a sum of 8 uniforms on 0..65535 */
    const double step = job->scale / deviation;
    uint32_t word[4];
    int64_t from, to;
    rbmk_share(team, job->n, &from, &to);
    for (int64_t i = from; i < to; i++)
        for (int j = 0; j < job->m; j++) {
            int64_t sum = -4 * 65535;
            philox4x32((const uint32_t[4]){(uint32_t)j, (uint32_t)i, 0, job->purpose << 26 | job->layer << 20}, key, word);
            for (int w = 0; w < 4; w++)
                sum += (word[w] & 0xFFFFu) + (word[w] >> 16);
            job->out[i * job->m + j] = (float)((double)sum * step);
        }
}

void rbmk_normal_weights(int64_t n, int m, double scale, uint64_t seed, uint32_t purpose, uint32_t layer, float *out)
{
    normal_job job = {n, m, scale, seed, purpose, layer, out};
    rbmk_run_apart(rbmk_threads_for(20.0 * (double)n * m), rbmk_current_kernels(), normal_member, &job);
}
