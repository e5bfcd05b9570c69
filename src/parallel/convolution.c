/* Maps and images: members share the rows, whose sums are integers. */
#include <math.h>
#include <string.h>

#include "../common/philox.h"
#include "pass.h"

enum { MOST_PAIRS = 65537 /* levels that add up to less than 2^32 */ };

typedef struct {
    const rbmk_convolution *c;
    const rbmk_pools *p;
    const rbmk_kernels *kernels;
    int64_t n, image, map, weights; /* rows, and numbers in each */
    int up;
    const uint8_t *states;
    const uint16_t *levels;
    const int32_t *q;
    float scale;
    const float *bias, *x;
    const rbmk_stream *stream;
    void *out;
    uint16_t *level;
    int64_t *sums, *level_sums;
    char *scratch;
    int64_t scratch_bytes; /* of each member */
    atomic_int ended;
} map_job;

static map_job of_maps(const rbmk_convolution *c, const rbmk_pools *p, int64_t n)
{
    map_job job = {.c = c, .p = p, .kernels = rbmk_current_kernels(), .n = n};
    if (c) {
        job.image = (int64_t)c->height * c->width * c->channels;
        job.map = (int64_t)c->map_height * c->map_width * c->n_filters;
        job.weights = (int64_t)c->filter_height * c->filter_width * c->channels * c->n_filters;
    } else {
        job.map = (int64_t)p->height * p->width * p->n_filters;
    }
    return job;
}

/* `nanoseconds` is about what a row takes. */
static rbmk_status run(map_job *job, void (*member)(rbmk_team, void *), double nanoseconds, int64_t scratch_bytes)
{
    const int threads = rbmk_threads_for((double)job->n * nanoseconds);
    job->scratch_bytes = rbmk_round_up(scratch_bytes, 64);
    if (scratch_bytes && !(job->scratch = rbmk_allocate((size_t)threads, (size_t)job->scratch_bytes)))
        return RBMK_NO_MEMORY;
    rbmk_run_apart(threads, job->kernels, member, job);
    rbmk_free(job->scratch);
    return RBMK_OK;
}

#define FOR_ROWS(team, job, i) \
    int64_t from_, to_; \
    rbmk_share(team, (job)->n, &from_, &to_); \
    for (int64_t i = from_; i < to_; i++)

/* --- Total inputs ------------------------------------------------------------------------------------------ */

static void convolve_member(rbmk_team team, void *arg)
{
    const map_job *job = arg;
    const int64_t in = job->up ? job->image : job->map, out = job->up ? job->map : job->image;
    int32_t *sums = (int32_t *)(job->scratch + team.id * job->scratch_bytes);
    FOR_ROWS(team, job, i)
    {
        memset(sums, 0, (size_t)out * sizeof *sums);
        if (job->up)
            job->kernels->convolve_up(job->c, job->states + i * in, job->q, sums);
        else
            job->kernels->convolve_down(job->c, job->states + i * in, job->q, sums, sums + out);
        job->kernels->affine_i32(sums, (int)out, job->scale, job->bias, (float *)job->out + i * out);
    }
}

rbmk_status rbmk_convolve(const rbmk_convolution *c, int up, const uint8_t *states, int64_t n, const int32_t *q, int exponent,
                          const float *bias, float *x)
{
    map_job job = of_maps(c, NULL, n);
    job.up = up, job.states = states, job.q = q, job.scale = ldexpf(1.0f, -exponent), job.bias = bias, job.out = x;
    const int64_t numbers = up ? job.map : job.image + RBMK_DOWN_SCRATCH(c);
    return run(&job, convolve_member, (double)(job.map + job.image), numbers * (int64_t)sizeof(int32_t));
}

/* --- Pairs --------------------------------------------------------------------------------------------------- */

static void move_sums(uint32_t *few, int64_t n, int64_t *all)
{
    for (int64_t j = 0; j < n; j++)
        all[j] += few[j];
    memset(few, 0, (size_t)n * sizeof *few);
}

static void pairs_member(rbmk_team team, void *arg)
{
    map_job *job = arg;
    const int64_t most = MOST_PAIRS / ((int64_t)job->c->map_height * job->c->map_width);
    const int64_t n = job->weights + job->c->n_filters; /* sums of pairs, then of levels */
    int64_t *all = (int64_t *)(job->scratch + team.id * job->scratch_bytes), since = 0;
    uint32_t *few = (uint32_t *)(all + n);
    memset(all, 0, (size_t)n * (sizeof *all + sizeof *few));
    FOR_ROWS(team, job, i)
    {
        const uint16_t *levels = job->levels + i * job->map;
        job->kernels->convolve_pairs(job->c, job->states + i * job->image, levels, few);
        for (int64_t at = 0; at < job->map; at += job->c->n_filters)
            for (int k = 0; k < job->c->n_filters; k++)
                few[job->weights + k] += levels[at + k];
        if (++since == most)
            move_sums(few, n, all), since = 0;
    }
    move_sums(few, n, all);
    if (rbmk_is_last(team, &job->ended))
        for (int member = 0; member < team.size; member++) {
            const int64_t *own = (const int64_t *)(job->scratch + member * job->scratch_bytes);
            for (int64_t j = 0; j < n; j++)
                *(j < job->weights ? job->sums + j : job->level_sums + (j - job->weights)) += own[j];
        }
}

rbmk_status rbmk_convolve_pairs(const rbmk_convolution *c, const uint8_t *images, const uint16_t *levels, int64_t n,
                                int64_t *sums, int64_t *level_sums)
{
    map_job job = of_maps(c, NULL, n);
    job.states = images, job.levels = levels, job.sums = sums, job.level_sums = level_sums;
    memset(sums, 0, (size_t)job.weights * sizeof *sums);
    memset(level_sums, 0, (size_t)c->n_filters * sizeof *sums);
    return run(&job, pairs_member, (double)(job.map + job.image),
               (job.weights + c->n_filters) * (int64_t)(sizeof(int64_t) + sizeof(uint32_t)));
}

/* --- Blocks -------------------------------------------------------------------------------------------------- */

static void means_member(rbmk_team team, void *arg)
{
    const map_job *job = arg;
    FOR_ROWS(team, job, i)
    {
        float *mean = job->out ? (float *)job->out + i * job->map : (float *)(job->scratch + team.id * job->scratch_bytes);
        job->kernels->pool_means(job->p, job->x + i * job->map, mean);
        if (job->level)
            job->kernels->levels_of(mean, (int)job->map, job->level + i * job->map);
    }
}

rbmk_status rbmk_pool_means(const rbmk_pools *p, const float *x, int64_t n, float *mean, uint16_t *level)
{
    map_job job = of_maps(NULL, p, n);
    job.x = x, job.out = mean, job.level = level;
    return run(&job, means_member, 2.0 * (double)job.map, mean ? 0 : job.map * (int64_t)sizeof(float));
}

static int64_t blocks_of(const map_job *job) { return job->map / ((int64_t)job->p->pool * job->p->pool); }

static void log_sums_member(rbmk_team team, void *arg)
{
    const map_job *job = arg;
    FOR_ROWS(team, job, i)
        job->kernels->pool_log_sums(job->p, job->x + i * job->map, (double *)job->out + i * blocks_of(job));
}

void rbmk_pool_log_sums(const rbmk_pools *p, const float *x, int64_t n, double *sums)
{
    map_job job = of_maps(NULL, p, n);
    job.x = x, job.out = sums;
    run(&job, log_sums_member, 2.0 * (double)job.map, 0);
}

static void draw_member(rbmk_team team, void *arg)
{
    const map_job *job = arg;
    uint32_t *uniform = (uint32_t *)(job->scratch + team.id * job->scratch_bytes);
    FOR_ROWS(team, job, i)
    {
        const rbmk_counter counter = rbmk_counter_of(job->stream, i);
        job->kernels->uniform_u32((int)blocks_of(job), 0, &counter, uniform);
        job->kernels->pool_draw(job->p, job->x + i * job->map, uniform, (uint8_t *)job->out + i * job->map,
                                (float *)(uniform + blocks_of(job)));
    }
}

rbmk_status rbmk_pool_draw(const rbmk_pools *p, const float *x, int64_t n, const rbmk_stream *stream, uint8_t *states)
{
    map_job job = of_maps(NULL, p, n);
    job.x = x, job.stream = stream, job.out = states;
    const int64_t numbers = blocks_of(&job) + (int64_t)p->pool * p->pool * 64;
    return run(&job, draw_member, 2.0 * (double)job.map, numbers * (int64_t)sizeof(uint32_t));
}
