/* Chains of a model that stands still, which exchange states with samples of an earlier version: each member moves its
 * own. They wait for each other once a step, as chains of others may meet the same samples in the next one. */
#include "exchange.h"

typedef struct {
    const rbmk_weights *w;
    const float *a, *b;
    rbmk_exchange exchange;
    rbmk_weighed samples; /* all of them */
    uint8_t *hidden;
    int64_t steps;
    rbmk_stream stream;
    rbmk_layer drawn;     /* the hidden layer; of one block where it is all switches */
    float *inputs;        /* of a layer in which not all units are switches: rows of the longer one */
    char *scratch;
    size_t scratch_size;
} climb_job;

static int longer(const climb_job *job)
{
    return job->w->n_visible > job->w->n_hidden ? job->w->n_visible : job->w->n_hidden;
}

static const rbmk_team alone = {0, 1, NULL, 0};

static void draw_visible(const climb_job *job, int64_t from, int64_t to, rbmk_stream stream, void *scratch)
{
    const rbmk_layer *layer = &job->exchange.layers->visible;
    rbmk_layer_pass down = rbmk_pass_packed(job->w, 0);
    stream.first_row += from;
    down.bias = job->a;
    down.states = (rbmk_states){job->hidden + from * job->w->n_hidden, 0, job->w->n_hidden, to - from};
    down.stream = &stream;
    down.layer = layer->n_blocks ? layer : NULL;
    down.out.input = layer->n_blocks ? job->inputs + from * longer(job) : NULL;
    down.out.sample = job->exchange.chains.states + from * job->w->n_visible;
    rbmk_pass_member(alone, &down, scratch);
}

static void weigh(const climb_job *job, int64_t from, int64_t to, void *scratch)
{
    const rbmk_exchange *e = &job->exchange;
    const rbmk_layer *layer = &e->layers->hidden;
    const int n_visible = job->w->n_visible, n_hidden = job->w->n_hidden;
    const int64_t parts = from * rbmk_softplus_parts(layer, n_hidden);
    const rbmk_other there = {e->rung->weights, 1.0f, e->rung->b, e->softplus[1] + parts, job->inputs + from * longer(job)};
    rbmk_layer_pass up = rbmk_pass_packed(job->w, 1);
    up.bias = job->b;
    up.states = (rbmk_states){e->chains.states + from * n_visible, 0, n_visible, to - from};
    up.layer = layer->n_blocks ? layer : NULL;
    up.out.input = e->chains.x + from * n_hidden;
    up.out.softplus = e->softplus[0] + parts;
    up.other = &there;
    rbmk_pass_member(alone, &up, scratch);
    rbmk_weigh_rows(e, e->chains.states, e->softplus[0], job->a, from, to, e->chains.here);
    rbmk_weigh_rows(e, e->chains.states, e->softplus[1], e->rung->a, from, to, e->chains.there);
}

static rbmk_weighed met(const climb_job *job, rbmk_stream stream)
{
    const int64_t first = rbmk_first_met(&job->exchange, stream);
    const rbmk_weighed *s = &job->samples;
    return (rbmk_weighed){s->states + first * job->w->n_visible, s->x + first * job->w->n_hidden, s->here + first,
                          s->there + first};
}

static void climb_member(rbmk_team team, void *arg)
{
    const climb_job *job = arg;
    const int n_hidden = job->w->n_hidden;
    void *scratch = job->scratch + (size_t)team.id * job->scratch_size;
    rbmk_stream stream = job->stream;
    int64_t from, to;
    rbmk_share(team, job->exchange.n, &from, &to);
    for (int64_t t = 0; t < job->steps; t++, stream.step++) {
        const rbmk_weighed samples = met(job, stream);
        draw_visible(job, from, to, stream, scratch);
        weigh(job, from, to, scratch);
        rbmk_barrier(team);
        rbmk_exchange_rows(&job->exchange, &samples, from, to, stream);
        stream.step++;
        for (int64_t i = from; i < to; i++)
            rbmk_draw_row(job->exchange.kernels, &job->drawn, &stream, i, job->exchange.chains.x + i * n_hidden,
                          job->hidden + i * n_hidden);
    }
}

rbmk_status rbmk_climb(const rbmk_weights *w, const float *a, const float *b, rbmk_rung *rung, rbmk_weighed samples,
                       rbmk_weighed chains, uint8_t *hidden, int64_t n, int64_t steps, rbmk_stream stream,
                       const rbmk_layers *layers)
{
    const rbmk_block switches = {.n_units = w->n_hidden};
    const rbmk_kernels *kernels = w->up.kernels;
    int threads = rbmk_threads_for(0.015 * (double)n * w->n_visible * w->n_hidden);
    climb_job job = {.w = w, .a = a, .b = b, .exchange = {kernels, rung, layers, n, chains, {0}, {NULL}, 0},
                     .samples = samples, .hidden = hidden, .steps = steps, .stream = stream,
                     .drawn = layers->hidden.n_blocks ? layers->hidden : (rbmk_layer){1, &switches}};
    double **softplus = job.exchange.softplus;
    rbmk_status status = RBMK_NO_MEMORY;
    threads = threads > n ? (int)n : threads;
    for (int i = 0; i < 2; i++)
        softplus[i] = rbmk_allocate((size_t)n * (size_t)rbmk_panels(w->n_hidden), sizeof(double));
    job.inputs = rbmk_allocate((size_t)n * (size_t)longer(&job), sizeof(float));
    job.scratch_size = (size_t)rbmk_round_up((int64_t)rbmk_pass_scratch(kernels, n, longer(&job)), 64);
    job.scratch = rbmk_allocate((size_t)threads, job.scratch_size);
    if (softplus[0] && softplus[1] && job.inputs && job.scratch) {
        rbmk_run(threads, kernels, climb_member, &job);
        status = RBMK_OK;
    }
    rbmk_free(softplus[0]);
    rbmk_free(softplus[1]);
    rbmk_free(job.inputs);
    rbmk_free(job.scratch);
    return status;
}
