/* AVX-512 F, BW, DQ, VL. */
#include "../../common/target.h"
#include "../../kernels.h"

#ifdef RBMK_BUILD_AVX512

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#ifdef __clang__ /* knows no prefer-vector-width, and would drop the whole attribute */
RBMK_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,bmi")
#else
RBMK_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,bmi,prefer-vector-width=512")
#endif

#include "../../common/philox.h"

#define RBMK_OWN_ADD_ROWS

/* Positions of the nonzero states of a row, 64 states a step. */
static inline int active_u8(const uint8_t *states, int n, uint32_t *index)
{
    int count = 0;
    for (int i = 0; i < n; i += 64) {
        __mmask64 inside = n - i >= 64 ? ~0ull : (1ull << (n - i)) - 1;
        __m512i bytes = _mm512_maskz_loadu_epi8(inside, states + i);
        uint64_t on = _mm512_test_epi8_mask(bytes, bytes);
        while (on) {
            index[count++] = (uint32_t)(i + __builtin_ctzll(on));
            on &= on - 1;
        }
    }
    return count;
}

/* Add the listed rows of a panel: 64 columns are 4 registers of sums, fresh ones start at zero. */
static inline void add_rows(const int32_t *panel, int width, const uint32_t *index, int count, int fresh,
                            int32_t *sums)
{
    const __mmask16 keep = fresh ? 0 : 0xFFFF;
    if (width == RBMK_PANEL) {
        __m512i s0 = _mm512_maskz_loadu_epi32(keep, sums), s1 = _mm512_maskz_loadu_epi32(keep, sums + 16);
        __m512i s2 = _mm512_maskz_loadu_epi32(keep, sums + 32), s3 = _mm512_maskz_loadu_epi32(keep, sums + 48);
        for (int t = 0; t < count; t++) {
            const int32_t *row = panel + (size_t)index[t] * RBMK_PANEL;
            s0 = _mm512_add_epi32(s0, _mm512_loadu_si512(row));
            s1 = _mm512_add_epi32(s1, _mm512_loadu_si512(row + 16));
            s2 = _mm512_add_epi32(s2, _mm512_loadu_si512(row + 32));
            s3 = _mm512_add_epi32(s3, _mm512_loadu_si512(row + 48));
        }
        _mm512_storeu_si512(sums, s0);
        _mm512_storeu_si512(sums + 16, s1);
        _mm512_storeu_si512(sums + 32, s2);
        _mm512_storeu_si512(sums + 48, s3);
        return;
    }
    for (int first = 0; first < width; first += 16) {
        __m512i s = _mm512_maskz_loadu_epi32(keep, sums + first);
        for (int t = 0; t < count; t++)
            s = _mm512_add_epi32(s, _mm512_loadu_si512(panel + (size_t)index[t] * width + first));
        _mm512_storeu_si512(sums + first, s);
    }
}

#define RBMK_OWN_PHILOX16

/* Low and high words of 16 products: vpmuludq multiplies the even lanes. */
static inline __m512i multiply_wide(__m512i a, __m512i m, __m512i *high)
{
    __m512i even = _mm512_mul_epu32(a, m), odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), m);
    *high = _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd);
    return _mm512_mask_blend_epi32(0xAAAA, even, _mm512_slli_epi64(odd, 32));
}

/* 16 neighbouring blocks at once. */
static inline void philox16(uint32_t c0, const rbmk_counter *counter, uint32_t out[4][16])
{
    enum { XOR3 = 0x96 }; /* truth table of a ^ b ^ c */
    const __m512i m0 = _mm512_set1_epi64(PHILOX_M0), m1 = _mm512_set1_epi64(PHILOX_M1);
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i x0 = _mm512_add_epi32(_mm512_set1_epi32((int)c0), lanes), x1 = _mm512_set1_epi32((int)counter->c1);
    __m512i x2 = _mm512_set1_epi32((int)counter->c2), x3 = _mm512_set1_epi32((int)counter->c3);
    __m512i k0 = _mm512_set1_epi32((int)counter->k0), k1 = _mm512_set1_epi32((int)counter->k1);
    for (int round = 0; round < 10; round++) {
        __m512i high0, high1, low0 = multiply_wide(x0, m0, &high0), low1 = multiply_wide(x2, m1, &high1);
        x0 = _mm512_ternarylogic_epi32(high1, x1, k0, XOR3);
        x2 = _mm512_ternarylogic_epi32(high0, x3, k1, XOR3);
        x1 = low1;
        x3 = low0;
        k0 = _mm512_add_epi32(k0, _mm512_set1_epi32((int)PHILOX_W0));
        k1 = _mm512_add_epi32(k1, _mm512_set1_epi32((int)PHILOX_W1));
    }
    _mm512_storeu_si512(out[0], x0);
    _mm512_storeu_si512(out[1], x1);
    _mm512_storeu_si512(out[2], x2);
    _mm512_storeu_si512(out[3], x3);
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

#include "../../common/kernels.inl.h"

RBMK_TARGET_END

int rbmk_fill_avx512(rbmk_kernels *table)
{
    rbmk_kernels avx2;
    if (!rbmk_fill_avx2(&avx2))
        return 0;
    fill_table(table);
    table->transpose_i32 = avx2.transpose_i32;
    return 1;
}

#else

int rbmk_fill_avx512(rbmk_kernels *table)
{
    (void)table;
    return 0;
}

#endif
