/* Minibatches of a positive phase (from data), a negative phase (alternating passes) and an update, in one region. */
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "exchange.h"
#include "gradient.h"

typedef struct {
    rbmk_learning *model;
    const rbmk_epoch_plan *plan;
    const rbmk_kernels *kernels;
    rbmk_source weights;
    float *W, *velocity;   /* those of the model by panels, or NULL */
    rbmk_matrix up, down;  /* weights that the first pass of an update packed, for the others; data NULL: not kept */
    rbmk_updater updater;
    rbmk_gradients gradients;
    rbmk_exchange exchange;
    void *batch;           /* (batch_size, n_visible) gathered rows */
    void *visible;         /* states of the negative phase */
    uint8_t *hidden;
    uint8_t *chains_before; /* an update of real-valued states that may not fit, or NULL */
    atomic_llong outside;  /* the pass in which one did not: all stop after it; 0: none */
    float *inputs;         /* of a layer in which not all units are switches */
    uint8_t *missing;      /* (batch_size, n_visible): which entries are; or NULL */
    uint8_t *resting;      /* (batch_size, n_hidden): of the rows' chains; or NULL */
    char *scratch;
    size_t scratch_size;
    atomic_llong stop_at;  /* the pass after which all stop, counted from 1; 0: none */
    double asked;          /* when the caller was last asked whether to stop */
    int64_t done;
    rbmk_status status;
} run;

/* --- Weights: by panels, unless the epoch is too short to repay two copies ------------------------------------ */

enum { WORTH_PANELS = 4 }; /* updates */

static int64_t updates(const rbmk_epoch_plan *plan) { return (plan->n + plan->batch_size - 1) / plan->batch_size; }

static int allocate_weights(run *r)
{
    const rbmk_learning *m = r->model;
    const size_t size = rbmk_panels_size(m->n_visible, m->n_hidden);
    r->weights.W = rbmk_by_rows(m->W, m->n_visible, m->n_hidden);
    r->updater.velocity = rbmk_by_rows(m->W_velocity, m->n_visible, m->n_hidden);
    if (updates(r->plan) >= WORTH_PANELS) {
        r->W = rbmk_allocate(size, sizeof *r->W);
        r->velocity = rbmk_allocate(size, sizeof *r->velocity);
        r->weights.W = rbmk_by_panels(r->W, m->n_visible, m->n_hidden);
        r->updater.velocity = rbmk_by_panels(r->velocity, m->n_visible, m->n_hidden);
    }
    r->updater.W = r->weights.W;
    return r->weights.W.data && r->updater.velocity.data;
}

enum { MOST_KEPT = 8 << 20 }; /* bytes: what is kept must stay in a cache to be worth its memory */

/* Chains that take several steps, or weigh what they exchange, go through the same weights several times. */
static int allocate_kept(const run *r, rbmk_matrix *m, int rows, int cols)
{
    const size_t bytes = r->kernels->packed_bytes(rows, cols);
    if ((r->plan->k == 1 && !r->plan->rung) || bytes > MOST_KEPT)
        return 1;
    *m = (rbmk_matrix){r->kernels, rows, cols, rbmk_allocate(bytes, 1)};
    return m->data != NULL;
}

/* Each member copies what it will update. */
static void copy_weights(rbmk_team team, run *r, int back)
{
    const rbmk_learning *m = r->model;
    const rbmk_array W = rbmk_by_rows(m->W, m->n_visible, m->n_hidden);
    const rbmk_array velocity = rbmk_by_rows(m->W_velocity, m->n_visible, m->n_hidden);
    if (r->W) {
        rbmk_copy_array(team, back ? &r->updater.W : &W, back ? &W : &r->updater.W);
        rbmk_copy_array(team, back ? &r->updater.velocity : &velocity, back ? &velocity : &r->updater.velocity);
    }
}

/* --- Memory ------------------------------------------------------------------------------------------- */

static int64_t most_rows(const run *r)
{
    return r->plan->batch_size < r->plan->n ? r->plan->batch_size : r->plan->n;
}

static int64_t most_chains(const run *r) { return r->plan->chains ? r->plan->n_chains : most_rows(r); }

static int64_t most_states(const run *r) { return most_rows(r) > most_chains(r) ? most_rows(r) : most_chains(r); }

static size_t inputs_count(const run *r)
{
    const int64_t visible = r->plan->layers.visible.n_blocks ? most_states(r) * r->model->n_visible : 1;
    const int64_t hidden = r->plan->layers.hidden.n_blocks ? most_states(r) * r->model->n_hidden : 1;
    return (size_t)(visible > hidden ? visible : hidden);
}

/* What is missing is drawn. */
static int completes(const run *r) { return r->plan->missing && r->plan->missing->chains; }

static int is_real(const run *r) { return r->plan->data.grey == RBMK_REAL; }

static size_t chains_bytes(const run *r) { return (size_t)r->plan->n_chains * (size_t)r->model->n_hidden; }

static int allocate_missing(run *r)
{
    if (r->plan->missing)
        r->missing = rbmk_allocate((size_t)most_rows(r) * (size_t)r->model->n_visible, 1);
    if (completes(r))
        r->resting = rbmk_allocate((size_t)most_rows(r) * (size_t)r->model->n_hidden, 1);
    return (!r->plan->missing || r->missing) && (!completes(r) || r->resting);
}

static size_t scratch_size(const run *r)
{
    int longest = r->model->n_visible > r->model->n_hidden ? r->model->n_visible : r->model->n_hidden;
    size_t pass = rbmk_pass_scratch(r->kernels, r->gradients.model_row + most_chains(r), longest);
    size_t update = UPDATE_TILE * sizeof(float) + rbmk_weight_gradient_scratch(&r->gradients);
    return (size_t)rbmk_round_up((int64_t)(pass > update ? pass : update), 64);
}

static int allocate(run *r, int team_size)
{
    const size_t n_visible = (size_t)r->model->n_visible, n_hidden = (size_t)r->model->n_hidden;
    int ok = allocate_weights(r);
    ok = rbmk_gradients_allocate(&r->gradients, most_rows(r), most_chains(r), team_size) && ok;
    ok = allocate_kept(r, &r->up, r->model->n_visible, r->model->n_hidden) && ok;
    ok = allocate_kept(r, &r->down, r->model->n_hidden, r->model->n_visible) && ok;
    r->batch = rbmk_allocate((size_t)most_rows(r) * n_visible, r->plan->data.grey ? 2 : 1);
    r->visible = rbmk_allocate((size_t)most_states(r) * n_visible, is_real(r) ? 2 : 1);
    if (is_real(r) && r->plan->chains)
        ok = (r->chains_before = rbmk_allocate(chains_bytes(r), 1)) && ok;
    r->hidden = rbmk_allocate((size_t)most_chains(r) * n_hidden, 1);
    r->inputs = rbmk_allocate(inputs_count(r), sizeof *r->inputs);
    r->scratch_size = scratch_size(r);
    r->scratch = rbmk_allocate((size_t)team_size, r->scratch_size);
    ok = rbmk_updater_allocate(&r->updater, team_size) && ok;
    ok = allocate_missing(r) && ok;
    ok = rbmk_exchange_allocate(&r->exchange, most_chains(r), r->model->n_hidden) && ok;
    return ok && r->batch && r->visible && r->hidden && r->inputs && r->scratch;
}

static void release(run *r)
{
    rbmk_free(r->W);
    rbmk_free(r->velocity);
    rbmk_free(r->up.data);
    rbmk_free(r->down.data);
    rbmk_free(r->batch);
    rbmk_free(r->visible);
    rbmk_free(r->hidden);
    rbmk_free(r->chains_before);
    rbmk_free(r->inputs);
    rbmk_free(r->missing);
    rbmk_free(r->resting);
    rbmk_free(r->scratch);
    rbmk_exchange_free(&r->exchange);
    rbmk_updater_free(&r->updater);
    rbmk_gradients_free(&r->gradients);
}

/* --- Batches ------------------------------------------------------------------------------------------- */

/* Whether rows of a batch of n from `first` have entries to be drawn. */
static int draws(const run *r, int64_t first, int64_t n)
{
    int64_t i = 0;
    while (r->resting && i < n && r->plan->missing->chains[first + i] < 0)
        i++;
    return r->resting && i < n;
}

/* Hidden states of chains of rows, to where they rest between updates, or from there. */
static void move_resting(run *r, int64_t first, int64_t from, int64_t to, int back)
{
    const size_t n_hidden = (size_t)r->model->n_hidden;
    for (int64_t i = from; i < to; i++) {
        const int64_t chain = r->plan->missing->chains[first + i];
        uint8_t *here = r->resting + (size_t)i * n_hidden;
        if (chain >= 0) {
            uint8_t *there = r->plan->missing->hidden + (size_t)chain * n_hidden;
            memcpy(back ? there : here, back ? here : there, n_hidden);
        } else {
            memset(here, 0, n_hidden);
        }
    }
}

/* A row of the data, to its place in the batch of pass `number`. */
static void copy_row(run *r, int64_t row, int64_t i, int64_t number)
{
    const rbmk_states *data = &r->plan->data;
    const int n_visible = r->model->n_visible;
    const size_t size = data->grey ? 2 : 1;
    char *to = (char *)r->batch + (size_t)i * size * (size_t)n_visible;
    if (!is_real(r))
        memcpy(to, (const char *)data->data + (size_t)(row * data->stride) * size, size * (size_t)n_visible);
    else if (!r->kernels->real_levels((const float *)data->data + row * data->stride, n_visible, (uint16_t *)to))
        atomic_store(&r->outside, number);
}

/* Copies the member's rows of a batch of n from `first`; their states are complete unless entries have to be drawn. */
static void gather(rbmk_team team, run *r, int64_t first, int64_t n, int64_t number)
{
    const int n_visible = r->model->n_visible;
    int64_t from, to;
    rbmk_share(team, n, &from, &to);
    for (int64_t i = from; i < to; i++) {
        const int64_t row = r->plan->order[first + i];
        copy_row(r, row, i, number);
        if (r->missing)
            memcpy(r->missing + i * n_visible, r->plan->missing->entries + row * n_visible, (size_t)n_visible);
    }
    if (r->resting)
        move_resting(r, first, from, to, 0);
    if (!draws(r, first, n))
        rbmk_take_states(team, &r->gradients, RBMK_DATA, &(rbmk_states){r->batch, r->plan->data.grey, n_visible, n});
}

/* --- Interruption: asked by the calling thread, about 20 times a second, after any pass ------------------- */

static double seconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* End of a pass, the member's number `*pass`: a barrier, and whether all stop here. A request is for this very pass,
 * so that a member who is late to look does not take one for the next pass to be for this one. */
static int end_of_pass(rbmk_team team, run *r, int64_t *pass)
{
    long long stop_at, outside;
    ++*pass;
    if (team.id == 0 && r->plan->interrupted) {
        double now = seconds();
        if (now - r->asked >= 0.05 || now < r->asked) {
            r->asked = now;
            if (r->plan->interrupted(r->plan->context))
                atomic_store(&r->stop_at, *pass);
        }
    }
    rbmk_barrier(team);
    stop_at = atomic_load(&r->stop_at);
    outside = atomic_load(&r->outside);
    return (stop_at && stop_at <= *pass) || (outside && outside <= *pass);
}

/* --- Passes ----------------------------------------------------------------------------------------------- */

static void *scratch_of(const run *r, rbmk_team team) { return r->scratch + (size_t)team.id * r->scratch_size; }

/* A pass through the weights: the first one of an update packs and keeps them for the later ones, if each member
 * packed whole columns then. */
typedef enum { FIRST, LATER, APART } turn;

static rbmk_layer_pass pass_through(rbmk_team team, run *r, int up, turn turn)
{
    const rbmk_matrix *kept = up ? &r->up : &r->down;
    const int64_t n = r->gradients.phases[up ? RBMK_DATA : RBMK_MODEL].n; /* of the first pass */
    const int can_keep = kept->data && rbmk_pass_by_columns(team, n, kept->cols);
    const rbmk_layer *layer = up ? &r->plan->layers.hidden : &r->plan->layers.visible;
    rbmk_layer_pass pass = rbmk_pass_source(r->kernels, &r->weights, up);
    if (layer->n_blocks) {
        pass.layer = layer;
        pass.out.input = r->inputs;
    }
    pass.keep = can_keep && turn == FIRST ? kept : NULL;
    pass.packed = can_keep && turn == LATER ? kept : NULL;
    return pass;
}

static rbmk_states batch_of(const run *r)
{
    return (rbmk_states){r->batch, r->plan->data.grey, r->model->n_visible, r->gradients.phases[RBMK_DATA].n};
}

/* hidden | visible: samples into `sample` and probabilities into `statistics`, either NULL; and others for rows' chains to
 * rest at, unless `rest` is NULL. */
static void up(rbmk_team team, run *r, turn turn, rbmk_states visible, uint8_t *sample, rbmk_phase *statistics,
               const rbmk_stream *stream, const rbmk_stream *rest)
{
    rbmk_layer_pass pass = pass_through(team, r, 1, turn);
    pass.bias = r->model->b;
    pass.states = visible;
    pass.stream = stream;
    pass.out.sample = sample;
    pass.second = rest ? r->resting : NULL;
    pass.second_stream = rest;
    pass.statistic = statistics ? &statistics->hidden : NULL;
    rbmk_pass_member(team, &pass, scratch_of(r, team));
}

/* Visible states of the negative phase. */
static rbmk_states drawn(const run *r)
{
    return (rbmk_states){r->visible, is_real(r) ? RBMK_REAL : 0, r->model->n_visible, r->gradients.phases[RBMK_MODEL].n};
}

/* visible | hidden: samples into r->visible; the last ones transposed for the statistics, too. */
static void down(rbmk_team team, run *r, int64_t number, turn turn, int last, const uint8_t *hidden, int64_t n,
                 const rbmk_stream *stream)
{
    rbmk_layer_pass pass = pass_through(team, r, 0, turn);
    pass.bias = r->model->a;
    pass.states = (rbmk_states){hidden, 0, r->model->n_hidden, n};
    pass.stream = stream;
    if (is_real(r)) {
        pass.normal = r->visible;
        pass.outside = &r->outside;
        pass.number = number;
    } else {
        pass.out.sample = r->visible;
        pass.absent = r->resting ? NULL : r->missing;
        pass.sample_transposed = last ? r->gradients.transposed + r->gradients.model_row : NULL;
        pass.transposed_stride = r->gradients.stride;
    }
    rbmk_pass_member(team, &pass, scratch_of(r, team));
}

/* Before the last pass: the visible states of both phases, for the statistics. */
static void lay_out(rbmk_team team, run *r)
{
    const rbmk_states states = drawn(r);
    if (is_real(r))
        rbmk_take_states(team, &r->gradients, RBMK_MODEL, &states);
    else
        rbmk_lay_out(team, &r->gradients);
}

/* --- Phases ------------------------------------------------------------------------------------------------ */

/* They return 1 when the run is interrupted. */
static int positive_phase(rbmk_team team, run *r, const rbmk_stream *stream, const rbmk_stream *rest, int64_t *pass)
{
    up(team, r, FIRST, batch_of(r), r->plan->chains ? NULL : r->hidden, &r->gradients.phases[RBMK_DATA], stream, rest);
    return end_of_pass(team, r, pass);
}

/* --- Before it: missing entries, drawn given where the chains of their rows rest -------------------------- */

/* Of the member's rows, from the same rows of r->visible. */
static void fill_in(rbmk_team team, run *r, int64_t n)
{
    const uint8_t *missing = r->missing, *drawn = r->visible;
    uint8_t *states = r->batch;
    uint16_t *levels = r->batch;
    int64_t from, to;
    rbmk_share(team, n, &from, &to);
    from *= r->model->n_visible;
    to *= r->model->n_visible;
    if (r->plan->data.grey)
        for (int64_t at = from; at < to; at++)
            levels[at] = missing[at] ? (uint16_t)(RBMK_GREY * drawn[at]) : levels[at];
    else
        for (int64_t at = from; at < to; at++)
            states[at] = missing[at] ? drawn[at] : states[at];
}

/* Missing units as their biases make them, and hidden units given these and the known ones. */
static int begin_chains(rbmk_team team, run *r, int64_t n, rbmk_stream stream, int64_t *pass)
{
    const int n_visible = r->model->n_visible;
    const rbmk_block switches = {0, n_visible, 0, NULL};
    const rbmk_layer *layer = &r->plan->layers.visible, plain = {1, &switches};
    int64_t from, to;
    rbmk_share(team, n, &from, &to);
    stream.layer++;
    for (int64_t i = from; i < to; i++)
        rbmk_draw_row(r->kernels, layer->n_blocks ? layer : &plain, &stream, i, r->model->a,
                      (uint8_t *)r->visible + i * n_visible);
    fill_in(team, r, n);
    rbmk_barrier(team);
    stream.step++;
    up(team, r, APART, batch_of(r), r->resting, NULL, &stream, NULL);
    return end_of_pass(team, r, pass);
}

static int complete(rbmk_team team, run *r, int64_t n, const rbmk_stream *stream, int64_t *pass)
{
    const rbmk_states batch = batch_of(r);
    if (r->plan->missing->begin && begin_chains(team, r, n, *stream, pass))
        return 1;
    down(team, r, *pass + 1, APART, 0, r->resting, n, stream);
    if (end_of_pass(team, r, pass))
        return 1;
    fill_in(team, r, n);
    rbmk_take_states(team, &r->gradients, RBMK_DATA, &batch);
    rbmk_barrier(team);
    return 0;
}

/* --- Negative phase: k times visible | hidden, hidden | visible ------------------------------------------ */

/* Chains that start at the data's hidden sample; the last hidden phase uses probabilities only. */
static int from_data(rbmk_team team, run *r, rbmk_stream stream, int64_t *pass)
{
    rbmk_phase *p = &r->gradients.phases[RBMK_MODEL];
    for (int i = 0; i < r->plan->k; i++) {
        const int last = i == r->plan->k - 1;
        stream.step++;
        down(team, r, *pass + 1, i == 0 ? FIRST : LATER, last, r->hidden, p->n, &stream);
        if (end_of_pass(team, r, pass))
            return 1;
        stream.step++;
        if (last)
            lay_out(team, r);
        up(team, r, LATER, drawn(r), last ? NULL : r->hidden, last ? p : NULL, &stream, NULL);
        if (end_of_pass(team, r, pass))
            return 1;
    }
    return 0;
}

/* The chains' visible states, just drawn, change places with samples of an earlier version. */
static int exchange(rbmk_team team, run *r, int last, const rbmk_stream *stream, int64_t *pass)
{
    rbmk_exchange *e = &r->exchange;
    const rbmk_states states = drawn(r);
    if (team.id == 0)
        rbmk_exchange_begin(e, r->kernels, &states, *stream);
    rbmk_barrier(team);
    for (rbmk_weighing which = RBMK_CHAINS_HERE; which <= RBMK_CHAINS_AT_RUNG; which++) {
        rbmk_layer_pass pass_up = pass_through(team, r, 1, LATER);
        pass_up.bias = r->model->b;
        rbmk_exchange_weigh(e, which, &pass_up);
        rbmk_pass_member(team, &pass_up, scratch_of(r, team));
        if (end_of_pass(team, r, pass)) /* layers of groups share their inputs */
            return 1;
    }
    rbmk_exchange_rows(team, e, r->kernels, r->model->a, *stream);
    if (last)
        rbmk_take_states(team, &r->gradients, RBMK_MODEL, &states);
    if (end_of_pass(team, r, pass))
        return 1;
    if (team.id == 0)
        rbmk_exchange_end(e);
    return 0;
}

/* Whether too few exchanges are accepted: the model has moved on too far. */
static int is_left_behind(const run *r) { return r->plan->rung && r->plan->rung->acceptance < r->plan->rung->least; }

/* Chains that go on from the last update. */
static int persistent(rbmk_team team, run *r, rbmk_stream stream, int64_t *pass)
{
    rbmk_phase *p = &r->gradients.phases[RBMK_MODEL];
    stream.rows = NULL;
    stream.first_row = 0;
    for (int i = 0; i < r->plan->k; i++) {
        const int last = i == r->plan->k - 1;
        down(team, r, *pass + 1, i == 0 ? FIRST : LATER, last && !r->plan->rung, r->plan->chains, p->n, &stream);
        if (end_of_pass(team, r, pass) || (r->plan->rung && exchange(team, r, last, &stream, pass)))
            return 1;
        stream.step++;
        if (last)
            lay_out(team, r);
        up(team, r, LATER, drawn(r), r->plan->chains, last ? p : NULL, &stream, NULL);
        stream.step++;
        if (end_of_pass(team, r, pass))
            return 1;
    }
    return 0;
}

static void weight_gradient(const rbmk_updater *u, int row, int n_rows, int col, int n_cols, float *g,
                            void *scratch)
{
    rbmk_weight_gradient(u->source, row, n_rows, col, n_cols, g, RBMK_PANEL, scratch);
}

/* --- The epoch ---------------------------------------------------------------------------------------- */

/* Sets the stage for update t, while nobody passes or updates; ends with a barrier. */
static void begin_update(rbmk_team team, run *r, int64_t t, int64_t number)
{
    const rbmk_epoch_plan *plan = r->plan;
    const int64_t first = t * plan->batch_size;
    const int64_t n = plan->n - first < plan->batch_size ? plan->n - first : plan->batch_size;
    if (team.id == 0) {
        rbmk_arrange(&r->gradients, n, plan->chains ? plan->n_chains : n,
                     plan->weights ? plan->weights + first : NULL, !plan->chains);
        r->weights.exponent = r->model->exponent;
        r->updater.rate = plan->rates[t];
        r->updater.momentum = plan->momenta[t];
        r->updater.forgets = t + 1 < updates(plan) && plan->momenta[t] == 0.0f && plan->momenta[t + 1] == 0.0f;
        if (r->chains_before)
            memcpy(r->chains_before, plan->chains, chains_bytes(r));
    }
    gather(team, r, first, n, number);
    rbmk_barrier(team);
}

static rbmk_status one_update(rbmk_team team, run *r, int64_t t, int64_t *pass)
{
    const rbmk_epoch_plan *plan = r->plan;
    const int64_t first = t * plan->batch_size, n = r->gradients.phases[RBMK_DATA].n;
    const int incomplete = draws(r, first, n);
    int64_t from, to;
    const uint64_t steps = 2 * (uint64_t)plan->k * (uint64_t)t;
    rbmk_stream stream = plan->stream, of_chains = {0};
    stream.step += steps;
    stream.rows = plan->row_ids + first;
    if (incomplete) {
        of_chains = plan->missing->stream;
        of_chains.step += steps;
        of_chains.rows += first;
        if (complete(team, r, n, &of_chains, pass))
            return RBMK_INTERRUPTED;
        of_chains.step++;
    }
    if (positive_phase(team, r, &stream, incomplete ? &of_chains : NULL, pass))
        return RBMK_INTERRUPTED;
    if (incomplete) {
        rbmk_share(team, n, &from, &to);
        move_resting(r, first, from, to, 1);
    }
    if (plan->chains ? persistent(team, r, stream, pass) : from_data(team, r, stream, pass))
        return RBMK_INTERRUPTED;
    rbmk_bias_gradients(team, &r->gradients);
    return rbmk_update_member(team, &r->updater, scratch_of(r, team));
}

static void epoch_member(rbmk_team team, void *arg)
{
    run *r = arg;
    int64_t pass = 0;
    rbmk_status status = RBMK_OK; /* the same for all members */
    copy_weights(team, r, 0);
    for (int64_t t = 0; t < updates(r->plan) && status == RBMK_OK && !is_left_behind(r); t++) {
        begin_update(team, r, t, pass + 1);
        status = one_update(team, r, t, &pass);
        if (team.id == 0 && status == RBMK_OK)
            r->done = t + 1;
    }
    copy_weights(team, r, 1);
    if (team.id)
        return;
    r->status = atomic_load(&r->outside) ? RBMK_OK : status;
    if (atomic_load(&r->outside) && r->chains_before)
        memcpy(r->plan->chains, r->chains_before, chains_bytes(r));
}

rbmk_status rbmk_epoch(rbmk_learning *model, const rbmk_settings *settings, const rbmk_epoch_plan *plan,
                       int64_t *done)
{
    const rbmk_kernels *kernels = rbmk_current_kernels();
    run r = {.model = model, .plan = plan, .kernels = kernels, .status = RBMK_NO_MEMORY};
    rbmk_gradients *g = &r.gradients;
    int threads = rbmk_threads_for(0.05 * (double)most_chains(&r) * model->n_visible * model->n_hidden);
    int exponent = 0;
    rbmk_status status = rbmk_exponent(model->W, model->n_visible, model->n_hidden, model->exponent, &exponent);
    *done = 0;
    if (status != RBMK_OK)
        return status;
    *g = (rbmk_gradients){.kernels = kernels, .n_visible = model->n_visible, .n_hidden = model->n_hidden};
    g->weighted = plan->weights != NULL;
    g->phases[RBMK_DATA].grey = plan->data.grey;
    g->phases[RBMK_MODEL].grey = is_real(&r) ? RBMK_REAL : 0;
    g->phases[RBMK_DATA].real = g->phases[RBMK_MODEL].real = is_real(&r);
    r.exchange = (rbmk_exchange){.rung = plan->rung, .layers = &plan->layers};
    r.updater = (rbmk_updater){
        .model = model, .settings = settings, .kernels = kernels, .gradient = weight_gradient, .source = g};
    if (allocate(&r, threads)) {
        model->exponent = exponent;
        r.updater.visible_gradient = g->visible_gradient;
        r.updater.hidden_gradient = g->hidden_gradient;
        r.updater.visible_mean = g->visible_mean;
        r.updater.hidden_mean = g->hidden_mean;
        rbmk_run(threads, kernels, epoch_member, &r);
    }
    *done = r.done;
    release(&r);
    return r.status;
}
