/* Every kernel as plain loops over common/scalar.h. Each src/isa folder includes this under its own target, so the
 * compiler vectorises the same arithmetic for each instruction set; then it replaces what intrinsics do better.
 *
 * Layout of the right operand: panels of 64 columns, each panel row-major int32, the last panel rounded up to 16
 * columns. A product adds the rows whose state is on: for 0/1 states that is the whole product, and its cost
 * follows the number of ones.
 */
#include <stdlib.h>
#include <string.h>

#include "../kernels.h"
#include "philox.h"
#include "scalar.h"

static inline int panel_width(const rbmk_matrix *m, int panel)
{
    int width = m->cols - panel * RBMK_PANEL;
    return width >= RBMK_PANEL ? RBMK_PANEL : (width + 15) / 16 * 16;
}

static inline int32_t *panel_data(const rbmk_matrix *m, int panel)
{
    return (int32_t *)m->data + (size_t)panel * RBMK_PANEL * (size_t)m->rows;
}

static size_t packed_bytes(int rows, int cols)
{
    return (size_t)rows * (((size_t)cols + 15) / 16 * 16) * sizeof(int32_t);
}

/* In whole registers: calls of memcpy for 64 to 256 bytes cost more than the copy. */
static inline void copy_i32(int32_t *to, const int32_t *from, int n)
{
    int j = 0;
    for (; j + RBMK_LANES <= n; j += RBMK_LANES)
        memcpy(to + j, from + j, RBMK_LANES * sizeof *to);
    for (; j < n; j++)
        to[j] = from[j];
}

static void pack_tile(rbmk_matrix *m, int row, int col, int n_rows, int n_cols, const int32_t *tile, int ld)
{
    for (int c = 0; c < n_cols;) {
        int panel = (col + c) / RBMK_PANEL, offset = (col + c) % RBMK_PANEL, width = panel_width(m, panel);
        int n = width - offset < n_cols - c ? width - offset : n_cols - c;
        int32_t *to = panel_data(m, panel) + (size_t)row * width + offset;
        for (int r = 0; r < n_rows; r++)
            copy_i32(to + (size_t)r * width, tile + (size_t)r * ld + c, n);
        c += n;
    }
}

#ifndef RBMK_OWN_ADD_ROWS
/* Positions of the nonzero states of a row; returns how many. */
static inline int active_u8(const uint8_t *states, int n, uint32_t *index)
{
    int count = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t eight;
        memcpy(&eight, states + i, 8);
        if (eight == 0)
            continue;
        for (int j = i; j < i + 8; j++) {
            index[count] = (uint32_t)j;
            count += states[j] != 0;
        }
    }
    for (; i < n; i++) {
        index[count] = (uint32_t)i;
        count += states[i] != 0;
    }
    return count;
}

/* Add the listed rows of a panel to the sums (or to zero, when fresh), 16 columns at a time so that they stay in
 * registers. */
static inline void add_rows(const int32_t *panel, int width, const uint32_t *index, int count, int fresh,
                            int32_t *sums)
{
    for (int first = 0; first < width; first += RBMK_LANES) {
        uint32_t sum[RBMK_LANES] = {0}; /* unsigned: defined whatever the order */
        if (!fresh)
            memcpy(sum, sums + first, sizeof sum);
        for (int t = 0; t < count; t++) {
            const int32_t *row = panel + (size_t)index[t] * width + first;
            for (int j = 0; j < RBMK_LANES; j++)
                sum[j] += (uint32_t)row[j];
        }
        memcpy(sums + first, sum, sizeof sum);
    }
}
#endif

enum { DEPTH = 128 }; /* rows of a panel (32 KB) that stay near while all states use them; best of 48 to 1024 */

/* Writes whole groups of 16 columns: rows of `out` must have room for n_cols rounded up to 16. */
static void multiply_u8(const uint8_t *states, ptrdiff_t stride, int n, const rbmk_matrix *m, int col, int n_cols,
                        int32_t *out, int ld, void *scratch)
{
    const int blocks = (m->rows + DEPTH - 1) / DEPTH;
    uint32_t *index = scratch, *count = index + (size_t)RBMK_TILE_ROWS * (size_t)m->rows;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < blocks; k++) {
            int first = k * DEPTH, depth = m->rows - first < DEPTH ? m->rows - first : DEPTH;
            count[i * blocks + k] =
                (uint32_t)active_u8(states + i * stride + first, depth, index + (size_t)i * m->rows + first);
        }
    for (int c = 0; c < n_cols; c += RBMK_PANEL) {
        int panel = (col + c) / RBMK_PANEL, width = panel_width(m, panel);
        for (int k = 0; k < blocks; k++)
            for (int i = 0; i < n; i++)
                add_rows(panel_data(m, panel) + (size_t)k * DEPTH * width, width,
                         index + (size_t)i * m->rows + k * DEPTH, (int)count[i * blocks + k], k == 0,
                         out + (size_t)i * ld + c);
    }
}

/* Grey levels: sums of level * q in float64, where they are exact. */
static void multiply_u16(const uint16_t *states, ptrdiff_t stride, int n, const rbmk_matrix *m, int col, int n_cols,
                         double *out, int ld, void *scratch)
{
    uint32_t *index = scratch;
    for (int i = 0; i < n; i++) {
        const uint16_t *row = states + i * stride;
        int count = 0;
        for (int k = 0; k < m->rows; k++) {
            index[count] = (uint32_t)k;
            count += row[k] != 0;
        }
        for (int c = 0; c < n_cols; c += RBMK_LANES) {
            int panel = (col + c) / RBMK_PANEL, width = panel_width(m, panel);
            const int32_t *from = panel_data(m, panel) + (col + c) % RBMK_PANEL;
            double sum[RBMK_LANES] = {0};
            for (int t = 0; t < count; t++) {
                double level = row[index[t]];
                const int32_t *q = from + (size_t)index[t] * width;
                for (int j = 0; j < RBMK_LANES; j++)
                    sum[j] += level * q[j];
            }
            memcpy(out + (size_t)i * ld + c, sum, sizeof sum);
        }
    }
}

static void affine_i32(const int32_t *sum, int n, float scale, const float *bias, float *x)
{
    for (int j = 0; j < n; j++)
        x[j] = (float)sum[j] * scale + bias[j];
}

static void affine_f64(const double *sum, int n, double scale, const float *bias, float *x)
{
    for (int j = 0; j < n; j++)
        x[j] = (float)((sum[j] / 65535.0) * scale) + bias[j];
}

static void sigmoid(const float *x, int n, float *p)
{
    for (int j = 0; j < n; j++)
        p[j] = sigmoid1(x[j]);
}

static void sigmoid_i32(const float *x, int n, int32_t *p)
{
    for (int j = 0; j < n; j++)
        p[j] = sigmoid_i32_1(x[j]);
}

static void softplus(const float *x, int n, float *y)
{
    for (int j = 0; j < n; j++)
        y[j] = softplus1(x[j]);
}

/* The lanes of a panel, folded by halves. Trip counts are constants so that each step is one instruction. */
#define FOLD(lane) \
    do { \
        for (int l = 0; l < 8; l++) \
            lane[l] += lane[l + 8]; \
        for (int l = 0; l < 4; l++) \
            lane[l] += lane[l + 4]; \
        lane[0] = (lane[0] + lane[2]) + (lane[1] + lane[3]); \
    } while (0)

static double softplus_panel(const float *x, int n)
{
    float y[RBMK_PANEL] = {0};
    double lane[RBMK_LANES] = {0};
    for (int j = 0; j < n; j++)
        y[j] = softplus1(x[j]);
    for (int part = 0; part < RBMK_PANEL; part += RBMK_LANES)
        for (int l = 0; l < RBMK_LANES; l++)
            lane[l] += y[part + l];
    FOLD(lane);
    return lane[0];
}

#ifndef RBMK_OWN_PHILOX16
/* 16 neighbouring blocks at once. */
static inline void philox16(uint32_t c0, const rbmk_counter *counter, uint32_t out[4][16])
{
    uint32_t x0[16], x1[16], x2[16], x3[16], k0 = counter->k0, k1 = counter->k1;
    for (int l = 0; l < 16; l++)
        x0[l] = c0 + (uint32_t)l, x1[l] = counter->c1, x2[l] = counter->c2, x3[l] = counter->c3;
    for (int round = 0; round < 10; round++) {
        for (int l = 0; l < 16; l++) {
            uint64_t p0 = (uint64_t)PHILOX_M0 * x0[l], p1 = (uint64_t)PHILOX_M1 * x2[l];
            x0[l] = (uint32_t)(p1 >> 32) ^ x1[l] ^ k0;
            x1[l] = (uint32_t)p1;
            x2[l] = (uint32_t)(p0 >> 32) ^ x3[l] ^ k1;
            x3[l] = (uint32_t)p0;
        }
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    memcpy(out[0], x0, sizeof x0);
    memcpy(out[1], x1, sizeof x1);
    memcpy(out[2], x2, sizeof x2);
    memcpy(out[3], x3, sizeof x3);
}
#endif

/* Units 16 t .. 16 t + 15 of a group of 128 use this half of word t / 2 of their blocks. */
static inline int32_t half_word(uint32_t word, int t) { return (int32_t)(word >> (16 * (t % 2)) & 0xFFFFu); }

#define RBMK_LOW_HALVES 0x80000000u

static void uniform_u32(int n, int unit, const rbmk_counter *counter, uint32_t *out)
{
    uint32_t high[4][16], low[4][16];
    for (int j = 0; j < n; j += 16) {
        int t = (unit + j) % 128 / 16;
        uint32_t block = 16u * (uint32_t)((unit + j) / 128);
        if (t == 0 || j == 0) {
            philox16(block, counter, high);
            philox16(block | RBMK_LOW_HALVES, counter, low);
        }
        for (int l = 0; l < 16 && j + l < n; l++)
            out[j + l] = (uint32_t)half_word(high[t / 2][l], t) << 16 | (uint32_t)half_word(low[t / 2][l], t);
    }
}

#ifndef RBMK_OWN_DECIDE16
/* States of 16 units by the high halves (word >> shift) of their uniforms; 0 if a half ties with its threshold's.
 * (int32 throughout: mixed widths would halve the vectors.) */
static inline int decide16(const float *restrict x, const int32_t *restrict threshold, const uint32_t *restrict word,
                           int shift, uint8_t *restrict state)
{
    int32_t drawn[16], tie = 0;
    for (int l = 0; l < 16; l++) {
        int32_t top = (int32_t)((uint32_t)threshold[l] >> 16), half = (int32_t)(word[l] >> shift & 0xFFFFu);
        drawn[l] = (half < top) ^ (x[l] >= 0.0f);
        tie |= half == top;
    }
    for (int l = 0; l < 16; l++)
        state[l] = (uint8_t)drawn[l];
    return !tie;
}
#endif

/* A unit takes its rarer state iff its uniform is below 2^32 p. The high halves decide all but ties, so the low ones
 * are drawn for about one vector in 4000. */
static inline void bernoulli16(const float *restrict x, int t, const uint32_t high[4][16], uint32_t block,
                               const rbmk_counter *counter, uint8_t *restrict state)
{
    int32_t threshold[16];
    for (int l = 0; l < 16; l++)
        threshold[l] = (int32_t)threshold1(rare_probability(x[l]));
    if (decide16(x, threshold, high[t / 2], 16 * (t % 2), state))
        return;
    uint32_t low[4][16];
    philox16(block | RBMK_LOW_HALVES, counter, low);
    for (int l = 0; l < 16; l++) {
        uint32_t uniform = (uint32_t)half_word(high[t / 2][l], t) << 16 | (uint32_t)half_word(low[t / 2][l], t);
        state[l] = (uint8_t)((uniform < (uint32_t)threshold[l]) ^ (x[l] >= 0.0f));
    }
}

static void sigmoid_bernoulli(const float *x, int n, int unit, const rbmk_counter *counter, uint8_t *state)
{
    uint32_t high[4][16];
    for (int j = 0; j < n; j += 16) {
        int t = (unit + j) % 128 / 16;
        uint32_t block = 16u * (uint32_t)((unit + j) / 128);
        if (t == 0 || j == 0)
            philox16(block, counter, high);
        if (j + 16 <= n) {
            bernoulli16(x + j, t, high, block, counter, state + j);
        } else {
            float x_tail[16] = {0};
            uint8_t state_tail[16];
            memcpy(x_tail, x + j, (size_t)(n - j) * sizeof *x);
            bernoulli16(x_tail, t, high, block, counter, state_tail);
            memcpy(state + j, state_tail, (size_t)(n - j));
        }
    }
}

static void difference_i32(const int32_t *positive, const int32_t *negative, int n, float scale, float *g)
{
    for (int j = 0; j < n; j++)
        g[j] = (float)(positive[j] - negative[j]) * scale;
}

static void difference_scaled_i32(const int32_t *positive, const int32_t *negative, int n, float positive_scale,
                                  float negative_scale, float *g)
{
    for (int j = 0; j < n; j++)
        g[j] = (float)positive[j] * positive_scale - (float)negative[j] * negative_scale;
}

static void difference_f64(const double *positive, const int32_t *negative, int n, float scale, float *g)
{
    for (int j = 0; j < n; j++)
        g[j] = (float)(positive[j] / 65535.0 - negative[j]) * scale;
}

static void difference_scaled_f64(const double *positive, const int32_t *negative, int n, float positive_scale,
                                  float negative_scale, float *g)
{
    for (int j = 0; j < n; j++)
        g[j] = (float)(positive[j] / 65535.0) * positive_scale - (float)negative[j] * negative_scale;
}

static inline float signum(float w) { return w > 0.0f ? 1.0f : w < 0.0f ? -1.0f : 0.0f; }

static inline float flush(float velocity) { return absolute(velocity) < 0x1p-100f ? 0.0f : velocity; }

/* Centres a row of the gradient in place and adds to the sums that the bias gradients need. */
static inline void center_row(const rbmk_row_update *u, float *restrict g)
{
    const float visible_gradient = u->visible_gradient, visible_offset = u->visible_offset;
    const float *restrict hidden_gradient = u->hidden_gradient, *restrict hidden_offset = u->hidden_offset;
    float *restrict column = u->column;
    float term[RBMK_PANEL] = {0}, lane[RBMK_LANES] = {0};
    for (int j = 0; j < u->n; j++) {
        g[j] = (g[j] - visible_offset * hidden_gradient[j]) - visible_gradient * hidden_offset[j];
        term[j] = g[j] * hidden_offset[j];
        column[j] += g[j] * visible_offset;
    }
    for (int part = 0; part < RBMK_PANEL; part += RBMK_LANES)
        for (int l = 0; l < RBMK_LANES; l++)
            lane[l] += term[part + l];
    FOLD(lane);
    *u->row = lane[0];
}

static uint32_t update_row(const rbmk_row_update *u)
{
    const int n = u->n;
    const float rate = u->rate, momentum = u->momentum, l1 = u->l1, l2 = u->l2;
    const float *restrict g = u->g;
    float *restrict W = u->W, *restrict velocity = u->velocity;
    float changed[RBMK_PANEL];
    int32_t largest = 0;
    if (u->centered || u->push)
        g = memcpy(changed, g, (size_t)n * sizeof *g);
    if (u->centered)
        center_row(u, changed);
    if (u->push)
        for (int j = 0; j < n; j++)
            changed[j] = changed[j] + u->visible_mean * u->push[j];
    for (int j = 0; j < n; j++) {
        float slope = (g[j] - l2 * W[j]) - l1 * signum(W[j]);
        velocity[j] = flush(momentum * velocity[j] + rate * slope);
        W[j] = W[j] + velocity[j];
        int32_t size = float_bits(W[j]) & 0x7FFFFFFF;
        largest = size > largest ? size : largest;
    }
    return (uint32_t)largest;
}

static void quantise(const float *W, int n, float scale, int32_t *q)
{
    for (int j = 0; j < n; j++)
        q[j] = round1(W[j] * scale);
}

static void transpose_i32(const int32_t *tile, int ld, int n_rows, int n_cols, int32_t *out, int ld_out)
{
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++)
            out[c * ld_out + r] = tile[r * ld + c];
}

static void fill_table(rbmk_kernels *table)
{
#define RBMK_KERNEL(type, name, args) table->name = name;
#include "../kernels.def"
#undef RBMK_KERNEL
    table->thread_begin = NULL;
    table->thread_end = NULL;
}
