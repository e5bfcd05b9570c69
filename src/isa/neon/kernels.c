/* NEON (Advanced SIMD), which every 64-bit ARM CPU has. Nothing is fused: that would round differently. Only sums of
 * grey levels are, as they are exact. */
#include "../../common/target.h"
#include "../../kernels.h"

#ifdef RBMK_BUILD_NEON

#include <arm_neon.h>
#include <string.h>

#include "../../common/bound.h"
#include "../../common/philox.h"
#include "../../common/positions.h"
#include "../../common/scalar.h"

#define RBMK_OWN_LISTS

/* A bit for each of n <= 64 states. */
static inline uint64_t bits_of(const uint8_t *states, int n)
{
    static const uint8_t bit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bit_of_lane = vld1q_u8(bit);
    uint64_t bits = 0;
    int i = 0;
    if (n == 64) {
        uint8x16_t part[4];
        for (int p = 0; p < 4; p++)
            part[p] = vmulq_u8(vld1q_u8(states + 16 * p), bit_of_lane);
        part[0] = vpaddq_u8(vpaddq_u8(part[0], part[1]), vpaddq_u8(part[2], part[3]));
        return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(part[0], part[0])), 0);
    }
    for (; i + 8 <= n; i += 8)
        bits |= (uint64_t)vaddv_u8(vmul_u8(vld1_u8(states + i), vget_low_u8(bit_of_lane))) << i;
    for (; i < n; i++)
        bits |= (uint64_t)states[i] << i;
    return bits;
}

/* Positions of those of 64 bits that are on, counted from `first`, 8 a step without branches; whole words are
 * written. */
static inline int list_bits(uint64_t bits, int n, int first, uint8_t *index)
{
    const uint64_t each = 0x0101010101010101u;
    const uint8x8_t on = vcnt_u8(vcreate_u8(bits));
    const uint64_t counts = vget_lane_u64(vreinterpret_u64_u8(on), 0) * each; /* running sums */
    (void)n;
    for (int j = 0; j < 8; j++) {
        const uint64_t word = positions[bits >> 8 * j & 0xFF] + (uint64_t)(first + 8 * j) * each;
        memcpy(index + (counts << 8 >> 8 * j & 0xFF), &word, sizeof word);
    }
    return (int)(counts >> 56);
}

/* An address in a register of its own, or GCC would not load in pairs from it. */
static inline const int32_t *address(const int32_t *of)
{
    __asm__("" : "+r"(of));
    return of;
}

#define RBMK_OWN_ADD_ROWS

/* Add the listed rows of 4 * registers columns; fresh sums start at zero. */
static inline void add_quads(int registers, const int32_t *from, int width, const uint8_t *index, int count,
                             int fresh, int32_t *sums)
{
    int32x4_t s[16];
    for (int r = 0; r < registers; r++)
        s[r] = fresh ? vdupq_n_s32(0) : vld1q_s32(sums + 4 * r);
    for (int t = 0; t < count; t++) {
        const int32_t *row = address(from + (size_t)index[t] * (size_t)width);
        for (int r = 0; r < registers; r++)
            s[r] = vaddq_s32(s[r], vld1q_s32(row + 4 * r));
    }
    for (int r = 0; r < registers; r++)
        vst1q_s32(sums + 4 * r, s[r]);
}

/* Add the listed rows of a panel: the sums of 64 columns are half of the registers. */
static inline void add_rows(const int32_t *panel, int width, const uint8_t *index, int count, int fresh,
                            int32_t *sums)
{
    if (width == RBMK_PANEL)
        add_quads(16, panel, RBMK_PANEL, index, count, fresh, sums);
    else
        for (int first = 0; first < width; first += 16)
            add_quads(4, panel + first, width, index, count, fresh, sums + first);
}

#define RBMK_OWN_COLUMNS

/* 16 of them. */
typedef struct {
    int32x4_t part[4];
} columns;

static inline columns no_columns(void)
{
    const int32x4_t zero = vdupq_n_s32(0);
    return (columns){{zero, zero, zero, zero}};
}

static inline columns load_columns(const int32_t *from)
{
    from = address(from);
    return (columns){{vld1q_s32(from), vld1q_s32(from + 4), vld1q_s32(from + 8), vld1q_s32(from + 12)}};
}

static inline void store_columns(int32_t *to, columns x)
{
    for (int p = 0; p < 4; p++)
        vst1q_s32(to + 4 * p, x.part[p]);
}

static inline columns add_columns(columns x, columns y)
{
    for (int p = 0; p < 4; p++)
        x.part[p] = vaddq_s32(x.part[p], y.part[p]);
    /* or GCC would load all entries first, and run out of registers */
    __asm__("" : "+w"(x.part[0]), "+w"(x.part[1]), "+w"(x.part[2]), "+w"(x.part[3]));
    return x;
}

#define RBMK_OWN_PHILOX16

/* Words of 4 blocks. */
typedef struct {
    uint32x4_t x0, x1, x2, x3;
} blocks4;

/* The low and high halves of 4 wide products. */
static inline uint32x4x2_t multiply_wide(uint32x4_t x, uint32_t factor)
{
    const uint32x4_t first = vreinterpretq_u32_u64(vmull_n_u32(vget_low_u32(x), factor));
    const uint32x4_t last = vreinterpretq_u32_u64(vmull_high_n_u32(x, factor));
    return (uint32x4x2_t){{vuzp1q_u32(first, last), vuzp2q_u32(first, last)}};
}

static inline blocks4 philox_round(blocks4 b, uint32x4_t k0, uint32x4_t k1)
{
    const uint32x4x2_t p0 = multiply_wide(b.x0, PHILOX_M0), p1 = multiply_wide(b.x2, PHILOX_M1);
    return (blocks4){veorq_u32(veorq_u32(p1.val[1], b.x1), k0), p1.val[0],
                     veorq_u32(veorq_u32(p0.val[1], b.x3), k1), p0.val[0]};
}

/* 8 neighbouring blocks: as many as fit into the registers. */
static inline void philox8(uint32_t c0, const rbmk_counter *counter, uint32_t out[4][16], int at)
{
    static const uint32_t lanes[4] = {0, 1, 2, 3};
    blocks4 low = {vaddq_u32(vdupq_n_u32(c0), vld1q_u32(lanes)), vdupq_n_u32(counter->c1), vdupq_n_u32(counter->c2),
                   vdupq_n_u32(counter->c3)};
    blocks4 high = low;
    uint32x4_t k0 = vdupq_n_u32(counter->k0), k1 = vdupq_n_u32(counter->k1);
    high.x0 = vaddq_u32(low.x0, vdupq_n_u32(4));
    for (int round = 0; round < 10; round++) {
        low = philox_round(low, k0, k1);
        high = philox_round(high, k0, k1);
        k0 = vaddq_u32(k0, vdupq_n_u32(PHILOX_W0));
        k1 = vaddq_u32(k1, vdupq_n_u32(PHILOX_W1));
    }
    vst1q_u32(out[0] + at, low.x0), vst1q_u32(out[0] + at + 4, high.x0);
    vst1q_u32(out[1] + at, low.x1), vst1q_u32(out[1] + at + 4, high.x1);
    vst1q_u32(out[2] + at, low.x2), vst1q_u32(out[2] + at + 4, high.x2);
    vst1q_u32(out[3] + at, low.x3), vst1q_u32(out[3] + at + 4, high.x3);
}

/* 16 neighbouring blocks at once. */
static inline void philox16(uint32_t c0, const rbmk_counter *counter, uint32_t out[4][16])
{
    philox8(c0, counter, out, 0);
    philox8(c0 + 8, counter, out, 8);
}

#define RBMK_OWN_DECIDE16

/* States (-1 or 0) of 8 units by the high halves of their uniforms; adds ties to *tie. */
static inline uint16x8_t decide8(const float *x, const int32_t *threshold, const uint32_t *word, int shift,
                                 uint16x8_t *tie)
{
    const int32x4_t right = vdupq_n_s32(-shift);
    const uint32x4_t word0 = vshlq_u32(vld1q_u32(word), right), word1 = vshlq_u32(vld1q_u32(word + 4), right);
    const uint16x8_t half = vuzp1q_u16(vreinterpretq_u16_u32(word0), vreinterpretq_u16_u32(word1));
    const uint16x8_t top = vuzp2q_u16(vreinterpretq_u16_s32(vld1q_s32(threshold)),
                                      vreinterpretq_u16_s32(vld1q_s32(threshold + 4)));
    const uint32x4_t on0 = vcgezq_f32(vld1q_f32(x)), on1 = vcgezq_f32(vld1q_f32(x + 4));
    *tie = vorrq_u16(*tie, vceqq_u16(half, top));
    return veorq_u16(vcltq_u16(half, top), vuzp1q_u16(vreinterpretq_u16_u32(on0), vreinterpretq_u16_u32(on1)));
}

/* States of 16 units by the high halves (word >> shift) of their uniforms; 0 if a half ties with its threshold's. */
static inline int decide16(const float *x, const int32_t *threshold, const uint32_t *word, int shift, uint8_t *state)
{
    uint16x8_t tie = vdupq_n_u16(0);
    const uint16x8_t first = decide8(x, threshold, word, shift, &tie);
    const uint16x8_t second = decide8(x + 8, threshold + 8, word + 8, shift, &tie);
    const uint8x16_t drawn = vuzp1q_u8(vreinterpretq_u8_u16(first), vreinterpretq_u8_u16(second));
    vst1q_u8(state, vandq_u8(drawn, vdupq_n_u8(1)));
    return vmaxvq_u16(tie) == 0;
}

#define RBMK_OWN_BOUND

static inline uint32x4_t bound_steps(float32x4_t x)
{
    const float32x4_t steps = vminnmq_f32(vmulq_n_f32(vabsq_f32(x), BOUND_STEPS), vdupq_n_f32(BOUND_LAST));
    return vcvtnq_u32_f32(steps); /* the last for NaN */
}

/* bound1 of 8 units. */
static inline int16x8_t bound8(uint16x8_t y)
{
    const uint16x8_t bytes = vmlaq_n_u16(vdupq_n_u16(0x0100), vshrq_n_u16(y, 12), 0x0202);
    const int16x8_t at = vreinterpretq_s16_u16(veorq_u16(vshlq_n_u16(y, 4), vdupq_n_u16(0x8000)));
    int16x8_t bound = vdupq_n_s16(0);
    for (int term = 3; term >= 0; term--) {
        const uint8x16_t own = vqtbl1q_u8(vreinterpretq_u8_s16(vld1q_s16(bound_terms[term])), vreinterpretq_u8_u16(bytes));
        bound = vaddq_s16(vqrdmulhq_s16(at, bound), vreinterpretq_s16_u8(own));
    }
    return bound;
}

/* States (-1 or 0) of units x[0] to x[3], in even 16-bit lanes, and x[16] to x[19], in odd ones: as the halves of words
 * serve them. Adds those in doubt. */
static inline uint16x8_t decide4_pairs(const float *x, const uint32_t *word, uint16x8_t *doubt)
{
    const float32x4_t first = vld1q_f32(x), last = vld1q_f32(x + 16);
    const uint16x8_t y = vreinterpretq_u16_u32(vsliq_n_u32(bound_steps(first), bound_steps(last), 16));
    const uint16x8_t half = veorq_u16(vreinterpretq_u16_u32(vld1q_u32(word)), vdupq_n_u16(0x8000));
    const int16x8_t above = vqsubq_s16(vreinterpretq_s16_u16(half), bound8(y));
    const uint16x8_t on = vreinterpretq_u16_u32(vsliq_n_u32(vcgezq_f32(first), vcgezq_f32(last), 16));
    *doubt = vorrq_u16(*doubt, vcltq_s16(vqabsq_s16(above), vdupq_n_s16(BOUND_WINDOW)));
    return veorq_u16(vcltzq_s16(above), on);
}

/* States of 32 units by the halves of 16 words; which 16 of them have some in doubt, as two bits. */
static inline int decide32(const float *x, const uint32_t *word, uint8_t *state)
{
    uint16x8_t drawn[4], doubt = vdupq_n_u16(0);
    for (int part = 0; part < 4; part++)
        drawn[part] = decide4_pairs(x + 4 * part, word + 4 * part, &doubt);
    for (int part = 0; part < 4; part += 2) {
        const uint8x16_t bytes = vuzp1q_u8(vreinterpretq_u8_u16(drawn[part]), vreinterpretq_u8_u16(drawn[part + 1]));
        const uint8x16_t ones = vandq_u8(bytes, vdupq_n_u8(1));
        vst1_u8(state + 4 * part, vget_low_u8(vuzp1q_u8(ones, ones)));
        vst1_u8(state + 16 + 4 * part, vget_low_u8(vuzp2q_u8(ones, ones)));
    }
    if (!vmaxvq_u16(doubt))
        return 0;
    return (vmaxvq_u16(vuzp1q_u16(doubt, doubt)) ? 1 : 0) | (vmaxvq_u16(vuzp2q_u16(doubt, doubt)) ? 2 : 0);
}

#define RBMK_OWN_THRESHOLD

/* ARM converts to unsigned integers, too. */
static inline uint32_t threshold_of(float x) { return (uint32_t)(rare_probability(x) * 4294967296.0f); }

#define RBMK_OWN_COMPARISONS

/* As those of common/update.h, but nothing is chosen by comparing floats: GCC asks about NaN apart, so that a step of
 * four weights takes 46 instructions, not 34. */
static inline float signum(float w) { return (float)((w > 0.0f) - (w < 0.0f)); }

static inline float flush(float velocity)
{
    const int32_t bits = float_bits(velocity), least = 0x0D800000; /* 2^-100 */
    return float_from_bits(bits & -((bits & 0x7FFFFFFF) >= least));
}

#define RBMK_OWN_GREY

/* Positions and values of the levels that are not 0; returns how many. */
static inline int active_u16(const uint16_t *levels, int n, uint32_t *index, double *value)
{
    int count = 0, k = 0;
    for (; k + 8 <= n; k += 8) {
        const uint8x8_t off = vmovn_u16(vceqzq_u16(vld1q_u16(levels + k)));
        uint64_t on = ~vget_lane_u64(vreinterpret_u64_u8(off), 0) & 0x0101010101010101u;
        for (; on; on &= on - 1, count++) { /* a byte a level */
            index[count] = (uint32_t)(k + __builtin_ctzll(on) / 8);
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

/* 4 * registers columns of every active row. Fused multiply-adds change no bit: all sums are exact. */
static inline void add_level_quads(int registers, const int32_t *from, int width, const uint32_t *index,
                                   const double *value, int count, double *sums)
{
    float64x2_t low[8], high[8];
    for (int r = 0; r < registers; r++)
        low[r] = high[r] = vdupq_n_f64(0.0);
    for (int t = 0; t < count; t++) {
        const int32_t *row = from + (size_t)index[t] * (size_t)width;
        const float64x2_t level = vdupq_n_f64(value[t]);
        for (int r = 0; r < registers; r++) {
            const int32x4_t q = vld1q_s32(row + 4 * r);
            low[r] = vfmaq_f64(low[r], vcvtq_f64_s64(vmovl_s32(vget_low_s32(q))), level);
            high[r] = vfmaq_f64(high[r], vcvtq_f64_s64(vmovl_high_s32(q)), level);
        }
    }
    for (int r = 0; r < registers; r++) {
        vst1q_f64(sums + 4 * r, low[r]);
        vst1q_f64(sums + 4 * r + 2, high[r]);
    }
}

static inline void add_levels(const int32_t *panel, int width, const uint32_t *index, const double *value, int count,
                              double *sums)
{
    int first = 0;
    for (; first + 32 <= width; first += 32)
        add_level_quads(8, panel + first, width, index, value, count, sums + first);
    if (first < width)
        add_level_quads(4, panel + first, width, index, value, count, sums + first);
}

#define RBMK_OWN_QUANTISE

/* In units of 2^-e, when scale is 2^e: the processor rounds to even, like round1. */
static inline void quantise(const float *W, int n, float scale, int32_t *q)
{
    const float32x4_t limit = vdupq_n_f32(8388608.0f);
    int j = 0;
    for (; j + 16 <= n; j += 16)
        for (int p = j; p < j + 16; p += 4) {
            const float32x4_t x = vminnmq_f32(vmulq_n_f32(vld1q_f32(W + p), scale), limit); /* the limit for NaN */
            vst1q_s32(q + p, vcvtnq_s32_f32(vmaxnmq_f32(x, vnegq_f32(limit))));
        }
    for (; j < n; j++)
        q[j] = round1(W[j] * scale);
}

#define RBMK_OWN_TRANSPOSE

static inline int64x2_t pairs(int32x4_t x) { return vreinterpretq_s64_s32(x); }

static inline void store_pairs(int32_t *to, int64x2_t x) { vst1q_s32(to, vreinterpretq_s32_s64(x)); }

/* 4 x 4 in registers: pairs, then halves. */
static inline void transpose_4x4(const int32_t *tile, int ld, int32_t *out, int ld_out)
{
    const int32x4_t r0 = vld1q_s32(tile), r1 = vld1q_s32(tile + ld);
    const int32x4_t r2 = vld1q_s32(tile + 2 * ld), r3 = vld1q_s32(tile + 3 * ld);
    const int64x2_t even01 = pairs(vtrn1q_s32(r0, r1)), odd01 = pairs(vtrn2q_s32(r0, r1));
    const int64x2_t even23 = pairs(vtrn1q_s32(r2, r3)), odd23 = pairs(vtrn2q_s32(r2, r3));
    store_pairs(out, vtrn1q_s64(even01, even23));
    store_pairs(out + ld_out, vtrn1q_s64(odd01, odd23));
    store_pairs(out + 2 * ld_out, vtrn2q_s64(even01, even23));
    store_pairs(out + 3 * ld_out, vtrn2q_s64(odd01, odd23));
}

static inline void transpose(const int32_t *tile, int ld, int n_rows, int n_cols, int32_t *out, int ld_out)
{
    const int whole_rows = n_rows / 4 * 4, whole_cols = n_cols / 4 * 4;
    for (int r = 0; r < whole_rows; r += 4)
        for (int c = 0; c < whole_cols; c += 4)
            transpose_4x4(tile + r * ld + c, ld, out + c * ld_out + r, ld_out);
    for (int r = 0; r < n_rows; r++)
        for (int c = r < whole_rows ? whole_cols : 0; c < n_cols; c++)
            out[c * ld_out + r] = tile[r * ld + c];
}

#include "../../common/product.h"
#include "../../common/elementwise.h"
#include "../../common/random.h"
#include "../../common/groups.h"
#include "../../common/convolution.h"
#include "../../common/odds.h"
#include "../../common/factors.h"
#include "../../common/sweep.h"
#include "../../common/update.h"
#include "../../common/table.h"

const rbmk_kernels *const rbmk_neon = &table;

#else

const rbmk_kernels *const rbmk_neon = NULL;

#endif
