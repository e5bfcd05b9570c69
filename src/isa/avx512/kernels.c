/* AVX-512 F, BW, DQ, VL. */
#include "../../common/target.h"
#include "../../kernels.h"

#ifdef RBMK_BUILD_AVX512

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

RBMK_TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,bmi,prefer-vector-width=512")

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

/* 64 columns: 4 registers of sums; 16: one. */
static inline void add_rows(const int32_t *panel, int width, const uint32_t *index, int count, int32_t *out)
{
    if (width == RBMK_PANEL) {
        __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
        for (int t = 0; t < count; t++) {
            const int32_t *row = panel + (size_t)index[t] * RBMK_PANEL;
            s0 = _mm512_add_epi32(s0, _mm512_loadu_si512(row));
            s1 = _mm512_add_epi32(s1, _mm512_loadu_si512(row + 16));
            s2 = _mm512_add_epi32(s2, _mm512_loadu_si512(row + 32));
            s3 = _mm512_add_epi32(s3, _mm512_loadu_si512(row + 48));
        }
        _mm512_storeu_si512(out, s0);
        _mm512_storeu_si512(out + 16, s1);
        _mm512_storeu_si512(out + 32, s2);
        _mm512_storeu_si512(out + 48, s3);
        return;
    }
    for (int first = 0; first < width; first += 16) {
        __m512i s = _mm512_setzero_si512();
        for (int t = 0; t < count; t++)
            s = _mm512_add_epi32(s, _mm512_loadu_si512(panel + (size_t)index[t] * width + first));
        _mm512_storeu_si512(out + first, s);
    }
}

#include "../../common/kernels.inl.h"

RBMK_TARGET_END

int rbmk_fill_avx512(rbmk_kernels *table)
{
    fill_table(table);
    return 1;
}

#else

int rbmk_fill_avx512(rbmk_kernels *table)
{
    (void)table;
    return 0;
}

#endif
