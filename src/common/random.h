/* Uniforms by unit number, and the draw of 0/1 states. */
#ifndef RBMK_RANDOM_H
#define RBMK_RANDOM_H

#include <math.h>
#include <string.h>

#include "../kernels.h"
#include "philox.h"
#include "scalar.h"

#ifndef RBMK_OWN_PHILOX_OF
/* 16 blocks, whichever, at once. */
static inline void philox_of(const uint32_t block[16], const rbmk_counter *counter, uint32_t out[4][16])
{
    uint32_t x0[16], x1[16], x2[16], x3[16], k0 = counter->k0, k1 = counter->k1;
    for (int l = 0; l < 16; l++)
        x0[l] = block[l], x1[l] = counter->c1, x2[l] = counter->c2, x3[l] = counter->c3;
    for (int round = 0; round < 10; round++) {
        for (int l = 0; l < 16; l++) {
            uint64_t p0 = (uint64_t)PHILOX_M0 * x0[l], p1 = (uint64_t)PHILOX_M1 * x2[l];
            x0[l] = (uint32_t)(p1 >> 32) ^ x1[l] ^ k0;
            x1[l] = (uint32_t)p1;
            x2[l] = (uint32_t)(p0 >> 32) ^ x3[l] ^ k1;
            x3[l] = (uint32_t)p0;
        }
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    memcpy(out[0], x0, sizeof x0);
    memcpy(out[1], x1, sizeof x1);
    memcpy(out[2], x2, sizeof x2);
    memcpy(out[3], x3, sizeof x3);
}
#endif

#ifndef RBMK_OWN_PHILOX16
/* 16 neighbouring blocks at once. */
static inline void philox16(uint32_t c0, const rbmk_counter *counter, uint32_t out[4][16])
{
    uint32_t block[16];
    for (int l = 0; l < 16; l++)
        block[l] = c0 + (uint32_t)l;
    philox_of(block, counter, out);
}
#endif

/* Units 16 t .. 16 t + 15 of a group of 128 use this half of word t / 2 of their blocks. */
static inline int32_t half_word(uint32_t word, int t) { return (int32_t)(word >> (16 * (t % 2)) & 0xFFFFu); }

#define RBMK_LOW_HALVES 0x80000000u

static void uniform_u32(int n, int unit, const rbmk_counter *counter, uint32_t *out)
{
    uint32_t high[4][16], low[4][16];
    for (int j = 0; j < n; j += 16) {
        int t = (unit + j) % 128 / 16;
        uint32_t block = 16u * (uint32_t)((unit + j) / 128);
        if (t == 0 || j == 0) {
            philox16(block, counter, high);
            philox16(block | RBMK_LOW_HALVES, counter, low);
        }
        const int lanes = n - j < 16 ? n - j : 16;
        for (int l = 0; l < lanes; l++)
            out[j + l] = (uint32_t)half_word(high[t / 2][l], t) << 16 | (uint32_t)half_word(low[t / 2][l], t);
    }
}

/* Normal numbers from 128 uniforms: the inverse of the distribution function, by algorithm AS 241, PPND7 (Wichura 1988).
 * 32 bits end before the third of its ranges begins. Both ranges are formed, of fractions that one division serves. */
static inline void normal128(const uint32_t *restrict uniform, float *restrict normal)
{
    double q[128];
    float rare[128];
    for (int l = 0; l < 128; l++) {
        q[l] = ((double)(int32_t)(uniform[l] ^ 0x80000000u) + 0.5) * (1.0 / 4294967296.0); /* never 0 or +-1/2 */
        rare[l] = (float)(0.5 - fabs(q[l]));
    }
    for (int l = 0; l < 128; l++)
        rare[l] = -log1(rare[l]);
    for (int l = 0; l < 128; l++) {
        const double r = 0.180625 - q[l] * q[l], t = sqrt((double)rare[l]) - 1.6;
        const int tail = fabs(q[l]) > 0.425;
        const double above = ((59.109374720 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179;
        const double below = ((67.187563600 * r + 78.757757664) * r + 17.895169469) * r + 1.0;
        const double tail_above = ((0.17023821103 * t + 1.3067284816) * t + 2.7568153900) * t + 1.4234372777;
        const double tail_below = (0.12021132975 * t + 0.73700164250) * t + 1.0;
        normal[l] = (float)((tail ? copysign(tail_above, q[l]) : q[l] * above) / (tail ? tail_below : below));
    }
}

static void add_normal(const float *x, int n, int unit, const rbmk_counter *counter, float *state)
{
    uint32_t uniform[128] = {0};
    float normal[128];
    for (int j = 0; j < n; j += 128) {
        const int lanes = n - j < 128 ? n - j : 128;
        uniform_u32(lanes, unit + j, counter, uniform);
        normal128(uniform, normal);
        for (int l = 0; l < lanes; l++)
            state[j + l] = x[j + l] + normal[l];
    }
}

#ifndef RBMK_OWN_DECIDE16
/* States of 16 units by the high halves (word >> shift) of their uniforms; 0 if a half ties with its threshold's.
 * (int32 throughout: mixed widths would halve the vectors.) */
static inline int decide16(const float *restrict x, const int32_t *restrict threshold, const uint32_t *restrict word,
                           int shift, uint8_t *restrict state)
{
    int32_t drawn[16], tie = 0;
    for (int l = 0; l < 16; l++) {
        int32_t top = (int32_t)((uint32_t)threshold[l] >> 16), half = (int32_t)(word[l] >> shift & 0xFFFFu);
        drawn[l] = (half < top) ^ (x[l] >= 0.0f);
        tie |= half == top;
    }
    for (int l = 0; l < 16; l++)
        state[l] = (uint8_t)drawn[l];
    return !tie;
}
#endif

#ifndef RBMK_OWN_THRESHOLD
/* Below which a uniform has to be for the rarer state. */
static inline uint32_t threshold_of(float x) { return threshold1(rare_probability(x)); }
#endif

/* A unit takes its rarer state iff its uniform is below 2^32 p. The high halves decide all but ties, so the low ones
 * are drawn for about one vector in 4000. */
RBMK_APART static void bernoulli16(const float *restrict x, int t, const uint32_t high[4][16], uint32_t block,
                               const rbmk_counter *counter, uint8_t *restrict state)
{
    int32_t threshold[16];
    for (int l = 0; l < 16; l++)
        threshold[l] = (int32_t)threshold_of(x[l]);
    if (decide16(x, threshold, high[t / 2], 16 * (t % 2), state))
        return;
    uint32_t low[4][16];
    philox16(block | RBMK_LOW_HALVES, counter, low);
    for (int l = 0; l < 16; l++) {
        uint32_t uniform = (uint32_t)half_word(high[t / 2][l], t) << 16 | (uint32_t)half_word(low[t / 2][l], t);
        state[l] = (uint8_t)((uniform < (uint32_t)threshold[l]) ^ (x[l] >= 0.0f));
    }
}

#ifndef RBMK_OWN_BOUND
/* States of 32 units by the high halves of their uniforms; which 16 of them are yet to be drawn, as two bits. */
static inline int decide32(const float *x, const uint32_t word[16], uint8_t *state)
{
    (void)x, (void)word, (void)state;
    return 3;
}
#endif

/* Units from number 16 t on of a group of 128: a bound of the thresholds decides nearly all. */
static inline void bernoulli32(const float *restrict x, int t, const uint32_t high[4][16], uint32_t block,
                               const rbmk_counter *counter, uint8_t *restrict state)
{
    const int rest = decide32(x, high[t / 2], state);
    for (int h = 0; h < 2; h++)
        if (rest >> h & 1)
            bernoulli16(x + 16 * h, t + h, high, block, counter, state + 16 * h);
}

/* The same of n units that are fewer, or none but those of the odd half. */
RBMK_APART static void bernoulli_few(const float *restrict x, int n, int t, const uint32_t high[4][16], uint32_t block,
                                     const rbmk_counter *counter, uint8_t *restrict state)
{
    float padded[32] = {0};
    uint8_t drawn[32];
    memcpy(padded, x, (size_t)n * sizeof *x);
    if (t % 2)
        bernoulli16(padded, t, high, block, counter, drawn);
    else
        bernoulli32(padded, t, high, block, counter, drawn);
    memcpy(state, drawn, (size_t)n);
}

static void sigmoid_bernoulli(const float *x, int n, int unit, const rbmk_counter *counter, uint8_t *state)
{
    uint32_t high[4][16];
    for (int j = 0, m; j < n; j += m) {
        const int t = (unit + j) % 128 / 16;
        const uint32_t block = 16u * (uint32_t)((unit + j) / 128);
        if (t == 0 || j == 0)
            philox16(block, counter, high);
        m = t % 2 ? 16 : 32; /* that the rest of a word serves */
        m = n - j < m ? n - j : m;
        if (m == 32)
            bernoulli32(x + j, t, high, block, counter, state + j);
        else
            bernoulli_few(x + j, m, t, high, block, counter, state + j);
    }
}

#endif
