/* Digits of floats, in tile order, with AVX-512: 16 columns of 4 rows, and blocks of 16 x 16 to transpose. The plain
 * versions in kernels.c say what these compute. */
#ifndef RBMK_AMX_PACK_H
#define RBMK_AMX_PACK_H

#include "../x86/quantise16.h"

/* The three digits of 16 elements, as the bytes of words. */
static inline __m512i digits16(const float *w, __m512 scale)
{
    const __m512i bias = _mm512_set1_epi32(0x808080);
    return _mm512_xor_si512(_mm512_add_epi32(quantise16(_mm512_loadu_ps(w), scale), bias), bias);
}

/* Words (digit of a, of b, of c, of d) for each digit of four rows. */
static inline void split_rows(__m512i a, __m512i b, __m512i c, __m512i d, uint8_t *to, size_t digit_bytes)
{
    enum { SELECT = 0xCA }; /* truth table of x ? y : z */
    const __m512i even = _mm512_set1_epi32(0x00FF00FF), low = _mm512_set1_epi32(0xFFFF);
    __m512i ab02 = _mm512_ternarylogic_epi32(even, a, _mm512_slli_epi32(b, 8), SELECT);
    __m512i ab13 = _mm512_ternarylogic_epi32(even, _mm512_srli_epi32(a, 8), b, SELECT);
    __m512i cd02 = _mm512_ternarylogic_epi32(even, c, _mm512_slli_epi32(d, 8), SELECT);
    __m512i cd13 = _mm512_ternarylogic_epi32(even, _mm512_srli_epi32(c, 8), d, SELECT);
    _mm512_storeu_si512(to, _mm512_ternarylogic_epi32(low, ab02, _mm512_slli_epi32(cd02, 16), SELECT));
    _mm512_storeu_si512(to + digit_bytes, _mm512_ternarylogic_epi32(low, ab13, _mm512_slli_epi32(cd13, 16), SELECT));
    _mm512_storeu_si512(to + 2 * digit_bytes,
                        _mm512_ternarylogic_epi32(low, _mm512_srli_epi32(ab02, 16), cd02, SELECT));
}

/* Four rows of four elements each: words of four elements' digits, one row after the other, for each digit. */
static inline void split_columns(__m512i a, __m512i b, __m512i c, __m512i d, __m512i digit[3])
{
    const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    a = _mm512_shuffle_epi8(a, order), b = _mm512_shuffle_epi8(b, order);
    c = _mm512_shuffle_epi8(c, order), d = _mm512_shuffle_epi8(d, order);
    __m512i ab01 = _mm512_unpacklo_epi32(a, b), ab2 = _mm512_unpackhi_epi32(a, b);
    __m512i cd01 = _mm512_unpacklo_epi32(c, d), cd2 = _mm512_unpackhi_epi32(c, d);
    digit[0] = _mm512_unpacklo_epi64(ab01, cd01);
    digit[1] = _mm512_unpackhi_epi64(ab01, cd01);
    digit[2] = _mm512_unpacklo_epi64(ab2, cd2);
}

/* Quarter i of out[j] is quarter j of in[i]: four neighbouring rows of a tile. */
static inline void store_quarters(__m512i a, __m512i b, __m512i c, __m512i d, uint8_t *to)
{
    __m512i ab01 = _mm512_shuffle_i32x4(a, b, 0x44), ab23 = _mm512_shuffle_i32x4(a, b, 0xEE);
    __m512i cd01 = _mm512_shuffle_i32x4(c, d, 0x44), cd23 = _mm512_shuffle_i32x4(c, d, 0xEE);
    _mm512_storeu_si512(to, _mm512_shuffle_i32x4(ab01, cd01, 0x88));
    _mm512_storeu_si512(to + 64, _mm512_shuffle_i32x4(ab01, cd01, 0xDD));
    _mm512_storeu_si512(to + 128, _mm512_shuffle_i32x4(ab23, cd23, 0x88));
    _mm512_storeu_si512(to + 192, _mm512_shuffle_i32x4(ab23, cd23, 0xDD));
}

/* 4 rows x 16 columns of W. */
static inline void pack_4x16(const float *W, ptrdiff_t ld, float scale, uint8_t *to, size_t digit_bytes)
{
    const __m512 factor = _mm512_set1_ps(scale);
    split_rows(digits16(W, factor), digits16(W + ld, factor), digits16(W + 2 * ld, factor), digits16(W + 3 * ld, factor),
               to, digit_bytes);
}

/* 16 rows x 16 columns of W; the columns become four rows of words. */
static inline void pack_transposed_16x16(const float *W, ptrdiff_t ld, float scale, uint8_t *to, size_t digit_bytes)
{
    const __m512 factor = _mm512_set1_ps(scale);
    __m512i digit[4][3];
    for (int i = 0; i < 4; i++, W += 4 * ld)
        split_columns(digits16(W, factor), digits16(W + ld, factor), digits16(W + 2 * ld, factor),
                      digits16(W + 3 * ld, factor), digit[i]);
    for (int d = 0; d < 3; d++)
        store_quarters(digit[0][d], digit[1][d], digit[2][d], digit[3][d], to + (size_t)d * digit_bytes);
}

#endif
