/* Minibatches of a positive phase (from data), a negative phase (alternating passes) and an update, in one region. */
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "../common/transpose.h"
#include "pass.h"
#include "update.h"

enum { DATA, MODEL }; /* the two phases */

/* Statistics of one phase. */
typedef struct {
    int64_t n;             /* rows */
    void *transposed;      /* visible states (n_visible, stride), uint8 or uint16 */
    ptrdiff_t stride;
    rbmk_statistic hidden; /* probabilities */
} phase;

/* Pairs of visible states and hidden probabilities, one product: states (n_visible, rows) x probabilities. */
typedef struct {
    rbmk_left states;
    const uint8_t *transposed;
    rbmk_matrix hidden;
} product;

typedef struct {
    rbmk_learning *model;
    const rbmk_epoch_plan *plan;
    const rbmk_kernels *kernels;
    rbmk_source weights;
    float *W, *velocity;   /* those of the model by panels, or NULL */
    rbmk_matrix up, down;  /* weights that the first pass of an update packed, for the others; data NULL: not kept */
    rbmk_updater updater;
    phase phases[2];
    product products[2];
    int n_products;
    uint8_t *transposed;   /* (n_visible, stride): the data's rows, then from `model_row` the model's */
    uint16_t *grey;        /* (n_visible, stride): the data's rows, when they are grey */
    void *packed, *left;
    int64_t model_row;
    ptrdiff_t stride;
    void *batch;           /* (batch_size, n_visible) gathered rows */
    uint8_t *visible, *hidden; /* states of the negative phase */
    float *visible_gradient, *hidden_gradient, *visible_mean, *hidden_mean;
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

/* Chains of several steps go through the same weights several times. */
static int allocate_kept(const run *r, rbmk_matrix *m, int rows, int cols)
{
    const size_t bytes = r->kernels->packed_bytes(rows, cols);
    if (r->plan->k == 1 || bytes > MOST_KEPT)
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

static size_t scratch_size(const run *r)
{
    int longest = r->model->n_visible > r->model->n_hidden ? r->model->n_visible : r->model->n_hidden;
    int64_t rows = r->model_row + most_chains(r);
    size_t pass = rbmk_pass_scratch(r->kernels, rows, longest);
    size_t update = UPDATE_TILE * (sizeof(float) + 2 * sizeof(int32_t) + sizeof(double)) + RBMK_SCRATCH(rows);
    return (size_t)rbmk_round_up((int64_t)(pass > update ? pass : update), 64);
}

static int allocate_statistics(run *r, int team_size)
{
    const size_t n_visible = (size_t)r->model->n_visible, n_hidden = (size_t)r->model->n_hidden;
    const int data_rows = (int)r->model_row, model_rows = (int)most_chains(r);
    /* of two products; one for both takes no more */
    r->packed = rbmk_allocate(r->kernels->packed_bytes(data_rows, (int)n_hidden) +
                                  r->kernels->packed_bytes(model_rows, (int)n_hidden), 1);
    r->left = rbmk_allocate(r->kernels->left_bytes((int)n_visible, data_rows) +
                                r->kernels->left_bytes((int)n_visible, model_rows), 1);
    r->transposed = rbmk_allocate(n_visible * (size_t)r->stride, 1);
    r->grey = r->plan->data.grey ? rbmk_allocate(n_visible * (size_t)r->stride, 2) : NULL;
    for (int p = 0; p < 2; p++)
        r->phases[p].hidden.sums = rbmk_allocate((size_t)team_size * n_hidden, sizeof(int64_t));
    return r->packed && r->left && r->transposed && (r->grey || !r->plan->data.grey) && r->phases[DATA].hidden.sums &&
           r->phases[MODEL].hidden.sums;
}

static int allocate(run *r, int team_size)
{
    const size_t n_visible = (size_t)r->model->n_visible, n_hidden = (size_t)r->model->n_hidden;
    int ok;
    r->model_row = rbmk_round_up(most_rows(r), 64);
    r->stride = (ptrdiff_t)rbmk_round_up(r->model_row + most_chains(r), 64);
    ok = allocate_weights(r);
    ok = allocate_statistics(r, team_size) && ok;
    ok = allocate_kept(r, &r->up, r->model->n_visible, r->model->n_hidden) && ok;
    ok = allocate_kept(r, &r->down, r->model->n_hidden, r->model->n_visible) && ok;
    r->batch = rbmk_allocate((size_t)most_rows(r) * n_visible, r->plan->data.grey ? 2 : 1);
    r->visible = rbmk_allocate((size_t)most_chains(r) * n_visible, 1);
    r->hidden = rbmk_allocate((size_t)most_chains(r) * n_hidden, 1);
    r->visible_gradient = rbmk_allocate(n_visible, sizeof(float));
    r->visible_mean = rbmk_allocate(n_visible, sizeof(float));
    r->hidden_gradient = rbmk_allocate(n_hidden, sizeof(float));
    r->hidden_mean = rbmk_allocate(n_hidden, sizeof(float));
    r->scratch_size = scratch_size(r);
    r->scratch = rbmk_allocate((size_t)team_size, r->scratch_size);
    ok = rbmk_updater_allocate(&r->updater, team_size) && ok;
    return ok && r->batch && r->visible && r->hidden && r->visible_gradient && r->visible_mean &&
           r->hidden_gradient && r->hidden_mean && r->scratch;
}

static void release(run *r)
{
    rbmk_free(r->W);
    rbmk_free(r->velocity);
    rbmk_free(r->up.data);
    rbmk_free(r->down.data);
    rbmk_free(r->packed);
    rbmk_free(r->left);
    rbmk_free(r->transposed);
    rbmk_free(r->grey);
    rbmk_free(r->phases[DATA].hidden.sums);
    rbmk_free(r->phases[MODEL].hidden.sums);
    rbmk_free(r->batch);
    rbmk_free(r->visible);
    rbmk_free(r->hidden);
    rbmk_free(r->visible_gradient);
    rbmk_free(r->visible_mean);
    rbmk_free(r->hidden_gradient);
    rbmk_free(r->hidden_mean);
    rbmk_free(r->scratch);
    rbmk_updater_free(&r->updater);
}

/* --- Statistics: where they go, and the products that they take ------------------------------------------- */

/* The product of `rows` rows from `first_row` of the transposed states and of the probabilities. */
static product product_of(const run *r, int64_t first_row, int64_t rows, int number)
{
    const int n_visible = r->model->n_visible, n_hidden = r->model->n_hidden;
    char *left = r->left, *packed = r->packed;
    return (product){
        .states = {n_visible, (int)rows, 256, number ? left + r->kernels->left_bytes(n_visible, (int)first_row) : left},
        .transposed = r->transposed + first_row,
        .hidden = {r->kernels, (int)rows, n_hidden, packed + r->kernels->packed_bytes((int)first_row, n_hidden)}};
}

/* Both phases of as many binary rows: one product of the states of both with the probabilities of the data and minus
 * those of the model is the difference of the statistics. Otherwise each phase has its own. */
static void arrange(run *r, int64_t n)
{
    phase *data = &r->phases[DATA], *model = &r->phases[MODEL];
    const int grey = r->plan->data.grey;
    data->n = n;
    model->n = r->plan->chains ? r->plan->n_chains : n;
    const int together = data->n == model->n && !grey;
    data->transposed = grey ? (void *)r->grey : r->transposed;
    model->transposed = r->transposed + r->model_row;
    data->stride = model->stride = r->stride;
    r->products[DATA] = product_of(r, 0, together ? r->model_row + model->n : n, 0);
    r->products[MODEL] = product_of(r, r->model_row, model->n, 1);
    r->n_products = together ? 1 : 2;
    data->hidden.m = &r->products[DATA].hidden;
    data->hidden.first_row = 0;
    data->hidden.negate = 0;
    model->hidden.m = &r->products[together ? DATA : MODEL].hidden;
    model->hidden.first_row = together ? (int)r->model_row : 0;
    model->hidden.negate = together;
}

/* The member's share of laying out the transposed states. Those of grey data stay as they are. */
static void lay_out(rbmk_team team, run *r)
{
    const int n_visible = r->model->n_visible;
    int64_t from, to;
    rbmk_share(team, (n_visible + 15) / 16, &from, &to);
    from *= 16;
    to = to * 16 < n_visible ? to * 16 : n_visible;
    for (int p = r->plan->data.grey ? MODEL : DATA; p < r->n_products; p++)
        r->kernels->lay_out_u8(&r->products[p].states, (int)from, (int)(to - from),
                               r->products[p].transposed + from * r->stride, r->stride);
}

/* --- Positive phase ----------------------------------------------------------------------------------- */

/* Copies the member's rows of a batch of n from `first`, and their transpose. */
static void gather(rbmk_team team, run *r, int64_t first, int64_t n)
{
    const rbmk_states *data = &r->plan->data;
    const int n_visible = r->model->n_visible;
    const size_t size = data->grey ? 2 : 1, row_bytes = size * (size_t)n_visible;
    int64_t from, to;
    rbmk_share(team, n, &from, &to);
    for (int64_t i = from; i < to; i++)
        memcpy((char *)r->batch + (size_t)i * row_bytes,
               (const char *)data->data + (size_t)(r->plan->order[first + i] * data->stride) * size, row_bytes);
    if (!data->grey)
        transpose_u8((uint8_t *)r->batch + from * n_visible, n_visible, (int)(to - from), n_visible,
                     r->transposed + from, r->stride);
    else
        transpose_u16((uint16_t *)r->batch + from * n_visible, n_visible, (int)(to - from), n_visible, r->grey + from,
                      r->stride);
    rbmk_share(team, n_visible, &from, &to);
    for (int64_t j = from; j < to; j++) /* rows between the phases are off */
        memset(r->transposed + j * r->stride + n, 0, (size_t)(r->model_row - n));
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
    long long stop_at;
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
    return stop_at && stop_at <= *pass;
}

/* --- Passes ----------------------------------------------------------------------------------------------- */

static void *scratch_of(const run *r, rbmk_team team) { return r->scratch + (size_t)team.id * r->scratch_size; }

/* A pass through the weights: the first one of an update packs and keeps them for the later ones, if each member
 * packed whole columns then. */
static rbmk_layer_pass pass_through(rbmk_team team, run *r, int up, int first)
{
    const rbmk_matrix *kept = up ? &r->up : &r->down;
    const int64_t n = r->phases[up ? DATA : MODEL].n; /* of the first pass */
    const int can_keep = kept->data && rbmk_pass_by_columns(team, n, kept->cols);
    rbmk_layer_pass pass = rbmk_pass_source(r->kernels, &r->weights, up);
    pass.keep = can_keep && first ? kept : NULL;
    pass.packed = can_keep && !first ? kept : NULL;
    return pass;
}

/* hidden | visible: samples into `sample` and probabilities into `statistics`, either NULL. */
static void up(rbmk_team team, run *r, int first, rbmk_states visible, uint8_t *sample, phase *statistics,
               const rbmk_stream *stream)
{
    rbmk_layer_pass pass = pass_through(team, r, 1, first);
    pass.bias = r->model->b;
    pass.states = visible;
    pass.stream = stream;
    pass.out.sample = sample;
    pass.statistic = statistics ? &statistics->hidden : NULL;
    rbmk_pass_member(team, &pass, scratch_of(r, team));
}

/* visible | hidden: samples into r->visible, and transposed into `statistics` unless NULL. */
static void down(rbmk_team team, run *r, int first, const uint8_t *hidden, int64_t n, phase *statistics,
                 const rbmk_stream *stream)
{
    rbmk_layer_pass pass = pass_through(team, r, 0, first);
    pass.bias = r->model->a;
    pass.states = (rbmk_states){hidden, 0, r->model->n_hidden, n};
    pass.stream = stream;
    pass.out.sample = r->visible;
    pass.sample_transposed = statistics ? statistics->transposed : NULL;
    pass.transposed_stride = r->stride;
    rbmk_pass_member(team, &pass, scratch_of(r, team));
}

/* The phases return 1 when the run is interrupted. */
static int positive_phase(rbmk_team team, run *r, const rbmk_stream *stream, int64_t *pass)
{
    rbmk_states batch = {r->batch, r->plan->data.grey, r->model->n_visible, r->phases[DATA].n};
    up(team, r, 1, batch, r->plan->chains ? NULL : r->hidden, &r->phases[DATA], stream);
    return end_of_pass(team, r, pass);
}

/* --- Negative phase: k times visible | hidden, hidden | visible ------------------------------------------ */

/* Chains that start at the data's hidden sample; the last hidden phase uses probabilities only. */
static int from_data(rbmk_team team, run *r, rbmk_stream stream, int64_t *pass)
{
    phase *p = &r->phases[MODEL];
    for (int i = 0; i < r->plan->k; i++) {
        const int last = i == r->plan->k - 1;
        stream.step++;
        down(team, r, i == 0, r->hidden, p->n, last ? p : NULL, &stream);
        if (end_of_pass(team, r, pass))
            return 1;
        stream.step++;
        if (last)
            lay_out(team, r);
        up(team, r, 0, (rbmk_states){r->visible, 0, r->model->n_visible, p->n}, last ? NULL : r->hidden, last ? p : NULL,
           &stream);
        if (end_of_pass(team, r, pass))
            return 1;
    }
    return 0;
}

/* Chains that go on from the last update. */
static int persistent(rbmk_team team, run *r, rbmk_stream stream, int64_t *pass)
{
    phase *p = &r->phases[MODEL];
    stream.rows = NULL;
    stream.first_row = 0;
    for (int i = 0; i < r->plan->k; i++) {
        const int last = i == r->plan->k - 1;
        down(team, r, i == 0, r->plan->chains, p->n, last ? p : NULL, &stream);
        stream.step++;
        if (end_of_pass(team, r, pass))
            return 1;
        if (last)
            lay_out(team, r);
        up(team, r, 0, (rbmk_states){r->visible, 0, r->model->n_visible, p->n}, r->plan->chains, last ? p : NULL, &stream);
        stream.step++;
        if (end_of_pass(team, r, pass))
            return 1;
    }
    return 0;
}

/* --- Gradient ----------------------------------------------------------------------------------------- */

static float scale(int64_t n, double unit) { return (float)(1.0 / (unit * (double)n)); }

static double visible_sum(const phase *p, int64_t i, int grey)
{
    int64_t sum = 0;
    if (grey) {
        const uint16_t *level = (const uint16_t *)p->transposed + i * p->stride;
        for (int64_t row = 0; row < p->n; row++)
            sum += level[row];
        return (double)sum / 65535.0;
    }
    const uint8_t *on = (const uint8_t *)p->transposed + i * p->stride;
    for (int64_t row = 0; row < p->n; row++)
        sum += on[row];
    return (double)sum;
}

static double hidden_sum(const phase *p, int64_t j, int n_hidden, int team_size)
{
    int64_t sum = 0;
    for (int m = 0; m < team_size; m++)
        sum += p->hidden.sums[(int64_t)m * n_hidden + j];
    return (double)sum;
}

/* The rounding that rbmfast.reference.gradient specifies. */
typedef struct {
    int same; /* number of rows */
    float data, model;
} rounding;

static rounding rounding_of(const run *r, double unit)
{
    const int64_t n_data = r->phases[DATA].n, n_model = r->phases[MODEL].n;
    return (rounding){n_data == n_model, scale(n_data, unit), scale(n_model, unit)};
}

static float difference(double positive, double negative, rounding by)
{
    return by.same ? (float)(positive - negative) * by.data : (float)positive * by.data - (float)negative * by.model;
}

static void bias_gradients(rbmk_team team, run *r)
{
    const phase *data = &r->phases[DATA], *model = &r->phases[MODEL];
    const rounding of_visible = rounding_of(r, 1.0), of_hidden = rounding_of(r, 65535.0);
    const int n_hidden = r->model->n_hidden;
    int64_t from, to;
    rbmk_share(team, r->model->n_visible, &from, &to);
    for (int64_t i = from; i < to; i++) {
        double positive = visible_sum(data, i, r->plan->data.grey);
        r->visible_gradient[i] = difference(positive, visible_sum(model, i, 0), of_visible);
        r->visible_mean[i] = (float)positive * of_visible.data;
    }
    rbmk_share(team, n_hidden, &from, &to);
    for (int64_t j = from; j < to; j++) {
        double positive = hidden_sum(data, j, n_hidden, team.size);
        r->hidden_gradient[j] = difference(positive, hidden_sum(model, j, n_hidden, team.size), of_hidden);
        r->hidden_mean[j] = (float)positive * of_hidden.data;
    }
}

/* Statistics of a tile of W, from one product each. */
static void binary_statistics(const run *r, const product *p, int row, int n_rows, int col, int n_cols, int32_t *sums,
                              void *scratch)
{
    r->kernels->multiply_u8(&p->states, row, n_rows, &p->hidden, col, n_cols, sums, RBMK_PANEL, scratch);
}

static void grey_statistics(const run *r, int row, int n_rows, int col, int n_cols, double *sums, void *scratch)
{
    r->kernels->multiply_u16(r->grey + row * r->stride, r->stride, n_rows, &r->products[DATA].hidden, col, n_cols, sums,
                             RBMK_PANEL, scratch);
}

static void weight_gradient(const rbmk_updater *u, int row, int n_rows, int col, int n_cols, float *g, void *scratch)
{
    const run *r = u->source;
    const rbmk_kernels *k = r->kernels;
    double *grey = scratch;
    int32_t *positive = (int32_t *)(grey + UPDATE_TILE), *negative = positive + UPDATE_TILE;
    void *rest = negative + UPDATE_TILE;
    const rounding by = rounding_of(r, 65535.0);
    if (r->plan->data.grey)
        grey_statistics(r, row, n_rows, col, n_cols, grey, rest);
    else
        binary_statistics(r, &r->products[DATA], row, n_rows, col, n_cols, positive, rest);
    if (r->n_products == 2)
        binary_statistics(r, &r->products[MODEL], row, n_rows, col, n_cols, negative, rest);
    for (int at = 0; at < n_rows * RBMK_PANEL; at += RBMK_PANEL) {
        if (r->n_products == 1)
            k->scaled_i32(positive + at, n_cols, by.data, g + at);
        else if (!r->plan->data.grey)
            k->difference_scaled_i32(positive + at, negative + at, n_cols, by.data, by.model, g + at);
        else if (by.same)
            k->difference_f64(grey + at, negative + at, n_cols, by.data, g + at);
        else
            k->difference_scaled_f64(grey + at, negative + at, n_cols, by.data, by.model, g + at);
    }
}

/* --- The epoch ---------------------------------------------------------------------------------------- */

/* Sets the stage for update t, while nobody passes or updates; ends with a barrier. */
static void begin_update(rbmk_team team, run *r, int64_t t)
{
    const rbmk_epoch_plan *plan = r->plan;
    const int64_t first = t * plan->batch_size;
    const int64_t n = plan->n - first < plan->batch_size ? plan->n - first : plan->batch_size;
    if (team.id == 0) {
        arrange(r, n);
        r->weights.exponent = r->model->exponent;
        r->updater.rate = plan->rates[t];
        r->updater.momentum = plan->momenta[t];
    }
    gather(team, r, first, n);
    rbmk_barrier(team);
}

static rbmk_status one_update(rbmk_team team, run *r, int64_t t, int64_t *pass)
{
    const rbmk_epoch_plan *plan = r->plan;
    rbmk_stream stream = plan->stream;
    stream.step += 2 * (uint64_t)plan->k * (uint64_t)t;
    stream.rows = plan->row_ids + t * plan->batch_size;
    if (positive_phase(team, r, &stream, pass))
        return RBMK_INTERRUPTED;
    if (plan->chains ? persistent(team, r, stream, pass) : from_data(team, r, stream, pass))
        return RBMK_INTERRUPTED;
    bias_gradients(team, r);
    return rbmk_update_member(team, &r->updater, scratch_of(r, team));
}

static void epoch_member(rbmk_team team, void *arg)
{
    run *r = arg;
    int64_t pass = 0;
    rbmk_status status = RBMK_OK; /* the same for all members */
    copy_weights(team, r, 0);
    for (int64_t t = 0; t < updates(r->plan) && status == RBMK_OK; t++) {
        begin_update(team, r, t);
        status = one_update(team, r, t, &pass);
        if (team.id == 0 && status == RBMK_OK)
            r->done = t + 1;
    }
    copy_weights(team, r, 1);
    if (team.id == 0)
        r->status = status;
}

rbmk_status rbmk_epoch(rbmk_learning *model, const rbmk_settings *settings, const rbmk_epoch_plan *plan,
                       int64_t *done)
{
    const rbmk_kernels *kernels = rbmk_current_kernels();
    run r = {.model = model, .plan = plan, .kernels = kernels, .status = RBMK_NO_MEMORY};
    int threads = rbmk_threads_for(0.05 * (double)most_chains(&r) * model->n_visible * model->n_hidden);
    int exponent = 0;
    rbmk_status status = rbmk_exponent(model->W, model->n_visible, model->n_hidden, model->exponent, &exponent);
    *done = 0;
    if (status != RBMK_OK)
        return status;
    r.updater = (rbmk_updater){
        .model = model, .settings = settings, .kernels = kernels, .gradient = weight_gradient, .source = &r};
    if (allocate(&r, threads)) {
        model->exponent = exponent;
        r.updater.visible_gradient = r.visible_gradient;
        r.updater.hidden_gradient = r.hidden_gradient;
        r.updater.visible_mean = r.visible_mean;
        r.updater.hidden_mean = r.hidden_mean;
        rbmk_run(threads, kernels, epoch_member, &r);
    }
    *done = r.done;
    release(&r);
    return r.status;
}
