/* AVX2 without FMA: fused operations would round differently. */
#include "../../common/target.h"
#include "../../kernels.h"

#ifdef RBMK_BUILD_AVX2

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

RBMK_TARGET_BEGIN("avx2")

#include "../../common/philox.h"

#define RBMK_OWN_ADD_ROWS

/* Positions of the nonzero states of a row, 32 states a step. */
static inline int active_u8(const uint8_t *states, int n, uint32_t *index)
{
    int count = 0, i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(states + i));
        uint32_t on = ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_setzero_si256()));
        while (on) {
            index[count++] = (uint32_t)(i + __builtin_ctz(on));
            on &= on - 1;
        }
    }
    for (; i < n; i++)
        if (states[i])
            index[count++] = (uint32_t)i;
    return count;
}

/* Add the listed rows of a panel: 64 columns are 8 registers of sums, fresh ones start at zero. */
static inline void add_rows(const int32_t *panel, int width, const uint32_t *index, int count, int fresh,
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

#define RBMK_OWN_PHILOX16

/* Low and high words of 8 products: vpmuludq multiplies the even lanes. */
static inline __m256i multiply_wide(__m256i a, __m256i m, __m256i *high)
{
    __m256i even = _mm256_mul_epu32(a, m), odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), m);
    *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
}

static inline void philox8(uint32_t c0, const rbmk_counter *counter, uint32_t out[4][16], int at)
{
    const __m256i m0 = _mm256_set1_epi64x(PHILOX_M0), m1 = _mm256_set1_epi64x(PHILOX_M1);
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i x0 = _mm256_add_epi32(_mm256_set1_epi32((int)c0), lanes), x1 = _mm256_set1_epi32((int)counter->c1);
    __m256i x2 = _mm256_set1_epi32((int)counter->c2), x3 = _mm256_set1_epi32((int)counter->c3);
    uint32_t k0 = counter->k0, k1 = counter->k1;
    for (int round = 0; round < 10; round++) {
        __m256i high0, high1, low0 = multiply_wide(x0, m0, &high0), low1 = multiply_wide(x2, m1, &high1);
        x0 = _mm256_xor_si256(_mm256_xor_si256(high1, x1), _mm256_set1_epi32((int)k0));
        x2 = _mm256_xor_si256(_mm256_xor_si256(high0, x3), _mm256_set1_epi32((int)k1));
        x1 = low1;
        x3 = low0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    _mm256_storeu_si256((__m256i *)(out[0] + at), x0);
    _mm256_storeu_si256((__m256i *)(out[1] + at), x1);
    _mm256_storeu_si256((__m256i *)(out[2] + at), x2);
    _mm256_storeu_si256((__m256i *)(out[3] + at), x3);
}

/* 16 neighbouring blocks at once. */
static inline void philox16(uint32_t c0, const rbmk_counter *counter, uint32_t out[4][16])
{
    philox8(c0, counter, out, 0);
    philox8(c0 + 8, counter, out, 8);
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

#include "../../common/kernels.inl.h"

/* 8 x 8 in registers: pairs, then quadruples, then halves. */
static inline void transpose_8x8(const int32_t *tile, int ld, int32_t *out, int ld_out)
{
    __m256i r[8], s[8];
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_si256((const __m256i *)(tile + i * ld));
    for (int i = 0; i < 8; i += 2) {
        s[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_unpacklo_epi64(s[i], s[i + 2]);
        r[i + 1] = _mm256_unpackhi_epi64(s[i], s[i + 2]);
        r[i + 2] = _mm256_unpacklo_epi64(s[i + 1], s[i + 3]);
        r[i + 3] = _mm256_unpackhi_epi64(s[i + 1], s[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_si256((__m256i *)(out + i * ld_out), _mm256_permute2x128_si256(r[i], r[i + 4], 0x20));
        _mm256_storeu_si256((__m256i *)(out + (i + 4) * ld_out), _mm256_permute2x128_si256(r[i], r[i + 4], 0x31));
    }
}

static void transpose_i32_8x8(const int32_t *tile, int ld, int n_rows, int n_cols, int32_t *out, int ld_out)
{
    int whole_rows = n_rows / 8 * 8, whole_cols = n_cols / 8 * 8;
    for (int r = 0; r < whole_rows; r += 8)
        for (int c = 0; c < whole_cols; c += 8)
            transpose_8x8(tile + r * ld + c, ld, out + c * ld_out + r, ld_out);
    transpose_i32(tile + whole_cols, ld, n_rows, n_cols - whole_cols, out + whole_cols * ld_out, ld_out);
    transpose_i32(tile + whole_rows * ld, ld, n_rows - whole_rows, whole_cols, out + whole_rows, ld_out);
}

RBMK_TARGET_END

int rbmk_fill_avx2(rbmk_kernels *table)
{
    fill_table(table);
    table->transpose_i32 = transpose_i32_8x8;
    return 1;
}

#else

int rbmk_fill_avx2(rbmk_kernels *table)
{
    (void)table;
    return 0;
}

#endif
