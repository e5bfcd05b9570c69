/* Rounding as round1 of common/scalar.h does, by the processor's own rounding to even: included under a target that has
 * AVX-512. */
#ifndef RBMK_QUANTISE16_H
#define RBMK_QUANTISE16_H

static inline __m512i quantise16(__m512 w, __m512 scale)
{
    const __m512 limit = _mm512_set1_ps(8388608.0f);
    __m512 x = _mm512_min_ps(_mm512_mul_ps(w, scale), limit); /* the limit for NaN */
    return _mm512_cvtps_epi32(_mm512_max_ps(x, _mm512_sub_ps(_mm512_setzero_ps(), limit)));
}

#endif
