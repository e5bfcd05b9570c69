/* What the engine refuses: without memory, with weights that cannot be quantised; and interruption. Nothing leaks, and
 * no parameter changes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "rbmk.h"

/* --- Memory: team.c is compiled with these two in the place of the C library's --------------------------- */

int checked_posix_memalign(void **memory, size_t alignment, size_t bytes);
void checked_free(void *memory);

static int requests, fail_at, held; /* fail_at: the request that fails, 1 for the first; 0: none */

int checked_posix_memalign(void **memory, size_t alignment, size_t bytes)
{
    if (++requests == fail_at)
        return 12;
    held++;
    if (posix_memalign(memory, alignment, bytes))
        abort();
    memset(*memory, 0xA5, bytes); /* whoever reads what nobody wrote gets the same everywhere, and nonsense */
    return 0;
}

void checked_free(void *memory)
{
    held -= memory != NULL;
    free(memory);
}

/* --- One model, all calls -------------------------------------------------------------------------------- */

enum { V = 100, H = 70, N = 48 };

typedef struct {
    rbmk_learning model;
    float *parameters; /* all arrays of the model, in one */
    size_t n_parameters;
    uint8_t visible[N * V], hidden[N * H], chains[N * H];
    float fast[V * H + V + H];
} world;

static world *new_world(void)
{
    world *w = fresh(sizeof *w);
    w->n_parameters = 2 * (V * H + V + H) + V + 2 * H;
    float *at = w->parameters = fresh(w->n_parameters * sizeof *at);
    for (size_t i = 0; i < w->n_parameters; i++)
        at[i] = random_float(0.25f);
    w->model = (rbmk_learning){.n_visible = V, .n_hidden = H, .exponent = 10};
    w->model.W = at, at += V * H;
    w->model.W_velocity = at, at += V * H;
    w->model.a = at, at += V;
    w->model.a_velocity = at, at += V;
    w->model.visible_offset = at, at += V;
    w->model.b = at, at += H;
    w->model.b_velocity = at, at += H;
    w->model.hidden_offset = at, at += H;
    w->model.activity = at;
    fill_states(w->visible, sizeof w->visible, 30);
    fill_states(w->hidden, sizeof w->hidden, 30);
    fill_states(w->chains, sizeof w->chains, 30);
    for (int i = 0; i < V * H + V + H; i++)
        w->fast[i] = random_float(0.25f);
    return w;
}

/* Groups of units, so that memory for them is asked for too. */
static const int32_t start[] = {0, V};
static const rbmk_block group = {0, V, 1, start};
static const rbmk_layers layers = {.visible = {1, &group}};

static rbmk_status exponent(world *w)
{
    int e;
    return rbmk_exponent(w->model.W, V, H, RBMK_MAX_EXPONENT, &e);
}

static rbmk_status create(world *w)
{
    rbmk_weights weights;
    rbmk_status status = rbmk_weights_create(&weights, w->model.W, V, H, RBMK_MAX_EXPONENT);
    if (status == RBMK_OK)
        rbmk_weights_free(&weights);
    return status;
}

/* With weights of its own, which are none of the requests that fail. */
static rbmk_status with_weights(world *w, int n_visible, rbmk_status (*call)(world *w, const rbmk_weights *weights))
{
    const int planned = fail_at;
    rbmk_weights weights;
    fail_at = 0;
    rbmk_status status = rbmk_weights_create(&weights, w->model.W + (V - n_visible) * H, n_visible, H, RBMK_MAX_EXPONENT);
    if (status != RBMK_OK)
        return status;
    fail_at = planned;
    requests = 0;
    status = call(w, &weights);
    rbmk_weights_free(&weights);
    return status;
}

static rbmk_status pass_with(world *w, const rbmk_weights *weights)
{
    const rbmk_stream stream = {1, 1, 0, 0, NULL, 0};
    rbmk_outputs out = {fresh(N * H * sizeof(float)), NULL, w->hidden, fresh(N * sizeof(double))};
    return rbmk_pass(weights, 1, (rbmk_states){w->visible, 0, V, N}, w->model.b, out, &stream);
}

static rbmk_status gibbs_with(world *w, const rbmk_weights *weights)
{
    const rbmk_stream stream = {1, 1, 0, 0, NULL, 0};
    return rbmk_gibbs(weights, w->model.a, w->model.b, w->visible, w->hidden, N, 2, stream, NULL, &layers);
}

static rbmk_status anneal_with(world *w, const rbmk_weights *weights)
{
    const rbmk_stream stream = {1, 1, 0, 0, NULL, 0};
    const float betas[] = {0.0f, 0.5f, 1.0f};
    double *log_weight = fresh(N * sizeof *log_weight);
    memset(log_weight, 0, N * sizeof *log_weight);
    return rbmk_anneal(weights, w->model.a, w->model.b, w->model.a, betas, 3, w->visible, log_weight, N, stream, &layers);
}

static rbmk_status temper_with(world *w, const rbmk_weights *weights)
{
    const rbmk_stream stream = {1, 1, 0, 0, NULL, 0};
    const float betas[] = {0.0f, 1.0f};
    return rbmk_temper(weights, w->model.a, w->model.b, w->model.a, betas, 2, w->visible, 2, w->hidden, fresh(N), N / 2, 2,
                       stream, 2, &layers);
}

static rbmk_status climb_with(world *w, const rbmk_weights *weights)
{
    const rbmk_stream stream = {1, 1, 0, 0, NULL, 0};
    double *here = fresh(3 * N * sizeof *here);
    float *x = fresh(2 * N * H * sizeof *x);
    const rbmk_weighed samples = {w->visible, x, here, here + N};
    const rbmk_weighed chains = {fresh(N * V), x + N * H, here + 2 * N, fresh(N * sizeof *here)};
    rbmk_rung rung = {weights, w->model.a, w->model.b, w->visible, samples.there, N, 1.0f, 0.0f};
    memset(here, 0, 3 * N * sizeof *here);
    memset(x, 0, 2 * N * H * sizeof *x);
    return rbmk_climb(weights, w->model.a, w->model.b, &rung, samples, chains, w->hidden, N, 2, stream, &layers);
}

static rbmk_status sweep_with(world *w, const rbmk_weights *weights)
{
    const rbmk_stream stream = {1, 1, 0, 0, NULL, 0};
    return rbmk_sweep(weights, 1.0f, w->model.b, w->hidden, N, 2, stream, NULL, NULL);
}

static rbmk_status pass(world *w) { return with_weights(w, V, pass_with); }

static rbmk_status gibbs(world *w) { return with_weights(w, V, gibbs_with); }

static rbmk_status anneal(world *w) { return with_weights(w, V, anneal_with); }

static rbmk_status temper(world *w) { return with_weights(w, V, temper_with); }

static rbmk_status climb(world *w) { return with_weights(w, V, climb_with); }

static rbmk_status sweep(world *w) { return with_weights(w, H, sweep_with); }

static rbmk_status conditionals(world *w)
{
    static const int32_t all[] = {0};
    double *sum = fresh(N * sizeof *sum);
    return rbmk_log_conditionals(fresh(N * H * sizeof(float)), H, w->model.W, w->model.a, (rbmk_states){w->visible, 0, V, N},
                                 start, all, 1, sum);
}

static const rbmk_settings settings = {.offset_rate = 0.1f, .centered = 1, .max_norm = 3.0f};

/* fast_rate: of fast parameters; negative: there are none. */
static rbmk_status learn(world *w, int n, int n_chains, float rate, float fast_rate, int (*interrupted)(void *), int64_t *done)
{
    const rbmk_fast fast = {w->fast, w->fast + V * H, w->fast + V * H + V, fast_rate, 0.875f};
    int64_t *order = fresh(N * sizeof *order);
    float *rates = fresh(N * sizeof *rates), *momenta = fresh(N * sizeof *momenta);
    for (int i = 0; i < N; i++)
        order[i] = i, rates[i] = rate, momenta[i] = 0.5f;
    uint8_t *entries = fresh(N * V), *resting = fresh(N * H);
    fill_states(entries, N * V, 30);
    fill_states(resting, N * H, 50);
    const rbmk_missing missing = {entries, order, resting, 1, {1, 2, 0, 0, order, 0}};
    const rbmk_epoch_plan plan = {.data = {w->visible, 0, V, N}, .order = order, .row_ids = order,
                                  .weights = random_weights(n), .n = n, .batch_size = 16, .k = 1, .chains = n_chains ? w->chains : NULL,
                                  .n_chains = n_chains, .rates = rates, .momenta = momenta,
                                  .stream = {1, 1, 0, 0, NULL, 0}, .missing = &missing, .fast = fast_rate < 0.0f ? NULL : &fast,
                                  .interrupted = interrupted, .layers = layers};
    return rbmk_epoch(&w->model, &settings, &plan, done);
}

static rbmk_status epoch_cd(world *w)
{
    int64_t done;
    return learn(w, N, 0, 0.1f, -1.0f, NULL, &done);
}

static rbmk_status epoch_pcd(world *w)
{
    int64_t done;
    return learn(w, N, 20, 0.1f, -1.0f, NULL, &done);
}

static rbmk_status epoch_fpcd(world *w)
{
    int64_t done;
    return learn(w, N, 20, 0.1f, 0.1f, NULL, &done);
}

static rbmk_status update(world *w)
{
    float *g = fresh((V * H + 2 * V + 2 * H) * sizeof *g);
    for (int i = 0; i < V * H + 2 * V + 2 * H; i++)
        g[i] = random_float(0.5f);
    const rbmk_gradient gradient = {g, g + V * H, g + V * H + V, g + V * H + V + H, g + V * H + 2 * V + H};
    return rbmk_update(&w->model, &gradient, &settings, 0.1f, 0.5f);
}

static rbmk_status contrast(world *w)
{
    uint16_t *p = fresh(N * H * sizeof *p);
    float *g = fresh((V * H + 2 * V + 2 * H) * sizeof *g);
    for (int i = 0; i < N * H; i++)
        p[i] = (uint16_t)random_below(65536);
    const rbmk_samples data = {{w->visible, 0, V, N}, p}, model = {{w->visible + V, 0, V, N - 1}, p};
    return rbmk_contrast(&data, &model, random_weights(N), 0, V, H, g, g + V * H, g + V * H + V, g + V * H + V + H,
                         g + V * H + 2 * V + H);
}

static rbmk_status log_sums(world *w)
{
    static const int32_t site[] = {0, 2, 4, 7};
    static const double sent[7], bias[1];
    double sums[12];
    const rbmk_enumeration e = {3, 1, 1, site, sent, sent, bias, {0, NULL}};
    (void)w;
    return rbmk_log_sums(&e, 0, 4, sums);
}

static const struct {
    const char *name;
    rbmk_status (*run)(world *w);
    int quantises; /* refuses weights, wherever in W: those that do come first */
} calls[] = {{"exponent", exponent, 1}, {"weights_create", create, 1},   {"pass", pass, 1},     {"gibbs", gibbs, 1},
             {"anneal", anneal, 1},     {"epoch, CD", epoch_cd, 1},      {"epoch, PCD", epoch_pcd, 1},
             {"epoch, FPCD", epoch_fpcd, 1},
             {"temper", temper, 1},     {"climb", climb, 1},            {"sweep", sweep, 0},
             {"update", update, 0},
             {"contrast", contrast, 0}, {"log_conditionals", conditionals, 0}, {"log_sums", log_sums, 0}};

/* --- Refusals -------------------------------------------------------------------------------------------- */

static float *parameters_of(const world *w)
{
    const size_t bytes = w->n_parameters * sizeof(float);
    return memcpy(fresh(bytes), w->parameters, bytes);
}

/* Each of a call's requests for memory fails once. */
static void without_memory(size_t c, int threads)
{
    rbmk_status status = RBMK_NO_MEMORY;
    check_test("%s, %d threads", calls[c].name, threads);
    rbmk_set_num_threads(threads);
    for (int at = 1; status == RBMK_NO_MEMORY && at < 1000; at++) {
        seed_random(c);
        world *w = new_world();
        const float *before = parameters_of(w);
        requests = held = 0;
        fail_at = at;
        status = calls[c].run(w);
        check(held == 0, "request %d fails: %d pieces of memory stay", at, held);
        if (requests < at) { /* the call needed fewer */
            check(status == RBMK_OK && at > 1, "status %d after %d requests", (int)status, requests);
        } else {
            check(status == RBMK_NO_MEMORY, "request %d fails: status %d", at, (int)status);
            check_same(before, w->parameters, w->n_parameters * sizeof *before, "request %d fails: the model", at);
            check(w->model.exponent == 10, "request %d fails: the exponent changed", at);
        }
        forget();
    }
    fail_at = 0;
    rbmk_set_num_threads(1);
}

static void with_weight(size_t c, float weight, rbmk_status expected)
{
    check_test("%s, a weight of %g", calls[c].name, (double)weight);
    for (int at = 0; at < 3; at++) {
        seed_random(c);
        world *w = new_world();
        w->model.W[at * (V * H - 1) / 2] = weight;
        const float *before = parameters_of(w);
        held = 0;
        rbmk_status status = calls[c].run(w);
        check(status == expected, "status %d", (int)status);
        check(held == 0, "%d pieces of memory stay", held);
        check_same(before, w->parameters, w->n_parameters * sizeof *before, "the model");
        forget();
    }
}

static void refused_weights(void)
{
    static const struct {
        float weight;
        rbmk_status status;
    } cases[] = {{NAN, RBMK_NOT_FINITE},   {INFINITY, RBMK_NOT_FINITE}, {-INFINITY, RBMK_NOT_FINITE},
                 {1e20f, RBMK_TOO_LARGE}, {-3e38f, RBMK_TOO_LARGE}};
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t c = 0; c < COUNT(calls) && calls[c].quantises; c++)
            with_weight(c, cases[i].weight, cases[i].status);
}

/* A column that sums to more than int32 holds takes a smaller exponent, although each weight would fit. */
static void sums_too_large(void)
{
    enum { ROWS = 3000 };
    float *W = fresh(ROWS * sizeof *W);
    int e = 0;
    for (int i = 0; i < ROWS; i++)
        W[i] = 1.0f;
    check_test("sums");
    check(rbmk_exponent(W, ROWS, 1, RBMK_MAX_EXPONENT, &e) == RBMK_OK && e == 19, "exponent %d of a column", e);
    check(rbmk_exponent(W, 1, ROWS, RBMK_MAX_EXPONENT, &e) == RBMK_OK && e == 19, "exponent %d of a row", e);
    forget();
}

static void divergence(void)
{
    int64_t done = -1;
    seed_random(0);
    world *w = new_world();
    check_test("a rate that overflows");
    held = 0;
    check(learn(w, N, 0, 3e38f, -1.0f, NULL, &done) == RBMK_NOT_FINITE, "not noticed");
    check(done < 3 && held == 0, "%d updates done, %d pieces of memory stay", (int)done, held);
    check_test("fast weights that overflow");
    w = new_world();
    check(learn(w, N, 20, 0.1f, INFINITY, NULL, &done) == RBMK_NOT_FINITE, "not noticed");
    check(done == 1 && held == 0, "%d updates done, %d pieces of memory stay", (int)done, held);
    forget();
}

static int always(void *context)
{
    (void)context;
    return 1;
}

/* The first question comes after the first pass, long before an update: nothing has changed. */
static void interruption(void)
{
    int64_t done = 1;
    seed_random(0);
    world *stopped = new_world();
    seed_random(0);
    world *untouched = new_world();
    check_test("interrupted");
    held = 0;
    check(learn(stopped, N, 20, 0.1f, 0.1f, always, &done) == RBMK_INTERRUPTED, "not noticed");
    check(done == 0, "%d updates done", (int)done);
    check_same(untouched->parameters, stopped->parameters, stopped->n_parameters * sizeof(float), "the model");
    check_same(untouched->chains, stopped->chains, sizeof stopped->chains, "the chains");
    check_same(untouched->fast, stopped->fast, sizeof stopped->fast, "fast parameters");
    check(held == 0, "%d pieces of memory stay", held);
    forget();
}

void test_refusals(void)
{
    for (int isa = 0; isa < rbmk_isa_count(); isa++) {
        if (!rbmk_isa_select(isa))
            continue;
        check_group("no memory, %s", rbmk_isa_name(isa));
        for (size_t c = 0; c < COUNT(calls); c++)
            for (int threads = 1; threads <= 3; threads += 2)
                without_memory(c, threads);
    }
    check_group("weights that are refused");
    refused_weights();
    sums_too_large();
    check_group("stopping");
    divergence();
    interruption();
}
