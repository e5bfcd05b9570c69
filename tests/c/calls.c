/* The public calls: the same bytes from every path and every number of threads, also for a caller whose float settings
 * are not the usual ones.
 */
#include <stdlib.h>
#include <string.h>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include "check.h"
#include "parallel/team.h"
#include "rbmk.h"

/* --- What a scenario gave, in bytes ---------------------------------------------------------------------- */

typedef struct {
    unsigned char *data;
    size_t size, capacity;
} record;

static void keep(record *r, const void *data, size_t bytes)
{
    if (r->size + bytes > r->capacity) {
        r->capacity = 2 * (r->size + bytes);
        r->data = realloc(r->data, r->capacity);
        if (!r->data)
            abort();
    }
    memcpy(r->data + r->size, data, bytes);
    r->size += bytes;
}

/* The caller's float settings, only during a call of the engine: what makes the inputs must not depend on them. */
#if defined(__SSE2__)
#define FLOAT_SETTINGS 1
enum { USUAL = 0x1F80, FLUSHES = 0x8040, ROUNDS_DOWN = 0x2000, FLAGS = 0x3F };

static unsigned float_settings(void) { return _mm_getcsr() & ~(unsigned)FLAGS; }

static void set_float_settings(unsigned settings) { _mm_setcsr(settings); }
#elif defined(__aarch64__)
#define FLOAT_SETTINGS 1
enum { USUAL = 0, FLUSHES = 1 << 24, ROUNDS_DOWN = 2 << 22 };

static unsigned float_settings(void)
{
    uint64_t settings;
    __asm__ volatile("mrs %0, fpcr" : "=r"(settings));
    return (unsigned)settings;
}

static void set_float_settings(unsigned settings)
{
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)settings) : "memory");
}
#endif

#ifdef FLOAT_SETTINGS
static unsigned caller_settings = USUAL;
static int settings_restored;
#define CALL(statement) \
    do { \
        set_float_settings(caller_settings); \
        statement; \
        settings_restored &= float_settings() == caller_settings; \
        set_float_settings(USUAL); \
    } while (0)
#else
#define CALL(statement) statement
#endif

static void succeed(record *r, rbmk_status status)
{
    check(status == RBMK_OK, "status %d", (int)status);
    keep(r, &status, sizeof status);
}

/* --- Inputs ---------------------------------------------------------------------------------------------- */

static float *random_floats(size_t n, float scale)
{
    float *x = fresh(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = random_float(scale);
    return x;
}

static float *zeros(size_t n) { return memset(fresh(n * sizeof(float)), 0, n * sizeof(float)); }

/* A few units that a flush of denormals would change: no weights but denormal ones, and a denormal bias. */
static void make_denormal(float *W, float *bias, int n_visible, int n_hidden)
{
    const uint32_t bits = 0x00012345;
    for (int j = 0; j < n_hidden; j += 5) {
        for (int i = 0; i < n_visible; i++)
            memcpy(W + i * n_hidden + j, &bits, sizeof bits);
        memcpy(bias + j, &bits, sizeof bits);
    }
}

static rbmk_states random_states(int64_t n, int m, int grey)
{
    rbmk_states states = {NULL, grey, m + random_below(2) * random_below(30), n};
    const size_t count = n ? (size_t)((n - 1) * states.stride + m) : 0;
    if (grey) {
        uint16_t *level = fresh(count * sizeof *level);
        for (size_t i = 0; i < count; i++)
            level[i] = random_below(2) ? (uint16_t)random_below(65536) : 0;
        states.data = level;
    } else {
        uint8_t *on = fresh(count);
        fill_states(on, count, 10 + random_below(50));
        states.data = on;
    }
    return states;
}

static const uint16_t *random_levels(int n)
{
    uint16_t *levels = fresh((size_t)n * sizeof *levels);
    for (int i = 0; i < n; i++)
        levels[i] = (uint16_t)random_below(65536);
    return levels;
}

static const int64_t *random_rows(int64_t n)
{
    int64_t *rows = fresh((size_t)n * sizeof *rows);
    for (int64_t i = 0; i < n; i++)
        rows[i] = (int64_t)(random_bits() >> 24);
    return rows;
}

static rbmk_stream random_stream(const int64_t *rows)
{
    return (rbmk_stream){random_bits(), 5, 1, random_bits() >> 20, rows, 12345678901};
}

/* --- Scenarios ------------------------------------------------------------------------------------------- */

static const struct {
    int n, n_visible, n_hidden;
} shapes[] = {{1, 1, 1}, {7, 17, 33}, {40, 100, 65}, {33, 784, 130}, {0, 16, 16}};

/* States of a kind: 0/1, grey levels, real numbers. */
static void one_pass(record *r, const rbmk_weights *w, int up, int kind, int n, const float *bias)
{
    const int m = up ? w->n_visible : w->n_hidden, to = up ? w->n_hidden : w->n_visible;
    const size_t outputs = (size_t)n * (size_t)to;
    const rbmk_stream stream = random_stream(random_below(2) ? random_rows(n) : NULL);
    const int wanted = random_below(3) ? 15 : random_below(16); /* any output may be NULL */
    rbmk_states states = random_states(n, m, kind > 0);
    states.grey = kind;
    rbmk_outputs out = {.input = wanted & 1 ? fresh(outputs * sizeof(float)) : NULL,
                        .probability = wanted & 2 ? fresh(outputs * sizeof(float)) : NULL,
                        .sample = wanted & 4 ? fresh(outputs) : NULL,
                        .softplus = wanted & 8 ? fresh((size_t)n * sizeof(double)) : NULL};
    rbmk_status status;
    CALL(status = rbmk_pass(w, up, states, bias, out, &stream));
    succeed(r, status);
    if (out.input)
        keep(r, out.input, outputs * sizeof(float));
    if (out.probability)
        keep(r, out.probability, outputs * sizeof(float));
    if (out.sample)
        keep(r, out.sample, outputs);
    if (out.softplus)
        keep(r, out.softplus, (size_t)n * sizeof(double));
}

static void passes(record *r)
{
    for (size_t s = 0; s < COUNT(shapes); s++) {
        const int n_visible = shapes[s].n_visible, n_hidden = shapes[s].n_hidden;
        float *W = random_floats((size_t)n_visible * (size_t)n_hidden, 0.25f);
        float *a = random_floats((size_t)n_visible, 2.0f), *b = random_floats((size_t)n_hidden, 2.0f);
        rbmk_weights w;
        rbmk_status status;
        make_denormal(W, b, n_visible, n_hidden);
        CALL(status = rbmk_weights_create(&w, W, n_visible, n_hidden, RBMK_MAX_EXPONENT));
        succeed(r, status);
        keep(r, &w.exponent, sizeof w.exponent);
        for (int kind = 0; kind < 3; kind++)
            for (int up = 0; up < 2; up++)
                one_pass(r, &w, up, kind, shapes[s].n, up ? b : a);
        rbmk_weights_free(&w);
        forget();
    }
}

/* A layer of n units of three blocks, if it is large enough: groups, switches, and groups. */
static rbmk_layer random_layer(int n)
{
    rbmk_block *blocks = fresh(3 * sizeof *blocks);
    int32_t *start = fresh((size_t)(n + 2) * sizeof *start);
    int first = 0;
    if (n < 12)
        return (rbmk_layer){0, NULL};
    for (int b = 0; b < 3; b++) {
        const int end = b < 2 ? n * (b + 1) / 3 : n;
        blocks[b] = (rbmk_block){first, end - first, 0, b == 1 ? NULL : start};
        for (*start = first; b != 1 && *start < end; start++, blocks[b].n_groups++)
            start[1] = end - *start < 6 ? end : *start + 2 + random_below(4);
        first = end;
        start++;
    }
    return (rbmk_layer){3, blocks};
}

/* A layer of n units, all in groups. */
static rbmk_layer random_groups(int n)
{
    int32_t *start = fresh((size_t)(n + 2) * sizeof *start);
    rbmk_block *all = fresh(sizeof *all);
    *all = (rbmk_block){0, n, 0, start};
    for (*start = 0; *start < n; start++, all->n_groups++)
        start[1] = n - *start < 12 ? n : *start + 1 + random_below(8);
    return (rbmk_layer){1, all};
}

static void chains(record *r)
{
    for (size_t s = 0; s < COUNT(shapes); s++)
        for (int clamped = 0; clamped < 2; clamped++) {
            const int n = shapes[s].n, n_visible = shapes[s].n_visible, n_hidden = shapes[s].n_hidden;
            const float *W = random_floats((size_t)n_visible * (size_t)n_hidden, 0.5f);
            const float *a = random_floats((size_t)n_visible, 1.0f), *b = random_floats((size_t)n_hidden, 1.0f);
            const float *base = random_floats((size_t)n_visible, 1.0f), betas[] = {0.0f, 0.3f, 1.0f};
            const size_t v_bytes = (size_t)(n * n_visible), h_bytes = (size_t)(n * n_hidden);
            uint8_t *visible = fresh(v_bytes), *hidden = fresh(h_bytes), *clamp = fresh(v_bytes);
            double *log_weight = fresh((size_t)n * sizeof *log_weight);
            const rbmk_stream stream = random_stream(clamped ? random_rows(n) : NULL);
            const rbmk_layers layers = {random_layer(n_visible), clamped ? random_layer(n_hidden) : (rbmk_layer){0, NULL}};
            rbmk_weights w;
            rbmk_status status;
            fill_states(visible, v_bytes, 40);
            fill_states(clamp, v_bytes, 50);
            memset(log_weight, 0, (size_t)n * sizeof *log_weight);
            CALL(status = rbmk_weights_create(&w, W, n_visible, n_hidden, 12));
            succeed(r, status);
            CALL(status = rbmk_gibbs(&w, a, b, visible, hidden, n, 2, stream, clamped ? clamp : NULL, NULL));
            succeed(r, status);
            keep(r, visible, v_bytes);
            keep(r, hidden, h_bytes);
            CALL(status = rbmk_anneal(&w, a, b, base, betas, COUNT(betas), visible, log_weight, n, stream, NULL));
            succeed(r, status);
            keep(r, visible, v_bytes);
            keep(r, log_weight, (size_t)n * sizeof *log_weight);
            CALL(status = rbmk_gibbs(&w, a, b, visible, hidden, n, 2, stream, clamped ? clamp : NULL, &layers));
            succeed(r, status);
            keep(r, visible, v_bytes);
            keep(r, hidden, h_bytes);
            CALL(status = rbmk_anneal(&w, a, b, base, betas, COUNT(betas), visible, log_weight, n, stream, &layers));
            succeed(r, status);
            keep(r, visible, v_bytes);
            keep(r, log_weight, (size_t)n * sizeof *log_weight);
            const rbmk_layers groups = {random_groups(n_visible), layers.hidden};
            const int64_t steps = n < 32 ? 2 : 1 + 1024 / n; /* enough to be drawn by odds, on one thread */
            CALL(status = rbmk_gibbs(&w, a, b, visible, hidden, n, steps, stream, NULL, &groups));
            succeed(r, status);
            keep(r, visible, v_bytes);
            keep(r, hidden, h_bytes);
            rbmk_weights_free(&w);
            forget();
        }
}

/* Replicas at three betas or at so many that a tile has one chain, switches and layers of all kinds. */
static void ladders(record *r)
{
    for (size_t s = 0; s < COUNT(shapes); s++)
        for (int blocks = 0; blocks < 2; blocks++) {
            const int n_visible = shapes[s].n_visible, n_hidden = shapes[s].n_hidden;
            const int n_betas = shapes[s].n < 7 ? 300 : 3, n = shapes[s].n * (blocks ? 10 : 1);
            const int steps = 3, shown = blocks ? 1 : n_betas;
            const float *W = random_floats((size_t)n_visible * (size_t)n_hidden, 0.5f);
            const float *a = random_floats((size_t)n_visible, 1.0f), *b = random_floats((size_t)n_hidden, 1.0f);
            const float *base = random_floats((size_t)n_visible, 1.0f);
            float *betas = fresh((size_t)n_betas * sizeof *betas);
            const size_t v_bytes = (size_t)(shown * n * n_visible), h_bytes = (size_t)(n_betas * n * n_hidden);
            const size_t swaps = (size_t)(steps * (n_betas - 1) * n);
            uint8_t *visible = fresh(v_bytes), *hidden = fresh(h_bytes), *accepted = fresh(swaps);
            const rbmk_layers layers = {random_layer(n_visible), random_layer(n_hidden)};
            rbmk_weights w;
            rbmk_status status;
            for (int i = 0; i < n_betas; i++)
                betas[i] = (float)i / (float)(n_betas - 1);
            fill_states(hidden, h_bytes, 40);
            memset(accepted, 0, swaps);
            CALL(status = rbmk_weights_create(&w, W, n_visible, n_hidden, 12));
            succeed(r, status);
            CALL(status = rbmk_temper(&w, a, b, base, betas, n_betas, visible, shown, hidden, accepted, n, steps,
                                      random_stream(NULL), 6, blocks ? &layers : NULL));
            succeed(r, status);
            keep(r, visible, v_bytes);
            keep(r, hidden, h_bytes);
            keep(r, accepted, swaps);
            rbmk_weights_free(&w);
            forget();
        }
}

/* Units that are joined to each other: switches, and groups of many sizes. */
static void sweeps(record *r)
{
    static const int sizes[][2] = {{1, 3}, {18, 17}, {150, 70}, {40, 300}};
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (int grouped = 0; grouped < 2; grouped++) {
            const int n = sizes[s][0], n_units = sizes[s][1];
            const rbmk_layer layer = grouped ? random_groups(n_units) : (rbmk_layer){0, NULL};
            const size_t bytes = (size_t)(n * n_units);
            float *W = random_floats((size_t)(n_units * n_units), 0.5f);
            uint8_t *states = fresh(bytes), *held = fresh(bytes);
            const rbmk_stream stream = random_stream(grouped ? random_rows(n) : NULL);
            rbmk_weights w;
            rbmk_status status;
            for (int i = 0; i < n_units; i++)
                for (int j = 0; j <= i; j++)
                    W[i * n_units + j] = i == j ? 0.0f : W[j * n_units + i];
            fill_states(states, bytes, 40);
            fill_states(held, bytes, 20);
            for (int row = 0; row < n; row++)
                for (int g = 0; grouped && g < layer.blocks->n_groups; g++) {
                    const int start = layer.blocks->start[g], size = layer.blocks->start[g + 1] - start;
                    memset(states + row * n_units + start, 0, (size_t)size);
                    memset(held + row * n_units + start, held[row * n_units + start], (size_t)size);
                    states[row * n_units + start + random_below(size)] = 1;
                }
            CALL(status = rbmk_weights_create(&w, W, n_units, n_units, 12));
            succeed(r, status);
            CALL(status = rbmk_sweep(&w, 0.7f, random_floats((size_t)n_units, 1.0f), states, n, 3, stream, held, &layer));
            succeed(r, status);
            keep(r, states, bytes);
            rbmk_weights_free(&w);
            forget();
        }
}

/* Rows of m total inputs. */
static void functions_of_rows(record *r, int n, int m)
{
    const size_t count = (size_t)n * (size_t)m;
    const float *x = random_floats(count, 64.0f), *weights = random_floats((size_t)m, 2.0f);
    float *y = fresh(count * sizeof *y), *positive = fresh(count * sizeof *positive);
    uint16_t *p = fresh(count * sizeof *p);
    double *sum = fresh((size_t)n * sizeof *sum);
    uint8_t *state = fresh(count);
    uint32_t *uniform = fresh(count * sizeof *uniform);
    const rbmk_stream stream = random_stream(NULL);
    for (size_t i = 0; i < count; i++)
        positive[i] = random_float(0.5f) + 0.75f;
    CALL(rbmk_sigmoid(x, (int64_t)count, y));
    keep(r, y, count * sizeof *y);
    CALL(rbmk_sigmoid_u16(x, (int64_t)count, p));
    keep(r, p, count * sizeof *p);
    CALL(rbmk_softplus(x, (int64_t)count, y));
    keep(r, y, count * sizeof *y);
    CALL(rbmk_log(positive, (int64_t)count, y));
    keep(r, y, count * sizeof *y);
    CALL(rbmk_softplus_sum(x, n, m, sum));
    keep(r, sum, (size_t)n * sizeof *sum);
    for (int grey = 0; grey < 2; grey++) {
        const rbmk_states states = random_states(n, m, grey);
        CALL(rbmk_weighted_sum(states, m, weights, sum));
        keep(r, sum, (size_t)n * sizeof *sum);
    }
    uint16_t *steps = fresh(count * sizeof *steps);
    int inside;
    CALL(inside = rbmk_real_states(x, (int64_t)count, steps));
    keep(r, &inside, sizeof inside);
    if (inside)
        keep(r, steps, count * sizeof *steps);
    CALL(rbmk_add_normal(x, n, m, &stream, y));
    keep(r, y, count * sizeof *y);
    CALL(rbmk_bernoulli(x, n, m, &stream, state));
    keep(r, state, count);
    const int32_t start[] = {0, m > 4 ? 2 : 0, m}, *groups = start + (m <= 4);
    const int n_groups = 1 + (m > 4);
    double *sums = fresh((size_t)(n * n_groups) * sizeof *sums);
    CALL(rbmk_softmax_groups(x, n, groups, n_groups, y));
    keep(r, y, count * sizeof *y);
    CALL(rbmk_log_sum_groups(x, n, groups, n_groups, sums));
    keep(r, sums, (size_t)(n * n_groups) * sizeof *sums);
    CALL(rbmk_categorical(x, n, groups, n_groups, &stream, state));
    keep(r, state, count);
    CALL(rbmk_uniform_u32(n, m, &stream, uniform));
    keep(r, uniform, count * sizeof *uniform);
}

static void functions(record *r)
{
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (int n = 1; n < 60; n += 23) {
            functions_of_rows(r, n, sizes[s]);
            forget();
        }
}

/* Floats of every kind of range at an odd address. */
static void unaligned_floats(record *r)
{
    enum { N = 9001 }; /* more than a chunk */
    static const double outside[] = {0.0, 0.5, 1.5};
    for (int doubles = 0; doubles < 2; doubles++)
        for (size_t range = 0; range < COUNT(outside); range++) {
            const size_t size = doubles ? sizeof(double) : sizeof(float);
            unsigned char *bytes = fresh(N * size + 1);
            uint8_t *state = memset(fresh(N), 0, N);
            uint16_t *level = memset(fresh(N * sizeof *level), 0, N * sizeof *level);
            const rbmk_floats x = {bytes + 1, doubles, N};
            for (size_t i = 0; i < N; i++) {
                const double one = i == N - 1 ? outside[range] : random_below(2);
                const float single = (float)one;
                memcpy(bytes + 1 + i * size, doubles ? (const void *)&one : (const void *)&single, size);
            }
            rbmk_range found[3];
            CALL(found[0] = rbmk_range_of(x));
            CALL(found[1] = rbmk_states_u8(x, state));
            CALL(found[2] = rbmk_states_u16(x, level));
            for (int i = 0; i < 3; i++)
                check(found[i] == (rbmk_range)range, "range %d, not %d", (int)found[i], (int)range);
            if (found[1] == RBMK_ALL_BINARY)
                keep(r, state, N);
            if (found[2] != RBMK_SOME_OUTSIDE)
                keep(r, level, N * sizeof *level);
            forget();
        }
}

static void classes(record *r)
{
    static const struct {
        int n, n_classes, n_hidden;
    } cases[] = {{1, 1, 1}, {3, 2, 17}, {7, 10, 100}, {20, 3, 784}, {0, 4, 16}, {2, 300, 65}};
    for (size_t c = 0; c < COUNT(cases); c++) {
        const int n = cases[c].n, n_classes = cases[c].n_classes, n_hidden = cases[c].n_hidden;
        const size_t rows = (size_t)(n * n_hidden), pairs = (size_t)(n_classes * n_hidden);
        const size_t of_rows = (size_t)(n * n_classes);
        const float *x = random_floats(rows, 8.0f), *U = random_floats(pairs, 8.0f);
        const float *d = random_floats((size_t)n_classes, 2.0f);
        float *p = fresh(of_rows * sizeof *p);
        double *log_weights = fresh(of_rows * sizeof *log_weights);
        uint16_t *mean = fresh(rows * sizeof *mean);
        int64_t *sums = fresh(pairs * sizeof *sums);
        for (size_t i = 0; i < of_rows; i++) /* too much altogether: means are cut off at 1 */
            p[i] = random_below(8) ? random_float(0.5f) + 0.5f : 1e-20f;
        CALL(rbmk_class_log_weights(x, n, n_hidden, U, d, n_classes, log_weights));
        keep(r, log_weights, of_rows * sizeof *log_weights);
        CALL(rbmk_class_expectations(x, n, n_hidden, U, p, n_classes, mean, sums));
        keep(r, mean, rows * sizeof *mean);
        keep(r, sums, pairs * sizeof *sums);
        forget();
    }
}

/* Sites of one unit each, also of grey levels, and of several: of x that need not be theirs. */
static void conditionals(record *r)
{
    for (size_t s = 0; s < COUNT(shapes); s++)
        for (int kind = 0; kind < 3; kind++) {
            const int n = shapes[s].n, n_visible = shapes[s].n_visible, n_hidden = shapes[s].n_hidden;
            const float *x = random_floats((size_t)(n * n_hidden), 8.0f), *a = random_floats((size_t)n_visible, 2.0f);
            const float *W = random_floats((size_t)(n_visible * n_hidden), 1.0f);
            const rbmk_layer groups = random_groups(n_visible);
            const int n_sites = kind == 2 ? groups.blocks->n_groups : n_visible;
            rbmk_states states = random_states(n, n_visible, kind == 1);
            int32_t *sites = fresh((size_t)n_sites * sizeof *sites);
            double *sum = fresh((size_t)n * sizeof *sum);
            rbmk_status status;
            for (int i = 0; i < n_sites; i++)
                sites[i] = n_sites - 1 - i;
            CALL(status = rbmk_log_conditionals(x, n_hidden, W, a, states, kind == 2 ? groups.blocks->start : NULL, sites,
                                                n_sites, sum));
            succeed(r, status);
            keep(r, sum, (size_t)n * sizeof *sum);
            forget();
        }
}

static void initialisation(record *r)
{
    static const double scales[] = {0.01, 1e-39}; /* the second gives denormals */
    for (int n = 1; n <= 101; n += 10)
        for (size_t i = 0; i < COUNT(scales); i++) {
            uint64_t *keys = fresh((size_t)n * sizeof *keys);
            float *W = fresh((size_t)(n * 65) * sizeof *W);
            CALL(rbmk_shuffle_keys(n, 42, 7, 3, keys));
            keep(r, keys, (size_t)n * sizeof *keys);
            int64_t *order = fresh((size_t)n * sizeof *order);
            rbmk_status status;
            keys[n / 2] = keys[n - 1]; /* equal ones stay in order */
            CALL(status = rbmk_argsort(keys, n, order));
            succeed(r, status);
            for (int i = 1; i < n; i++) {
                const uint64_t one = keys[order[i - 1]], next = keys[order[i]];
                check(one < next || (one == next && order[i - 1] < order[i]), "place %d of %d", i, n);
            }
            CALL(rbmk_normal_weights(n, 65, scales[i], 42, 1, 2, W));
            keep(r, W, (size_t)(n * 65) * sizeof *W);
            forget();
        }
}

/* With and without as many samples as data and weights, binary, grey and real, also of the very states of the data. */
static void contrasts(record *r)
{
    static const struct {
        int grey_data, grey_model, shared, real;
    } kinds[] = {{0, 0, 0, 0}, {0, 0, 1, 0}, {1, 0, 0, 0}, {1, 1, 0, 0}, {1, 1, 1, 0}, {1, 1, 0, 1}, {1, 1, 1, 1}};
    for (size_t s = 0; s < COUNT(shapes); s++)
        for (size_t k = 0; k < 2 * COUNT(kinds) && shapes[s].n; k++) { /* no rows have no mean */
            const int kind = (int)k / 2, n = shapes[s].n, m = shapes[s].n_visible, n_hidden = shapes[s].n_hidden;
            const int n_model = k % 2 && !kinds[kind].shared ? n + 5 : n;
            const size_t v = (size_t)m * sizeof(float), h = (size_t)n_hidden * sizeof(float);
            rbmk_samples data = {random_states(n, m, kinds[kind].grey_data), random_levels(n * n_hidden)};
            rbmk_states other = random_states(n_model, m, kinds[kind].grey_model);
            if (kinds[kind].real)
                data.visible.grey = other.grey = RBMK_REAL;
            const rbmk_samples model = {kinds[kind].shared ? data.visible : other, random_levels(n_model * n_hidden)};
            float *W = fresh(v * (size_t)n_hidden), *a = fresh(v), *b = fresh(h);
            float *visible = fresh(v), *hidden = fresh(h);
            rbmk_status status;
            const double *weights = k % 3 && !kinds[kind].real ? random_weights(n) : NULL;
            CALL(status = rbmk_contrast(&data, &model, weights, n == n_model && k % 3 == 1, m, n_hidden, W, a, b, visible,
                                        hidden));
            succeed(r, status);
            keep(r, W, v * (size_t)n_hidden);
            keep(r, a, v);
            keep(r, b, h);
            keep(r, visible, v);
            keep(r, hidden, h);
            forget();
        }
}

/* --- Networks -------------------------------------------------------------------------------------------- */

static float *floats_like(const float *x, size_t n) { return memcpy(fresh(n * sizeof *x), x, n * sizeof *x); }

/* Layers of n rows of m. */
static void layers_of_rows(record *r, int n, int m)
{
    const size_t count = (size_t)n * (size_t)m, bytes = count * sizeof(float);
    const float *x = random_floats(count, 16.0f), *h = random_floats(count, 1.0f), *bias = random_floats((size_t)m, 2.0f);
    const rbmk_stream stream = random_stream(n % 2 ? random_rows(n) : NULL);
    float *y, *sent = fresh(bytes), *factor = fresh(bytes);
    double *loss = fresh((size_t)n * sizeof *loss);
    uint8_t *wrong = fresh((size_t)n);
    int64_t *labels = fresh((size_t)n * sizeof *labels);
    for (int i = 0; i < n; i++)
        labels[i] = random_below(m);
    CALL(rbmk_drop(x, n, m, 0x60000000u, 1.6f, &stream, sent, factor));
    keep(r, sent, bytes);
    keep(r, factor, bytes);
#define IN_PLACE(call) \
    y = floats_like(x, count); \
    CALL(call); \
    keep(r, y, bytes)
    IN_PLACE(rbmk_add_bias_sigmoid(y, n, m, bias));
    IN_PLACE(rbmk_softmax(y, n, m, bias));
    IN_PLACE(rbmk_backward(y, n, m, h, factor));
    IN_PLACE(rbmk_backward(y, n, m, NULL, factor));
    IN_PLACE(rbmk_backward(y, n, m, h, NULL));
    IN_PLACE(rbmk_softmax_cross_entropy(y, n, m, bias, labels, loss, wrong));
    keep(r, loss, (size_t)n * sizeof *loss);
    keep(r, wrong, (size_t)n);
    IN_PLACE(rbmk_sigmoid_cross_entropy(y, n, m, bias, h, loss));
    keep(r, loss, (size_t)n * sizeof *loss);
    IN_PLACE(rbmk_squared_error(y, n, m, bias, h, loss));
    keep(r, loss, (size_t)n * sizeof *loss);
}

static void steps_of(record *r, int n)
{
    const size_t bytes = (size_t)n * sizeof(float);
    float *value = random_floats((size_t)n, 4.0f), *velocity = random_floats((size_t)n, 0x1p-98f), *square = fresh(bytes);
    const float *gradient = random_floats((size_t)n, 1e-28f);
    memset(square, 0, bytes);
    const rbmk_momentum momentum = {.n = n, .gradient = gradient, .value = value, .velocity = velocity, .scale = 0.01f,
                                    .decay = 1e-30f, .rate = 0.1f, .momentum = 0.9f};
    const rbmk_adam adam = {.n = n, .gradient = gradient, .value = value, .mean = velocity, .square = square,
                            .scale = 1e20f, .decay = 1e-3f, .rate = 0.001f, .keep_mean = 0.9f, .add_mean = 0.1f,
                            .keep_square = 0.999f, .add_square = 0.001f, .square_scale = 10.0f, .epsilon = 1e-8f};
    CALL(rbmk_momentum_step(&momentum));
    keep(r, value, bytes);
    keep(r, velocity, bytes);
    CALL(rbmk_adam_step(&adam));
    keep(r, value, bytes);
    keep(r, velocity, bytes);
    keep(r, square, bytes);
}

static void networks(record *r)
{
    for (size_t s = 0; s < COUNT(sizes); s++) {
        for (int n = 1; n < 60; n += 23)
            layers_of_rows(r, n, sizes[s]);
        steps_of(r, sizes[s]);
        forget();
    }
    layers_of_rows(r, 2, 1100); /* more than drop takes at a time */
    forget();
}

/* --- Learning -------------------------------------------------------------------------------------------- */

typedef struct {
    int n_visible, n_hidden, n, batch_size, k, n_chains, grey;
    rbmk_settings settings;
} lesson;

static const lesson lessons[] = {
    {1, 1, 3, 2, 1, 0, 0, {.l2 = 0.0f}},
    {17, 33, 50, 16, 1, 0, 0, {.l2 = 0.0f}},
    {17, 33, 50, 16, 2, 0, 1, {.l2 = 0.01f}},
    {100, 65, 70, 32, 1, 0, 0, {.l1 = 1e-4f, .offset_rate = 0.01f, .centered = 1}},
    {100, 65, 70, 32, 2, 21, 0, {.max_norm = 0.5f, .offset_rate = 0.01f, .centered = 1}},
    {100, 65, 70, 70, 1, 70, 1, {.sparsity_target = 0.1f, .sparsity_cost = 0.1f, .sparsity_decay = 0.9f}},
    {64, 128, 64, 64, 1, 33, 1, {.l1 = 1e-4f, .l2 = 1e-3f, .max_norm = 1.0f, .offset_rate = 0.1f, .centered = 1,
                                 .sparsity_target = 0.2f, .sparsity_cost = 0.1f, .sparsity_decay = 0.5f}},
    {784, 130, 50, 40, 1, 0, 0, {.l2 = 1e-4f}},
    {300, 16, 40, 100, 1, 100, 0, {.l2 = 0.0f}},
    {30, 300, 30, 11, 2, 0, RBMK_REAL, {.l2 = 1e-4f}},
    {150, 100, 70, 64, 1, 64, RBMK_REAL, {.centered = 1, .offset_rate = 0.125f, .max_norm = 1.5f}},
    {45, 37, 21, 10, 3, 7, RBMK_REAL, {.l1 = 1e-4f}},
};

/* Few of which do not fit 16 bits. */
static rbmk_states random_reals(int n, int m)
{
    float *x = random_floats((size_t)n * (size_t)m, 3.0f);
    if (random_below(2))
        x[random_below(n * m)] = 16.5f;
    return (rbmk_states){x, RBMK_REAL, m, n};
}

static rbmk_learning random_model(int n_visible, int n_hidden)
{
    const size_t v = (size_t)n_visible, h = (size_t)n_hidden;
    rbmk_learning model = {.n_visible = n_visible, .n_hidden = n_hidden, .exponent = RBMK_MAX_EXPONENT,
                           .W = random_floats(v * h, 0.125f), .a = random_floats(v, 1.0f), .b = random_floats(h, 1.0f),
                           .W_velocity = zeros(v * h), .a_velocity = zeros(v), .b_velocity = zeros(h),
                           .visible_offset = zeros(v), .hidden_offset = zeros(h), .activity = zeros(h)};
    make_denormal(model.W, model.b, n_visible, n_hidden);
    return model;
}

static void keep_model(record *r, const rbmk_learning *m)
{
    const size_t v = (size_t)m->n_visible * sizeof(float), h = (size_t)m->n_hidden * sizeof(float);
    keep(r, m->W, v * (size_t)m->n_hidden);
    keep(r, m->W_velocity, v * (size_t)m->n_hidden);
    keep(r, m->a, v);
    keep(r, m->a_velocity, v);
    keep(r, m->visible_offset, v);
    keep(r, m->b, h);
    keep(r, m->b_velocity, h);
    keep(r, m->hidden_offset, h);
    keep(r, m->activity, h);
    keep(r, &m->exponent, sizeof m->exponent);
}

static void updates(record *r)
{
    for (size_t l = 0; l < COUNT(lessons); l++) {
        const size_t v = (size_t)lessons[l].n_visible, h = (size_t)lessons[l].n_hidden;
        rbmk_learning model = random_model(lessons[l].n_visible, lessons[l].n_hidden);
        for (int repeat = 0; repeat < 3; repeat++) {
            /* ever larger, so that the exponent drops */
            const rbmk_gradient g = {random_floats(v * h, repeat == 2 ? 64.0f : 1.0f), random_floats(v, 1.0f),
                                     random_floats(h, 1.0f), random_floats(v, 1.0f), random_floats(h, 1.0f)};
            rbmk_status status;
            CALL(status = rbmk_update(&model, &g, &lessons[l].settings, 0.125f, 0.5f));
            succeed(r, status);
            keep_model(r, &model);
        }
        forget();
    }
}

static int64_t *random_order(int64_t n)
{
    int64_t *order = fresh((size_t)n * sizeof *order);
    for (int64_t i = 0; i < n; i++) {
        int64_t other = random_below((int)i + 1);
        order[i] = order[other];
        order[other] = i;
    }
    return order;
}

/* A third of the entries; every third row is complete. drawn: 0: absent, 2: for the first time. */
static const rbmk_missing *random_missing(const lesson *l, const rbmk_epoch_plan *plan, int drawn)
{
    uint8_t *entries = fresh((size_t)(l->n * l->n_visible)), *hidden = fresh((size_t)(l->n * l->n_hidden));
    int64_t *chains = fresh((size_t)l->n * sizeof *chains);
    rbmk_missing *missing = fresh(sizeof *missing);
    fill_states(entries, (size_t)(l->n * l->n_visible), 33);
    fill_states(hidden, (size_t)(l->n * l->n_hidden), 50);
    for (int i = 0; i < l->n; i++) {
        const int64_t row = plan->order[i];
        chains[i] = row % 3 ? row : -1;
        if (row % 3 == 0)
            memset(entries + row * l->n_visible, 0, (size_t)l->n_visible);
    }
    *missing = (rbmk_missing){entries, drawn ? chains : NULL, hidden, drawn == 2, random_stream(random_rows(l->n))};
    return missing;
}

static rbmk_epoch_plan random_plan(const lesson *l, int weighted)
{
    const int updates = (l->n + l->batch_size - 1) / l->batch_size;
    float *rates = fresh((size_t)updates * sizeof *rates), *momenta = fresh((size_t)updates * sizeof *momenta);
    uint8_t *hidden = NULL;
    for (int t = 0; t < updates; t++) {
        rates[t] = (l->grey == RBMK_REAL ? 0.0078125f : 0.25f) + random_float(0.0078125f);
        momenta[t] = random_below(2) ? 0.0f : 0.5f + random_float(0.5f);
    }
    if (l->n_chains) {
        hidden = fresh((size_t)(l->n_chains * l->n_hidden));
        fill_states(hidden, (size_t)(l->n_chains * l->n_hidden), 50);
    }
    rbmk_epoch_plan plan = {.data = l->grey == RBMK_REAL ? random_reals(l->n, l->n_visible)
                                                         : random_states(l->n, l->n_visible, l->grey),
                            .order = random_order(l->n),
                            .row_ids = random_rows(l->n), .weights = weighted ? random_weights(l->n) : NULL, .n = l->n,
                            .batch_size = l->batch_size, .k = l->k,
                            .chains = hidden, .n_chains = l->n_chains, .rates = rates, .momenta = momenta,
                            .stream = random_stream(NULL)};
    return plan;
}

static void epochs(record *r)
{
    for (size_t i = 0; i < 8 * COUNT(lessons); i++) {
        const lesson *l = &lessons[i / 8];
        const int kind = l->grey == RBMK_REAL ? 0 : (int)(i % 4); /* 1: weights; 2: entries are absent, or drawn; 3: drawn for the first time */
        rbmk_learning model = random_model(l->n_visible, l->n_hidden);
        rbmk_epoch_plan plan = random_plan(l, kind % 2);
        if (i % 8 >= 4)
            plan.layers = (rbmk_layers){random_layer(model.n_visible), random_layer(model.n_hidden)};
        if (l->grey == RBMK_REAL)
            plan.layers.visible.n_blocks = 0;
        const size_t v = (size_t)model.n_visible, h = (size_t)model.n_hidden;
        const rbmk_fast fast = {random_floats(v * h, 0.25f), random_floats(v, 0.25f), random_floats(h, 0.25f), 0.125f, 0.875f};
        if (plan.chains && i % 2)
            plan.fast = &fast;
        if (kind >= 2)
            plan.missing = random_missing(l, &plan, kind == 3 ? 2 : l->n_chains > 0);
        int64_t done = -1;
        rbmk_status status;
        CALL(status = rbmk_epoch(&model, &l->settings, &plan, &done));
        succeed(r, status);
        keep(r, &done, sizeof done);
        keep_model(r, &model);
        if (plan.chains)
            keep(r, plan.chains, (size_t)(plan.n_chains * model.n_hidden));
        keep(r, fast.W, v * h * sizeof *fast.W);
        keep(r, fast.a, v * sizeof *fast.a);
        keep(r, fast.b, h * sizeof *fast.b);
        if (plan.missing)
            keep(r, plan.missing->hidden, (size_t)(l->n * l->n_hidden));
        forget();
    }
}

static void keep_weighed(record *r, const rbmk_weighed *w, size_t n, int n_visible, int n_hidden)
{
    keep(r, w->states, n * (size_t)n_visible);
    keep(r, w->x, n * (size_t)n_hidden * sizeof *w->x);
    keep(r, w->here, n * sizeof *w->here);
    keep(r, w->there, n * sizeof *w->there);
}

/* Epochs whose chains exchange states with samples of an earlier version; some end when too few are accepted. Then climbs. */
static void exchanges(record *r)
{
    for (size_t i = 0; i < 4 * COUNT(lessons); i++) {
        const lesson *l = &lessons[i / 4];
        if (!l->n_chains || l->grey == RBMK_REAL)
            continue;
        const int n_samples = l->n_chains * 2 + (int)(i % 2), v = l->n_visible, h = l->n_hidden;
        rbmk_learning model = random_model(v, h);
        rbmk_epoch_plan plan = random_plan(l, 0);
        rbmk_weights w;
        rbmk_rung rung = {.weights = &w, .a = random_floats((size_t)v, 1.0f), .b = random_floats((size_t)h, 1.0f),
                          .samples = fresh((size_t)(n_samples * v)), .n = n_samples, .acceptance = 1.0f,
                          .log_weights = fresh((size_t)n_samples * sizeof(double)), .least = i % 4 == 3 ? 0.75f : 0.0f};
        float *W = random_floats((size_t)(v * h), 0.125f);
        int64_t done = -1;
        rbmk_status status;
        fill_states(rung.samples, (size_t)(n_samples * v), 50);
        for (int s = 0; s < n_samples; s++)
            rung.log_weights[s] = random_float(8.0f);
        if (i % 4 == 2)
            plan.layers = (rbmk_layers){random_layer(v), random_layer(h)};
        plan.rung = &rung;
        CALL(status = rbmk_weights_create(&w, W, v, h, RBMK_MAX_EXPONENT));
        succeed(r, status);
        CALL(status = rbmk_epoch(&model, &l->settings, &plan, &done));
        succeed(r, status);
        keep(r, &done, sizeof done);
        keep_model(r, &model);
        keep(r, plan.chains, (size_t)(plan.n_chains * h));
        keep(r, rung.samples, (size_t)(n_samples * v));
        keep(r, rung.log_weights, (size_t)n_samples * sizeof(double));
        keep(r, &rung.acceptance, sizeof rung.acceptance);
        const size_t n = (size_t)plan.n_chains, n_met = (size_t)n_samples;
        const rbmk_weighed samples = {rung.samples, random_floats(n_met * (size_t)h, 1.0f), fresh(n_met * sizeof(double)),
                                      rung.log_weights};
        const rbmk_weighed chains = {fresh(n * (size_t)v), fresh(n * (size_t)h * sizeof(float)), fresh(n * sizeof(double)),
                                     fresh(n * sizeof(double))};
        for (int s = 0; s < n_samples; s++)
            samples.here[s] = random_float(8.0f);
        CALL(status = rbmk_climb(&w, rung.a, rung.b, &rung, samples, chains, plan.chains, plan.n_chains, 3,
                                 random_stream(NULL), &plan.layers));
        succeed(r, status);
        keep(r, plan.chains, n * (size_t)h);
        keep_weighed(r, &samples, n_met, v, h);
        keep_weighed(r, &chains, n, v, h);
        rbmk_weights_free(&w);
        forget();
    }
}

/* Maps of images; of blocks, too. */
static void maps(record *r)
{
    static const rbmk_convolution all[] = {{5, 6, 1, 2, 3, 7, 0, 0, 4, 4}, {4, 4, 2, 3, 3, 20, 1, 1, 4, 4}};
    for (size_t s = 0; s < COUNT(all); s++)
        for (int n = 1; n < 40; n += 19, forget()) {
            const rbmk_convolution c = all[s];
            const rbmk_pools p = {c.map_height, c.map_width, c.n_filters, 2};
            const int image = c.height * c.width * c.channels, map = c.map_height * c.map_width * c.n_filters;
            const int weights = c.filter_height * c.filter_width * c.channels * c.n_filters;
            const rbmk_stream stream = random_stream(random_below(2) ? random_rows(n) : NULL);
            const int down = c.n_filters * c.filter_height * round_up(c.filter_width * c.channels, 16); /* more than weights */
            int32_t *q = fresh((size_t)down * sizeof *q);
            uint8_t *v = fresh((size_t)(n * image)), *h = fresh((size_t)(n * map));
            float *x = fresh((size_t)(n * map) * sizeof *x), *mean = fresh((size_t)(n * map) * sizeof *mean);
            float *y = fresh((size_t)(n * image) * sizeof *y);
            uint16_t *level = fresh((size_t)(n * map) * sizeof *level);
            double *log_sums = fresh((size_t)(n * map / 4) * sizeof *log_sums);
            int64_t *sums = fresh((size_t)weights * sizeof *sums), *level_sums = fresh((size_t)c.n_filters * sizeof *sums);
            rbmk_status status;
            fill_states(v, (size_t)(n * image), 30);
            for (int i = 0; i < down; i++)
                q[i] = (int32_t)(random_bits() >> 32) >> 10;
            CALL(status = rbmk_convolve(&c, 1, v, n, q, 20, random_floats((size_t)map, 1.0f), x));
            succeed(r, status);
            CALL(status = rbmk_pool_draw(&p, x, n, &stream, h));
            succeed(r, status);
            CALL(status = rbmk_convolve(&c, 0, h, n, q, 20, random_floats((size_t)image, 1.0f), y));
            succeed(r, status);
            CALL(status = rbmk_pool_means(&p, x, n, random_below(2) ? mean : NULL, level));
            succeed(r, status);
            CALL(status = rbmk_convolve_pairs(&c, v, level, n, sums, level_sums));
            succeed(r, status);
            CALL(rbmk_pool_log_sums(&p, x, n, log_sums));
            keep(r, x, (size_t)(n * map) * sizeof *x);
            keep(r, h, (size_t)(n * map));
            keep(r, y, (size_t)(n * image) * sizeof *y);
            keep(r, level, (size_t)(n * map) * sizeof *level);
            keep(r, sums, (size_t)weights * sizeof *sums);
            keep(r, level_sums, (size_t)c.n_filters * sizeof *sums);
            keep(r, log_sums, (size_t)(n * map / 4) * sizeof *log_sums);
        }
}

/* Sums over all states of a layer of sites of several options; switches, groups and both are summed out. */
static void sums_over_states(record *r)
{
    static const int32_t site[] = {0, 2, 4, 7, 8, 12, 14, 16, 18}, n_states[] = {1, 2, 4, 8, 32, 32, 96, 192, 384};
    enum { N_SITES = COUNT(site) - 1, OPTIONS = 18 };
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (int n_low = 0; n_low <= N_SITES; n_low += 2)
            for (int kind = 0; kind < 3; kind++, forget()) {
                const int n_units = sizes[s], n = 384 / n_states[n_low], first = random_below(n);
                const float scale = n_low ? 16.0f : 1024.0f; /* low sites may not go too far */
                double *sent = fresh(OPTIONS * (size_t)n_units * sizeof *sent), log_weight[OPTIONS], total;
                double *bias = fresh((size_t)n_units * sizeof *bias), *sums = fresh((size_t)(n - first) * sizeof *sums);
                rbmk_enumeration e = {N_SITES, n_low, n_units, site, sent, log_weight, bias, {0, NULL}};
                rbmk_status status;
                for (int i = 0; i < OPTIONS * n_units; i++)
                    sent[i] = (double)random_float(scale);
                for (int i = 0; i < OPTIONS; i++)
                    log_weight[i] = (double)random_float(16.0f);
                for (int k = 0; k < n_units; k++)
                    bias[k] = (double)random_float(4.0f);
                if (kind)
                    e.layer = kind == 1 ? random_groups(n_units) : random_layer(n_units);
                CALL(status = rbmk_log_sums(&e, first, n - first, sums));
                succeed(r, status);
                keep(r, sums, (size_t)(n - first) * sizeof *sums);
                CALL(total = rbmk_log_sum_exp(sums, n - first));
                keep(r, &total, sizeof total);
            }
}

/* --- All scenarios, all ways ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(record *r);
} scenarios[] = {{"passes", passes}, {"chains", chains}, {"ladders", ladders}, {"sweeps", sweeps}, {"functions", functions},
                 {"unaligned floats", unaligned_floats}, {"classes", classes}, {"conditionals", conditionals},
                 {"initialisation", initialisation}, {"contrasts", contrasts}, {"updates", updates}, {"epochs", epochs},
                 {"exchanges", exchanges},
                 {"networks", networks}, {"maps", maps}, {"sums over states", sums_over_states}};

static record run(size_t scenario, int isa, int threads)
{
    record r = {NULL, 0, 0};
    rbmk_isa_select(isa);
    rbmk_set_num_threads(threads);
    seed_random(scenario);
    scenarios[scenario].run(&r);
    rbmk_set_num_threads(1);
    return r;
}

static void compare(size_t scenario, const record *expected, int isa, int threads)
{
    record got = run(scenario, isa, threads);
    if (check(got.size == expected->size, "%zu bytes, not %zu", got.size, expected->size))
        check_same(expected->data, got.data, got.size, "not the bytes of portable, 1 thread");
    free(got.data);
}

static const int team_sizes[] = {1, 2, 3, 7};

void test_calls(void)
{
    for (size_t s = 0; s < COUNT(scenarios); s++) {
        record expected;
        check_group("%s, all paths and thread counts", scenarios[s].name);
        check_test("portable");
        expected = run(s, 0, 1);
        for (int isa = 0; isa < rbmk_isa_count(); isa++)
            for (size_t t = 0; t < (rbmk_has_openmp() ? COUNT(team_sizes) : 1) && rbmk_isa_available(isa); t++) {
                check_test("%s, %d threads", rbmk_isa_name(isa), team_sizes[t]);
                compare(s, &expected, isa, team_sizes[t]);
            }
        free(expected.data);
    }
}

/* Epochs whose teams change: instead of the engine's own judgement. */
static int teams_change, changes;

int checked_regroup(rbmk_team team, int wanted)
{
    (void)team;
    if (!teams_change)
        return rbmk_regroup(team, wanted);
    rbmk_set_num_threads(1 + ++changes % 4);
    return changes % 3 != 0;
}

void test_changing_teams(void)
{
    teams_change = 1;
    for (size_t s = 0; s < COUNT(scenarios); s++)
        if (scenarios[s].run == epochs || scenarios[s].run == exchanges) {
            record expected;
            check_group("%s, by teams that change", scenarios[s].name);
            check_test("portable");
            teams_change = 0;
            expected = run(s, 0, 1);
            teams_change = 1;
            for (int isa = 0; isa < rbmk_isa_count(); isa++) {
                if (!rbmk_isa_available(isa))
                    continue;
                check_test("%s, up to 4 threads", rbmk_isa_name(isa));
                changes = 0;
                compare(s, &expected, isa, 4);
                check(changes > 50, "%d changes", changes);
            }
            free(expected.data);
        }
    teams_change = 0;
}

void test_float_settings(void)
{
#ifdef FLOAT_SETTINGS
    static const struct {
        const char *name;
        unsigned set;
    } settings[] = {{"flushes denormals", USUAL | FLUSHES}, {"rounds down", USUAL | ROUNDS_DOWN}};
    const int threads = rbmk_has_openmp() ? 2 : 1;
    for (size_t i = 0; i < COUNT(settings); i++) {
        check_group("a caller that %s", settings[i].name);
        for (size_t s = 0; s < COUNT(scenarios); s++) {
            record expected = run(s, 0, 1);
            for (int isa = 0; isa < rbmk_isa_count(); isa++) {
                if (!rbmk_isa_available(isa))
                    continue;
                check_test("%s, %s, %d threads", scenarios[s].name, rbmk_isa_name(isa), threads);
                settings_restored = 1;
                caller_settings = settings[i].set;
                compare(s, &expected, isa, threads);
                caller_settings = USUAL;
                check(settings_restored, "the caller's settings are not restored");
            }
            free(expected.data);
        }
    }
#else
    check_skip("float settings: this processor's are not known here");
#endif
}
