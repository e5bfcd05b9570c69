/* AVX2 without FMA: fused operations would round differently. */
#include "../../common/target.h"
#include "../../kernels.h"

#ifdef RBMK_BUILD_AVX2

#include <immintrin.h>
#include <string.h>

RBMK_TARGET_BEGIN("avx2,popcnt") /* no CPU has the first without the second */

#include "../../common/bound.h"
#include "../../common/philox.h"
#include "../../common/positions.h"
#include "../../common/scalar.h"

#define RBMK_OWN_LISTS

/* A bit for each of n <= 64 states. */
static inline uint64_t bits_of(const uint8_t *states, int n)
{
    uint64_t bits = 0;
    int i = 0;
    for (; i + 32 <= n; i += 32) {
        const __m256i some = _mm256_loadu_si256((const __m256i *)(states + i));
        bits |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(some, _mm256_setzero_si256())) << i;
    }
    for (; i + 8 <= n; i += 8) {
        const __m128i some = _mm_loadl_epi64((const __m128i *)(states + i));
        bits |= (uint64_t)_mm_movemask_epi8(_mm_cmpgt_epi8(some, _mm_setzero_si128())) << i;
    }
    for (; i < n; i++)
        bits |= (uint64_t)states[i] << i;
    return bits;
}

/* Positions of those of n bits that are on, counted from `first`, 8 a step without branches; whole words are
 * written. */
static inline int list_bits(uint64_t bits, int n, int first, uint8_t *index)
{
    int count = 0;
    RBMK_UNROLL(8)
    for (int j = 0; j < n; j += 8) {
        const unsigned some = bits >> j & 0xFF;
        const uint64_t word = positions[some] + (uint64_t)(first + j) * 0x0101010101010101u;
        memcpy(index + count, &word, sizeof word);
        count += __builtin_popcount(some);
    }
    return count;
}

#define RBMK_OWN_ADD_ROWS

/* Add the listed rows of a panel: 64 columns are 8 registers of sums, fresh ones start at zero. */
static inline void add_rows(const int32_t *panel, int width, const uint8_t *index, int count, int fresh,
                            int32_t *sums)
{
    if (width == RBMK_PANEL) {
        __m256i s[8];
        for (int r = 0; r < 8; r++)
            s[r] = fresh ? _mm256_setzero_si256() : _mm256_loadu_si256((const __m256i *)sums + r);
        for (int t = 0; t < count; t++) {
            const __m256i *row = (const __m256i *)(panel + (size_t)index[t] * RBMK_PANEL);
            for (int r = 0; r < 8; r++)
                s[r] = _mm256_add_epi32(s[r], _mm256_loadu_si256(row + r));
        }
        for (int r = 0; r < 8; r++)
            _mm256_storeu_si256((__m256i *)sums + r, s[r]);
        return;
    }
    for (int first = 0; first < width; first += 16) {
        __m256i s0 = _mm256_setzero_si256(), s1 = s0;
        if (!fresh) {
            s0 = _mm256_loadu_si256((const __m256i *)(sums + first));
            s1 = _mm256_loadu_si256((const __m256i *)(sums + first + 8));
        }
        for (int t = 0; t < count; t++) {
            const __m256i *row = (const __m256i *)(panel + (size_t)index[t] * width + first);
            s0 = _mm256_add_epi32(s0, _mm256_loadu_si256(row));
            s1 = _mm256_add_epi32(s1, _mm256_loadu_si256(row + 1));
        }
        _mm256_storeu_si256((__m256i *)(sums + first), s0);
        _mm256_storeu_si256((__m256i *)(sums + first + 8), s1);
    }
}

#define RBMK_OWN_COLUMNS

/* 16 of them. */
typedef struct {
    __m256i low, high;
} columns;

static inline columns no_columns(void) { return (columns){_mm256_setzero_si256(), _mm256_setzero_si256()}; }

static inline columns load_columns(const int32_t *from)
{
    return (columns){_mm256_loadu_si256((const __m256i *)from), _mm256_loadu_si256((const __m256i *)from + 1)};
}

static inline void store_columns(int32_t *to, columns x)
{
    _mm256_storeu_si256((__m256i *)to, x.low);
    _mm256_storeu_si256((__m256i *)to + 1, x.high);
}

static inline columns add_columns(columns x, columns y)
{
    x.low = _mm256_add_epi32(x.low, y.low);
    x.high = _mm256_add_epi32(x.high, y.high);
    __asm__("" : "+x"(x.low), "+x"(x.high)); /* or GCC would load lower halves first, which lie in the same banks */
    return x;
}

#define RBMK_OWN_PHILOX_OF
#define RBMK_OWN_PHILOX16

/* Words of 4 blocks in the low halves of 64-bit lanes. vpmuludq ignores the high halves, so they hold whatever they
 * hold, and no product has to be put together from even and odd lanes. */
typedef struct {
    __m256i x0, x1, x2, x3;
} blocks4;

static inline __m256i xor3(__m256i a, __m256i b, __m256i c) { return _mm256_xor_si256(_mm256_xor_si256(a, b), c); }

static inline blocks4 philox_round(blocks4 b, __m256i k0, __m256i k1)
{
    __m256i p0 = _mm256_mul_epu32(b.x0, _mm256_set1_epi64x(PHILOX_M0));
    __m256i p1 = _mm256_mul_epu32(b.x2, _mm256_set1_epi64x(PHILOX_M1));
    return (blocks4){xor3(_mm256_srli_epi64(p1, 32), b.x1, k0), p1, xor3(_mm256_srli_epi64(p0, 32), b.x3, k1), p0};
}

static inline __m256i interleave(__m256i even, __m256i odd)
{
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
}

/* 8 blocks: those with even numbers, and the others. */
static inline void philox8(__m256i block, const rbmk_counter *counter, uint32_t out[4][16], int at)
{
    blocks4 even = {block, _mm256_set1_epi32((int)counter->c1), _mm256_set1_epi32((int)counter->c2),
                    _mm256_set1_epi32((int)counter->c3)};
    blocks4 odd = even;
    __m256i k0 = _mm256_set1_epi32((int)counter->k0), k1 = _mm256_set1_epi32((int)counter->k1);
    odd.x0 = _mm256_srli_epi64(block, 32);
    for (int round = 0; round < 10; round++) {
        even = philox_round(even, k0, k1);
        odd = philox_round(odd, k0, k1);
        k0 = _mm256_add_epi32(k0, _mm256_set1_epi32((int)PHILOX_W0));
        k1 = _mm256_add_epi32(k1, _mm256_set1_epi32((int)PHILOX_W1));
    }
    _mm256_storeu_si256((__m256i *)(out[0] + at), interleave(even.x0, odd.x0));
    _mm256_storeu_si256((__m256i *)(out[1] + at), interleave(even.x1, odd.x1));
    _mm256_storeu_si256((__m256i *)(out[2] + at), interleave(even.x2, odd.x2));
    _mm256_storeu_si256((__m256i *)(out[3] + at), interleave(even.x3, odd.x3));
}

static inline void philox_of(const uint32_t block[16], const rbmk_counter *counter, uint32_t out[4][16])
{
    philox8(_mm256_loadu_si256((const __m256i *)block), counter, out, 0);
    philox8(_mm256_loadu_si256((const __m256i *)block + 1), counter, out, 8);
}

/* 16 neighbouring blocks at once. */
static inline void philox16(uint32_t c0, const rbmk_counter *counter, uint32_t out[4][16])
{
    const __m256i block = _mm256_add_epi32(_mm256_set1_epi32((int)c0), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    philox8(block, counter, out, 0);
    philox8(_mm256_add_epi32(block, _mm256_set1_epi32(8)), counter, out, 8);
}

#define RBMK_OWN_DECIDE16

/* States (-1 or 0) of 8 units by the high halves of their uniforms; adds ties to *tie. */
static inline __m256i decide8(const float *x, const int32_t *threshold, const uint32_t *word, int shift, __m256i *tie)
{
    __m256i half = _mm256_srl_epi32(_mm256_loadu_si256((const __m256i *)word), _mm_cvtsi32_si128(shift));
    half = _mm256_and_si256(half, _mm256_set1_epi32(0xFFFF));
    __m256i top = _mm256_srli_epi32(_mm256_loadu_si256((const __m256i *)threshold), 16);
    __m256 on = _mm256_cmp_ps(_mm256_loadu_ps(x), _mm256_setzero_ps(), _CMP_GE_OQ);
    *tie = _mm256_or_si256(*tie, _mm256_cmpeq_epi32(half, top));
    return _mm256_xor_si256(_mm256_cmpgt_epi32(top, half), _mm256_castps_si256(on));
}

/* States of 16 units by the high halves (word >> shift) of their uniforms; 0 if a half ties with its threshold's. */
static inline int decide16(const float *x, const int32_t *threshold, const uint32_t *word, int shift, uint8_t *state)
{
    __m256i tie = _mm256_setzero_si256();
    __m256i first = decide8(x, threshold, word, shift, &tie);
    __m256i second = decide8(x + 8, threshold + 8, word + 8, shift, &tie);
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0xD8);
    __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)state, _mm_and_si128(bytes, _mm_set1_epi8(1)));
    return _mm256_testz_si256(tie, tie);
}

#define RBMK_OWN_BOUND

static inline __m256i bound_steps(const float *x)
{
    const __m256 size = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), _mm256_loadu_ps(x));
    const __m256 steps = _mm256_mul_ps(size, _mm256_set1_ps(BOUND_STEPS));
    return _mm256_cvtps_epi32(_mm256_min_ps(steps, _mm256_set1_ps(BOUND_LAST))); /* the last for NaN */
}

/* bound1 of 16 units. */
static inline __m256i bound16(__m256i y)
{
    const __m256i segment = _mm256_mullo_epi16(_mm256_srli_epi16(y, 12), _mm256_set1_epi16(0x0202));
    const __m256i bytes = _mm256_add_epi16(segment, _mm256_set1_epi16(0x0100));
    const __m256i at = _mm256_xor_si256(_mm256_slli_epi16(y, 4), _mm256_set1_epi16(INT16_MIN));
    __m256i bound = _mm256_setzero_si256();
    for (int term = 3; term >= 0; term--) {
        const __m128i terms = _mm_loadu_si128((const __m128i *)bound_terms[term]);
        const __m256i own = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(terms), bytes);
        bound = _mm256_add_epi16(_mm256_mulhrs_epi16(at, bound), own);
    }
    return bound;
}

/* States (-1 or 0) of units x[0] to x[7], in even 16-bit lanes, and x[16] to x[23], in odd ones: as the halves of words
 * serve them. Adds those in doubt. */
static inline __m256i decide8_pairs(const float *x, const uint32_t *word, __m256i *doubt)
{
    const __m256i half = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)word), _mm256_set1_epi16(INT16_MIN));
    const __m256i y = _mm256_or_si256(bound_steps(x), _mm256_slli_epi32(bound_steps(x + 16), 16));
    const __m256i above = _mm256_subs_epi16(half, bound16(y));
    const __m256i first = _mm256_castps_si256(_mm256_cmp_ps(_mm256_loadu_ps(x), _mm256_setzero_ps(), _CMP_GE_OQ));
    const __m256i last = _mm256_castps_si256(_mm256_cmp_ps(_mm256_loadu_ps(x + 16), _mm256_setzero_ps(), _CMP_GE_OQ));
    *doubt = _mm256_or_si256(*doubt, _mm256_cmpgt_epi16(_mm256_set1_epi16(BOUND_WINDOW), _mm256_abs_epi16(above)));
    return _mm256_xor_si256(_mm256_srai_epi16(above, 15), _mm256_blend_epi16(first, last, 0xAA));
}

/* States of 32 units by the halves of 16 words; which 16 of them have some in doubt, as two bits. */
static inline int decide32(const float *x, const uint32_t *word, uint8_t *state)
{
    const __m256i order = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
    __m256i doubt = _mm256_setzero_si256();
    const __m256i first = decide8_pairs(x, word, &doubt), second = decide8_pairs(x + 8, word + 8, &doubt);
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_packs_epi16(first, second), order);
    const __m256i states = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    const int bits = _mm256_movemask_epi8(doubt);
    _mm256_storeu_si256((__m256i *)state, _mm256_and_si256(states, _mm256_set1_epi8(1)));
    return (bits & 0x33333333 ? 1 : 0) | (bits & (int)0xCCCCCCCC ? 2 : 0);
}

#define RBMK_OWN_PAIRS
enum { PAIR_LANES = 8, PAIR_ROWS = 4 };

static inline __m256i add_products(__m256i sum, __m256i states, __m256i digits)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(states, digits));
}

#include "../x86/transpose8.h"
#include "../../common/pairs.h"
RBMK_PAIR_SUMS(pair_sums, __m256i, _mm256_setzero_si256, _mm256_loadu_si256, _mm256_storeu_si256, _mm256_set1_epi32,
               add_products)

#define RBMK_OWN_GREY

/* Positions and values of the levels that are not 0; returns how many. */
static inline int active_u16(const uint16_t *levels, int n, uint32_t *index, double *value)
{
    int count = 0, k = 0;
    for (; k + 16 <= n; k += 16) {
        __m256i some = _mm256_loadu_si256((const __m256i *)(levels + k));
        uint32_t on = ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi16(some, _mm256_setzero_si256()));
        for (; on; on &= on - 1, on &= on - 1, count++) { /* two bits a level */
            index[count] = (uint32_t)(k + __builtin_ctz(on) / 2);
            value[count] = (double)(int32_t)levels[index[count]];
        }
    }
    for (; k < n; k++)
        if (levels[k]) {
            index[count] = (uint32_t)k;
            value[count++] = (double)(int32_t)levels[k];
        }
    return count;
}

/* 32 columns of every active row at a time: 8 registers of sums. */
static inline void add_levels(const int32_t *panel, int width, const uint32_t *index, const double *value, int count,
                              double *sums)
{
    for (int first = 0; first < width; first += 32) {
        const int registers = width - first >= 32 ? 8 : 4;
        __m256d s[8];
        for (int r = 0; r < 8; r++)
            s[r] = _mm256_setzero_pd();
        if (registers == 8)
            for (int t = 0; t < count; t++) {
                const __m128i *row = (const __m128i *)(panel + (size_t)index[t] * width + first);
                const __m256d level = _mm256_set1_pd(value[t]);
                for (int r = 0; r < 8; r++)
                    s[r] = _mm256_add_pd(s[r], _mm256_mul_pd(_mm256_cvtepi32_pd(_mm_loadu_si128(row + r)), level));
            }
        else
            for (int t = 0; t < count; t++) {
                const __m128i *row = (const __m128i *)(panel + (size_t)index[t] * width + first);
                const __m256d level = _mm256_set1_pd(value[t]);
                for (int r = 0; r < 4; r++)
                    s[r] = _mm256_add_pd(s[r], _mm256_mul_pd(_mm256_cvtepi32_pd(_mm_loadu_si128(row + r)), level));
            }
        for (int r = 0; r < registers; r++)
            _mm256_storeu_pd(sums + first + 4 * r, s[r]);
    }
}

#define RBMK_OWN_QUANTISE

/* In units of 2^-e, when scale is 2^e: the processor rounds to even, like round1. */
static inline void quantise(const float *W, int n, float scale, int32_t *q)
{
    const __m256 limit = _mm256_set1_ps(8388608.0f), factor = _mm256_set1_ps(scale);
    int j = 0;
    for (; j + 8 <= n; j += 8) {
        __m256 x = _mm256_min_ps(_mm256_mul_ps(_mm256_loadu_ps(W + j), factor), limit); /* the limit for NaN */
        x = _mm256_max_ps(x, _mm256_sub_ps(_mm256_setzero_ps(), limit));
        _mm256_storeu_si256((__m256i *)(q + j), _mm256_cvtps_epi32(x));
    }
    for (; j < n; j++)
        q[j] = round1(W[j] * scale);
}

#include "../../common/product.h"
#include "../../common/elementwise.h"
#include "../../common/random.h"
#define RBMK_OWN_FOUR_UNITS

/* Four units of each of 16 groups, from[l] on: rows 0 and 4 in one register, 1 and 5 in the next, then the other half. */
static inline void four_units(const float *const from[16], int k, float *to)
{
    for (int half = 0; half < 16; half += 8, from += 8, to += 8) {
        __m256 row[4];
        for (int l = 0; l < 4; l++)
            row[l] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from[l] + k)),
                                          _mm_loadu_ps(from[l + 4] + k), 1);
        const __m256 a = _mm256_unpacklo_ps(row[0], row[1]), b = _mm256_unpackhi_ps(row[0], row[1]);
        const __m256 c = _mm256_unpacklo_ps(row[2], row[3]), d = _mm256_unpackhi_ps(row[2], row[3]);
        _mm256_storeu_ps(to, _mm256_shuffle_ps(a, c, 0x44));
        _mm256_storeu_ps(to + 16, _mm256_shuffle_ps(a, c, 0xEE));
        _mm256_storeu_ps(to + 32, _mm256_shuffle_ps(b, d, 0x44));
        _mm256_storeu_ps(to + 48, _mm256_shuffle_ps(b, d, 0xEE));
    }
}

#define RBMK_VECTOR 32
#include "../../common/groups.h"
#include "../../common/convolution.h"
#include "../../common/odds.h"
#include "../../common/factors.h"
#include "../../common/sweep.h"
#include "../../common/update.h"
#include "../../common/table.h"

RBMK_TARGET_END

const rbmk_kernels *const rbmk_avx2 = &table;

#else

const rbmk_kernels *const rbmk_avx2 = NULL;

#endif
