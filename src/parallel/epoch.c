/* Minibatches of a positive phase (from data), a negative phase (alternating passes) and an update, in one region. */
#include <string.h>

#include "epoch.h"

/* --- Weights: by panels, unless the epoch is too short to repay two copies ------------------------------------ */

enum { WORTH_PANELS = 4 }; /* updates */

static int64_t updates(const rbmk_epoch_plan *plan) { return (plan->n + plan->batch_size - 1) / plan->batch_size; }

static int allocate_weights(rbmk_epoch_run *r)
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
static int allocate_kept(const rbmk_epoch_run *r, rbmk_matrix *m, int rows, int cols)
{
    const size_t bytes = r->kernels->packed_bytes(rows, cols);
    if ((r->plan->k == 1 && !r->plan->rung) || bytes > MOST_KEPT)
        return 1;
    *m = (rbmk_matrix){r->kernels, rows, cols, rbmk_allocate(bytes, 1)};
    return m->data != NULL;
}

/* Each member copies what it will update. */
static void copy_weights(rbmk_team team, rbmk_epoch_run *r, int back)
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

static int64_t most_rows(const rbmk_epoch_run *r)
{
    return r->plan->batch_size < r->plan->n ? r->plan->batch_size : r->plan->n;
}

static int64_t most_chains(const rbmk_epoch_run *r) { return r->plan->chains ? r->plan->n_chains : most_rows(r); }

static int64_t most_states(const rbmk_epoch_run *r) { return most_rows(r) > most_chains(r) ? most_rows(r) : most_chains(r); }

static size_t inputs_count(const rbmk_epoch_run *r)
{
    const int64_t visible = r->plan->layers.visible.n_blocks ? most_states(r) * r->model->n_visible : 1;
    const int64_t hidden = r->plan->layers.hidden.n_blocks ? most_states(r) * r->model->n_hidden : 1;
    return (size_t)(visible > hidden ? visible : hidden);
}

/* What is missing is drawn. */
static int completes(const rbmk_epoch_run *r) { return r->plan->missing && r->plan->missing->chains; }

static size_t chains_bytes(const rbmk_epoch_run *r) { return (size_t)r->plan->n_chains * (size_t)r->model->n_hidden; }

static int allocate_missing(rbmk_epoch_run *r)
{
    if (r->plan->missing)
        r->missing = rbmk_allocate((size_t)most_rows(r) * (size_t)r->model->n_visible, 1);
    if (completes(r))
        r->resting = rbmk_allocate((size_t)most_rows(r) * (size_t)r->model->n_hidden, 1);
    return (!r->plan->missing || r->missing) && (!completes(r) || r->resting);
}

static size_t scratch_size(const rbmk_epoch_run *r)
{
    int longest = r->model->n_visible > r->model->n_hidden ? r->model->n_visible : r->model->n_hidden;
    size_t pass = rbmk_pass_scratch(r->kernels, r->gradients.model_row + most_chains(r), longest);
    size_t update = UPDATE_TILE * sizeof(float) + rbmk_weight_gradient_scratch(&r->gradients);
    return (size_t)rbmk_round_up((int64_t)(pass > update ? pass : update), 64);
}

static int allocate(rbmk_epoch_run *r, int team_size)
{
    const size_t n_visible = (size_t)r->model->n_visible, n_hidden = (size_t)r->model->n_hidden;
    int ok = allocate_weights(r);
    ok = rbmk_gradients_allocate(&r->gradients, most_rows(r), most_chains(r), team_size) && ok;
    ok = allocate_kept(r, &r->up, r->model->n_visible, r->model->n_hidden) && ok;
    ok = allocate_kept(r, &r->down, r->model->n_hidden, r->model->n_visible) && ok;
    r->batch = rbmk_allocate((size_t)most_rows(r) * n_visible, r->plan->data.grey ? 2 : 1);
    r->visible = rbmk_allocate((size_t)most_states(r) * n_visible, rbmk_is_real(r) ? 2 : 1);
    if (rbmk_is_real(r) && r->plan->chains)
        ok = (r->chains_before = rbmk_allocate(chains_bytes(r), 1)) && ok;
    r->hidden = rbmk_allocate((size_t)most_chains(r) * n_hidden, 1);
    r->inputs = rbmk_allocate(inputs_count(r), sizeof *r->inputs);
    r->scratch_size = scratch_size(r);
    r->scratch = rbmk_allocate((size_t)team_size, r->scratch_size);
    ok = rbmk_updater_allocate(&r->updater, team_size) && ok;
    ok = (!r->plan->fast || rbmk_followed_allocate(&r->followed, r->model, team_size)) && ok;
    ok = allocate_missing(r) && ok;
    ok = rbmk_exchange_allocate(&r->exchange, most_chains(r), r->model->n_hidden) && ok;
    return ok && r->batch && r->visible && r->hidden && r->inputs && r->scratch;
}

static void release(rbmk_epoch_run *r)
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
    rbmk_followed_free(&r->followed);
    rbmk_gradients_free(&r->gradients);
}

/* --- Batches ------------------------------------------------------------------------------------------- */

/* Whether rows of a batch of n from `first` have entries to be drawn. */
static int draws(const rbmk_epoch_run *r, int64_t first, int64_t n)
{
    int64_t i = 0;
    while (r->resting && i < n && r->plan->missing->chains[first + i] < 0)
        i++;
    return r->resting && i < n;
}

/* Hidden states of chains of rows, to where they rest between updates, or from there. */
static void move_resting(rbmk_epoch_run *r, int64_t first, int64_t from, int64_t to, int back)
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
static void copy_row(rbmk_epoch_run *r, int64_t row, int64_t i, int64_t number)
{
    const rbmk_states *data = &r->plan->data;
    const int n_visible = r->model->n_visible;
    const size_t size = data->grey ? 2 : 1;
    char *to = (char *)r->batch + (size_t)i * size * (size_t)n_visible;
    if (!rbmk_is_real(r))
        memcpy(to, (const char *)data->data + (size_t)(row * data->stride) * size, size * (size_t)n_visible);
    else if (!r->kernels->real_levels((const float *)data->data + row * data->stride, n_visible, (uint16_t *)to))
        atomic_store(&r->outside, number);
}

/* Copies the member's rows of a batch of n from `first`; their states are complete unless entries have to be drawn. */
static void gather(rbmk_team team, rbmk_epoch_run *r, int64_t first, int64_t n, int64_t number)
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

/* --- The epoch ---------------------------------------------------------------------------------------- */

static void weight_gradient(const rbmk_updater *u, int row, int n_rows, int col, int n_cols, float *g,
                            void *scratch)
{
    rbmk_weight_gradient(u->source, row, n_rows, col, n_cols, g, RBMK_PANEL, scratch);
}

/* Whether too few exchanges are accepted: the model has moved on too far. */
static int is_left_behind(const rbmk_epoch_run *r)
{
    return r->plan->rung && r->plan->rung->acceptance < r->plan->rung->least;
}

/* Sets the stage for update t, while nobody passes or updates; ends with a barrier. */
static void begin_update(rbmk_team team, rbmk_epoch_run *r, int64_t t, int64_t number)
{
    const rbmk_epoch_plan *plan = r->plan;
    const int64_t first = t * plan->batch_size;
    const int64_t n = plan->n - first < plan->batch_size ? plan->n - first : plan->batch_size;
    if (team.id == 0) {
        r->regroup = rbmk_regroup(team, r->threads);
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

static rbmk_status one_update(rbmk_team team, rbmk_epoch_run *r, int64_t t, int64_t *pass)
{
    const rbmk_epoch_plan *plan = r->plan;
    const int64_t first = t * plan->batch_size, n = r->gradients.phases[RBMK_DATA].n;
    const int incomplete = draws(r, first, n);
    int64_t from, to;
    rbmk_status status;
    const uint64_t steps = 2 * (uint64_t)plan->k * (uint64_t)t;
    rbmk_stream stream = plan->stream, of_chains = {0};
    stream.step += steps;
    stream.rows = plan->row_ids + first;
    if (plan->fast && (status = rbmk_followed_fit(team, &r->followed, r->weights.exponent)) != RBMK_OK)
        return status;
    if (incomplete) {
        of_chains = plan->missing->stream;
        of_chains.step += steps;
        of_chains.rows += first;
        if (rbmk_complete(team, r, n, &of_chains, pass))
            return RBMK_INTERRUPTED;
        of_chains.step++;
    }
    if (rbmk_positive_phase(team, r, &stream, incomplete ? &of_chains : NULL, pass))
        return RBMK_INTERRUPTED;
    if (incomplete) {
        rbmk_share(team, n, &from, &to);
        move_resting(r, first, from, to, 1);
    }
    if (rbmk_negative_phase(team, r, stream, pass))
        return RBMK_INTERRUPTED;
    rbmk_bias_gradients(team, &r->gradients);
    return rbmk_update_member(team, &r->updater, rbmk_scratch_of(r, team));
}

/* From update r->done on, until the team should be another one. */
static void epoch_member(rbmk_team team, void *arg)
{
    rbmk_epoch_run *r = arg;
    int64_t pass = r->passes;
    rbmk_status status = RBMK_OK; /* the same for all members */
    copy_weights(team, r, 0);
    if (r->plan->fast)
        rbmk_followed_begin(team, &r->followed, &r->weights.W, r->model);
    for (int64_t t = r->done; t < updates(r->plan) && status == RBMK_OK && !is_left_behind(r); t++) {
        begin_update(team, r, t, pass + 1);
        if (r->regroup)
            break;
        status = one_update(team, r, t, &pass);
        if (team.id == 0 && status == RBMK_OK)
            r->done = t + 1;
    }
    copy_weights(team, r, 1);
    if (r->plan->fast)
        rbmk_followed_end(team, &r->followed);
    if (team.id)
        return;
    if (pass != r->passes) /* else others may still look at it */
        r->passes = pass;
    r->status = atomic_load(&r->outside) ? RBMK_OK : status;
    if (atomic_load(&r->outside) && r->chains_before)
        memcpy(r->plan->chains, r->chains_before, chains_bytes(r));
}

rbmk_status rbmk_epoch(rbmk_learning *model, const rbmk_settings *settings, const rbmk_epoch_plan *plan,
                       int64_t *done)
{
    const rbmk_kernels *kernels = rbmk_current_kernels();
    rbmk_epoch_run r = {.model = model, .plan = plan, .kernels = kernels, .status = RBMK_NO_MEMORY};
    rbmk_gradients *g = &r.gradients;
    int exponent = 0;
    rbmk_status status = rbmk_exponent(model->W, model->n_visible, model->n_hidden, model->exponent, &exponent);
    *done = 0;
    if (status != RBMK_OK)
        return status;
    *g = (rbmk_gradients){.kernels = kernels, .n_visible = model->n_visible, .n_hidden = model->n_hidden};
    g->weighted = plan->weights != NULL;
    g->phases[RBMK_DATA].grey = plan->data.grey;
    g->phases[RBMK_MODEL].grey = rbmk_is_real(&r) ? RBMK_REAL : 0;
    g->phases[RBMK_DATA].real = g->phases[RBMK_MODEL].real = rbmk_is_real(&r);
    r.exchange = (rbmk_exchange){
        .kernels = kernels, .rung = plan->rung, .layers = &plan->layers, .n = plan->n_chains};
    r.updater = (rbmk_updater){
        .model = model, .settings = settings, .kernels = kernels, .gradient = weight_gradient, .source = g};
    r.threads = rbmk_threads_for(0.05 * (double)most_chains(&r) * model->n_visible * model->n_hidden);
    r.followed.fast = plan->fast;
    r.updater.followed = plan->fast ? &r.followed : NULL;
    if (allocate(&r, r.threads)) {
        model->exponent = exponent;
        r.updater.visible_gradient = g->visible_gradient;
        r.updater.hidden_gradient = g->hidden_gradient;
        r.updater.visible_mean = g->visible_mean;
        r.updater.hidden_mean = g->hidden_mean;
        do {
            r.regroup = 0;
            rbmk_run(r.threads, kernels, epoch_member, &r);
        } while (r.regroup);
    }
    *done = r.done;
    release(&r);
    return r.status;
}
