/* Sums of the weights of units that are on: included under a target that has AVX-512. */
#ifndef RBMK_DOT16_H
#define RBMK_DOT16_H

#define RBMK_OWN_DOT

/* Products are exact, so that a fused addition rounds as two operations do. */
static double dot_panel_u8(const uint8_t *states, const float *weights, int n)
{
    const __m512i state = _mm512_maskz_loadu_epi8(~(__mmask64)0 >> (RBMK_PANEL - n), states);
    const __m512d one = _mm512_set1_pd(65535.0);
    __mmask64 on = _mm512_test_epi8_mask(state, state);
    __m512d low = _mm512_setzero_pd(), high = _mm512_setzero_pd();
    for (int part = 0; part < RBMK_PANEL; part += RBMK_LANES, on >>= RBMK_LANES) {
        const __m512 w = _mm512_maskz_loadu_ps((__mmask16)on, weights + part);
        low = _mm512_fmadd_pd(one, _mm512_cvtps_pd(_mm512_castps512_ps256(w)), low);
        high = _mm512_fmadd_pd(one, _mm512_cvtps_pd(_mm512_extractf32x8_ps(w, 1)), high);
    }
    low = _mm512_add_pd(low, high);
    const __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(low), _mm512_extractf64x4_pd(low, 1));
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(two) + _mm_cvtsd_f64(_mm_unpackhi_pd(two, two));
}

#endif
