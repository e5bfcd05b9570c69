/* Random numbers: published answers, and which bits serve which unit. */
#include <math.h>
#include <string.h>

#include "check.h"
#include "common/bound.h"
#include "common/scalar.h"
#include "rbmk.h"

/* Philox4x32-10 of Random123's known-answer file. */
static void known_answers(void)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        uint32_t out[4];
        check_test("known answer %zu", i);
        rbmk_philox4x32(known[i].counter, known[i].key, out);
        check_same(known[i].out, out, sizeof out, "words");
    }
}

/* The uniform of a unit, spelled out: 16 neighbouring blocks serve 128 units, 16 units from each half of each word. */
static uint32_t uniform_of(const rbmk_stream *s, int64_t row, int unit)
{
    const uint32_t key[2] = {(uint32_t)s->seed, (uint32_t)(s->seed >> 32)};
    const uint32_t block = (uint32_t)(unit / 128 * 16 + unit % 16);
    const int word = unit % 128 / 32, shift = unit % 32 / 16 * 16;
    uint32_t counter[4] = {block, (uint32_t)row, (uint32_t)s->step,
                           s->purpose << 26 | s->layer << 20 | (uint32_t)(row >> 32) << 12 | (uint32_t)(s->step >> 32)};
    uint32_t high[4], low[4];
    rbmk_philox4x32(counter, key, high);
    counter[0] |= 0x80000000u;
    rbmk_philox4x32(counter, key, low);
    return (high[word] >> shift & 0xFFFF) << 16 | (low[word] >> shift & 0xFFFF);
}

static void counters(void)
{
    static const int64_t rows[] = {5, 0, 0x1234567890, 7};
    const int n = 4;
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (int with_rows = 0; with_rows < 2; with_rows++) {
            const int m = sizes[s];
            const rbmk_stream stream = {0xFEDCBA9876543210u, 9, 3, 0x123ABCDEF01u, with_rows ? rows : NULL, 77};
            uint32_t *uniform = fresh((size_t)(n * m) * sizeof *uniform);
            uint8_t *state = fresh((size_t)(n * m));
            float *x = fresh((size_t)(n * m) * sizeof *x);
            for (int i = 0; i < n * m; i++)
                x[i] = random_float(8.0f);
            check_test("%d units, %s", m, with_rows ? "row ids" : "consecutive rows");
            rbmk_uniform_u32(n, m, &stream, uniform);
            rbmk_bernoulli(x, n, m, &stream, state);
            for (int i = 0; i < n; i++)
                for (int j = 0; j < m; j++) {
                    const uint32_t u = uniform_of(&stream, with_rows ? rows[i] : 77 + i, j);
                    const float xij = x[i * m + j];
                    const int rare = u < threshold1(rare_probability(xij));
                    check(uniform[i * m + j] == u, "uniform of row %d, unit %d", i, j);
                    check(state[i * m + j] == (rare ^ (xij >= 0.0f)), "state of row %d, unit %d", i, j);
                }
            forget();
        }
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* How far from a wrong decision the numbers next to the window are, in units of 2^-32: for every `stride`th float from
 * `first` to `last`. */
static int64_t margin_of_bound(float first, float last, int stride)
{
    const int64_t window = BOUND_WINDOW;
    int64_t margin = INT64_MAX;
    for (int32_t bits = float_bits(first); bits <= float_bits(last); bits += stride) {
        const float x = float_from_bits(bits), steps = x * BOUND_STEPS;
        const int64_t threshold = threshold1(rare_probability(x));
        const int64_t bound = bound1((int)rintf(steps < BOUND_LAST ? steps : BOUND_LAST)) + 32768;
        margin = smaller(margin, (bound + window) * 65536 - threshold);     /* the lowest that counts as not below */
        margin = smaller(margin, threshold - (bound - window + 1) * 65536); /* the highest that counts as below, and all
                                                                             * of its low half */
    }
    return margin;
}

/* All floats where steps change, and many of those below and beyond. */
static void bounds(void)
{
    const int64_t margin = margin_of_bound(0x1p-14f, 8.5f, REPEATS(4) == 4 ? 1 : 499);
    check_test("all total inputs");
    check(margin >= 0, "a state is wrong: %lld", (long long)margin);
    check(margin < 65536, "the window could be narrower: %lld", (long long)margin);
    check(margin_of_bound(0.0f, 0x1p-14f, 4099) >= 0, "near 0");
    check(margin_of_bound(8.5f, 3e38f, 4099) >= 0, "far from 0");
}

void test_random(void)
{
    check_group("bounds of thresholds");
    bounds();
    check_group("Philox");
    known_answers();
    check_group("counters");
    seed_random(1);
    counters();
}
