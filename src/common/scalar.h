/* The scalar truth: one element of each function. Compiled for every instruction set by vectorising loops over it,
 * so that all paths give the same bits by construction. Needs -ffp-contract=off. Coefficients: minimax fits. */
#ifndef RBMK_SCALAR_H
#define RBMK_SCALAR_H

#include <stdint.h>
#include <string.h>

#include "guard.h"

static inline int32_t float_bits(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float float_from_bits(int32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float absolute(float x) { return float_from_bits(float_bits(x) & 0x7FFFFFFF); }

/* exp(-|x|), exactly 1 at 0; |x| counts as at most 80, so nothing is denormal. */
static inline float exp_negative(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer, ties to even */
    float y = absolute(x);
    y = -(y < 80.0f ? y : 80.0f);
    float shifted = y * 1.44269502f + magic;
    float n = shifted - magic;
    float r = (y - n * 0.693359375f) - n * -2.12194442e-4f; /* y - n ln 2; the first product is exact */
    float s = 0.0013814222f;
    s = s * r + 0.008368899f;
    s = s * r + 0.041668404f;
    s = s * r + 0.1666652f;
    s = s * r + 0.49999994f;
    float poly = ((s * r) * r + r) + 1.0f;
    int32_t power = (float_bits(shifted) - 0x4B400000 + 127) * (1 << 23);
    return poly * float_from_bits(power);
}

/* 2 atanh(s) for |s| <= 1/3. */
static inline float atanh_series(float s)
{
    float z = s * s;
    float q = 0.14015296f;
    q = q * z + 0.13998996f;
    q = q * z + 0.20010881f;
    q = q * z + 0.33333206f;
    float t = s + s;
    return (z * q) * t + t;
}

static inline float softplus1(float x)
{
    float e = exp_negative(x);
    return (x > 0.0f ? x : 0.0f) + atanh_series(e / (e + 2.0f));
}

/* Natural logarithm of a positive normal float. */
static inline float log1(float x)
{
    int32_t bits = float_bits(x);
    int32_t n = (bits - 0x3F3504F3) >> 23; /* so that the mantissa lies in [sqrt(1/2), sqrt(2)) */
    float m = float_from_bits(bits - n * (1 << 23));
    float k = (float)n;
    return k * 0.693359375f + (k * -2.12194442e-4f + atanh_series((m - 1.0f) / (m + 1.0f)));
}

/* Probability of the rarer state, sigmoid(-|x|) <= 1/2. */
static inline float rare_probability(float x)
{
    float e = exp_negative(x);
    return e / (e + 1.0f);
}

static inline float sigmoid1(float x)
{
    float p = rare_probability(x);
    return x >= 0.0f ? 1.0f - p : p;
}

/* rint(65535 p) for p in [0, 1]. */
static inline int32_t level1(float p)
{
    const float magic = 12582912.0f;
    return float_bits(p * 65535.0f + magic) - 0x4B400000;
}

/* In units of 1/65535. */
static inline int32_t sigmoid_i32_1(float x)
{
    int32_t p = level1(rare_probability(x));
    return x >= 0.0f ? 65535 - p : p;
}

/* rint(level * share / 65535), which is no tie, without a division. */
static inline int32_t share1(uint16_t level, uint16_t share)
{
    const uint32_t product = (uint32_t)level * share + 32768;
    return (int32_t)((product + (product >> 16)) >> 16);
}

/* (uint32_t)(p * 2^32) for p <= 1/2, without a cast that only AVX-512 vectorises or int32 cannot hold. */
static inline uint32_t threshold1(float p)
{
    float f = p * 4294967296.0f;
    int half = f >= 2147483648.0f;
    return half ? 0x80000000u : (uint32_t)(int32_t)(half ? 0.0f : f);
}

/* rint(x), ties to even, for |x| < 2^23; larger (a weight that outgrew its exponent) or NaN: +-2^23. */
static inline int32_t round1(float x)
{
    const float magic = 8388608.0f;
    float size = absolute(x);
    size = size < magic ? size : magic;
    int32_t r = (int32_t)((size + magic) - magic);
    return x < 0.0f ? -r : r;
}

#endif
