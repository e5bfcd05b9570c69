/* The phases of an update: passes from the data, and alternating ones of chains. */
#include <string.h>
#include <time.h>

#include "epoch.h"

/* --- Interruption: asked by the calling thread, about 20 times a second, after any pass ------------------- */

static double seconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* End of a pass, the member's number `*pass`: a barrier, and whether all stop here. A request is for this very pass,
 * so that a member who is late to look does not take one for the next pass to be for this one. */
static int end_of_pass(rbmk_team team, rbmk_epoch_run *r, int64_t *pass)
{
    long long stop_at, outside;
    ++*pass;
    if (team.id == 0 && r->plan->interrupted) {
        double now = seconds();
        if (now - r->asked >= 0.05 || now < r->asked) {
            r->asked = now;
            if (r->plan->interrupted(r->plan->context))
                atomic_store(&r->stop_at, *pass);
            rbmk_excuse(team, (int64_t)(1e9 * (seconds() - now))); /* who may wait for Python's other threads */
        }
    }
    rbmk_barrier(team);
    stop_at = atomic_load(&r->stop_at);
    outside = atomic_load(&r->outside);
    return (stop_at && stop_at <= *pass) || (outside && outside <= *pass);
}

/* --- Passes ----------------------------------------------------------------------------------------------- */

/* A pass through the weights: the first one of an update packs and keeps them for the later ones, if each member
 * packed whole columns then. Where chains follow other weights, those apart go through the model's. */
typedef enum { FIRST, LATER, APART } turn;

static int goes_through_sums(const rbmk_epoch_run *r, turn turn) { return r->plan->fast && turn != APART; }

static rbmk_layer_pass pass_through(rbmk_team team, rbmk_epoch_run *r, int up, turn turn)
{
    const rbmk_matrix *kept = up ? &r->up : &r->down;
    const int64_t n = r->gradients.phases[up && !r->plan->fast ? RBMK_DATA : RBMK_MODEL].n; /* of the first pass */
    const int can_keep = kept->data && rbmk_pass_by_columns(team, n, kept->cols);
    const rbmk_layer *layer = up ? &r->plan->layers.hidden : &r->plan->layers.visible;
    const rbmk_source *source = goes_through_sums(r, turn) ? &r->followed.weights : &r->weights;
    rbmk_layer_pass pass = rbmk_pass_source(r->kernels, source, up);
    if (layer->n_blocks) {
        pass.layer = layer;
        pass.out.input = r->inputs;
    }
    pass.keep = can_keep && turn == FIRST ? kept : NULL;
    pass.packed = can_keep && turn == LATER ? kept : NULL;
    return pass;
}

static rbmk_states batch_of(const rbmk_epoch_run *r)
{
    return (rbmk_states){r->batch, r->plan->data.grey, r->model->n_visible, r->gradients.phases[RBMK_DATA].n};
}

/* hidden | visible: samples into `sample` and probabilities into `statistics`, either NULL; and others for rows' chains to
 * rest at, unless `rest` is NULL. */
static void up(rbmk_team team, rbmk_epoch_run *r, turn turn, rbmk_states visible, uint8_t *sample, rbmk_phase *statistics,
               const rbmk_stream *stream, const rbmk_stream *rest)
{
    rbmk_layer_pass pass = pass_through(team, r, 1, turn);
    pass.bias = goes_through_sums(r, turn) ? r->followed.b : r->model->b;
    pass.states = visible;
    pass.stream = stream;
    pass.out.sample = sample;
    pass.second = rest ? r->resting : NULL;
    pass.second_stream = rest;
    pass.statistic = statistics ? &statistics->hidden : NULL;
    rbmk_pass_member(team, &pass, rbmk_scratch_of(r, team));
}

/* Visible states of the negative phase. */
static rbmk_states drawn(const rbmk_epoch_run *r)
{
    return (rbmk_states){r->visible, rbmk_is_real(r) ? RBMK_REAL : 0, r->model->n_visible, r->gradients.phases[RBMK_MODEL].n};
}

/* visible | hidden: samples into r->visible; the last ones transposed for the statistics, too. */
static void down(rbmk_team team, rbmk_epoch_run *r, int64_t number, turn turn, int last, const uint8_t *hidden, int64_t n,
                 const rbmk_stream *stream)
{
    rbmk_layer_pass pass = pass_through(team, r, 0, turn);
    pass.bias = goes_through_sums(r, turn) ? r->followed.a : r->model->a;
    pass.states = (rbmk_states){hidden, 0, r->model->n_hidden, n};
    pass.stream = stream;
    if (rbmk_is_real(r)) {
        pass.normal = r->visible;
        pass.outside = &r->outside;
        pass.number = number;
    } else {
        pass.out.sample = r->visible;
        pass.absent = r->resting ? NULL : r->missing;
        pass.sample_transposed = last ? r->gradients.transposed + r->gradients.model_row : NULL;
        pass.transposed_stride = r->gradients.stride;
    }
    rbmk_pass_member(team, &pass, rbmk_scratch_of(r, team));
}

/* Before the last pass: the visible states of both phases, for the statistics. */
static void lay_out(rbmk_team team, rbmk_epoch_run *r)
{
    const rbmk_states states = drawn(r);
    if (rbmk_is_real(r))
        rbmk_take_states(team, &r->gradients, RBMK_MODEL, &states);
    else
        rbmk_lay_out(team, &r->gradients);
}

/* --- Positive phase ---------------------------------------------------------------------------------------- */

int rbmk_positive_phase(rbmk_team team, rbmk_epoch_run *r, const rbmk_stream *stream, const rbmk_stream *rest,
                        int64_t *pass)
{
    const turn turn = r->plan->fast ? APART : FIRST;
    up(team, r, turn, batch_of(r), r->plan->chains ? NULL : r->hidden, &r->gradients.phases[RBMK_DATA], stream, rest);
    return end_of_pass(team, r, pass);
}

/* --- Before it: missing entries, drawn given where the chains of their rows rest -------------------------- */

/* Of the member's rows, from the same rows of r->visible. */
static void fill_in(rbmk_team team, rbmk_epoch_run *r, int64_t n)
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
static int begin_chains(rbmk_team team, rbmk_epoch_run *r, int64_t n, rbmk_stream stream, int64_t *pass)
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

int rbmk_complete(rbmk_team team, rbmk_epoch_run *r, int64_t n, const rbmk_stream *stream, int64_t *pass)
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
static int from_data(rbmk_team team, rbmk_epoch_run *r, rbmk_stream stream, int64_t *pass)
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

/* What visible states send up, and the softplus of that, in another model, too. */
static void weigh(rbmk_team team, rbmk_epoch_run *r, const rbmk_weighed *w, double *softplus, const rbmk_other *other)
{
    rbmk_layer_pass pass = pass_through(team, r, 1, LATER);
    pass.bias = r->model->b;
    pass.states = (rbmk_states){w->states, 0, r->model->n_visible, r->exchange.n};
    pass.out.input = w->x;
    pass.out.softplus = softplus;
    pass.other = other;
    rbmk_pass_member(team, &pass, rbmk_scratch_of(r, team));
}

/* One member, while nobody exchanges: which samples the chains will meet. */
static void meet(rbmk_epoch_run *r, rbmk_stream stream)
{
    rbmk_exchange *e = &r->exchange;
    const int64_t first = rbmk_first_met(e, stream);
    e->chains.states = r->visible;
    e->met.states = e->rung->samples + first * r->model->n_visible;
    e->met.there = e->rung->log_weights + first;
    atomic_store(&e->accepted, 0);
}

static void note_acceptance(rbmk_exchange *e)
{
    const float now = (float)((double)atomic_load(&e->accepted) / (double)e->n);
    e->rung->acceptance += (now - e->rung->acceptance) / 4.0f;
}

/* The chains' visible states, just drawn, change places with samples of an earlier version. */
static int exchange(rbmk_team team, rbmk_epoch_run *r, int last, const rbmk_stream *stream, int64_t *pass)
{
    rbmk_exchange *e = &r->exchange;
    const rbmk_states states = drawn(r);
    const float *a = r->model->a;
    const rbmk_other there = {e->rung->weights, 1.0f, e->rung->b, e->softplus[1], r->inputs};
    int64_t from, to;
    weigh(team, r, &e->chains, e->softplus[0], &there);
    weigh(team, r, &e->met, e->softplus[2], NULL);
    if (end_of_pass(team, r, pass))
        return 1;
    rbmk_share(team, e->n, &from, &to);
    rbmk_weigh_rows(e, e->chains.states, e->softplus[0], a, from, to, e->chains.here);
    rbmk_weigh_rows(e, e->chains.states, e->softplus[1], e->rung->a, from, to, e->chains.there);
    rbmk_weigh_rows(e, e->met.states, e->softplus[2], a, from, to, e->met.here);
    atomic_fetch_add(&e->accepted, rbmk_exchange_rows(e, &e->met, from, to, *stream));
    if (last)
        rbmk_take_states(team, &r->gradients, RBMK_MODEL, &states);
    if (end_of_pass(team, r, pass))
        return 1;
    if (team.id == 0)
        note_acceptance(e);
    return 0;
}

/* hidden | visible once more, of total inputs that the exchange has left: as `up` does. */
static void answer(rbmk_team team, rbmk_epoch_run *r, uint8_t *sample, rbmk_phase *statistics, const rbmk_stream *stream)
{
    const rbmk_block switches = {.n_units = r->model->n_hidden};
    const rbmk_layer *layer = &r->plan->layers.hidden, plain = {1, &switches};
    const rbmk_layer_pass pass = {.kernels = r->kernels,
                                  .cols = r->model->n_hidden,
                                  .states = drawn(r),
                                  .stream = stream,
                                  .layer = layer->n_blocks ? layer : &plain,
                                  .out = {.input = r->exchange.chains.x, .sample = sample},
                                  .statistic = statistics ? &statistics->hidden : NULL};
    rbmk_answer_rows(team, &pass, rbmk_scratch_of(r, team));
}

/* Chains that go on from the last update. */
static int persistent(rbmk_team team, rbmk_epoch_run *r, rbmk_stream stream, int64_t *pass)
{
    rbmk_phase *p = &r->gradients.phases[RBMK_MODEL];
    stream.rows = NULL;
    stream.first_row = 0;
    for (int i = 0; i < r->plan->k; i++) {
        const int last = i == r->plan->k - 1;
        down(team, r, *pass + 1, i == 0 ? FIRST : LATER, last && !r->plan->rung, r->plan->chains, p->n, &stream);
        if (r->plan->rung && team.id == 0)
            meet(r, stream);
        if (end_of_pass(team, r, pass) || (r->plan->rung && exchange(team, r, last, &stream, pass)))
            return 1;
        stream.step++;
        if (last)
            lay_out(team, r);
        if (r->plan->rung)
            answer(team, r, r->plan->chains, last ? p : NULL, &stream);
        else
            up(team, r, r->plan->fast && i == 0 ? FIRST : LATER, drawn(r), r->plan->chains, last ? p : NULL, &stream,
               NULL);
        stream.step++;
        if (end_of_pass(team, r, pass))
            return 1;
    }
    return 0;
}

int rbmk_negative_phase(rbmk_team team, rbmk_epoch_run *r, rbmk_stream stream, int64_t *pass)
{
    return r->plan->chains ? persistent(team, r, stream, pass) : from_data(team, r, stream, pass);
}
