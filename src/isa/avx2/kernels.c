/* AVX2 without FMA: fused operations would round differently. */
#include "../../common/target.h"
#include "../../kernels.h"

#ifdef RBMK_BUILD_AVX2

#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

RBMK_TARGET_BEGIN("avx2")

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

/* 64 columns: 8 registers of sums; 16: 2. */
static inline void add_rows(const int32_t *panel, int width, const uint32_t *index, int count, int32_t *out)
{
    if (width == RBMK_PANEL) {
        __m256i s[8];
        for (int r = 0; r < 8; r++)
            s[r] = _mm256_setzero_si256();
        for (int t = 0; t < count; t++) {
            const __m256i *row = (const __m256i *)(panel + (size_t)index[t] * RBMK_PANEL);
            for (int r = 0; r < 8; r++)
                s[r] = _mm256_add_epi32(s[r], _mm256_loadu_si256(row + r));
        }
        for (int r = 0; r < 8; r++)
            _mm256_storeu_si256((__m256i *)out + r, s[r]);
        return;
    }
    for (int first = 0; first < width; first += 16) {
        __m256i s0 = _mm256_setzero_si256(), s1 = s0;
        for (int t = 0; t < count; t++) {
            const __m256i *row = (const __m256i *)(panel + (size_t)index[t] * width + first);
            s0 = _mm256_add_epi32(s0, _mm256_loadu_si256(row));
            s1 = _mm256_add_epi32(s1, _mm256_loadu_si256(row + 1));
        }
        _mm256_storeu_si256((__m256i *)(out + first), s0);
        _mm256_storeu_si256((__m256i *)(out + first + 8), s1);
    }
}

#include "../../common/kernels.inl.h"

RBMK_TARGET_END

int rbmk_fill_avx2(rbmk_kernels *table)
{
    fill_table(table);
    return 1;
}

#else

int rbmk_fill_avx2(rbmk_kernels *table)
{
    (void)table;
    return 0;
}

#endif
