/* Products with the right operand as int32 panels: how the operands are laid out, and the sums. Paths include this under
 * their own target, so the compiler vectorises the same arithmetic for each instruction set; what intrinsics do better
 * they define first (RBMK_OWN_...).
 *
 * Layout of the right operand: panels of 64 columns, each panel row-major int32, the last panel rounded up to 16
 * columns. A product adds the rows whose state is on, for 0/1 states that is the whole product: one by one where few
 * are, so that its cost follows the number of ones, and four at a time, from a table, where many are.
 */
#ifndef RBMK_PRODUCT_H
#define RBMK_PRODUCT_H

#include <string.h>

#include "../kernels.h"
#include "scalar.h"
#include "target.h"

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

/* --- Left operand: which rows are on, as bits, and as lists of positions in each block of `depth` rows --------- */

enum {
    WORD_ROWS = 64,
    LIST_ROOM = 256 + 64 /* for whole vectors of positions */
};

typedef struct {
    size_t blocks, ld; /* ld: states and 8 more, as lines a power of two apart would push each other out of the cache */
    uint8_t *lists;    /* (states, blocks, LIST_ROOM) */
    uint64_t *bits;    /* (words, ld) */
    uint16_t *lengths; /* of lists (blocks, ld) */
} layout;

static inline size_t words_of(int rows) { return ((size_t)rows + WORD_ROWS - 1) / WORD_ROWS; }

static inline layout layout_of(const rbmk_left *left)
{
    layout l = {((size_t)left->rows + (size_t)left->depth - 1) / (size_t)left->depth, (size_t)left->n + 8, left->data,
                NULL, NULL};
    l.bits = (uint64_t *)(l.lists + (size_t)left->n * l.blocks * LIST_ROOM);
    l.lengths = (uint16_t *)(l.bits + words_of(left->rows) * l.ld);
    return l;
}

static size_t left_bytes(int n, int rows)
{
    const size_t blocks = ((size_t)rows + 127) / 128, ld = (size_t)n + 8;
    const size_t bits = words_of(rows) * ld * sizeof(uint64_t), lengths = blocks * ld * sizeof(uint16_t);
    const size_t bytes = (size_t)n * blocks * LIST_ROOM + bits + lengths;
    return (bytes + 63) / 64 * 64;
}

#ifndef RBMK_OWN_LISTS
/* A bit for each of n <= 64 states. */
static inline uint64_t bits_of(const uint8_t *states, int n)
{
    uint64_t bits = 0;
    int i = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; i + 8 <= n; i += 8) { /* the product moves the bit of byte j to 56 + j */
        uint64_t eight;
        memcpy(&eight, states + i, 8);
        bits |= (eight * 0x0102040810204080ull) >> 56 << i;
    }
#endif
    for (; i < n; i++)
        bits |= (uint64_t)states[i] << i;
    return bits;
}

/* Positions of those of n bits that are on, counted from `first`; returns how many. */
static inline int list_bits(uint64_t bits, int n, int first, uint8_t *index)
{
    int count = 0;
    for (int i = 0; i < n; i += 8) {
        if (!(bits >> i & 0xFF))
            continue;
        for (int j = i; j < i + 8; j++) {
            index[count] = (uint8_t)(first + j);
            count += (int)(bits >> j & 1);
        }
    }
    return count;
}
#endif

static void lay_out_u8(rbmk_left *left, int first, int n, const uint8_t *states, ptrdiff_t stride)
{
    const layout l = layout_of(left);
    const int depth = left->depth, rows = left->rows;
    uint8_t *list = l.lists + (size_t)first * l.blocks * LIST_ROOM;
    for (int i = first; i < first + n; i++, states += stride) {
        uint64_t *word = l.bits + i;
        uint16_t *length = l.lengths + i;
        for (int from = 0; from < rows; from += depth, list += LIST_ROOM, length += l.ld) {
            int count = 0;
            for (int r = from; r < rows && r < from + depth; r += WORD_ROWS, word += l.ld) {
                const int size = rows - r < WORD_ROWS ? rows - r : WORD_ROWS;
                *word = bits_of(states + r, size);
                count += list_bits(*word, size, r - from, list + count);
            }
            *length = (uint16_t)count;
        }
    }
}

/* --- Products with few rows on: lists -------------------------------------------------------------------------- */

#ifndef RBMK_OWN_ADD_ROWS
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

RBMK_APART static void add_listed(const layout *l, size_t k, int first, int n, const int32_t *block, int width,
                                  int32_t *out, int ld)
{
    const size_t stride = l->blocks * LIST_ROOM;
    const uint8_t *list = l->lists + (size_t)first * stride + k * LIST_ROOM;
    const uint16_t *length = l->lengths + k * l->ld + first;
    for (int i = 0; i < n; i++, list += stride) {
        RBMK_PREFETCH(list + stride); /* the processor does not foresee where the next list starts */
        add_rows(block, width, list, length[i], k == 0, out + (size_t)i * ld);
    }
}

/* --- Products with many rows on: tables of the 16 sums of 4 rows, for 64 rows x 16 columns at a time ------------ */

enum {
    GROUP_ROWS = 4,
    GROUP_SUMS = 1 << GROUP_ROWS,
    WORD_GROUPS = WORD_ROWS / GROUP_ROWS,
    TABLE_COST = 36 /* of a group, in additions of a row; measured */
};

typedef int32_t group_sums[GROUP_SUMS][RBMK_LANES];

#ifndef RBMK_OWN_COLUMNS
typedef struct {
    uint32_t lane[RBMK_LANES];
} columns;

static inline columns no_columns(void) { return (columns){{0}}; }

static inline columns load_columns(const int32_t *from)
{
    columns x;
    memcpy(&x, from, sizeof x);
    return x;
}

static inline void store_columns(int32_t *to, columns x) { memcpy(to, &x, sizeof x); }

static inline columns add_columns(columns x, columns y)
{
    for (int l = 0; l < RBMK_LANES; l++)
        x.lane[l] += y.lane[l];
    return x;
}
#endif

/* The sum of rows 0 and 2 is number 1 + 4, and so on. */
static inline void tabulate(const int32_t *rows, int width, group_sums table)
{
    store_columns(table[0], no_columns());
    for (int r = 0; r < GROUP_ROWS; r++) {
        const columns row = load_columns(rows + r * width);
        for (int s = 0; s < 1 << r; s++)
            store_columns(table[(1 << r) + s], add_columns(load_columns(table[s]), row));
    }
}

static inline void tabulate_last(const int32_t *rows, int n_rows, int width, group_sums table)
{
    int32_t padded[GROUP_ROWS * RBMK_LANES] = {0};
    for (int r = 0; r < n_rows; r++)
        memcpy(padded + r * RBMK_LANES, rows + r * width, RBMK_LANES * sizeof *rows);
    tabulate(padded, RBMK_LANES, table);
}

static inline void look_up(const group_sums *table, int groups, const uint64_t *bits, int n, int fresh, int32_t *out,
                           int ld)
{
    for (int i = 0; i < n; i++, out += ld) {
        uint64_t on = bits[i];
        columns sum = fresh ? no_columns() : load_columns(out);
        RBMK_UNROLL(16)
        for (int g = 0; g < groups; g++, on >>= GROUP_ROWS)
            sum = add_columns(sum, load_columns(table[g][on & (GROUP_SUMS - 1)]));
        store_columns(out, sum);
    }
}

static inline void add_word(const uint64_t *bits, int n, const int32_t *rows, int n_rows, int width, int fresh,
                            int32_t *out, int ld, group_sums *table)
{
    const int whole = n_rows / GROUP_ROWS, groups = (n_rows + GROUP_ROWS - 1) / GROUP_ROWS;
    for (int g = 0; g < whole; g++)
        tabulate(rows + g * GROUP_ROWS * width, width, table[g]);
    if (groups > whole)
        tabulate_last(rows + whole * GROUP_ROWS * width, n_rows % GROUP_ROWS, width, table[whole]);
    if (groups == WORD_GROUPS) /* a constant, to unroll */
        look_up((const group_sums *)table, WORD_GROUPS, bits, n, fresh, out, ld);
    else
        look_up((const group_sums *)table, groups, bits, n, fresh, out, ld);
}

RBMK_APART static void add_tabulated(const layout *l, int from, int depth, int first, int n, const int32_t *panel,
                                     int width, int32_t *out, int ld, group_sums *table)
{
    for (int r = from; r < from + depth; r += WORD_ROWS) {
        const uint64_t *bits = l->bits + (size_t)(r / WORD_ROWS) * l->ld + first;
        const int32_t *rows = panel + (size_t)r * (size_t)width;
        const int n_rows = from + depth - r < WORD_ROWS ? from + depth - r : WORD_ROWS;
        for (int c = 0; c < width; c += RBMK_LANES)
            add_word(bits, n, rows + c, n_rows, width, r == 0, out + c, ld, table);
    }
}

/* A list costs an addition for each row that is on, a table one for each group of rows and what it takes to form it. */
static inline int worth_tables(const layout *l, size_t k, int first, int n, int n_rows)
{
    const uint16_t *length = l->lengths + k * l->ld + first;
    int on = 0;
    for (int i = 0; i < n; i++)
        on += length[i];
    return on > (n + TABLE_COST) * ((n_rows + GROUP_ROWS - 1) / GROUP_ROWS);
}

/* Writes whole groups of 16 columns: rows of `out` must have room for n_cols rounded up to 16. */
static void multiply_u8(const rbmk_left *left, int first, int n, const rbmk_matrix *m, int col, int n_cols,
                        int32_t *out, int ld, void *scratch)
{
    const layout l = layout_of(left);
    for (int c = 0; c < n_cols; c += RBMK_PANEL, out += RBMK_PANEL) {
        const int panel = (col + c) / RBMK_PANEL, width = panel_width(m, panel);
        const int32_t *rows = panel_data(m, panel);
        for (size_t k = 0; k < l.blocks; k++) {
            const int from = (int)k * left->depth;
            const int depth = left->rows - from < left->depth ? left->rows - from : left->depth;
            if (worth_tables(&l, k, first, n, depth))
                add_tabulated(&l, from, depth, first, n, rows, width, out, ld, scratch);
            else
                add_listed(&l, k, first, n, rows + (size_t)from * (size_t)width, width, out, ld);
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

#ifdef RBMK_OWN_PAIRS
static inline void multiply_pairs(int depth, const uint16_t *states, ptrdiff_t stride, int n, const rbmk_matrix *m, int col,
                                  int n_cols, double *out, int ld, void *scratch)
{
    const int pairs = (m->rows + 1) / 2;
    uint32_t *words = scratch;
    pair_block *block = (pair_block *)(words + (ptrdiff_t)(n + PAIR_ROWS - 1) / PAIR_ROWS * PAIR_ROWS * pairs);
    int32_t *sums = (int32_t *)(block + 1);
    lay_out_pairs(states, stride, n, m->rows, words);
    for (int c = 0; c < n_cols; c += PAIR_LANES, out += PAIR_LANES) {
        const int panel = (col + c) / RBMK_PANEL, width = panel_width(m, panel);
        const int32_t *rows = panel_data(m, panel) + (col + c) % RBMK_PANEL;
        for (int k = 0; k < pairs; k += depth) {
            const int n_pairs = pairs - k < depth ? pairs - k : depth;
            const int n_rows = m->rows - 2 * k < 2 * depth ? m->rows - 2 * k : 2 * depth;
            split_pairs(rows + (size_t)(2 * k) * (size_t)width, n_rows, width, block);
            for (int i = 0; i < n; i += PAIR_ROWS) {
                pair_sums(words + (ptrdiff_t)i * pairs + k * PAIR_ROWS, block, n_pairs, sums);
                add_pair_sums(sums, block->total, n - i < PAIR_ROWS ? n - i : PAIR_ROWS, k == 0, out + (ptrdiff_t)i * ld, ld);
            }
        }
    }
}
#endif

static void multiply_u16(const uint16_t *states, ptrdiff_t stride, int n, const rbmk_matrix *m, int col, int n_cols,
                         double *out, int ld, void *scratch)
{
    double *value = scratch;
    uint32_t *index = (uint32_t *)(value + m->rows + 16);
#ifdef RBMK_OWN_PAIRS
    const int depth = n < LEAST_DENSE ? 0 : pairs_of_dense(states, stride, n, m->rows);
    if (depth) {
        multiply_pairs(depth, states, stride, n, m, col, n_cols, out, ld, scratch);
        return;
    }
#endif
    for (int i = 0; i < n; i++) {
        const int count = active_u16(states + i * stride, m->rows, index, value);
        for (int c = 0; c < n_cols; c += RBMK_PANEL) {
            int panel = (col + c) / RBMK_PANEL;
            add_levels(panel_data(m, panel), panel_width(m, panel), index, value, count, out + (size_t)i * ld + c);
        }
    }
}

#endif
