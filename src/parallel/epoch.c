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
    int grey;
    void *transposed;      /* visible states (n_visible, stride), uint8 or uint16 */
    ptrdiff_t stride;
    rbmk_matrix hidden;    /* probabilities (n, n_hidden), in units of 1/65535 */
    int64_t *hidden_sums;  /* (team size, n_hidden) */
} phase;

typedef struct {
    rbmk_learning *model;
    const rbmk_epoch_plan *plan;
    rbmk_weights weights;
    rbmk_updater updater;
    phase phases[2];
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

/* --- Memory ------------------------------------------------------------------------------------------- */

static int64_t most_rows(const run *r)
{
    return r->plan->batch_size < r->plan->n ? r->plan->batch_size : r->plan->n;
}

static int allocate_phase(phase *p, int64_t rows, int grey, const run *r, int team_size)
{
    const rbmk_kernels *k = rbmk_current_kernels();
    size_t n_hidden = (size_t)r->model->n_hidden;
    p->grey = grey;
    p->stride = rbmk_round_up(rows, 64);
    p->transposed = rbmk_allocate((size_t)r->model->n_visible * (size_t)p->stride, grey ? 2 : 1);
    p->hidden = (rbmk_matrix){k, (int)rows, r->model->n_hidden, rbmk_allocate(k->packed_bytes((int)rows, (int)n_hidden), 1)};
    p->hidden_sums = rbmk_allocate((size_t)team_size * n_hidden, sizeof(int64_t));
    return p->transposed && p->hidden.data && p->hidden_sums;
}

static size_t scratch_size(const run *r, int64_t rows, int64_t chains)
{
    int64_t longest = r->model->n_visible > r->model->n_hidden ? r->model->n_visible : r->model->n_hidden;
    size_t pass = rbmk_pass_scratch((int)longest);
    size_t update = UPDATE_TILE * (sizeof(float) + 2 * sizeof(int32_t) + sizeof(double)) +
                    RBMK_SCRATCH(rows > chains ? rows : chains);
    return (size_t)rbmk_round_up((int64_t)(pass > update ? pass : update), 64);
}

static int allocate(run *r, int team_size)
{
    const rbmk_learning *m = r->model;
    size_t n_visible = (size_t)m->n_visible, n_hidden = (size_t)m->n_hidden;
    int64_t rows = most_rows(r), chains = r->plan->chains ? r->plan->n_chains : rows;
    int ok = allocate_phase(&r->phases[DATA], rows, r->plan->data.grey, r, team_size);
    ok = allocate_phase(&r->phases[MODEL], chains, 0, r, team_size) && ok;
    r->batch = rbmk_allocate((size_t)rows * n_visible, r->plan->data.grey ? 2 : 1);
    r->visible = rbmk_allocate((size_t)chains * n_visible, 1);
    r->hidden = rbmk_allocate((size_t)chains * n_hidden, 1);
    r->visible_gradient = rbmk_allocate(n_visible, sizeof(float));
    r->visible_mean = rbmk_allocate(n_visible, sizeof(float));
    r->hidden_gradient = rbmk_allocate(n_hidden, sizeof(float));
    r->hidden_mean = rbmk_allocate(n_hidden, sizeof(float));
    r->scratch_size = scratch_size(r, rows, chains);
    r->scratch = rbmk_allocate((size_t)team_size, r->scratch_size);
    ok = rbmk_updater_allocate(&r->updater, team_size) && ok;
    return ok && r->batch && r->visible && r->hidden && r->visible_gradient && r->visible_mean &&
           r->hidden_gradient && r->hidden_mean && r->scratch;
}

static void release(run *r)
{
    for (int p = 0; p < 2; p++) {
        rbmk_free(r->phases[p].transposed);
        rbmk_free(r->phases[p].hidden.data);
        rbmk_free(r->phases[p].hidden_sums);
    }
    rbmk_free(r->batch);
    rbmk_free(r->visible);
    rbmk_free(r->hidden);
    rbmk_free(r->visible_gradient);
    rbmk_free(r->visible_mean);
    rbmk_free(r->hidden_gradient);
    rbmk_free(r->hidden_mean);
    rbmk_free(r->scratch);
    rbmk_updater_free(&r->updater);
    rbmk_weights_free(&r->weights);
}

/* --- Positive phase ----------------------------------------------------------------------------------- */

/* Copies the member's rows of the batch, and their transpose. */
static void gather(rbmk_team team, run *r, int64_t first, int64_t n)
{
    const rbmk_states *data = &r->plan->data;
    const int n_visible = r->model->n_visible;
    const size_t size = data->grey ? 2 : 1, row_bytes = size * (size_t)n_visible;
    phase *p = &r->phases[DATA];
    int64_t from, to;
    rbmk_share(team, n, &from, &to);
    for (int64_t i = from; i < to; i++)
        memcpy((char *)r->batch + (size_t)i * row_bytes,
               (const char *)data->data + (size_t)(r->plan->order[first + i] * data->stride) * size, row_bytes);
    if (!data->grey)
        transpose_u8((uint8_t *)r->batch + from * n_visible, n_visible, (int)(to - from), n_visible,
                     (uint8_t *)p->transposed + from, p->stride);
    else
        for (int64_t i = from; i < to; i++)
            for (int j = 0; j < n_visible; j++)
                ((uint16_t *)p->transposed)[j * p->stride + i] = ((uint16_t *)r->batch)[i * n_visible + j];
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

/* hidden | visible: samples into `sample` and probabilities into `statistics`, either NULL. */
static void up(rbmk_team team, run *r, rbmk_states visible, uint8_t *sample, phase *statistics,
               const rbmk_stream *stream)
{
    rbmk_layer_pass pass = {.m = &r->weights.up, .exponent = r->weights.exponent, .bias = r->model->b,
                            .states = visible, .stream = stream, .out = {.sample = sample},
                            .packed = statistics ? &statistics->hidden : NULL,
                            .packed_sums = statistics ? statistics->hidden_sums : NULL};
    rbmk_pass_member(team, &pass, scratch_of(r, team));
}

/* visible | hidden: samples into r->visible, and transposed into `statistics` unless NULL. */
static void down(rbmk_team team, run *r, const uint8_t *hidden, int64_t n, phase *statistics,
                 const rbmk_stream *stream)
{
    rbmk_layer_pass pass = {.m = &r->weights.down, .exponent = r->weights.exponent, .bias = r->model->a,
                            .states = {hidden, 0, r->model->n_hidden, n}, .stream = stream,
                            .out = {.sample = r->visible},
                            .sample_transposed = statistics ? statistics->transposed : NULL,
                            .transposed_stride = statistics ? statistics->stride : 0};
    rbmk_pass_member(team, &pass, scratch_of(r, team));
}

/* The phases return 1 when the run is interrupted. */
static int positive_phase(rbmk_team team, run *r, int64_t first, int64_t n, const rbmk_stream *stream, int64_t *pass)
{
    rbmk_states batch = {r->batch, r->plan->data.grey, r->model->n_visible, n};
    gather(team, r, first, n);
    rbmk_barrier(team);
    up(team, r, batch, r->plan->chains ? NULL : r->hidden, &r->phases[DATA], stream);
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
        down(team, r, r->hidden, p->n, last ? p : NULL, &stream);
        if (end_of_pass(team, r, pass))
            return 1;
        stream.step++;
        up(team, r, (rbmk_states){r->visible, 0, r->model->n_visible, p->n}, last ? NULL : r->hidden, last ? p : NULL,
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
        down(team, r, r->plan->chains, p->n, last ? p : NULL, &stream);
        stream.step++;
        if (end_of_pass(team, r, pass))
            return 1;
        up(team, r, (rbmk_states){r->visible, 0, r->model->n_visible, p->n}, r->plan->chains, last ? p : NULL, &stream);
        stream.step++;
        if (end_of_pass(team, r, pass))
            return 1;
    }
    return 0;
}

/* --- Gradient ----------------------------------------------------------------------------------------- */

static float scale(int64_t n, double unit) { return (float)(1.0 / (unit * (double)n)); }

static double visible_sum(const phase *p, int64_t i)
{
    int64_t sum = 0;
    if (p->grey) {
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
        sum += p->hidden_sums[(int64_t)m * n_hidden + j];
    return (double)sum;
}

/* The rounding that rbmfast.reference.gradient specifies. */
static float difference(double positive, int64_t n_positive, double negative, int64_t n_negative, double unit)
{
    if (n_positive == n_negative)
        return (float)(positive - negative) * scale(n_positive, unit);
    return (float)positive * scale(n_positive, unit) - (float)negative * scale(n_negative, unit);
}

static void bias_gradients(rbmk_team team, run *r)
{
    const phase *data = &r->phases[DATA], *model = &r->phases[MODEL];
    int n_hidden = r->model->n_hidden;
    int64_t from, to;
    rbmk_share(team, r->model->n_visible, &from, &to);
    for (int64_t i = from; i < to; i++) {
        double positive = visible_sum(data, i);
        r->visible_gradient[i] = difference(positive, data->n, visible_sum(model, i), model->n, 1.0);
        r->visible_mean[i] = (float)positive * scale(data->n, 1.0);
    }
    rbmk_share(team, n_hidden, &from, &to);
    for (int64_t j = from; j < to; j++) {
        double positive = hidden_sum(data, j, n_hidden, team.size);
        double negative = hidden_sum(model, j, n_hidden, team.size);
        r->hidden_gradient[j] = difference(positive, data->n, negative, model->n, 65535.0);
        r->hidden_mean[j] = (float)positive * scale(data->n, 65535.0);
    }
    rbmk_barrier(team);
}

/* The gradient of a tile of W: products of the transposed states with the packed probabilities. */
static void weight_gradient(const rbmk_updater *u, int row, int n_rows, int col, int n_cols, float *g, void *scratch)
{
    const run *r = u->source;
    const phase *data = &r->phases[DATA], *model = &r->phases[MODEL];
    const rbmk_kernels *k = u->kernels;
    double *grey = scratch;
    int32_t *positive = (int32_t *)(grey + UPDATE_TILE), *negative = positive + UPDATE_TILE;
    void *rest = negative + UPDATE_TILE;
    const int same = data->n == model->n;
    const float data_scale = scale(data->n, 65535.0), model_scale = scale(model->n, 65535.0);
    k->multiply_u8((const uint8_t *)model->transposed + row * model->stride, model->stride, n_rows, &model->hidden,
                   col, n_cols, negative, UPDATE_COLUMNS, rest);
    if (data->grey)
        k->multiply_u16((const uint16_t *)data->transposed + row * data->stride, data->stride, n_rows, &data->hidden,
                        col, n_cols, grey, UPDATE_COLUMNS, rest);
    else
        k->multiply_u8((const uint8_t *)data->transposed + row * data->stride, data->stride, n_rows, &data->hidden,
                       col, n_cols, positive, UPDATE_COLUMNS, rest);
    for (int i = 0; i < n_rows; i++) {
        const int at = i * UPDATE_COLUMNS;
        if (data->grey && same)
            k->difference_f64(grey + at, negative + at, n_cols, data_scale, g + at);
        else if (data->grey)
            k->difference_scaled_f64(grey + at, negative + at, n_cols, data_scale, model_scale, g + at);
        else if (same)
            k->difference_i32(positive + at, negative + at, n_cols, data_scale, g + at);
        else
            k->difference_scaled_i32(positive + at, negative + at, n_cols, data_scale, model_scale, g + at);
    }
}

/* --- The epoch ---------------------------------------------------------------------------------------- */

static rbmk_status one_update(rbmk_team team, run *r, int64_t t, int64_t *pass)
{
    const rbmk_epoch_plan *plan = r->plan;
    const int64_t first = t * plan->batch_size;
    const int64_t n = plan->n - first < plan->batch_size ? plan->n - first : plan->batch_size;
    rbmk_stream stream = plan->stream;
    stream.step += 2 * (uint64_t)plan->k * (uint64_t)t;
    stream.rows = plan->row_ids + first;
    if (team.id == 0) {
        r->phases[DATA].n = r->phases[DATA].hidden.rows = (int)n;
        r->phases[MODEL].n = r->phases[MODEL].hidden.rows = (int)(plan->chains ? plan->n_chains : n);
        r->updater.rate = plan->rates[t];
        r->updater.momentum = plan->momenta[t];
    }
    rbmk_barrier(team);
    if (positive_phase(team, r, first, n, &stream, pass))
        return RBMK_INTERRUPTED;
    if (plan->chains ? persistent(team, r, stream, pass) : from_data(team, r, stream, pass))
        return RBMK_INTERRUPTED;
    bias_gradients(team, r);
    return rbmk_update_member(team, &r->updater, scratch_of(r, team));
}

static void epoch_member(rbmk_team team, void *arg)
{
    run *r = arg;
    const int64_t updates = (r->plan->n + r->plan->batch_size - 1) / r->plan->batch_size;
    int64_t pass = 0;
    rbmk_status status = RBMK_OK; /* the same for all members */
    for (int64_t t = 0; t < updates && status == RBMK_OK; t++) {
        status = one_update(team, r, t, &pass);
        if (team.id == 0 && status == RBMK_OK)
            r->done = t + 1;
    }
    if (team.id == 0)
        r->status = status;
}

rbmk_status rbmk_epoch(rbmk_learning *model, const rbmk_settings *settings, const rbmk_epoch_plan *plan,
                       int64_t *done)
{
    run r = {.model = model, .plan = plan, .status = RBMK_NO_MEMORY};
    int threads = rbmk_threads_for((double)most_rows(&r) * model->n_visible * model->n_hidden / 2);
    rbmk_status status = rbmk_weights_create(&r.weights, model->W, model->n_visible, model->n_hidden, model->exponent);
    *done = 0;
    if (status != RBMK_OK)
        return status;
    model->exponent = r.weights.exponent;
    r.updater = (rbmk_updater){.model = model, .settings = settings, .kernels = r.weights.up.kernels,
                               .weights = &r.weights, .gradient = weight_gradient, .source = &r};
    if (allocate(&r, threads)) {
        r.updater.visible_gradient = r.visible_gradient;
        r.updater.hidden_gradient = r.hidden_gradient;
        r.updater.visible_mean = r.visible_mean;
        r.updater.hidden_mean = r.hidden_mean;
        r.updater.weights = &r.weights;
        rbmk_run(threads, r.weights.up.kernels, epoch_member, &r);
    }
    *done = r.done;
    release(&r);
    return r.status;
}
