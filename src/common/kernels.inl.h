/* Every kernel as plain loops over common/scalar.h. Each src/isa folder includes this under its own target, so the
 * compiler vectorises the same arithmetic for each instruction set; then it replaces what intrinsics do better.
 *
 * Layout of the right operand: panels of 64 columns, each panel row-major int32, the last panel rounded up to 16
 * columns. A product adds the rows whose state is on: for 0/1 states that is the whole product, and its cost
 * follows the number of ones.
 */
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

#ifndef RBMK_OWN_QUANTISE
/* In units of 2^-e, when scale is 2^e. */
static inline void quantise(const float *restrict W, int n, float scale, int32_t *restrict q)
{
    for (int j = 0; j < n; j++)
        q[j] = round1(W[j] * scale);
}
#endif

#ifndef RBMK_OWN_TRANSPOSE
static inline void transpose(const int32_t *tile, int ld, int n_rows, int n_cols, int32_t *out, int ld_out)
{
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++)
            out[c * ld_out + r] = tile[r * ld + c];
}
#endif

static void pack_f32(rbmk_matrix *m, int row, int col, int n_rows, int n_cols, const float *W, ptrdiff_t ld, float scale)
{
    const int panel = col / RBMK_PANEL, width = panel_width(m, panel);
    int32_t *to = panel_data(m, panel) + (size_t)row * (size_t)width;
    for (int r = 0; r < n_rows; r++)
        quantise(W + r * ld, n_cols, scale, to + r * width);
}

static void pack_transposed_f32(rbmk_matrix *m, int row, int col, int n_rows, int n_cols, const float *W, ptrdiff_t ld,
                                float scale)
{
    const int panel = col / RBMK_PANEL, width = panel_width(m, panel);
    int32_t q[RBMK_ROW_BLOCK * RBMK_PANEL];
    for (int r = 0; r < n_rows; r++)
        quantise(W + r * ld, n_cols, scale, q + r * RBMK_PANEL);
    transpose(q, RBMK_PANEL, n_rows, n_cols, panel_data(m, panel) + (size_t)row * (size_t)width + col % RBMK_PANEL, width);
}

/* --- Left operand: for each state row and block of `depth` rows, how many are on, then their positions in it --- */

static inline int blocks_of(const rbmk_left *left) { return (left->rows + left->depth - 1) / left->depth; }

/* A list starts with its length and is followed by room for whole vectors of positions. */
enum { LIST_HEAD = 2, LIST_ROOM = 256 + LIST_HEAD + 62 };

/* The first list of a row; those of its other blocks follow. */
static inline uint8_t *lists_of(const rbmk_left *left, int row, int blocks)
{
    return (uint8_t *)left->data + (size_t)row * (size_t)blocks * LIST_ROOM;
}

static inline int list_length(const uint8_t *list)
{
    uint16_t length;
    memcpy(&length, list, sizeof length);
    return length;
}

static size_t left_bytes(int n, int rows) { return (size_t)n * (((size_t)rows + 127) / 128) * LIST_ROOM; }

#ifndef RBMK_OWN_ADD_ROWS
/* Positions of the nonzero ones of n <= 256 states; returns how many. */
static inline int active_u8(const uint8_t *states, int n, uint8_t *index)
{
    int count = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t eight;
        memcpy(&eight, states + i, 8);
        if (eight == 0)
            continue;
        for (int j = i; j < i + 8; j++) {
            index[count] = (uint8_t)j;
            count += states[j] != 0;
        }
    }
    for (; i < n; i++) {
        index[count] = (uint8_t)i;
        count += states[i] != 0;
    }
    return count;
}

/* Add the listed rows of a panel to the sums (or to zero, when fresh), 16 columns at a time so that they stay in
 * registers. */
static inline void add_rows(const int32_t *panel, int width, const uint8_t *index, int count, int fresh,
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

static void lay_out_u8(rbmk_left *left, int first, int n, const uint8_t *states, ptrdiff_t stride)
{
    const int depth = left->depth, blocks = blocks_of(left);
    uint8_t *list = lists_of(left, first, blocks);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < blocks; k++, list += LIST_ROOM) {
            int from = k * depth, size = left->rows - from < depth ? left->rows - from : depth;
            uint16_t length = (uint16_t)active_u8(states + i * stride + from, size, list + LIST_HEAD);
            memcpy(list, &length, sizeof length);
        }
}

/* Writes whole groups of 16 columns: rows of `out` must have room for n_cols rounded up to 16. */
static void multiply_u8(const rbmk_left *left, int first, int n, const rbmk_matrix *m, int col, int n_cols,
                        int32_t *out, int ld, void *scratch)
{
    const int blocks = blocks_of(left);
    (void)scratch;
    for (int c = 0; c < n_cols; c += RBMK_PANEL) {
        int panel = (col + c) / RBMK_PANEL, width = panel_width(m, panel);
        for (int k = 0; k < blocks; k++) {
            const int32_t *block = panel_data(m, panel) + (size_t)k * (size_t)left->depth * (size_t)width;
            const uint8_t *list = lists_of(left, first, blocks) + k * LIST_ROOM;
            for (int i = 0; i < n; i++, list += blocks * LIST_ROOM)
                add_rows(block, width, list + LIST_HEAD, list_length(list), k == 0, out + (size_t)i * ld + c);
        }
    }
}

/* --- Grey levels: sums of level * q in float64, where they and all that leads to them are exact ------------ */

#ifndef RBMK_OWN_GREY
/* Positions and values of the levels that are not 0; returns how many. */
static inline int active_u16(const uint16_t *levels, int n, uint32_t *index, double *value)
{
    int count = 0;
    for (int k = 0; k < n; k++) {
        index[count] = (uint32_t)k;
        value[count] = (double)(int32_t)levels[k];
        count += levels[k] != 0;
    }
    return count;
}

static inline void add_levels(const int32_t *panel, int width, const uint32_t *index, const double *value, int count,
                              double *sums)
{
    for (int first = 0; first < width; first += RBMK_LANES) {
        double sum[RBMK_LANES] = {0};
        for (int t = 0; t < count; t++) {
            const int32_t *q = panel + (size_t)index[t] * width + first;
            for (int j = 0; j < RBMK_LANES; j++)
                sum[j] += value[t] * q[j];
        }
        memcpy(sums + first, sum, sizeof sum);
    }
}
#endif

static void multiply_u16(const uint16_t *states, ptrdiff_t stride, int n, const rbmk_matrix *m, int col, int n_cols,
                         double *out, int ld, void *scratch)
{
    double *value = scratch;
    uint32_t *index = (uint32_t *)(value + m->rows + 16);
    for (int i = 0; i < n; i++) {
        const int count = active_u16(states + i * stride, m->rows, index, value);
        for (int c = 0; c < n_cols; c += RBMK_PANEL) {
            int panel = (col + c) / RBMK_PANEL;
            add_levels(panel_data(m, panel), panel_width(m, panel), index, value, count, out + (size_t)i * ld + c);
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

static void sigmoid_statistic(const float *restrict x, int n, int negate, int32_t *restrict p, int64_t *restrict sums)
{
    const int32_t sign = negate ? -1 : 0;
    for (int j = 0; j < n; j++) {
        int32_t one = sigmoid_i32_1(x[j]);
        sums[j] += one;
        p[j] = (one ^ sign) - sign;
    }
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

static double dot_panel_u8(const uint8_t *states, const float *weights, int n)
{
    float w[RBMK_PANEL] = {0};
    double lane[RBMK_LANES] = {0};
    for (int j = 0; j < n; j++)
        w[j] = states[j] ? weights[j] : 0.0f;
    for (int part = 0; part < RBMK_PANEL; part += RBMK_LANES)
        for (int l = 0; l < RBMK_LANES; l++)
            lane[l] += 65535.0 * (double)w[part + l];
    FOLD(lane);
    return lane[0];
}

static double dot_panel_u16(const uint16_t *states, const float *weights, int n)
{
    double term[RBMK_PANEL] = {0}, lane[RBMK_LANES] = {0};
    for (int j = 0; j < n; j++)
        term[j] = (double)(int32_t)states[j] * (double)weights[j];
    for (int part = 0; part < RBMK_PANEL; part += RBMK_LANES)
        for (int l = 0; l < RBMK_LANES; l++)
            lane[l] += term[part + l];
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

static void scaled_i32(const int32_t *difference, int n, float scale, float *g)
{
    for (int j = 0; j < n; j++)
        g[j] = (float)difference[j] * scale;
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

static void update_row(const rbmk_row_update *u)
{
    const int n = u->n;
    const float rate = u->rate, momentum = u->momentum, l1 = u->l1, l2 = u->l2;
    const float *restrict g = u->g;
    float *restrict W = u->W, *restrict velocity = u->velocity;
    int32_t *restrict largest = u->largest;
    float changed[RBMK_PANEL];
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
        largest[j] = size > largest[j] ? size : largest[j];
    }
}

static void fill_table(rbmk_kernels *table)
{
#define RBMK_KERNEL(type, name, args) table->name = name;
#include "../kernels.def"
#undef RBMK_KERNEL
    table->thread_begin = NULL;
    table->thread_end = NULL;
}
