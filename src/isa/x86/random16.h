/* Philox, the comparison with thresholds and their bounds, and the transposition of groups, 16 at a time: included under a target that has AVX-512. */
#ifndef RBMK_RANDOM16_H
#define RBMK_RANDOM16_H

#include "../../common/bound.h"
#include "../../common/philox.h"

#define RBMK_OWN_PHILOX_OF
#define RBMK_OWN_PHILOX16

/* Words of 8 blocks in the low halves of 64-bit lanes. vpmuludq ignores the high halves, so they hold whatever they
 * hold, and no product has to be put together from even and odd lanes. */
typedef struct {
    __m512i x0, x1, x2, x3;
} blocks8;

static inline blocks8 philox_round(blocks8 b, __m512i k0, __m512i k1)
{
    enum { XOR3 = 0x96 }; /* truth table of a ^ b ^ c */
    __m512i p0 = _mm512_mul_epu32(b.x0, _mm512_set1_epi64(PHILOX_M0));
    __m512i p1 = _mm512_mul_epu32(b.x2, _mm512_set1_epi64(PHILOX_M1));
    return (blocks8){_mm512_ternarylogic_epi32(_mm512_srli_epi64(p1, 32), b.x1, k0, XOR3), p1,
                     _mm512_ternarylogic_epi32(_mm512_srli_epi64(p0, 32), b.x3, k1, XOR3), p0};
}

static inline __m512i interleave(__m512i even, __m512i odd)
{
    return _mm512_mask_shuffle_epi32(even, 0xAAAA, odd, _MM_PERM_CCAA);
}

/* 16 blocks at once: those with even numbers, and the others. */
static inline void philox_blocks(__m512i block, const rbmk_counter *counter, uint32_t out[4][16])
{
    blocks8 even = {block, _mm512_set1_epi32((int)counter->c1), _mm512_set1_epi32((int)counter->c2),
                    _mm512_set1_epi32((int)counter->c3)};
    blocks8 odd = even;
    __m512i k0 = _mm512_set1_epi32((int)counter->k0), k1 = _mm512_set1_epi32((int)counter->k1);
    odd.x0 = _mm512_srli_epi64(block, 32);
    for (int round = 0; round < 10; round++) {
        even = philox_round(even, k0, k1);
        odd = philox_round(odd, k0, k1);
        k0 = _mm512_add_epi32(k0, _mm512_set1_epi32((int)PHILOX_W0));
        k1 = _mm512_add_epi32(k1, _mm512_set1_epi32((int)PHILOX_W1));
    }
    _mm512_storeu_si512(out[0], interleave(even.x0, odd.x0));
    _mm512_storeu_si512(out[1], interleave(even.x1, odd.x1));
    _mm512_storeu_si512(out[2], interleave(even.x2, odd.x2));
    _mm512_storeu_si512(out[3], interleave(even.x3, odd.x3));
}

static inline void philox_of(const uint32_t block[16], const rbmk_counter *counter, uint32_t out[4][16])
{
    philox_blocks(_mm512_loadu_si512(block), counter, out);
}

static inline void philox16(uint32_t c0, const rbmk_counter *counter, uint32_t out[4][16])
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    philox_blocks(_mm512_add_epi32(_mm512_set1_epi32((int)c0), lanes), counter, out);
}

#define RBMK_OWN_DECIDE16

/* States of 16 units by the high halves (word >> shift) of their uniforms; 0 if a half ties with its threshold's. */
static inline int decide16(const float *x, const int32_t *threshold, const uint32_t *word, int shift, uint8_t *state)
{
    __m512i half = _mm512_srl_epi32(_mm512_loadu_si512(word), _mm_cvtsi32_si128(shift));
    half = _mm512_and_si512(half, _mm512_set1_epi32(0xFFFF));
    __m512i top = _mm512_srli_epi32(_mm512_loadu_si512(threshold), 16);
    __mmask16 on = _mm512_cmp_ps_mask(_mm512_loadu_ps(x), _mm512_setzero_ps(), _CMP_GE_OQ);
    __mmask16 drawn = _mm512_cmplt_epi32_mask(half, top) ^ on;
    _mm_storeu_si128((__m128i *)state, _mm_maskz_set1_epi8(drawn, 1));
    return !_mm512_cmpeq_epi32_mask(half, top);
}

#define RBMK_OWN_BOUND

static inline __m512i bound_steps(__m512 x)
{
    const __m512 steps = _mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(BOUND_STEPS));
    return _mm512_cvtps_epi32(_mm512_min_ps(steps, _mm512_set1_ps(BOUND_LAST))); /* the last for NaN */
}

/* bound1 of 32 units. */
static inline __m512i bound32(__m512i y)
{
    const __m512i segment = _mm512_srli_epi16(y, 12);
    const __m512i at = _mm512_xor_si512(_mm512_slli_epi16(y, 4), _mm512_set1_epi16(INT16_MIN));
    __m512i bound = _mm512_setzero_si512();
    for (int term = 3; term >= 0; term--) {
        const __m512i terms = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)bound_terms[term]));
        bound = _mm512_add_epi16(_mm512_mulhrs_epi16(at, bound), _mm512_permutexvar_epi16(segment, terms));
    }
    return bound;
}

/* States of 32 units by the halves of 16 words, which serve x[l] and x[16 + l]; which 16 of them have some in doubt, as two
 * bits. */
static inline int decide32(const float *x, const uint32_t *word, uint8_t *state)
{
    const __m512 first = _mm512_loadu_ps(x), last = _mm512_loadu_ps(x + 16);
    const __m512i half = _mm512_xor_si512(_mm512_loadu_si512(word), _mm512_set1_epi16(INT16_MIN));
    const __m512i y = _mm512_or_si512(bound_steps(first), _mm512_slli_epi32(bound_steps(last), 16));
    const __m512i above = _mm512_subs_epi16(half, bound32(y));
    const __mmask16 first_on = _mm512_cmp_ps_mask(first, _mm512_setzero_ps(), _CMP_GE_OQ);
    const __mmask16 last_on = _mm512_cmp_ps_mask(last, _mm512_setzero_ps(), _CMP_GE_OQ);
    const __mmask32 doubt = _mm512_cmplt_epi16_mask(_mm512_abs_epi16(above), _mm512_set1_epi16(BOUND_WINDOW));
    const __mmask16 first_below = _mm512_movepi32_mask(_mm512_slli_epi32(above, 16)), last_below = _mm512_movepi32_mask(above);
    _mm_storeu_si128((__m128i *)state, _mm_maskz_set1_epi8(first_below ^ first_on, 1));
    _mm_storeu_si128((__m128i *)state + 1, _mm_maskz_set1_epi8(last_below ^ last_on, 1));
    return (doubt & 0x55555555 ? 1 : 0) | (doubt & 0xAAAAAAAA ? 2 : 0);
}

#define RBMK_OWN_FOUR_UNITS

/* Four units of each of 16 groups, from[l] on: rows 0, 4, 8 and 12 in one register, 1, 5, ... in the next. */
static inline void four_units(const float *const from[16], int k, float *to)
{
    __m512 row[4];
    for (int l = 0; l < 4; l++) {
        row[l] = _mm512_castps128_ps512(_mm_loadu_ps(from[l] + k));
        row[l] = _mm512_insertf32x4(row[l], _mm_loadu_ps(from[l + 4] + k), 1);
        row[l] = _mm512_insertf32x4(row[l], _mm_loadu_ps(from[l + 8] + k), 2);
        row[l] = _mm512_insertf32x4(row[l], _mm_loadu_ps(from[l + 12] + k), 3);
    }
    const __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(row[0], row[1]));
    const __m512d b = _mm512_castps_pd(_mm512_unpackhi_ps(row[0], row[1]));
    const __m512d c = _mm512_castps_pd(_mm512_unpacklo_ps(row[2], row[3]));
    const __m512d d = _mm512_castps_pd(_mm512_unpackhi_ps(row[2], row[3]));
    _mm512_storeu_pd(to, _mm512_unpacklo_pd(a, c));
    _mm512_storeu_pd(to + 16, _mm512_unpackhi_pd(a, c));
    _mm512_storeu_pd(to + 32, _mm512_unpacklo_pd(b, d));
    _mm512_storeu_pd(to + 48, _mm512_unpackhi_pd(b, d));
}

#endif
