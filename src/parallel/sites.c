/* Log-probabilities of visible sites given all the others. Hidden units are switches, summed out. */
#include <string.h>

#include "share.h"

enum { PIECE = 8 /* rows that use the weights of a site while they are near; a member takes them together */ };

typedef struct {
    const float *x, *W, *a;
    rbmk_states states;
    const int32_t *start, *sites;
    int n_hidden, n_sites, most_states;
    double *sum;
    atomic_llong taken; /* pieces */
    double *scratch;    /* of all members */
} sites_job;

/* What one member works on. */
typedef struct {
    const sites_job *job;
    const rbmk_kernels *kernels;
    int64_t row;
    int n;
    double *weight; /* (most_states,): logarithms, of a row */
    float *gain;    /* (PIECE * most_states,): over the row's own state, row after row */
    float *others;  /* (n_hidden,): total inputs from all other sites, of a row */
} piece;

static const float *inputs(const piece *p, int i) { return p->job->x + (p->row + i) * p->job->n_hidden; }

static const float *weights(const piece *p, int unit) { return p->job->W + (ptrdiff_t)unit * p->job->n_hidden; }

/* The summed softplus of total inputs x, a unit's state times its weights added. */
static double log_normalizer(const piece *p, const float *x, float state, const float *w)
{
    const int n_hidden = p->job->n_hidden;
    double total = 0.0;
    for (int col = 0; col < n_hidden; col += RBMK_PANEL) {
        const int n = rbmk_at_most(n_hidden - col, RBMK_PANEL);
        float product[RBMK_PANEL];
        for (int j = 0; j < n && state != 1.0f; j++)
            product[j] = state * w[col + j];
        total += p->kernels->shifted_softplus_panel(x + col, state == 1.0f ? w + col : product, n);
    }
    return total;
}

/* --- Switches: each is turned fully on, and fully off ------------------------------------------------------------ */

static float level_of(const rbmk_states *states, int64_t row, int unit)
{
    const ptrdiff_t at = row * states->stride + unit;
    return states->grey ? (float)((const uint16_t *)states->data)[at] / 65535.0f : (float)((const uint8_t *)states->data)[at];
}

static void turn_on_and_off(const piece *p)
{
    const float *a = p->job->a;
    double here[PIECE], *sum = p->job->sum + p->row;
    for (int i = 0; i < p->n; i++)
        here[i] = log_normalizer(p, inputs(p, i), 0.0f, p->job->W);
    for (int s = 0; s < p->job->n_sites; s++) {
        const int unit = p->job->sites[s];
        const float *w = weights(p, unit);
        float level[PIECE], gain[2 * PIECE] = {0}, cost[2 * PIECE]; /* of being off, and of being on */
        for (int i = 0; i < p->n; i++) {
            level[i] = level_of(&p->job->states, p->row + i, unit);
            const double on = level[i] == 1.0f ? here[i] : log_normalizer(p, inputs(p, i), 1.0f - level[i], w);
            const double off = level[i] == 0.0f ? here[i] : log_normalizer(p, inputs(p, i), -level[i], w);
            gain[i] = (float)(a[unit] + (on - off));
            gain[PIECE + i] = -gain[i];
        }
        p->kernels->softplus(gain, 2 * PIECE, cost);
        for (int i = 0; i < p->n; i++)
            sum[i] -= level[i] * cost[PIECE + i] + (1.0f - level[i]) * cost[i];
    }
}

/* --- Sites of any size: all of their states ------------------------------------------------------------------------ */

/* State k of a site: which unit has which state, all others of the site being 0. Of a single unit k is the state itself. */
typedef struct {
    int first, size;
} site;

static int states_of(site s) { return s.size == 1 ? 2 : s.size; }

static int unit_of(site s, int k) { return s.size == 1 ? s.first : s.first + k; }

static float value_of(site s, int k) { return s.size == 1 ? (float)k : 1.0f; }

static int own_state(const piece *p, int i, site s)
{
    const uint8_t *state = (const uint8_t *)p->job->states.data + (p->row + i) * p->job->states.stride + s.first;
    const uint8_t *on = memchr(state, 1, (size_t)s.size);
    return s.size == 1 ? *state : on ? (int)(on - state) : 0;
}

static void compare_states(const piece *p, int i, site s, float *gain)
{
    const int own = own_state(p, i, s);
    const float *x = inputs(p, i), *w = weights(p, unit_of(s, own)), value = value_of(s, own);
    for (int j = 0; j < p->job->n_hidden; j++)
        p->others[j] = x[j] - value * w[j];
    for (int k = 0; k < states_of(s); k++) {
        const int unit = unit_of(s, k);
        p->weight[k] = log_normalizer(p, p->others, value_of(s, k), weights(p, unit)) + value_of(s, k) * p->job->a[unit];
    }
    for (int k = 0; k < states_of(s); k++)
        gain[k] = (float)(p->weight[k] - p->weight[own]);
}

static void try_all_states(const piece *p)
{
    double log_sum[PIECE], *sum = p->job->sum + p->row;
    int32_t starts[PIECE + 1] = {0};
    for (int g = 0; g < p->job->n_sites; g++) {
        const int32_t *start = p->job->start + p->job->sites[g];
        const site s = {start[0], start[1] - start[0]};
        for (int i = 0; i < p->n; i++) {
            compare_states(p, i, s, p->gain + starts[i]);
            starts[i + 1] = starts[i] + states_of(s);
        }
        p->kernels->log_sum_groups(p->gain, starts, p->n, log_sum);
        for (int i = 0; i < p->n; i++)
            sum[i] -= log_sum[i];
    }
}

/* --- All rows --------------------------------------------------------------------------------------------------------- */

/* Numbers of scratch that a member has. */
static size_t scratch_of(const sites_job *job)
{
    const size_t floats = (size_t)PIECE * (size_t)job->most_states + (size_t)job->n_hidden;
    return (size_t)job->most_states + (floats + 1) / 2;
}

static void sites_member(rbmk_team team, void *arg)
{
    sites_job *job = arg;
    piece p = {.job = job, .kernels = rbmk_current_kernels(), .weight = job->scratch + (size_t)team.id * scratch_of(job)};
    p.gain = (float *)(p.weight + job->most_states);
    p.others = p.gain + (size_t)PIECE * (size_t)job->most_states;
    while ((p.row = PIECE * rbmk_take(&job->taken)) < job->states.n) {
        p.n = rbmk_at_most(job->states.n - p.row, PIECE);
        memset(job->sum + p.row, 0, (size_t)p.n * sizeof *job->sum);
        (job->start ? try_all_states : turn_on_and_off)(&p);
    }
}

rbmk_status rbmk_log_conditionals(const float *x, int n_hidden, const float *W, const float *a, rbmk_states states,
                                  const int32_t *start, const int32_t *sites, int n_sites, double *sum)
{
    sites_job job = {.x = x, .W = W, .a = a, .states = states, .start = start, .sites = sites, .n_hidden = n_hidden,
                     .n_sites = n_sites, .most_states = 2, .sum = sum};
    double passes = n_sites;
    for (int g = 0; start && g < n_sites; g++) {
        const int size = start[sites[g] + 1] - start[sites[g]];
        job.most_states = size > job.most_states ? size : job.most_states;
        passes += size;
    }
    const int threads = rbmk_threads_for(passes * (double)states.n * n_hidden);
    job.scratch = rbmk_allocate((size_t)threads, scratch_of(&job) * sizeof *job.scratch);
    if (!job.scratch)
        return RBMK_NO_MEMORY;
    rbmk_run_apart(threads, rbmk_current_kernels(), sites_member, &job);
    rbmk_free(job.scratch);
    return RBMK_OK;
}
