/* Every kernel of every path that runs here against the portable one (products: against plain sums), bit for bit.
 * The list comes from kernels.def: a kernel without a test does not compile.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "common/bound.h"
#include "common/scalar.h"
#include "kernels.h"

/* --- Kernels that map arrays of n elements: one line each ------------------------------------------------ */

typedef struct {
    int unit;                       /* where a task's columns start */
    rbmk_counter counter;
    float scale;                    /* a power of two */
    float *x, *bias, *weights;      /* total inputs; ordinary; for `scale` to round */
    int32_t *sums, *counts, *more;  /* any; sums of probabilities >= 0 */
    double *grey_sums, *grey_counts, *more_grey;
} inputs;

static const float special[] = {0.0f,  -0.0f, 1e-40f,  -1e-40f, 80.0f,  -80.0f,   88.7f,    -103.9f,  200.0f,
                                -1e6f, 3e38f, -3e38f, INFINITY, -INFINITY, 1.0f / 16777216.0f, -0.34657359f};

/* An input at which the unit's threshold has the same high half as the number it is compared with. */
static float tie(uint32_t uniform)
{
    double p = (double)(uniform | 1) / 4294967296.0;
    return (float)log((1.0 - p) / p);
}

static void fill_total_inputs(const rbmk_kernels *portable, const inputs *in, int n)
{
    uint32_t *uniform = fresh((size_t)n * sizeof *uniform);
    portable->uniform_u32(n, in->unit, &in->counter, uniform);
    for (int j = 0; j < n; j++) {
        float x = random_float(16.0f);
        if (random_below(4) == 0)
            x = special[random_below(COUNT(special))];
        else if (random_below(8) == 0 && uniform[j] < 0x80000000u)
            x = random_below(2) ? tie(uniform[j]) : -tie(uniform[j]);
        in->x[j] = x;
    }
}

static inputs random_inputs(const rbmk_kernels *portable, int n)
{
    const size_t f = (size_t)n * sizeof(float), d = (size_t)n * sizeof(double);
    inputs in = {128 * random_below(9), {0}, ldexpf(1.0f, random_below(30) - 24), fresh(f), fresh(f), fresh(f),
                 fresh(f), fresh(f), fresh(f), fresh(d), fresh(d), fresh(d)};
    in.counter = (rbmk_counter){(uint32_t)random_bits(), (uint32_t)random_bits(), (uint32_t)random_bits(),
                                (uint32_t)random_bits(), (uint32_t)random_bits()};
    fill_total_inputs(portable, &in, n);
    for (int j = 0; j < n; j++) {
        in.bias[j] = random_float(8.0f);
        /* integers, halves (ties to even), quarters; what outgrew the exponent; NaN */
        in.weights[j] = ldexpf((float)(random_below(1 << 22) - (1 << 21)) / 4.0f, -random_below(3)) / in.scale;
        if (random_below(16) == 0)
            in.weights[j] = random_below(2) ? special[random_below(COUNT(special))] : NAN;
        in.sums[j] = (int32_t)(uint32_t)(random_bits() >> 32 >> random_below(32));
        in.counts[j] = (int32_t)(random_bits() >> 33 >> random_below(31));
        in.more[j] = (int32_t)(random_bits() >> 33 >> random_below(31));
        in.grey_sums[j] = (double)((int64_t)random_bits() >> (11 + random_below(50)));
        in.grey_counts[j] = (double)(random_bits() >> (17 + random_below(40)));
        in.more_grey[j] = (double)(random_bits() >> (17 + random_below(40)));
    }
    return in;
}

#define TEST(name) static void test_##name(const rbmk_kernels *portable, const rbmk_kernels *tested)

/* For all sizes up to `largest`: `call` with `in`, `n` and the result `out`, of n elements of `type`. */
#define ARRAY(name, largest, type, call) \
    TEST(name) \
    { \
        for (size_t s = 0; s < COUNT(sizes) && sizes[s] <= (largest); s++) \
            for (int repeat = 0; repeat < REPEATS(20); repeat++) { \
                const int n = sizes[s]; \
                const inputs in = random_inputs(portable, n); \
                type *expected = fresh((size_t)n * sizeof(type)), *got = fresh((size_t)n * sizeof(type)), *out; \
                out = expected; \
                portable->name call; \
                out = got; \
                tested->name call; \
                check_same(expected, got, (size_t)n * sizeof(type), "n = %d", n); \
                forget(); \
            } \
    }

ARRAY(affine_i32, 784, float, (in.sums, n, in.scale, in.bias, out))
ARRAY(affine_f64, 784, float, (in.grey_sums, n, in.scale, in.bias, out))
ARRAY(affine_real, 784, float, (in.grey_sums, in.more_grey, n, in.scale, in.bias, out))
ARRAY(sigmoid, 784, float, (in.x, n, out))
ARRAY(sigmoid_i32, 784, int32_t, (in.x, n, out))
ARRAY(softplus, 784, float, (in.x, n, out))
ARRAY(add_normal, 784, float, (in.bias, n, in.unit, &in.counter, out))
ARRAY(uniform_u32, 784, uint32_t, (n, in.unit, &in.counter, out))
ARRAY(scaled_i32, 784, float, (in.sums, n, 1.0f / 6553500.0f, out))
ARRAY(difference_scaled_i32, 784, float, (in.counts, in.more, n, 1.0f / 6553500.0f, 1.0f / 655350.0f, out))
ARRAY(difference_f64, 784, float, (in.grey_counts, in.more, n, 1.0f / 6553500.0f, out))
ARRAY(difference_scaled_f64, 784, float, (in.grey_counts, in.more, n, 1.0f / 6553500.0f, 1.0f / 655350.0f, out))

ARRAY(difference_grey, 784, float, (in.grey_counts, in.more_grey, n, 1.0f / 6553500.0f, out))
ARRAY(difference_scaled_grey, 784, float, (in.grey_counts, in.more_grey, n, 1.0f / 6553500.0f, 1.0f / 655350.0f, out))
ARRAY(mean_real, 784, float, (in.grey_sums, in.more_grey, n, 1.0 / 6553500.0, out))
ARRAY(difference_real, 784, float, (in.grey_counts, in.more_grey, 2e-10, in.grey_sums, in.more_grey, 3e-10, n, out))

TEST(real_levels)
{
    static const float odd[] = {-16.0f, 15.9997f, 15.9999f, -16.0003f, NAN, INFINITY};
    (void)portable;
    for (size_t s = 0; s < COUNT(sizes) && sizes[s] <= 784; s++)
        for (size_t k = 0; k <= COUNT(odd); k++) {
            const int n = sizes[s];
            float *x = fresh((size_t)n * sizeof *x);
            uint16_t *expected = fresh((size_t)n * sizeof *expected), *got = fresh((size_t)n * sizeof *got);
            int inside = 1;
            for (int j = 0; j < n; j++)
                x[j] = (float)(random_below(65536) - 32768) / RBMK_REAL_STEPS + (float)(random_below(1000) - 499) / 2048e3f;
            if (k < COUNT(odd))
                x[random_below(n)] = odd[k];
            for (int j = 0; j < n; j++) {
                const double step = rint((double)x[j] * RBMK_REAL_STEPS);
                inside = inside && x[j] * RBMK_REAL_STEPS >= -32768 && x[j] * RBMK_REAL_STEPS <= 32767;
                expected[j] = inside ? (uint16_t)(step + RBMK_REAL_ZERO) : 0;
            }
            check(tested->real_levels(x, n, got) == inside, "n = %d, %g", n, k < COUNT(odd) ? (double)odd[k] : 0.0);
            if (inside)
                check_same(expected, got, (size_t)n * sizeof *got, "n = %d", n);
            forget();
        }
}

TEST(sigmoid_statistic)
{
    for (size_t s = 0; s < COUNT(sizes) && sizes[s] <= 784; s++)
        for (int kind = 0; kind < 4; kind++) {
            const int n = sizes[s], negate = kind % 2;
            const uint16_t share = kind < 2 ? 65535 : (uint16_t)random_bits();
            const inputs in = random_inputs(portable, n);
            int32_t *p = fresh((size_t)n * sizeof *p), *got = fresh((size_t)n * sizeof *got);
            int32_t *expected_sums = fresh((size_t)n * sizeof *expected_sums), *sums = fresh((size_t)n * sizeof *sums);
            portable->sigmoid_i32(in.x, n, p);
            for (int j = 0; j < n; j++) {
                expected_sums[j] = sums[j] = (int32_t)(random_bits() >> 34);
                p[j] = (int32_t)((2ull * (uint64_t)p[j] * share + 65535) / (2 * 65535)); /* rounded */
                expected_sums[j] += p[j];
                p[j] = negate ? -p[j] : p[j];
            }
            tested->sigmoid_statistic(in.x, n, share, negate, got, sums);
            check_same(p, got, (size_t)n * sizeof *p, "n = %d, share %d", n, share);
            check_same(expected_sums, sums, (size_t)n * sizeof *sums, "sums, n = %d", n);
            forget();
        }
}

/* Thresholds on either side of where the bound leaves the decision open. */
static void fill_doubtful_inputs(const uint32_t *uniform, int n, float *x)
{
    for (int j = 0; j < n; j++) {
        const int64_t near = uniform[j] + 65536ll * (random_below(2 * BOUND_WINDOW + 7) - BOUND_WINDOW - 3);
        if (near > 0 && near < 0x80000000ll)
            x[j] = random_below(2) ? tie((uint32_t)near) : -tie((uint32_t)near);
    }
}

/* Against the definition: the rarer state iff the uniform is below the threshold. */
TEST(sigmoid_bernoulli)
{
    int ties = 0;
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (int repeat = 0; repeat < REPEATS(100); repeat++) {
            const int n = sizes[s];
            const inputs in = random_inputs(portable, n);
            uint32_t *uniform = fresh((size_t)n * sizeof *uniform);
            uint8_t *expected = fresh((size_t)n), *got = fresh((size_t)n);
            portable->uniform_u32(n, in.unit, &in.counter, uniform);
            if (repeat % 2)
                fill_doubtful_inputs(uniform, n, in.x);
            tested->sigmoid_bernoulli(in.x, n, in.unit, &in.counter, got);
            for (int j = 0; j < n; j++) {
                const uint32_t threshold = threshold1(rare_probability(in.x[j]));
                expected[j] = (uniform[j] < threshold) ^ (in.x[j] >= 0.0f);
                ties += uniform[j] >> 16 == threshold >> 16;
            }
            check_same(expected, got, (size_t)n, "n = %d", n);
            forget();
        }
    check(ties > 100, "only %d ties in the high halves", ties);
}

/* Groups of so many units each, or, at 0, of many sizes; behind some units that are none of theirs. */
static const int group_sizes[] = {0, 1, 3, 21, 33};

static const int32_t *starts(int n_groups, int size)
{
    static const int several[] = {3, 5, 2, 40, 4, 1, 7};
    int32_t *start = fresh((size_t)(n_groups + 1) * sizeof *start);
    start[0] = 2;
    for (int g = 0; g < n_groups; g++)
        start[g + 1] = start[g] + (size ? size : several[g % (int)COUNT(several)]);
    return start;
}

#define FOR_GROUPS \
    for (size_t s = 0; s < COUNT(sizes) && sizes[s] <= 33; s++) \
        for (size_t g = 0; g < COUNT(group_sizes); g++, forget())

TEST(softmax_groups)
{
    FOR_GROUPS
    {
        const int32_t *start = starts(sizes[s], group_sizes[g]);
        const int n = start[sizes[s]];
        const inputs in = random_inputs(portable, n);
        float *expected = fresh((size_t)n * sizeof *expected), *got = fresh((size_t)n * sizeof *got);
        memset(expected, 0, (size_t)n * sizeof *got);
        portable->softmax_groups(in.x, start, sizes[s], expected);
        memcpy(got, in.x, (size_t)n * sizeof *got);
        memset(got, 0, 2 * sizeof *got);
        tested->softmax_groups(got, start, sizes[s], got); /* in place */
        check_same(expected, got, (size_t)n * sizeof *got, "%d groups of %d", sizes[s], group_sizes[g]);
    }
}

TEST(log_sum_groups)
{
    FOR_GROUPS
    {
        const int32_t *start = starts(sizes[s], group_sizes[g]);
        const inputs in = random_inputs(portable, start[sizes[s]]);
        const size_t bytes = (size_t)sizes[s] * sizeof(double);
        double *expected = fresh(bytes), *got = fresh(bytes);
        portable->log_sum_groups(in.x, start, sizes[s], expected);
        tested->log_sum_groups(in.x, start, sizes[s], got);
        check_same(expected, got, bytes, "%d groups of %d", sizes[s], group_sizes[g]);
    }
}

/* By definition: the first state whose cumulative weight exceeds the uniform's share. */
static int drawn_state(const float *x, int size, uint32_t uniform)
{
    float top = x[0];
    double total = 0.0, sum = 0.0;
    int state = 0;
    for (int k = 1; k < size; k++)
        top = x[k] > top ? x[k] : top;
    for (int k = 0; k < size; k++)
        total += exp_negative(x[k] - top);
    const double target = ((double)uniform + 0.5) * (1.0 / 4294967296.0) * total;
    for (int k = 0; k + 1 < size; k++) {
        sum += exp_negative(x[k] - top);
        state += sum <= target;
    }
    return state;
}

/* Many rows, since one group in thousands takes the exact way. */
TEST(draw_groups)
{
    FOR_GROUPS
        for (int row = 0; row < 12; row++) {
            const int32_t *start = starts(sizes[s], group_sizes[g]);
            const int n = start[sizes[s]];
            const inputs in = random_inputs(portable, n);
            uint32_t *uniform = fresh((size_t)n * sizeof *uniform);
            uint8_t *expected = fresh((size_t)n), *got = fresh((size_t)n);
            portable->uniform_u32(n, 0, &in.counter, uniform);
            memset(expected, 0, (size_t)n);
            memset(got, 0, 2);
            for (int group = 0; group < sizes[s]; group++) {
                const int first = start[group], size = start[group + 1] - first;
                expected[first + drawn_state(in.x + first, size, uniform[first])] = 1;
            }
            tested->draw_groups(in.x, start, sizes[s], &in.counter, got);
            check_same(expected, got, (size_t)n, "%d groups of %d", sizes[s], group_sizes[g]);
        }
}

/* --- Maps -------------------------------------------------------------------------------------------------- */

/* Small images and filters, of all kinds of borders; against the portable path, and plain sums. */
static rbmk_convolution random_convolution(int n_filters)
{
    rbmk_convolution c = {.height = 2 + random_below(6), .width = 2 + random_below(8), .channels = 1 + random_below(3),
                          .n_filters = n_filters};
    const int same = random_below(2);
    c.filter_height = 1 + random_below(c.height), c.filter_width = 1 + random_below(c.width);
    c.top = same ? (c.filter_height - 1) / 2 : 0, c.left = same ? (c.filter_width - 1) / 2 : 0;
    c.map_height = same ? c.height : c.height - c.filter_height + 1;
    c.map_width = same ? c.width : c.width - c.filter_width + 1;
    return c;
}

static int32_t *random_sums(int n)
{
    int32_t *sums = fresh((size_t)n * sizeof *sums);
    for (int i = 0; i < n; i++)
        sums[i] = (int32_t)(random_bits() >> 32) >> 8;
    return sums;
}

#define FOR_CONVOLUTIONS \
    for (size_t s = 0; s < COUNT(sizes) && sizes[s] <= 100; s++) \
        for (int repeat = 0; repeat < REPEATS(12); repeat++, forget())
#define CONVOLUTION_SIZES \
    const rbmk_convolution c = random_convolution(sizes[s]); \
    const int image = c.height * c.width * c.channels, map = c.map_height * c.map_width * c.n_filters; \
    uint8_t *on = fresh((size_t)(image > map ? image : map)); \
    fill_states(on, (size_t)(image > map ? image : map), random_below(100))

/* Weight number i of a place, in the order of q on the way up, and the pixel that it sees; -1 for none. */
static int pixel_of(const rbmk_convolution *c, int Y, int X, int weight)
{
    const int dx = c->filter_width - 1 - weight % c->filter_width, rest = weight / c->filter_width;
    const int y = Y - c->top + rest % c->filter_height, x = X - c->left + dx;
    if (y < 0 || y >= c->height || x < 0 || x >= c->width)
        return -1;
    return (y * c->width + x) * c->channels + rest / c->filter_height;
}

TEST(convolve_up)
{
    (void)portable;
    FOR_CONVOLUTIONS
    {
        CONVOLUTION_SIZES;
        const int weights = c.filter_height * c.filter_width * c.channels * c.n_filters;
        const int32_t *q = random_sums(weights);
        int32_t *got = random_sums(map), *expected = fresh((size_t)map * sizeof *expected);
        memcpy(expected, got, (size_t)map * sizeof *got);
        for (int place = 0; place < c.map_height * c.map_width; place++)
            for (int i = 0; i < weights; i++) {
                const int pixel = pixel_of(&c, place / c.map_width, place % c.map_width, i / c.n_filters);
                if (pixel >= 0 && on[pixel])
                    expected[place * c.n_filters + i % c.n_filters] += q[i];
            }
        tested->convolve_up(&c, on, q, got);
        check_same(expected, got, (size_t)map * sizeof *got, "%d filters", c.n_filters);
    }
}

TEST(convolve_pairs)
{
    (void)portable;
    FOR_CONVOLUTIONS
    {
        CONVOLUTION_SIZES;
        const int weights = c.filter_height * c.filter_width * c.channels * c.n_filters;
        uint16_t *level = fresh((size_t)map * sizeof *level);
        uint32_t *got = (uint32_t *)random_sums(weights), *expected = fresh((size_t)weights * sizeof *expected);
        memcpy(expected, got, (size_t)weights * sizeof *got);
        for (int i = 0; i < map; i++)
            level[i] = (uint16_t)random_bits();
        for (int place = 0; place < c.map_height * c.map_width; place++)
            for (int i = 0; i < weights; i++) {
                const int pixel = pixel_of(&c, place / c.map_width, place % c.map_width, i / c.n_filters);
                if (pixel >= 0 && on[pixel])
                    expected[i] += level[place * c.n_filters + i % c.n_filters];
            }
        tested->convolve_pairs(&c, on, level, got);
        check_same(expected, got, (size_t)weights * sizeof *got, "%d filters", c.n_filters);
    }
}

TEST(convolve_down)
{
    (void)portable;
    FOR_CONVOLUTIONS
    {
        CONVOLUTION_SIZES;
        const int row = c.filter_width * c.channels, one = row * c.filter_height, whole = (int)RBMK_FILTER_ROW(&c);
        int32_t *q = random_sums(c.n_filters * c.filter_height * whole);
        int32_t *got = random_sums(image), *expected = fresh((size_t)image * sizeof *expected);
        memcpy(expected, got, (size_t)image * sizeof *got);
        for (int i = 0; i < c.n_filters * c.filter_height * whole; i++)
            q[i] = i % whole < row ? q[i] : 0;
        for (int unit = 0; unit < map; unit++)
            for (int i = 0; on[unit] && i < one; i++) {
                const int place = unit / c.n_filters, y = place / c.map_width - c.top + i / row;
                const int x = place % c.map_width - c.left + i % row / c.channels;
                if (y >= 0 && y < c.height && x >= 0 && x < c.width)
                    expected[(y * c.width + x) * c.channels + i % c.channels] +=
                        q[(unit % c.n_filters * c.filter_height + i / row) * whole + i % row];
            }
        tested->convolve_down(&c, on, q, got, fresh((size_t)RBMK_DOWN_SCRATCH(&c) * sizeof *q));
        check_same(expected, got, (size_t)image * sizeof *got, "%d filters", c.n_filters);
    }
}

#define FOR_MAPS \
    for (size_t s = 0; s < COUNT(sizes) && sizes[s] <= 100; s++) \
        for (int pool = 1; pool < 5; pool++, forget())
#define MAP_SIZES \
    const rbmk_pools p = {pool * (1 + random_below(3)), pool * (1 + random_below(3)), sizes[s], pool}; \
    const int n = p.height * p.width * p.n_filters; \
    const float *x = random_inputs(portable, n).x

TEST(pool_means)
{
    FOR_MAPS
    {
        MAP_SIZES;
        float *expected = fresh((size_t)n * sizeof *expected), *got = fresh((size_t)n * sizeof *got);
        portable->pool_means(&p, x, expected);
        tested->pool_means(&p, x, got);
        check_same(expected, got, (size_t)n * sizeof *got, "%d filters, pool %d", p.n_filters, pool);
    }
}

TEST(pool_log_sums)
{
    FOR_MAPS
    {
        MAP_SIZES;
        const int blocks = n / (pool * pool);
        double *expected = fresh((size_t)blocks * sizeof *expected), *got = fresh((size_t)blocks * sizeof *got);
        portable->pool_log_sums(&p, x, expected);
        tested->pool_log_sums(&p, x, got);
        check_same(expected, got, (size_t)blocks * sizeof *got, "%d filters, pool %d", p.n_filters, pool);
    }
}

/* By definition, block by block. */
TEST(pool_draw)
{
    FOR_MAPS
    {
        MAP_SIZES;
        const int blocks = n / (pool * pool);
        uint32_t *uniform = fresh((size_t)blocks * sizeof *uniform);
        uint8_t *expected = fresh((size_t)n), *got = fresh((size_t)n);
        memset(expected, 0, (size_t)n);
        for (int b = 0; b < blocks; b++) {
            const int k = b % p.n_filters, X = b / p.n_filters % (p.width / pool), Y = b / p.n_filters / (p.width / pool);
            float options[17] = {0.0f};
            int unit[17] = {-1};
            for (int i = 0; i < pool * pool; i++) {
                unit[1 + i] = ((Y * pool + i / pool) * p.width + X * pool + i % pool) * p.n_filters + k;
                options[1 + i] = x[unit[1 + i]];
            }
            uniform[b] = random_below(4) ? (uint32_t)random_bits() : random_below(2) ? 0 : UINT32_MAX;
            const int state = drawn_state(options, 1 + pool * pool, uniform[b]);
            if (state)
                expected[unit[state]] = 1;
        }
        tested->pool_draw(&p, x, uniform, got, fresh((size_t)(pool * pool * 64) * sizeof(float)));
        check_same(expected, got, (size_t)n, "%d filters, pool %d", p.n_filters, pool);
    }
}

TEST(levels_of)
{
    for (size_t s = 0; s < COUNT(sizes) && sizes[s] <= 784; s++, forget()) {
        const int n = sizes[s];
        float *p = fresh((size_t)n * sizeof *p);
        uint16_t *expected = fresh((size_t)n * sizeof *expected), *got = fresh((size_t)n * sizeof *got);
        (void)portable;
        for (int j = 0; j < n; j++) {
            p[j] = random_below(8) ? absolute(random_float(1.0f)) : (float)random_below(2);
            expected[j] = (uint16_t)rintf(p[j] * 65535.0f);
        }
        tested->levels_of(p, n, got);
        check_same(expected, got, (size_t)n * sizeof *got, "n = %d", n);
    }
}

/* --- Sweeps ------------------------------------------------------------------------------------------------ */

enum { SWEPT_UNITS = 400 };

/* One chain, by definition: sums follow every change, whatever comes of them. */
static void sweep_chain(const rbmk_kernels *portable, const rbmk_sites *s, const int32_t *from, const rbmk_counter *counter,
                        const uint8_t *held, uint8_t *state)
{
    static uint32_t uniform[1024 + SWEPT_UNITS];
    static int32_t sums[SWEPT_UNITS];
    const int n_sites = s->start ? s->n_groups : s->n_units;
    portable->uniform_u32(s->first + s->n_units, 0, counter, uniform);
    memcpy(sums, from, (size_t)s->n_units * sizeof *sums);
    for (int site = 0; site < n_sites; site++) {
        const int first = s->start ? s->start[site] - s->first : site, end = s->start ? s->start[site + 1] - s->first : site + 1;
        const uint32_t u = uniform[s->first + first];
        float x[SWEPT_UNITS];
        for (int k = first; k < end; k++)
            x[k - first] = (float)sums[k] * s->scale + s->bias[k];
        const int on = s->start ? drawn_state(x, end - first, u) : (u < threshold1(rare_probability(*x))) ^ (*x >= 0.0f);
        for (int k = first; k < end && !held[first]; k++) {
            const uint8_t next = s->start ? (uint8_t)(k - first == on) : (uint8_t)on;
            for (int j = end; j < s->n_units; j++)
                sums[j] += s->q[k * s->ld + j] * (next - state[k]);
            state[k] = next;
        }
    }
}

/* A block of switches, or of groups. */
static rbmk_sites random_sites(const rbmk_kernels *portable, int n_sites, int group_size, int first)
{
    rbmk_sites s = {.first = first, .n_units = n_sites, .scale = 0x1p-9f};
    if (group_size) {
        int32_t *start = (int32_t *)starts(n_sites, group_size);
        for (int g = n_sites; g >= 0; g--)
            start[g] += first - start[0];
        s.start = start, s.n_groups = n_sites, s.n_units = start[n_sites] - first;
    }
    s.ld = s.n_units + 5;
    int32_t *q = fresh((size_t)s.n_units * (size_t)s.ld * sizeof *q);
    for (int i = 0; i < s.n_units * s.ld; i++)
        q[i] = random_below(2001) - 1000;
    s.q = q;
    s.bias = random_inputs(portable, s.n_units).bias;
    return s;
}

TEST(sweep_sites)
{
    static const int blocks[][3] = {{1, 0, 0}, {17, 0, 16}, {256, 0, 512}, {1, 2, 3}, {19, 3, 7}, {12, 21, 128}, {2, 33, 1}, {3, 0, 0}};
    for (size_t b = 0; b < COUNT(blocks); b++)
        for (int n = 1; n <= 16; n += 5) {
            const rbmk_sites s = random_sites(portable, blocks[b][0], blocks[b][1], blocks[b][2]);
            const size_t stride = (size_t)s.n_units + 3, bytes = 16 * stride;
            int32_t *sums = fresh(16 * (size_t)s.ld * sizeof *sums);
            uint8_t *expected = fresh(bytes), *got = fresh(bytes), *held = fresh(bytes);
            rbmk_counter counter[16];
            memset(expected, 0, bytes);
            for (int i = 0; i < 16 * s.ld; i++)
                sums[i] = random_below(2001) - 1000;
            for (int l = 0; l < 16; l++) {
                counter[l] = random_inputs(portable, 1).counter;
                for (int i = 0; i < (s.start ? s.n_groups : s.n_units); i++) {
                    const int at = s.start ? s.start[i] - s.first : i, size = s.start ? s.start[i + 1] - s.start[i] : 1;
                    memset(held + l * stride + at, random_below(4) == 0, (size_t)size);
                    expected[l * stride + at + (s.start ? random_below(size) : 0)] = s.start ? 1 : (uint8_t)random_below(2);
                }
            }
            memcpy(got, expected, bytes);
            for (int l = 0; l < n; l++)
                sweep_chain(portable, &s, sums + l * s.ld, counter + l, held + l * stride, expected + l * stride);
            tested->sweep_sites(&s, n, sums, counter, held, got, (ptrdiff_t)stride, fresh(RBMK_SITES_SCRATCH(SWEPT_UNITS)));
            check_same(expected, got, bytes, "%d sites of %d, %d chains", blocks[b][0], blocks[b][1], n);
            forget();
        }
}

/* Groups of up to 32 units and the logarithms of their factors, (1 + n_states, start[n_groups]). */
static rbmk_odds random_odds(const rbmk_kernels *tested, int n_groups, int size, int n_states, float **x)
{
    int32_t *start = (int32_t *)starts(n_groups, size);
    rbmk_odds o = {.n_groups = n_groups, .n_states = n_states, .quads = (n_states + 3) / 4, .slack = 1.0f / 4096.0f,
                   .start = start};
    for (int g = 0; g < n_groups; g++) {
        start[g + 1] = at_most(start[g + 1], start[g] + 32);
        o.n_units = o.n_units > start[g + 1] - start[g] ? o.n_units : start[g + 1] - start[g];
    }
    *x = fresh((size_t)(1 + n_states) * (size_t)start[n_groups] * sizeof **x);
    for (int i = 0; i < (1 + n_states) * start[n_groups]; i++)
        (*x)[i] = random_float(n_states > 8 ? 0.5f : 4.0f);
    o.factors = fresh_aligned(RBMK_ODDS_BYTES(&o));
    tested->pack_odds(&o, *x, start[n_groups]);
    return o;
}

/* One row by definition, from the states that are on; returns how many groups were in doubt. */
static int check_odds_row(const rbmk_kernels *portable, const rbmk_odds *o, const float *x, const uint8_t *on, int at,
                          const rbmk_counter *counter, const uint8_t *got, const uint16_t *chosen, unsigned doubts)
{
    const int n = o->start[o->n_groups], last = at_most(at + 16, o->n_groups);
    const int mark = buffers_mark();
    uint32_t *uniform = fresh((size_t)n * sizeof *uniform);
    float *input = fresh((size_t)n * sizeof *input);
    int doubtful = 0;
    portable->uniform_u32(n, 0, counter, uniform);
    for (int k = 0; k < n; k++) {
        double sum = x[k];
        for (int i = 0; i < o->n_states; i++)
            sum += on[i] ? x[(i + 1) * n + k] : 0.0f;
        input[k] = (float)sum;
    }
    for (int g = at; g < last; g++) {
        const int first = o->start[g], size = o->start[g + 1] - first, doubt = doubts >> (g - at) & 1;
        uint8_t expected[32] = {0};
        expected[drawn_state(input + first, size, uniform[first])] = 1;
        if (!doubt) {
            check_same(expected, got + first, (size_t)size, "%d states, group %d of %d", o->n_states, g, size);
            check(expected[chosen[g * RBMK_TILE_ROWS] / 64], "group %d of %d", g, size);
        }
        doubtful += doubt;
    }
    forget_since(mark);
    return doubtful;
}

static void check_odds(const rbmk_kernels *portable, const rbmk_kernels *tested, int n_groups, int size, int n_states)
{
    float *x;
    const rbmk_odds o = random_odds(tested, n_groups, size, n_states, &x);
    const int n = 1 + random_below(20), cols = o.start[n_groups];
    const size_t choices = (size_t)o.quads * RBMK_TILE_ROWS * sizeof(uint16_t);
    uint8_t *got = fresh((size_t)(n * cols)), *on = fresh((size_t)(n * n_states));
    uint16_t *choice = memset(fresh(choices), 0, choices), *doubts = fresh((size_t)n * sizeof *doubts);
    uint16_t *chosen = fresh((size_t)n_groups * RBMK_TILE_ROWS * sizeof *chosen);
    rbmk_counter *counter = fresh((size_t)n * sizeof *counter);
    int doubtful = 0;
    fill_states(on, (size_t)(n * n_states), 50);
    for (int i = 0; i < n; i++) {
        counter[i] = (rbmk_counter){(uint32_t)random_bits(), 1, 2, 3, 4};
        for (int j = 0; j < n_states; j++)
            choice[j % o.quads * RBMK_TILE_ROWS + i] |= (uint16_t)(on[i * n_states + j] << (6 + j / o.quads));
    }
    for (int at = 0; at < n_groups; at += 16) {
        tested->draw_odds(&o, at, choice, n, counter, got, cols, chosen, doubts,
                          fresh_aligned(RBMK_ODDS_SCRATCH(&o)));
        for (int i = 0; i < n; i++)
            doubtful += check_odds_row(portable, &o, x, on + i * n_states, at, counter + i, got + i * cols, chosen + i,
                                       doubts[i]);
    }
    check(doubtful <= 4 + n * n_groups / 20, "%d of %d groups are in doubt", doubtful, n * n_groups);
}

TEST(draw_odds)
{
    static const int n_states[] = {1, 6, 100, 150}; /* one table, some, more than are near */
    FOR_GROUPS
        check_odds(portable, tested, sizes[s], group_sizes[g], n_states[(s + g) % COUNT(n_states)]);
}

TEST(add_chosen)
{
    (void)portable;
    FOR_GROUPS
    {
        const int32_t *start = starts(sizes[s], group_sizes[g]);
        const int rows = start[sizes[s]], cols = 1 + random_below(100), n = 1 + random_below(30), width = round_up(cols, 16);
        const size_t n_weights = (size_t)rows * (size_t)width;
        int32_t *weights = fresh_aligned(n_weights * sizeof *weights), *out = fresh((size_t)(round_up(n, 8) * width) * sizeof *out);
        uint16_t *choice = memset(fresh((size_t)sizes[s] * 256), 0, (size_t)sizes[s] * 256);
        for (size_t i = 0; i < n_weights; i++)
            weights[i] = random_below(1 << 24) - (1 << 23);
        for (int i = 0; i < sizes[s] * RBMK_TILE_ROWS; i++)
            if (i % RBMK_TILE_ROWS < n)
                choice[i] = (uint16_t)(64 * random_below(start[i / RBMK_TILE_ROWS + 1] - start[i / RBMK_TILE_ROWS]));
        tested->add_chosen(&(rbmk_chosen){sizes[s], rows, start, weights, choice}, n, 0, cols, out, width);
        for (int i = 0; i < n * width; i++) {
            int32_t sum = 0;
            for (int k = 0; k < sizes[s]; k++)
                sum += weights[((i % width / 16) * rows + start[k] + choice[k * RBMK_TILE_ROWS + i / width] / 64) * 16 + i % 16];
            check(out[i] == sum, "%d groups of %d, row %d of %d", sizes[s], group_sizes[g], i / width, n);
        }
    }
}

/* Factors whose product is looked up: every place, by draws. */
TEST(pack_odds)
{
    for (int repeat = 0; repeat < 4; repeat++, forget())
        check_odds(portable, tested, 17, 32, 9);
}

/* --- Sums over all states of a layer --------------------------------------------------------------------- */

static double random_double(double scale) { return scale * (double)random_float(1.0f) + 1e-9 * scale * (double)random_float(1.0f); }

static double *random_doubles(size_t n, double scale)
{
    double *x = fresh_aligned(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = random_double(scale);
    return x;
}

TEST(exp_f64)
{
    static const double odd[] = {0.0, -0.0, 1e-310, 480.0, -480.0, -480.1, 709.0, -1e300, 1e300, 0.34657359027997264};
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (int scale = 1; scale <= 1024; scale *= 32) {
            const int n = sizes[s];
            double *x = random_doubles((size_t)n, scale), *expected = fresh((size_t)n * sizeof *expected);
            double *got = fresh((size_t)n * sizeof *got);
            x[random_below(n)] = odd[random_below(COUNT(odd))];
            portable->exp_f64(x, n, expected);
            tested->exp_f64(x, n, got);
            check_same(expected, got, (size_t)n * sizeof *got, "n = %d", n);
            for (int i = 0; i < n; i++) {
                const double truth = exp(fmin(fmax(x[i], -480.0), 480.0));
                check(fabs(got[i] - truth) <= 4.5e-16 * truth, "exp(%.17g): %.17g, not %.17g", x[i], got[i], truth);
            }
            forget();
        }
}

/* Groups of up to `largest` units, and stretches of up to 9 groups. */
static rbmk_factors random_factors(int n_units, int largest, int n_tiles)
{
    int32_t *start = fresh((size_t)(n_units + 1) * sizeof *start), *stretch = fresh((size_t)(n_units + 1) * sizeof *stretch);
    rbmk_factors f = {.n_units = n_units, .n_tiles = n_tiles, .start = start, .stretch = stretch};
    double *low = random_doubles((size_t)(n_units * n_tiles) * RBMK_LANES, 1.0);
    for (int i = 0; i < n_units * n_tiles * RBMK_LANES; i++)
        low[i] = exp(4.0 * low[i]);
    f.low = low;
    for (*start = 0; start[f.n_groups] < n_units; f.n_groups++)
        start[f.n_groups + 1] = at_most(start[f.n_groups] + 1 + random_below(largest), n_units);
    for (*stretch = 0; stretch[f.n_stretches] < f.n_groups; f.n_stretches++)
        stretch[f.n_stretches + 1] = at_most(stretch[f.n_stretches] + 1 + random_below(9), f.n_groups);
    return f;
}

TEST(multiply_factors)
{
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (int largest = 1; largest <= 7; largest += 3) {
            const rbmk_factors f = random_factors(sizes[s], largest, 1 + random_below(3));
            const size_t n = (size_t)(RBMK_HIGH_STATES * f.n_tiles * RBMK_LANES), bytes = n * sizeof(double);
            double *none = random_doubles((size_t)(f.n_groups * RBMK_HIGH_STATES), 1.0);
            double *high = random_doubles((size_t)(f.n_units * RBMK_HIGH_STATES), 1.0);
            double *product = fresh_aligned(bytes), *power = fresh_aligned(bytes);
            double *got = fresh_aligned(bytes), *got_power = fresh_aligned(bytes);
            for (int i = 0; i < f.n_groups * RBMK_HIGH_STATES; i++)
                none[i] = random_below(4) ? fabs(none[i]) : 0.0;
            for (int i = 0; i < f.n_units * RBMK_HIGH_STATES; i++)
                high[i] = exp(40.0 * (high[i] - 1.0));
            portable->multiply_factors(&f, none, high, product, power);
            tested->multiply_factors(&f, none, high, got, got_power);
            check_same(product, got, bytes, "products, %d units", f.n_units);
            check_same(power, got_power, bytes, "powers, %d units", f.n_units);
            for (size_t i = 0; i < n; i++)
                check(got[i] >= 1.0 && got[i] < 2.0 && got_power[i] == rint(got_power[i]), "%g 2^%g", got[i], got_power[i]);
            forget();
        }
}

TEST(sum_of_powers)
{
    for (int tiles = 1; tiles < 12; tiles++)
        for (int repeat = 0; repeat < REPEATS(20); repeat++) {
            const int n = tiles * RBMK_LANES;
            double *x = random_doubles((size_t)n, 0.5), *weight = random_doubles((size_t)n, 0.5);
            double *power = random_doubles((size_t)n, repeat % 2 ? 1e4 : 3.0);
            double *weight_power = random_doubles((size_t)n, 100.0);
            double tops[2];
            for (int i = 0; i < n; i++) {
                x[i] += 1.5, weight[i] += 1.0;
                power[i] = rint(power[i]), weight_power[i] = i < n - 5 ? rint(weight_power[i]) : -1e300;
            }
            const double expected = portable->sum_of_powers(x, weight, power, weight_power, n, tops);
            const double got = tested->sum_of_powers(x, weight, power, weight_power, n, tops + 1);
            check_same(&expected, &got, sizeof got, "sum, n = %d", n);
            check_same(tops, tops + 1, sizeof *tops, "largest power, n = %d", n);
            forget();
        }
}

/* --- Panels ---------------------------------------------------------------------------------------------- */

TEST(softplus_panel)
{
    for (int n = 1; n <= RBMK_PANEL; n++)
        for (int repeat = 0; repeat < 5; repeat++) {
            const inputs in = random_inputs(portable, n);
            double expected = portable->softplus_panel(in.x, n), got = tested->softplus_panel(in.x, n);
            check_same(&expected, &got, sizeof got, "n = %d", n);
            forget();
        }
}

static float *random_row(int n, float scale)
{
    float *row = fresh((size_t)n * sizeof *row);
    for (int j = 0; j < n; j++)
        row[j] = random_below(8) ? random_float(scale) : special[random_below(4)];
    return row;
}

static float *random_shift(int n)
{
    float *shift = fresh((size_t)n * sizeof *shift);
    for (int j = 0; j < n; j++)
        shift[j] = random_below(8) ? random_float(16.0f) : 0.0f;
    return shift;
}

/* Against the kernel without a shift, of total inputs that have it. */
TEST(shifted_softplus_panel)
{
    for (size_t s = 0; s < COUNT(sizes) && sizes[s] <= RBMK_PANEL; s++)
        for (int repeat = 0; repeat < REPEATS(100); repeat++) {
            const inputs in = random_inputs(portable, sizes[s]);
            const float *shift = random_shift(sizes[s]);
            float *x = fresh((size_t)sizes[s] * sizeof *x);
            for (int j = 0; j < sizes[s]; j++)
                x[j] = in.x[j] + shift[j];
            double expected = portable->softplus_panel(x, sizes[s]);
            double got = tested->shifted_softplus_panel(in.x, shift, sizes[s]);
            check_same(&expected, &got, sizeof got, "n = %d", sizes[s]);
            forget();
        }
}

TEST(shifted_sigmoid_sums)
{
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (int repeat = 0; repeat < REPEATS(20); repeat++) {
            const int n = sizes[s];
            const inputs in = random_inputs(portable, n);
            const float *shift = random_shift(n), p = random_below(4) ? random_float(0.5f) + 0.5f : 1.0f;
            const size_t f = (size_t)n * sizeof(float), d = (size_t)n * sizeof(int64_t);
            float *x = fresh(f), *means = fresh(f), *expected = fresh(f);
            int64_t *sums = fresh(d), *expected_sums = fresh(d);
            for (int j = 0; j < n; j++)
                x[j] = in.x[j] + shift[j];
            portable->sigmoid(x, n, expected);
            for (int j = 0; j < n; j++) {
                const float term = p * expected[j], before = random_float(0.5f) + 0.5f;
                sums[j] = (int64_t)random_bits() >> 4;
                expected_sums[j] = sums[j] + (int64_t)rintf(65535.0f * term);
                means[j] = before;
                expected[j] = before + term;
            }
            tested->shifted_sigmoid_sums(in.x, shift, n, p, means, sums);
            check_same(expected, means, f, "means, n = %d", n);
            check_same(expected_sums, sums, d, "sums, n = %d", n);
            forget();
        }
}

static void check_dot_panel(const rbmk_kernels *k, int n)
{
    const float *w = random_row(n, 4.0f);
    uint8_t *on = fresh((size_t)n);
    uint16_t *level = fresh((size_t)n * sizeof *level);
    double lane_on[RBMK_LANES] = {0}, lane[RBMK_LANES] = {0};
    fill_states(on, (size_t)n, 50);
    for (int j = 0; j < n; j++) {
        level[j] = (uint16_t)random_below(65536);
        lane_on[j % RBMK_LANES] += on[j] ? 65535.0 * w[j] : 0.0;
        lane[j % RBMK_LANES] += level[j] * (double)w[j];
    }
    for (int width = RBMK_LANES / 2; width; width /= 2)
        for (int l = 0; l < width; l++) {
            lane_on[l] += lane_on[l + width];
            lane[l] += lane[l + width];
        }
    check(lane_on[0] == k->dot_panel_u8(on, w, n), "states, n = %d", n);
    check(lane[0] == k->dot_panel_u16(level, w, n), "levels, n = %d", n);
    forget();
}

TEST(dot_panel_u8)
{
    (void)portable;
    for (int n = 1; n <= RBMK_PANEL; n++)
        for (int repeat = 0; repeat < 5; repeat++)
            check_dot_panel(tested, n);
}

TEST(dot_panel_u16) { test_dot_panel_u8(portable, tested); }

/* --- The layout of the right operand --------------------------------------------------------------------- */

/* The tiles in which callers pack. */
static const struct {
    int rows, cols;
} tilings[] = {{16, 64}, {64, 16}, {128, 128}};

static void pack_one(const rbmk_kernels *k, rbmk_matrix *m, const int32_t *q, int tiling, int row, int col)
{
    const int n_rows = at_most(tilings[tiling].rows, m->rows - row);
    const int n_cols = at_most(tilings[tiling].cols, m->cols - col);
    const int ld = n_cols + random_below(2) * random_below(20), mark = buffers_mark();
    int32_t *tile = fresh(((size_t)(n_rows - 1) * (size_t)ld + (size_t)n_cols) * sizeof *tile);
    for (int r = 0; r < n_rows; r++)
        memcpy(tile + (ptrdiff_t)r * ld, q + (ptrdiff_t)(row + r) * m->cols + col, (size_t)n_cols * sizeof *tile);
    k->pack_tile(m, row, col, n_rows, n_cols, tile, ld);
    forget_since(mark);
}

/* All tiles, in random order: none may disturb another. */
static rbmk_matrix packed(const rbmk_kernels *k, int rows, int cols, const int32_t *q)
{
    const int tiling = random_below(COUNT(tilings));
    const int down = (rows - 1) / tilings[tiling].rows + 1, across = (cols - 1) / tilings[tiling].cols + 1;
    rbmk_matrix m = {k, rows, cols, fresh_aligned(k->packed_bytes(rows, cols))};
    int *order = fresh((size_t)(down * across) * sizeof *order);
    for (int t = 0; t < down * across; t++) {
        int other = random_below(t + 1);
        order[t] = order[other];
        order[other] = t;
    }
    for (int t = 0; t < down * across; t++)
        pack_one(k, &m, q, tiling, order[t] / across * tilings[tiling].rows, order[t] % across * tilings[tiling].cols);
    return m;
}

static int32_t *random_matrix(int rows, int cols)
{
    const size_t n = (size_t)rows * (size_t)cols;
    int32_t *q = fresh(n * sizeof *q);
    const int shift = random_below(16);
    for (size_t i = 0; i < n; i++)
        q[i] = random_below(8) ? (random_below(2 * RBMK_MAX_Q + 1) - RBMK_MAX_Q) / (1 << shift)
                               : (random_below(2) ? RBMK_MAX_Q : -RBMK_MAX_Q);
    return q;
}

/* Shorter batches use a matrix that was made for longer ones. */
TEST(packed_bytes)
{
    (void)portable;
    for (size_t c = 0; c < COUNT(sizes); c++)
        for (int rows = 1; rows < 300; rows++)
            check(tested->packed_bytes(rows, sizes[c]) <= tested->packed_bytes(rows + 1, sizes[c]),
                  "%d rows need more than %d, at %d columns", rows, rows + 1, sizes[c]);
}

/* Threads pack different tiles at the same time: no byte may be written for two of them. */
TEST(pack_tile)
{
    (void)portable;
    for (int tiling = 0; tiling < (int)COUNT(tilings); tiling++)
        for (int repeat = 0; repeat < 4; repeat++) {
            const int rows = 1 + random_below(200), cols = 1 + random_below(300);
            const size_t bytes = tested->packed_bytes(rows, cols);
            const int32_t *q = random_matrix(rows, cols);
            uint8_t *owned = memset(fresh(bytes), 0, bytes);
            rbmk_matrix zeros = {tested, rows, cols, fresh_aligned(bytes)};
            rbmk_matrix ones = {tested, rows, cols, fresh_aligned(bytes)};
            for (int row = 0; row < rows; row += tilings[tiling].rows)
                for (int col = 0; col < cols; col += tilings[tiling].cols) {
                    int shared = 0;
                    memset(zeros.data, 0, bytes);
                    memset(ones.data, 0xFF, bytes);
                    pack_one(tested, &zeros, q, tiling, row, col);
                    pack_one(tested, &ones, q, tiling, row, col);
                    for (size_t i = 0; i < bytes; i++) {
                        int written = ((uint8_t *)zeros.data)[i] != 0 || ((uint8_t *)ones.data)[i] != 0xFF;
                        shared |= written & owned[i];
                        owned[i] |= (uint8_t)written;
                    }
                    check(!shared, "tile (%d, %d) of %d x %d writes into another", row, col, rows, cols);
                }
            forget();
        }
}

/* Blocks of 16 x 64 floats against tiles of the integers that they round to, by the bytes of the packed matrix. */
static void check_pack_f32(const rbmk_kernels *portable, const rbmk_kernels *tested, int n, int m, int transposed)
{
    const int rows = transposed ? m : n, cols = transposed ? n : m, ld = m + random_below(9), mark = buffers_mark();
    const size_t bytes = tested->packed_bytes(rows, cols);
    const inputs in = random_inputs(portable, n * ld);
    rbmk_matrix expected = {tested, rows, cols, memset(fresh_aligned(bytes), 0, bytes)};
    rbmk_matrix got = {tested, rows, cols, memset(fresh_aligned(bytes), 0, bytes)};
    int32_t *q = fresh(RBMK_ROW_BLOCK * RBMK_PANEL * sizeof *q);
    for (int i = 0; i < n; i += RBMK_ROW_BLOCK)
        for (int j = 0; j < m; j += RBMK_PANEL) {
            const int n_rows = at_most(RBMK_ROW_BLOCK, n - i), n_cols = at_most(RBMK_PANEL, m - j);
            const float *from = in.weights + i * ld + j;
            for (int r = 0; r < n_rows; r++)
                for (int c = 0; c < n_cols; c++)
                    q[transposed ? c * RBMK_ROW_BLOCK + r : r * RBMK_PANEL + c] = round1(from[r * ld + c] * in.scale);
            if (transposed) {
                tested->pack_tile(&expected, j, i, n_cols, n_rows, q, RBMK_ROW_BLOCK);
                tested->pack_transposed_f32(&got, j, i, n_rows, n_cols, from, ld, in.scale);
            } else {
                tested->pack_tile(&expected, i, j, n_rows, n_cols, q, RBMK_PANEL);
                tested->pack_f32(&got, i, j, n_rows, n_cols, from, ld, in.scale);
            }
        }
    check_same(expected.data, got.data, bytes, "%d x %d", n, m);
    forget_since(mark);
}

static void check_pack_f32_sizes(const rbmk_kernels *portable, const rbmk_kernels *tested, int transposed)
{
    for (size_t n = 0; n < COUNT(sizes) && sizes[n] <= 200; n++)
        for (size_t m = 0; m < COUNT(sizes) && sizes[m] <= 200; m++)
            check_pack_f32(portable, tested, sizes[n], sizes[m], transposed);
}

TEST(pack_f32) { check_pack_f32_sizes(portable, tested, 0); }

TEST(pack_transposed_f32) { check_pack_f32_sizes(portable, tested, 1); }

/* --- Products -------------------------------------------------------------------------------------------- */

typedef struct {
    int n, rows, cols, col, n_cols, ld;
    ptrdiff_t stride;
} product;

static product random_product(int rows, int cols)
{
    static const int heights[] = {1, 7, 15, 16, 17, 31, 32, 33, 100, 128};
    product p = {.n = heights[random_below(COUNT(heights))], .rows = rows, .cols = cols};
    p.col = RBMK_PANEL * random_below((cols - 1) / RBMK_PANEL + 1);
    /* whole panels, or up to the last column */
    p.n_cols = at_most(RBMK_PANEL * (1 + random_below(4)), cols - p.col);
    p.ld = round_up(p.n_cols, 16) + random_below(2) * random_below(40);
    p.stride = rows + random_below(2) * random_below(70);
    return p;
}

/* Whole groups of 16 columns may be written, nothing else: `out` ends after the last group of the last row. */
static size_t product_size(product p) { return (size_t)(p.n - 1) * (size_t)p.ld + (size_t)round_up(p.n_cols, 16); }

static void check_gaps(product p, const void *out, size_t element)
{
    const uint8_t *bytes = out;
    const size_t from = (size_t)round_up(p.n_cols, 16) * element, to = (size_t)p.ld * element;
    for (int i = 0; i < p.n - 1; i++)
        for (size_t b = from; b < to; b++)
            check(bytes[(size_t)i * to + b] == 0xA5, "writes between rows of the result");
}

/* As threads share it: from multiples of 16 rows, in any order. */
static void lay_out_in_parts(const rbmk_kernels *k, rbmk_left *left, int first, int n, const uint8_t *states,
                             ptrdiff_t stride)
{
    const int middle = at_most(16 * random_below(4), (n - 1) / 16 * 16);
    k->lay_out_u8(left, first + middle, n - middle, states + middle * stride, stride);
    if (middle)
        k->lay_out_u8(left, first, middle, states, stride);
}

/* What was laid out, read back by a product with ones on the diagonal. */
static void check_reads(const rbmk_kernels *k, const rbmk_left *left, int n, const uint8_t *states, ptrdiff_t stride)
{
    const int rows = left->rows, ld = round_up(rows, 16);
    const size_t elements = (size_t)rows * (size_t)rows;
    int32_t *diagonal = memset(fresh(elements * sizeof *diagonal), 0, elements * sizeof *diagonal);
    int32_t *out = fresh((size_t)n * (size_t)ld * sizeof *out), wrong = 0;
    for (int i = 0; i < rows; i++)
        diagonal[(ptrdiff_t)i * (rows + 1)] = 1;
    const rbmk_matrix m = packed(k, rows, rows, diagonal);
    k->multiply_u8(left, 0, n, &m, 0, rows, out, ld, fresh_aligned(RBMK_SCRATCH(rows)));
    for (int i = 0; i < n; i++)
        for (int j = 0; j < rows; j++)
            wrong += out[i * ld + j] != states[i * stride + j];
    check(!wrong, "%d of %d x %d states are wrong", wrong, n, rows);
}

/* Marks the bytes that laying out a group of rows writes as owned; returns whether none had an owner. */
static int lay_out_group(const rbmk_kernels *k, rbmk_left left, int first, int n, const uint8_t *states, ptrdiff_t stride,
                         size_t bytes, uint8_t *owned)
{
    int shared = 0;
    const int mark = buffers_mark();
    uint8_t *zeros = memset(fresh_aligned(bytes), 0, bytes), *ones = memset(fresh_aligned(bytes), 0xFF, bytes);
    left.data = zeros;
    k->lay_out_u8(&left, first, n, states, stride);
    left.data = ones;
    k->lay_out_u8(&left, first, n, states, stride);
    for (size_t i = 0; i < bytes; i++) {
        const int written = zeros[i] != 0 || ones[i] != 0xFF;
        shared |= written & owned[i];
        owned[i] |= (uint8_t)written;
    }
    forget_since(mark);
    return !shared;
}

/* Threads lay out groups of 16 rows at the same time: no byte may be written for two of them. */
static void check_lay_out(const rbmk_kernels *k, int n, int rows)
{
    const size_t bytes = k->left_bytes(n, rows);
    const ptrdiff_t stride = rows + random_below(2) * random_below(70);
    const size_t n_states = (size_t)(n - 1) * (size_t)stride + (size_t)rows;
    uint8_t *states = fresh(n_states), *owned = memset(fresh(bytes), 0, bytes);
    rbmk_left whole = {n, rows, RBMK_DEPTH * (1 + random_below(2)), fresh_aligned(bytes)}, parts = whole;
    parts.data = fresh_aligned(bytes);
    fill_states(states, n_states, 25 * random_below(5));
    k->lay_out_u8(&whole, 0, n, states, stride);
    for (int first = (n - 1) / 16 * 16; first >= 0; first -= 16) {
        const uint8_t *from = states + first * stride;
        const int height = at_most(16, n - first);
        check(lay_out_group(k, whole, first, height, from, stride, bytes, owned),
              "rows from %d of %d x %d write into others", first, n, rows);
        k->lay_out_u8(&parts, first, height, from, stride);
    }
    check_same(whole.data, parts.data, bytes, "%d x %d", n, rows);
    check_reads(k, &whole, n, states, stride);
    forget();
}

TEST(lay_out_u8)
{
    (void)portable;
    for (size_t r = 0; r < COUNT(sizes); r++)
        for (int repeat = 0; repeat < 5; repeat++)
            check_lay_out(tested, 1 + random_below(100), sizes[r]);
}

TEST(left_bytes)
{
    (void)portable;
    for (int rows = 1; rows < 300; rows++)
        check(tested->left_bytes(16, rows) <= tested->left_bytes(32, rows + 1), "%d rows", rows);
}

static void check_u8(const rbmk_kernels *k, product p, const int32_t *q, const rbmk_matrix *m, int percent_on)
{
    const size_t n_states = (size_t)(p.n - 1) * (size_t)p.stride + (size_t)p.rows;
    uint8_t *states = fresh(n_states);
    int32_t *out = fresh(product_size(p) * sizeof *out), *row = fresh((size_t)p.n_cols * sizeof *row);
    fill_states(states, n_states, percent_on);
    const int before = 16 * random_below(3), total = before + p.n;
    rbmk_left left = {total, p.rows, RBMK_DEPTH * (1 + random_below(2)), fresh_aligned(k->left_bytes(total, p.rows))};
    lay_out_in_parts(k, &left, before, p.n, states, p.stride);
    k->multiply_u8(&left, before, p.n, m, p.col, p.n_cols, out, p.ld, fresh_aligned(RBMK_SCRATCH(p.rows)));
    for (int i = 0; i < p.n; i++) {
        memset(row, 0, (size_t)p.n_cols * sizeof *row);
        for (int r = 0; r < p.rows; r++)
            for (int j = 0; states[i * p.stride + r] && j < p.n_cols; j++)
                row[j] = (int32_t)((uint32_t)row[j] + (uint32_t)q[(ptrdiff_t)r * p.cols + p.col + j]);
        check_same(row, out + (ptrdiff_t)i * p.ld, (size_t)p.n_cols * sizeof *row,
                   "%d x %d, columns %d + %d, row %d of %d", p.rows, p.cols, p.col, p.n_cols, i, p.n);
    }
    check_gaps(p, out, sizeof *out);
}

static void check_u16(const rbmk_kernels *k, product p, const int32_t *q, const rbmk_matrix *m, int all_full)
{
    const size_t n_states = (size_t)(p.n - 1) * (size_t)p.stride + (size_t)p.rows;
    uint16_t *states = fresh(n_states * sizeof *states);
    double *out = fresh(product_size(p) * sizeof *out), *row = fresh((size_t)p.n_cols * sizeof *row);
    for (size_t i = 0; i < n_states; i++)
        states[i] = all_full ? RBMK_GREY : random_below(3) ? (uint16_t)random_below(65536) : 0;
    k->multiply_u16(states, p.stride, p.n, m, p.col, p.n_cols, out, p.ld, fresh_aligned(RBMK_SCRATCH(p.rows)));
    for (int i = 0; i < p.n; i++) {
        for (int j = 0; j < p.n_cols; j++) {
            int64_t sum = 0;
            for (int r = 0; r < p.rows; r++)
                sum += (int64_t)states[i * p.stride + r] * q[(ptrdiff_t)r * p.cols + p.col + j];
            row[j] = (double)sum;
        }
        check_same(row, out + (ptrdiff_t)i * p.ld, (size_t)p.n_cols * sizeof *row,
                   "%d x %d, columns %d + %d, row %d of %d", p.rows, p.cols, p.col, p.n_cols, i, p.n);
    }
    check_gaps(p, out, sizeof *out);
}

/* More rows than 255 * 128 times as many fit into int32; digits at their extremes. */
static int32_t *tall_matrix(int rows, int cols)
{
    static const int32_t extremes[] = {-128, 127, -128 * 256, 127 * 257, 1, -1, 128, 255};
    const size_t n = (size_t)rows * (size_t)cols;
    int32_t *q = fresh(n * sizeof *q);
    for (size_t i = 0, c = 0; i < n; i++, c = i % (size_t)cols)
        q[i] = c < COUNT(extremes) ? extremes[c] : random_below(20001) - 10000;
    return q;
}

#define TALL 140001

TEST(multiply_u8)
{
    static const int percent_on[] = {0, 13, 50, 100};
    (void)portable;
    for (size_t r = 0; r < COUNT(sizes); r++)
        for (size_t c = 0; c < COUNT(sizes); c++) {
            const int32_t *q = random_matrix(sizes[r], sizes[c]);
            const rbmk_matrix m = packed(tested, sizes[r], sizes[c], q);
            for (size_t density = 0; density < COUNT(percent_on); density++)
                check_u8(tested, random_product(sizes[r], sizes[c]), q, &m, percent_on[density]);
            forget();
        }
    const int32_t *q = tall_matrix(TALL, 17);
    const rbmk_matrix m = packed(tested, TALL, 17, q);
    check_u8(tested, (product){32, TALL, 17, 0, 17, 32, TALL}, q, &m, 50);
    check_u8(tested, (product){1, TALL, 17, 0, 17, 32, TALL}, q, &m, 100);
    forget();
}

TEST(multiply_u16)
{
    (void)portable;
    for (size_t r = 0; r < COUNT(sizes); r++)
        for (size_t c = 0; c < COUNT(sizes); c++) {
            const int32_t *q = random_matrix(sizes[r], sizes[c]);
            const rbmk_matrix m = packed(tested, sizes[r], sizes[c], q);
            for (int repeat = 0; repeat < 3; repeat++)
                check_u16(tested, random_product(sizes[r], sizes[c]), q, &m, repeat == 0);
            forget();
        }
    const int32_t *q = tall_matrix(TALL, 17);
    const rbmk_matrix m = packed(tested, TALL, 17, q);
    check_u16(tested, (product){17, TALL, 17, 0, 17, 32, TALL}, q, &m, 0);
    check_u16(tested, (product){1, TALL, 17, 0, 17, 32, TALL}, q, &m, 1);
    forget();
}

/* --- Updates --------------------------------------------------------------------------------------------- */

typedef struct {
    float *W, *velocity, *column, row, *fast, *sum;
    int32_t *largest, *largest_sum;
} updated;

static float *copy_of(const float *from, int n)
{
    const size_t bytes = (size_t)n * sizeof *from;
    return memcpy(fresh(bytes), from, bytes);
}

static updated update(const rbmk_kernels *k, rbmk_row_update u, int n)
{
    const size_t bytes = (size_t)n * sizeof(int32_t);
    updated result = {copy_of(u.W, n), copy_of(u.velocity, n), copy_of(u.column, n), 0.5f, copy_of(u.sum, n), copy_of(u.sum, n),
                      fresh(bytes), fresh(bytes)};
    u.fast = u.fast ? result.fast : NULL;
    u.sum = result.sum;
    u.largest_sum = result.largest_sum;
    u.W = result.W;
    u.velocity = result.velocity;
    u.column = result.column;
    u.row = &result.row;
    u.largest = result.largest;
    for (int j = 0; j < n; j++)
        result.largest[j] = result.largest_sum[j] = j % 3 ? 0 : 0x3F800000;
    k->update_row(&u);
    return result;
}

TEST(update_row)
{
    for (int n = 1; n <= RBMK_PANEL; n++)
        for (int repeat = 0; repeat < REPEATS(16); repeat++) {
            const size_t bytes = (size_t)n * sizeof(float);
            rbmk_row_update u = {
                .n = n, .centered = repeat & 1, .push = repeat & 2 ? random_row(n, 1.0f) : NULL,
                .rate = random_float(1.0f), .momentum = repeat & 4 ? 0.9f : 0.0f, .l1 = repeat & 8 ? 0.001f : 0.0f,
                .l2 = repeat & 8 ? 0.01f : 0.0f, .visible_gradient = random_float(1.0f),
                .visible_offset = random_float(1.0f), .visible_mean = random_float(1.0f),
                .hidden_gradient = random_row(n, 1.0f), .hidden_offset = random_row(n, 1.0f), .g = random_row(n, 1.0f),
                .W = random_row(n, 4.0f), .velocity = random_row(n, random_below(2) ? 1.0f : 0x1p-99f),
                .column = random_row(n, 1.0f), .sum = random_row(n, 1.0f), .fast_rate = random_float(1.0f), .fast_decay = 0.9f};
            u.fast = random_below(2) ? u.sum : NULL;
            updated expected = update(portable, u, n), got = update(tested, u, n);
            check_same(expected.W, got.W, bytes, "W, n = %d", n);
            check_same(expected.velocity, got.velocity, bytes, "velocity, n = %d", n);
            check_same(expected.column, got.column, bytes, "column, n = %d", n);
            check_same(&expected.row, &got.row, sizeof got.row, "row, n = %d", n);
            check_same(expected.largest, got.largest, bytes, "largest |W|, n = %d", n);
            check_same(expected.fast, got.fast, bytes, "fast weights, n = %d", n);
            check_same(expected.sum, got.sum, bytes, "sums, n = %d", n);
            check_same(expected.largest_sum, got.largest_sum, bytes, "largest sum, n = %d", n);
            for (int j = 0; u.fast && j < n; j++) {
                const float moved = 0.9f * u.fast[j] + u.fast_rate * u.g[j], kept = fabsf(moved) < 0x1p-100f ? 0.0f : moved;
                check(got.fast[j] == kept && got.sum[j] == got.W[j] + got.fast[j], "sum %d of %d", j, n);
            }
            forget();
        }
}

/* --- Backpropagation -------------------------------------------------------------------------------------- */

TEST(add_bias_sigmoid)
{
    for (size_t s = 0; s < COUNT(sizes) && sizes[s] <= 784; s++) {
        const int n = sizes[s];
        const inputs in = random_inputs(portable, n);
        float *expected = copy_of(in.x, n), *got = copy_of(in.x, n);
        for (int j = 0; j < n; j++)
            expected[j] = sigmoid1(in.x[j] + in.bias[j]);
        tested->add_bias_sigmoid(in.bias, n, got);
        check_same(expected, got, (size_t)n * sizeof *got, "n = %d", n);
        forget();
    }
}

TEST(sigmoid_slope)
{
    (void)portable;
    for (size_t s = 0; s < COUNT(sizes) && sizes[s] <= 784; s++) {
        const int n = sizes[s];
        const float *h = random_row(n, 1.0f);
        float *expected = random_row(n, 1.0f), *got = copy_of(expected, n);
        for (int j = 0; j < n; j++)
            expected[j] = expected[j] * (h[j] * (1.0f - h[j]));
        tested->sigmoid_slope(h, n, got);
        check_same(expected, got, (size_t)n * sizeof *got, "n = %d", n);
        forget();
    }
}

/* Elements `from` to `to` - 1 of n change, as on the portable path, and no others do. */
TEST(momentum_step)
{
    for (size_t s = 0; s < COUNT(sizes) && sizes[s] <= 784; s++) {
        const int n = sizes[s], from = random_below(n), to = from + random_below(n - from + 1);
        const size_t bytes = (size_t)n * sizeof(float);
        const float *value = random_row(n, 4.0f), *velocity = random_row(n, random_below(2) ? 1.0f : 0x1p-99f);
        rbmk_momentum step = {.n = n, .gradient = random_row(n, 0x1p-99f), .scale = 0.01f, .decay = 0.001f,
                              .rate = random_float(1.0f), .momentum = 0.9f};
        rbmk_momentum one = step, other = step;
        one.value = copy_of(value, n), one.velocity = copy_of(velocity, n);
        other.value = copy_of(value, n), other.velocity = copy_of(velocity, n);
        portable->momentum_step(&one, from, to);
        tested->momentum_step(&other, from, to);
        check_same(one.value, other.value, bytes, "value, n = %d", n);
        check_same(one.velocity, other.velocity, bytes, "velocity, n = %d", n);
        check_same(value, other.value, (size_t)from * sizeof(float), "before, n = %d", n);
        check_same(value + to, other.value + to, (size_t)(n - to) * sizeof(float), "after, n = %d", n);
        forget();
    }
}

TEST(adam_step)
{
    for (size_t s = 0; s < COUNT(sizes) && sizes[s] <= 784; s++) {
        const int n = sizes[s], from = random_below(n), to = from + random_below(n - from + 1);
        const size_t bytes = (size_t)n * sizeof(float);
        const float *value = random_row(n, 4.0f), *mean = random_row(n, random_below(2) ? 1.0f : 0x1p-99f);
        float *square = random_row(n, random_below(2) ? 1.0f : 0x1p-99f);
        rbmk_adam step = {.n = n, .gradient = random_row(n, 1.0f), .scale = 0.01f, .decay = 0.001f, .rate = 0.001f,
                          .keep_mean = 0.9f, .add_mean = 0.1f, .keep_square = 0.999f, .add_square = 0.001f,
                          .square_scale = 3.0f, .epsilon = 1e-8f};
        rbmk_adam one = step, other = step;
        for (int j = 0; j < n; j++)
            square[j] = absolute(square[j]);
        one.value = copy_of(value, n), one.mean = copy_of(mean, n), one.square = copy_of(square, n);
        other.value = copy_of(value, n), other.mean = copy_of(mean, n), other.square = copy_of(square, n);
        portable->adam_step(&one, from, to);
        tested->adam_step(&other, from, to);
        check_same(one.value, other.value, bytes, "value, n = %d", n);
        check_same(one.mean, other.mean, bytes, "mean, n = %d", n);
        check_same(one.square, other.square, bytes, "square, n = %d", n);
        check_same(value, other.value, (size_t)from * sizeof(float), "before, n = %d", n);
        check_same(value + to, other.value + to, (size_t)(n - to) * sizeof(float), "after, n = %d", n);
        forget();
    }
}

/* --- All of them ----------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(const rbmk_kernels *portable, const rbmk_kernels *tested);
} kernel_tests[] = {
#define RBMK_KERNEL(type, name, args) {#name, test_##name},
#include "kernels.def"
#undef RBMK_KERNEL
};

void test_kernels(void)
{
    for (int isa = 0; isa < rbmk_isa_count(); isa++) {
        if (!rbmk_isa_select(isa))
            continue;
        const rbmk_kernels *tested = rbmk_current_kernels();
        check_group("kernels, %s", rbmk_isa_name(isa));
        if (tested->thread_begin)
            tested->thread_begin();
        for (size_t t = 0; t < COUNT(kernel_tests); t++) {
            check_test("%s", kernel_tests[t].name);
            seed_random(t);
            kernel_tests[t].run(rbmk_portable, tested);
        }
        if (tested->thread_end)
            tested->thread_end();
    }
}
