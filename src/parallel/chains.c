/* Chains: rows are independent, so each member runs its own, a tile of them at a time, and nobody waits. */
#include <string.h>

#include "odds.h"

typedef struct {
    const rbmk_weights *w;
    const float *a, *b;
    uint8_t *visible, *hidden; /* hidden: NULL where nobody wants it */
    const uint8_t *clamp;
    int64_t n, steps;
    rbmk_stream stream;
    rbmk_layers layers;
    const float *base, *betas; /* of annealing */
    double *log_weight;
    rbmk_lookups lookups; /* of many steps without clamps */
    size_t lookups_size;
    char *scratch;
    size_t scratch_size;
} chains_job;

enum {
    LOOKUP_ROWS = 32,   /* of a tile: its tables are worth it */
    LOOKUP_STEPS = 1024 /* of all chains: packing is */
};

static size_t floats_size(int n) { return (size_t)rbmk_round_up(n, 16) * sizeof(float); }

/* One tile's two passes. */
typedef struct {
    rbmk_stream stream;
    rbmk_layer_pass up, down;
    rbmk_lookups lookups; /* that the visible layer is drawn by, if there are any */
} tile_chains;

/* Whole rows of total inputs, one layer's at a time, where not all units are switches. */
static size_t inputs_size(const chains_job *job)
{
    const int n_visible = job->layers.visible.n_blocks ? job->w->n_visible : 0;
    const int n_hidden = job->layers.hidden.n_blocks ? job->w->n_hidden : 0;
    return RBMK_TILE_ROWS * floats_size(n_visible > n_hidden ? n_visible : n_hidden);
}

static void answer_by_layer(rbmk_layer_pass *pass, const rbmk_layer *layer, float *inputs)
{
    pass->layer = layer->n_blocks ? layer : NULL;
    pass->out.input = layer->n_blocks ? inputs : NULL;
}

static tile_chains begin(const chains_job *job, int64_t from, int64_t n, uint8_t *hidden, void *inputs)
{
    const rbmk_weights *w = job->w;
    uint8_t *visible = job->visible + from * w->n_visible;
    tile_chains c = {.stream = job->stream, .up = rbmk_pass_packed(w, 1), .down = rbmk_pass_packed(w, 0)};
    if (c.stream.rows)
        c.stream.rows += from;
    c.stream.first_row += from;
    c.up.bias = job->b;
    c.up.states = (rbmk_states){visible, 0, w->n_visible, n};
    c.up.out.sample = hidden;
    c.down.bias = job->a;
    c.down.states = (rbmk_states){hidden, 0, w->n_hidden, n};
    c.down.out.sample = visible;
    c.down.clamp = job->clamp ? job->clamp + from * w->n_visible : NULL;
    answer_by_layer(&c.up, &job->layers.hidden, inputs);
    answer_by_layer(&c.down, &job->layers.visible, inputs);
    return c;
}

static void gibbs_step(tile_chains *c, void *scratch)
{
    const rbmk_team alone = {0, 1, NULL, 0};
    c->up.stream = c->down.stream = &c->stream;
    rbmk_pass_member(alone, &c->up, scratch);
    c->stream.step++;
    if (c->lookups.odds.factors) {
        rbmk_lookups_sample(&c->lookups, &c->down, scratch);
        c->up.chosen = &c->lookups.chosen;
    } else {
        rbmk_pass_member(alone, &c->down, scratch);
    }
    c->stream.step++;
}

static void gibbs_tile(const chains_job *job, int64_t from, int64_t n, char *scratch)
{
    tile_chains c = begin(job, from, n, job->hidden + from * job->w->n_hidden, scratch);
    if (job->lookups.odds.factors && n >= LOOKUP_ROWS)
        c.lookups = rbmk_own_lookups(&job->lookups, scratch + inputs_size(job));
    for (int64_t t = 0; t < job->steps; t++)
        gibbs_step(&c, scratch + inputs_size(job) + job->lookups_size);
}

static void find_lookups(rbmk_team team, void *arg)
{
    chains_job *job = arg;
    rbmk_layer_pass down = rbmk_pass_packed(job->w, 0);
    (void)team;
    down.bias = job->a;
    job->lookups = rbmk_lookups_of(&down, &job->layers.visible);
    job->lookups_size = rbmk_lookups_scratch(&job->lookups);
}

/* --- Annealing ----------------------------------------------------------------------------------------- */

/* Of one model on the way from independent units to the weights: what depends on beta, and the log-weights there. */
typedef struct {
    float *a, *b;
    double *softplus; /* (n, panels), or (n,) of layers of groups */
    double *visible;  /* (n,): weighted sums of the visible states */
} model_at;

typedef struct {
    model_at here, there;
    uint8_t *hidden;
    float *inputs; /* of hidden units here, where not all are switches */
    void *pass;
} anneal_scratch;

enum { HERE_AND_THERE = 2 };

static size_t softplus_size(int n_hidden) { return RBMK_TILE_ROWS * (size_t)rbmk_panels(n_hidden) * sizeof(double); }

static size_t model_size(const rbmk_weights *w)
{
    return floats_size(w->n_visible) + floats_size(w->n_hidden) + softplus_size(w->n_hidden) +
           RBMK_TILE_ROWS * sizeof(double);
}

static size_t hidden_size(const rbmk_weights *w) { return (size_t)RBMK_TILE_ROWS * floats_size(w->n_hidden) / 4; }

static size_t anneal_size(const chains_job *job)
{
    const size_t inputs = job->layers.hidden.n_blocks ? RBMK_TILE_ROWS * floats_size(job->w->n_hidden) : 0;
    return HERE_AND_THERE * model_size(job->w) + hidden_size(job->w) + inputs;
}

static model_at place_model(const rbmk_weights *w, char *memory)
{
    model_at m;
    m.softplus = (double *)memory;
    m.visible = m.softplus + softplus_size(w->n_hidden) / sizeof(double);
    m.a = (float *)(m.visible + RBMK_TILE_ROWS);
    m.b = m.a + floats_size(w->n_visible) / sizeof(float);
    return m;
}

static anneal_scratch divide(const chains_job *job, char *memory)
{
    const rbmk_weights *w = job->w;
    anneal_scratch s;
    s.here = place_model(w, memory);
    s.there = place_model(w, memory + model_size(w));
    s.hidden = (uint8_t *)memory + HERE_AND_THERE * model_size(w);
    s.inputs = (float *)(s.hidden + hidden_size(w));
    s.pass = memory + anneal_size(job);
    return s;
}

static void set_biases(const chains_job *job, float beta, const model_at *m)
{
    for (int i = 0; i < job->w->n_visible; i++) {
        const float base = (1.0f - beta) * job->base[i], own = beta * job->a[i];
        m->a[i] = base + own;
    }
    for (int j = 0; j < job->w->n_hidden; j++)
        m->b[j] = beta * job->b[j];
}

static void sum_visible(const rbmk_layer_pass *up, const rbmk_layer *layer, int n_visible, const model_at *m)
{
    for (int64_t i = 0; i < up->states.n; i++)
        m->visible[i] = rbmk_weighted_layer(up->kernels, &up->states, i, layer, n_visible, m->a);
}

static double log_weight(const model_at *m, int64_t row, int n_parts)
{
    return rbmk_softplus_row(m->softplus, row, n_parts) + m->visible[row];
}

static void anneal_tile(const chains_job *job, int64_t from, int64_t n, char *scratch)
{
    const rbmk_weights *w = job->w;
    const anneal_scratch s = divide(job, scratch + inputs_size(job));
    const int n_parts = rbmk_softplus_parts(&job->layers.hidden, w->n_hidden);
    tile_chains c = begin(job, from, n, s.hidden, scratch);
    rbmk_other here = {NULL, 0.0f, s.here.b, s.here.softplus, s.inputs};
    c.up.other = &here;
    c.up.bias = s.there.b;
    c.up.out.softplus = s.there.softplus;
    c.down.bias = s.there.a;
    for (int64_t t = 0; t < job->steps; t++) {
        here.beta = job->betas[t];
        c.up.beta = c.down.beta = job->betas[t + 1];
        set_biases(job, here.beta, &s.here);
        set_biases(job, c.up.beta, &s.there);
        sum_visible(&c.up, &job->layers.visible, w->n_visible, &s.here);
        sum_visible(&c.up, &job->layers.visible, w->n_visible, &s.there);
        gibbs_step(&c, s.pass);
        for (int64_t i = 0; i < n; i++)
            job->log_weight[from + i] += log_weight(&s.there, i, n_parts) - log_weight(&s.here, i, n_parts);
    }
}

/* --- The team ------------------------------------------------------------------------------------------- */

static void chains_member(rbmk_team team, void *arg)
{
    const chains_job *job = arg;
    char *scratch = job->scratch + (size_t)team.id * job->scratch_size;
    int64_t from, to;
    rbmk_share(team, job->n, &from, &to);
    for (int64_t row = from; row < to; row += RBMK_TILE_ROWS)
        (job->betas ? anneal_tile : gibbs_tile)(job, row, to - row < RBMK_TILE_ROWS ? to - row : RBMK_TILE_ROWS,
                                                scratch);
}

static rbmk_status run_chains(chains_job job, const rbmk_layers *layers)
{
    const rbmk_weights *w = job.w;
    const int larger = w->n_visible > w->n_hidden ? w->n_visible : w->n_hidden;
    const double work = 0.015 * (double)job.n * (double)job.steps * w->n_visible * w->n_hidden;
    rbmk_status status = RBMK_NO_MEMORY;
    int threads = rbmk_threads_for(work);
    threads = threads > job.n ? (int)job.n : threads;
    job.layers = layers ? *layers : job.layers;
    if (!job.betas && !job.clamp && job.n * job.steps >= LOOKUP_STEPS)
        rbmk_run(1, w->up.kernels, find_lookups, &job);
    job.scratch_size = inputs_size(&job) + (job.betas ? anneal_size(&job) : job.lookups_size) +
                       (size_t)rbmk_round_up((int64_t)rbmk_pass_scratch(w->up.kernels, RBMK_TILE_ROWS, larger), 64);
    job.scratch = rbmk_allocate((size_t)threads, job.scratch_size);
    if (job.scratch) {
        rbmk_run_apart(threads, w->up.kernels, chains_member, &job);
        status = RBMK_OK;
    }
    rbmk_lookups_free(&job.lookups);
    rbmk_free(job.scratch);
    return status;
}

rbmk_status rbmk_gibbs(const rbmk_weights *w, const float *a, const float *b, uint8_t *visible, uint8_t *hidden,
                       int64_t n, int64_t steps, rbmk_stream stream, const uint8_t *clamp, const rbmk_layers *layers)
{
    return run_chains((chains_job){.w = w, .a = a, .b = b, .visible = visible, .hidden = hidden, .clamp = clamp, .n = n,
                                   .steps = steps, .stream = stream}, layers);
}

rbmk_status rbmk_anneal(const rbmk_weights *w, const float *a, const float *b, const float *base, const float *betas,
                        int64_t n_betas, uint8_t *visible, double *log_weight, int64_t n, rbmk_stream stream,
                        const rbmk_layers *layers)
{
    return run_chains((chains_job){.w = w, .a = a, .b = b, .base = base, .betas = betas, .visible = visible,
                                   .log_weight = log_weight, .n = n, .steps = n_betas - 1, .stream = stream}, layers);
}
