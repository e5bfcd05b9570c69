/* AVX-512 F, BW, DQ, VL. */
#include "../../common/target.h"
#include "../../kernels.h"

#ifdef RBMK_BUILD_AVX512

#include <immintrin.h>
#include <stdatomic.h>
#include <string.h>

#define AVX512 "avx512f,avx512bw,avx512dq,avx512vl,bmi"
#ifdef __clang__ /* knows no prefer-vector-width, and would drop the whole attribute */
#define WIDE_VECTORS
#else
#define WIDE_VECTORS ",prefer-vector-width=512"
#endif

#define RBMK_OWN_PAIRS
enum { PAIR_LANES = 16, PAIR_ROWS = 8 };

RBMK_TARGET_BEGIN(AVX512 WIDE_VECTORS)
#include "../x86/transpose8.h"
#include "../../common/pairs.h"

static inline __m512i add_products(__m512i sum, __m512i states, __m512i digits)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(states, digits));
}

RBMK_PAIR_SUMS(pair_sums_plain, __m512i, _mm512_setzero_si512, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32,
               add_products)
RBMK_TARGET_END

/* Some CPUs do both in one instruction. */
RBMK_TARGET_BEGIN(AVX512 WIDE_VECTORS ",avx512vnni")
RBMK_PAIR_SUMS(pair_sums_vnni, __m512i, _mm512_setzero_si512, _mm512_loadu_si512, _mm512_storeu_si512, _mm512_set1_epi32,
               _mm512_dpwssd_epi32)
RBMK_TARGET_END

RBMK_TARGET_BEGIN(AVX512 WIDE_VECTORS)

static inline void pair_sums(const uint32_t *words, const pair_block *block, int pairs, int32_t *sums)
{
    static atomic_int vnni = -1; /* asked once: the CPU takes its time to answer */
    if (atomic_load_explicit(&vnni, memory_order_relaxed) < 0)
        atomic_store_explicit(&vnni, rbmk_cpu_has_vnni(), memory_order_relaxed);
    if (atomic_load_explicit(&vnni, memory_order_relaxed))
        pair_sums_vnni(words, block, pairs, sums);
    else
        pair_sums_plain(words, block, pairs, sums);
}

#include "../x86/quantise16.h"
#include "../x86/random16.h"
#include "../x86/dot16.h"

#define RBMK_OWN_LISTS

/* A bit for each of n <= 64 states. */
static inline uint64_t bits_of(const uint8_t *states, int n)
{
    const __mmask64 inside = n == 64 ? ~0ull : (1ull << n) - 1;
    const __m512i bytes = _mm512_maskz_loadu_epi8(inside, states);
    return _mm512_test_epi8_mask(bytes, bytes);
}

/* Positions of those of n bits that are on, counted from `first`, 16 a step without branches; whole vectors are
 * written. */
static inline int list_bits(uint64_t bits, int n, int first, uint8_t *index)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    int count = 0;
    for (int j = 0; j < n; j += 16, bits >>= 16) {
        const __mmask16 some = (__mmask16)bits;
        const __m512i position = _mm512_add_epi32(_mm512_set1_epi32(first + j), lanes);
        _mm_storeu_si128((__m128i *)(index + count), _mm512_cvtepi32_epi8(_mm512_maskz_compress_epi32(some, position)));
        count += __builtin_popcount(some);
    }
    return count;
}

#define RBMK_OWN_ADD_ROWS

/* Add the listed rows of a panel: 64 columns are 4 registers of sums, fresh ones start at zero. */
static inline void add_rows(const int32_t *panel, int width, const uint8_t *index, int count, int fresh,
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

#define RBMK_OWN_COLUMNS

/* 16 of them. */
typedef __m512i columns;

static inline columns no_columns(void) { return _mm512_setzero_si512(); }
static inline columns load_columns(const int32_t *from) { return _mm512_loadu_si512(from); }
static inline void store_columns(int32_t *to, columns x) { _mm512_storeu_si512(to, x); }
static inline columns add_columns(columns x, columns y) { return _mm512_add_epi32(x, y); }

#define RBMK_OWN_GREY

/* Positions and values of the levels that are not 0; returns how many. Whole vectors are written. */
static inline int active_u16(const uint16_t *levels, int n, uint32_t *index, double *value)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    int count = 0;
    for (int k = 0; k < n; k += 16) {
        __mmask16 inside = n - k >= 16 ? 0xFFFF : (__mmask16)((1u << (n - k)) - 1);
        __m512i level = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(inside, levels + k));
        __mmask16 on = _mm512_test_epi32_mask(level, level);
        __m512i kept = _mm512_maskz_compress_epi32(on, level);
        __m512i position = _mm512_add_epi32(_mm512_set1_epi32(k), lanes);
        _mm512_storeu_si512(index + count, _mm512_maskz_compress_epi32(on, position));
        _mm512_storeu_pd(value + count, _mm512_cvtepi32_pd(_mm512_castsi512_si256(kept)));
        _mm512_storeu_pd(value + count + 8, _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(kept, 1)));
        count += __builtin_popcount(on);
    }
    return count;
}

/* 16 columns of every active row, or four times as many. Fused multiply-adds change no bit: all sums are exact. */
static inline void add_levels16(const int32_t *q, int width, const uint32_t *index, const double *value, int count,
                                double *sums)
{
    __m512d low = _mm512_setzero_pd(), high = low;
    for (int t = 0; t < count; t++) {
        const int32_t *row = q + (size_t)index[t] * width;
        const __m512d level = _mm512_set1_pd(value[t]);
        low = _mm512_fmadd_pd(_mm512_cvtepi32_pd(_mm256_loadu_si256((const __m256i *)row)), level, low);
        high = _mm512_fmadd_pd(_mm512_cvtepi32_pd(_mm256_loadu_si256((const __m256i *)row + 1)), level, high);
    }
    _mm512_storeu_pd(sums, low);
    _mm512_storeu_pd(sums + 8, high);
}

static inline void add_levels(const int32_t *panel, int width, const uint32_t *index, const double *value, int count,
                              double *sums)
{
    if (width != RBMK_PANEL) {
        for (int first = 0; first < width; first += 16)
            add_levels16(panel + first, width, index, value, count, sums + first);
        return;
    }
    __m512d s[8];
    for (int r = 0; r < 8; r++)
        s[r] = _mm512_setzero_pd();
    for (int t = 0; t < count; t++) {
        const __m256i *row = (const __m256i *)(panel + (size_t)index[t] * RBMK_PANEL);
        const __m512d level = _mm512_set1_pd(value[t]);
        for (int r = 0; r < 8; r++)
            s[r] = _mm512_fmadd_pd(_mm512_cvtepi32_pd(_mm256_loadu_si256(row + r)), level, s[r]);
    }
    for (int r = 0; r < 8; r++)
        _mm512_storeu_pd(sums + 8 * r, s[r]);
}

#define RBMK_OWN_QUANTISE

/* In units of 2^-e, when scale is 2^e. */
static inline void quantise(const float *W, int n, float scale, int32_t *q)
{
    const __m512 factor = _mm512_set1_ps(scale);
    for (int j = 0; j < n; j += 16) {
        __mmask16 inside = n - j >= 16 ? 0xFFFF : (__mmask16)((1u << (n - j)) - 1);
        _mm512_mask_storeu_epi32(q + j, inside, quantise16(_mm512_maskz_loadu_ps(inside, W + j), factor));
    }
}

#include "../../common/product.h"
#include "../../common/elementwise.h"
#include "../../common/random.h"
#define RBMK_VECTOR 64
#include "../../common/groups.h"
#include "../../common/convolution.h"
#include "../../common/odds.h"
#include "../../common/factors.h"
#include "../../common/sweep.h"
#include "../../common/update.h"
#include "../../common/table.h"

RBMK_TARGET_END

const rbmk_kernels *const rbmk_avx512 = &table;

#else

const rbmk_kernels *const rbmk_avx512 = NULL;

#endif
