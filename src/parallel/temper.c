/* Ladders of chains: each chain has replicas at several betas, and neighbours change places. Chains are independent, so
 * each member runs its own, a tile of them at a time with all their replicas: rows of all chains at betas[0], then at
 * betas[1], and so on. */
#include <math.h>
#include <string.h>

#include "pass.h"

enum { ROWS = 512 }; /* of a tile: those that a pass lays out together */

/* What a member needs, piece after piece: (rows, units) of a tile but where it says otherwise. */
enum {
    VISIBLE,
    HIDDEN,
    SENT,   /* what visible states send at beta = 1 */
    INPUTS, /* of the visible units, where not all are switches */
    INPUT,  /* (n_hidden,) */
    IDS,    /* (rows,): whose random numbers a row has */
    PLACES, /* (rows,): where its visible state is */
    PASS,
    PIECES
};

typedef struct {
    const rbmk_weights *w;
    const float *a, *b, *base, *betas;
    int n_betas, n_shown;
    uint8_t *visible, *hidden, *accepted;
    int64_t n, steps;
    rbmk_stream stream;
    uint32_t swaps;
    rbmk_layer visible_layer, hidden_layer; /* the latter has blocks, if only one of switches */
    float *models; /* at each beta: visible biases, hidden biases, scales; then zeros */
    int64_t tile;  /* chains */
    size_t size[PIECES], scratch_size;
    char *scratch;
} temper_job;

typedef struct {
    const temper_job *job;
    int64_t first, n; /* chains */
    rbmk_stream stream;
    uint8_t *visible, *hidden;
    float *sent, *inputs, *input;
    int64_t *ids, *places;
    void *pass;
} tile;

static int64_t rows_of(const tile *t) { return t->n * t->job->n_betas; }

/* --- The model at each beta --------------------------------------------------------------------------------- */

static float *visible_bias(const temper_job *job, int i) { return job->models + (ptrdiff_t)i * job->w->n_visible; }

static float *hidden_bias(const temper_job *job, int i)
{
    return visible_bias(job, job->n_betas) + (ptrdiff_t)i * job->w->n_hidden;
}

static float *scales(const temper_job *job) { return hidden_bias(job, job->n_betas); }

static float *zeros(const temper_job *job) { return scales(job) + job->n_betas; }

static int allocate_models(temper_job *job)
{
    const size_t units = (size_t)job->w->n_visible + (size_t)job->w->n_hidden;
    job->models = rbmk_allocate((size_t)job->n_betas * (units + 1) + (size_t)job->w->n_hidden, sizeof(float));
    return job->models != NULL;
}

/* Inside a region: the caller's thread may flush denormals. */
static void set_models(rbmk_team team, void *arg)
{
    temper_job *job = arg;
    (void)team;
    for (int i = 0; i < job->n_betas; i++) {
        const float beta = job->betas[i];
        for (int j = 0; j < job->w->n_visible; j++) {
            const float base = (1.0f - beta) * job->base[j], own = beta * job->a[j];
            visible_bias(job, i)[j] = base + own;
        }
        for (int j = 0; j < job->w->n_hidden; j++)
            hidden_bias(job, i)[j] = beta * job->b[j];
        scales(job)[i] = ldexpf(beta, -job->w->exponent);
    }
    memset(zeros(job), 0, (size_t)job->w->n_hidden * sizeof(float));
}

/* Total inputs of a row's hidden units at betas[i]. */
static const float *hidden_input(const tile *t, int64_t row, int i)
{
    const int n_hidden = t->job->w->n_hidden;
    const float beta = t->job->betas[i], *sent = t->sent + row * n_hidden, *bias = hidden_bias(t->job, i);
    for (int j = 0; j < n_hidden; j++) {
        const float own = beta * sent[j];
        t->input[j] = own + bias[j];
    }
    return t->input;
}

static double log_normalizer(const tile *t, int64_t row, int i)
{
    return rbmk_log_normalizer(t->job->w->up.kernels, &t->job->hidden_layer, hidden_input(t, row, i));
}

static double weighted(const tile *t, int64_t row, const float *weights)
{
    const temper_job *job = t->job;
    const rbmk_states states = {t->visible, 0, job->w->n_visible, rows_of(t)};
    return rbmk_weighted_layer(job->w->up.kernels, &states, row, &job->visible_layer, job->w->n_visible, weights);
}

/* What the log-weight of a row's visible state gains on the way from one beta to another, but for a number that depends
 * on these alone. */
static double gain(const tile *t, int64_t row, int from, int to)
{
    const temper_job *job = t->job;
    const double way = (double)job->betas[to] - (double)job->betas[from];
    const double hidden = log_normalizer(t, row, to) - log_normalizer(t, row, from);
    return hidden - way * (weighted(t, row, job->base) - weighted(t, row, job->a));
}

/* --- A step ------------------------------------------------------------------------------------------------- */

static void draw_visible(const tile *t)
{
    const temper_job *job = t->job;
    const rbmk_rungs rungs = {t->n, scales(job), visible_bias(job, 0)};
    rbmk_layer_pass down = rbmk_pass_packed(job->w, 0);
    down.rungs = &rungs;
    down.states = (rbmk_states){t->hidden, 0, job->w->n_hidden, rows_of(t)};
    down.stream = &t->stream;
    down.out.sample = t->visible;
    if (job->visible_layer.n_blocks) {
        down.layer = &job->visible_layer;
        down.out.input = t->inputs;
    }
    rbmk_pass_member((rbmk_team){0, 1, NULL, 0}, &down, t->pass);
}

static void send(const tile *t)
{
    rbmk_layer_pass up = rbmk_pass_packed(t->job->w, 1);
    up.bias = zeros(t->job);
    up.states = (rbmk_states){t->visible, 0, t->job->w->n_visible, rows_of(t)};
    up.out.input = t->sent;
    rbmk_pass_member((rbmk_team){0, 1, NULL, 0}, &up, t->pass);
}

/* Of betas[i] and the next one, where a pair may swap. */
static void swap(const tile *t, int i, uint8_t *accepted)
{
    rbmk_stream stream = t->stream;
    stream.purpose = t->job->swaps;
    for (int64_t chain = 0; chain < t->n; chain++) {
        const int64_t low = i * t->n + chain, high = low + t->n;
        const double both = gain(t, low, i, i + 1) + gain(t, high, i + 1, i);
        accepted[chain] = (uint8_t)rbmk_accepts(t->job->w->up.kernels, &stream, low, both);
        t->places[low] = accepted[chain] ? high : low;
        t->places[high] = accepted[chain] ? low : high;
    }
}

/* Even and odd pairs by turns. */
static void swap_all(const tile *t, uint8_t *accepted)
{
    const int last = t->job->n_betas - 1;
    for (int64_t row = 0; row < rows_of(t); row++)
        t->places[row] = row;
    for (int i = last == 1 ? 0 : (int)(t->stream.step / 2 % 2); i < last; i += 2)
        swap(t, i, accepted + i * t->job->n + t->first);
}

static void draw_hidden(const tile *t)
{
    const temper_job *job = t->job;
    for (int64_t row = 0; row < rows_of(t); row++)
        rbmk_draw_row(job->w->up.kernels, &job->hidden_layer, &t->stream, row,
                      hidden_input(t, t->places[row], (int)(row / t->n)), t->hidden + row * job->w->n_hidden);
}

static void temper_step(tile *t, uint8_t *accepted)
{
    draw_visible(t);
    send(t);
    swap_all(t, accepted);
    t->stream.step++;
    draw_hidden(t);
    t->stream.step++;
}

/* --- Tiles -------------------------------------------------------------------------------------------------- */

static void find_sizes(temper_job *job)
{
    const size_t rows = (size_t)(job->tile * job->n_betas);
    const size_t n_visible = (size_t)job->w->n_visible, n_hidden = (size_t)job->w->n_hidden;
    const int larger = job->w->n_visible > job->w->n_hidden ? job->w->n_visible : job->w->n_hidden;
    job->size[VISIBLE] = rows * n_visible;
    job->size[HIDDEN] = rows * n_hidden;
    job->size[SENT] = rows * n_hidden * sizeof(float);
    job->size[INPUTS] = job->visible_layer.n_blocks ? rows * n_visible * sizeof(float) : 0;
    job->size[INPUT] = n_hidden * sizeof(float);
    job->size[IDS] = job->size[PLACES] = rows * sizeof(int64_t);
    job->size[PASS] = rbmk_pass_scratch(job->w->up.kernels, (int64_t)rows, larger);
    for (int i = 0; i < PIECES; i++) {
        job->size[i] = (job->size[i] + 63) / 64 * 64;
        job->scratch_size += job->size[i];
    }
}

static tile begin(const temper_job *job, char *scratch, int64_t first, int64_t n)
{
    char *piece[PIECES];
    for (int i = 0; i < PIECES; i++) {
        piece[i] = scratch;
        scratch += job->size[i];
    }
    tile t = {.job = job, .first = first, .n = n, .stream = job->stream, .pass = piece[PASS]};
    t.visible = (uint8_t *)piece[VISIBLE];
    t.hidden = (uint8_t *)piece[HIDDEN];
    t.sent = (float *)piece[SENT];
    t.inputs = (float *)piece[INPUTS];
    t.input = (float *)piece[INPUT];
    t.ids = (int64_t *)piece[IDS];
    t.places = (int64_t *)piece[PLACES];
    for (int64_t row = 0; row < rows_of(&t); row++)
        t.ids[row] = (job->stream.first_row + first + row % n) * job->n_betas + row / n;
    t.stream.rows = t.ids;
    return t;
}

/* Where a row is among those of all chains. */
static int64_t row_of(const tile *t, int64_t row) { return row / t->n * t->job->n + t->first + row % t->n; }

static void copy_row(uint8_t *to, int64_t row, const uint8_t *from, int64_t from_row, int n_units)
{
    memcpy(to + row * n_units, from + from_row * n_units, (size_t)n_units);
}

static void run_tile(tile *t)
{
    const temper_job *job = t->job;
    const int unshown = job->n_betas - job->n_shown;
    for (int64_t row = 0; row < rows_of(t); row++)
        copy_row(t->hidden, row, job->hidden, row_of(t, row), job->w->n_hidden);
    for (int64_t s = 0; s < job->steps; s++)
        temper_step(t, job->accepted + s * (job->n_betas - 1) * job->n);
    for (int64_t row = 0; row < rows_of(t); row++)
        copy_row(job->hidden, row_of(t, row), t->hidden, row, job->w->n_hidden);
    for (int64_t row = unshown * t->n; row < rows_of(t); row++)
        copy_row(job->visible, row_of(t, row) - unshown * job->n, t->visible, t->places[row], job->w->n_visible);
}

static void temper_member(rbmk_team team, void *arg)
{
    const temper_job *job = arg;
    int64_t from, to;
    rbmk_share(team, job->n, &from, &to);
    for (int64_t first = from; first < to; first += job->tile) {
        tile t = begin(job, job->scratch + (size_t)team.id * job->scratch_size, first,
                       to - first < job->tile ? to - first : job->tile);
        run_tile(&t);
    }
}

rbmk_status rbmk_temper(const rbmk_weights *w, const float *a, const float *b, const float *base, const float *betas,
                        int n_betas, uint8_t *visible, int n_shown, uint8_t *hidden, uint8_t *accepted, int64_t n,
                        int64_t steps, rbmk_stream stream, uint32_t swaps, const rbmk_layers *layers)
{
    const rbmk_block switches = {.n_units = w->n_hidden};
    temper_job job = {.w = w, .a = a, .b = b, .base = base, .betas = betas, .n_betas = n_betas, .n_shown = n_shown,
                      .visible = visible, .hidden = hidden, .accepted = accepted, .n = n, .steps = steps, .stream = stream, .swaps = swaps,
                      .hidden_layer = {1, &switches}, .tile = n_betas < ROWS ? ROWS / n_betas : 1};
    const double work = 0.015 * (double)n * n_betas * (double)steps * w->n_visible * w->n_hidden;
    rbmk_status status = RBMK_NO_MEMORY;
    int threads = rbmk_threads_for(work);
    threads = threads > n ? (int)n : threads;
    if (layers) {
        job.visible_layer = layers->visible;
        job.hidden_layer = layers->hidden.n_blocks ? layers->hidden : job.hidden_layer;
    }
    job.tile = job.tile < n ? job.tile : n;
    find_sizes(&job);
    job.scratch = rbmk_allocate((size_t)threads, job.scratch_size);
    if (allocate_models(&job) && job.scratch) {
        rbmk_run(1, w->up.kernels, set_models, &job);
        rbmk_run_apart(threads, w->up.kernels, temper_member, &job);
        status = RBMK_OK;
    }
    rbmk_free(job.models);
    rbmk_free(job.scratch);
    return status;
}
