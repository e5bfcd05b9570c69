/* AMX: products of bytes in tile registers; everything else as AVX-512. Apart from the tiles (tile.h) this is plain C,
 * which the compiler vectorises.
 *
 * An element is three digits, q = d0 + 256 d1 + 65536 d2 with -128 <= d <= 127: the bytes of q + 0x808080, each with
 * its top bit flipped. A tile holds one digit of 64 rows x 16 columns, four neighbouring rows side by side: byte
 * [row / 4][column][row % 4]. The order is [16 columns][digit][64 rows]. Rows and columns beyond the matrix stay unset:
 * such rows only ever meet zero states, and such columns give sums that nobody reads.
 */
#include <string.h>

#include "../../common/scalar.h"
#include "tile.h"

#ifdef RBMK_BUILD_TILES

enum {
    TILE_BYTES = 1024,
    TILE_WORDS = TILE_BYTES / 4,
    TILE_DEPTH = 64, /* rows of the right operand */
    TILE_ROWS = 16,  /* of the left operand and the result */
    TILE_COLUMNS = 16,
    TILE_SUMS = TILE_ROWS * TILE_COLUMNS,
    DIGITS = 3,
    PAIR_ROWS = 2 * TILE_ROWS,
    DIGIT_SUMS = PAIR_ROWS * TILE_COLUMNS, /* of one digit of 16 columns */
    GROUP_SUMS = 2 * DIGITS * DIGIT_SUMS,       /* of 32 columns */
    EXACT_TILES = 65536 / TILE_DEPTH            /* 65536 * 255 * 128 fits int32 */
};

TILE_TARGET_BEGIN

#ifndef RBMK_EMULATE_TILES
#include "../x86/random16.h"
#include "../x86/dot16.h"
#include "pack.h"
#endif

static inline size_t tiles_for(int rows) { return ((size_t)rows + TILE_DEPTH - 1) / TILE_DEPTH; }

/* The first tile of a digit of the 16 columns from `col`. */
static inline uint8_t *digit_tiles(const rbmk_matrix *m, int col, int digit)
{
    const size_t before = (size_t)(col / TILE_COLUMNS) * DIGITS + (size_t)digit;
    return (uint8_t *)m->data + before * tiles_for(m->rows) * TILE_BYTES;
}

static size_t packed_bytes(int rows, int cols)
{
    return tiles_for(rows) * (((size_t)cols + TILE_COLUMNS - 1) / TILE_COLUMNS) * DIGITS * TILE_BYTES;
}

/* --- Packing --------------------------------------------------------------------------------------------- */

/* The digits of 4 rows x 16 columns; a word of `digit` holds a column's four rows. */
static inline void split4(const int32_t *q0, const int32_t *q1, const int32_t *q2, const int32_t *q3,
                          uint32_t *restrict digit0, uint32_t *restrict digit1, uint32_t *restrict digit2)
{
    const uint32_t bias = 0x808080u, flip = 0x80808080u, even = 0x00FF00FFu, odd = 0xFF00FF00u;
    for (int j = 0; j < TILE_COLUMNS; j++) {
        uint32_t a = (uint32_t)q0[j] + bias, b = (uint32_t)q1[j] + bias;
        uint32_t c = (uint32_t)q2[j] + bias, d = (uint32_t)q3[j] + bias;
        /* bytes a0 b0 a2 b2 and a1 b1 a3 b3 */
        uint32_t ab02 = (a & even) | ((b << 8) & odd), ab13 = ((a >> 8) & even) | (b & odd);
        uint32_t cd02 = (c & even) | ((d << 8) & odd), cd13 = ((c >> 8) & even) | (d & odd);
        digit0[j] = ((ab02 & 0xFFFFu) | (cd02 << 16)) ^ flip;
        digit1[j] = ((ab13 & 0xFFFFu) | (cd13 << 16)) ^ flip;
        digit2[j] = ((ab02 >> 16) | (cd02 & 0xFFFF0000u)) ^ flip;
    }
}

/* Whole groups of 4 rows x 16 columns are written: a tile ends inside one only at the matrix's edge. */
static void pack_tile(rbmk_matrix *m, int row, int col, int n_rows, int n_cols, const int32_t *tile, int ld)
{
    const size_t digit_words = tiles_for(m->rows) * TILE_WORDS;
    for (int c = 0; c < n_cols; c += TILE_COLUMNS) {
        uint32_t *column = (uint32_t *)digit_tiles(m, col + c, 0);
        const int width = n_cols - c < TILE_COLUMNS ? n_cols - c : TILE_COLUMNS;
        for (int r = 0; r < n_rows; r += 4) {
            const int32_t *from = tile + (ptrdiff_t)r * ld + c, *q[4];
            const int height = n_rows - r < 4 ? n_rows - r : 4;
            uint32_t *to = column + (size_t)((row + r) / 4) * TILE_COLUMNS;
            int32_t padded[4][TILE_COLUMNS] = {{0}};
            for (int i = 0; i < 4; i++) {
                q[i] = i < height && width == TILE_COLUMNS ? from + (ptrdiff_t)i * ld : padded[i];
                if (i < height && width < TILE_COLUMNS)
                    memcpy(padded[i], from + (ptrdiff_t)i * ld, (size_t)width * sizeof *from);
            }
            split4(q[0], q[1], q[2], q[3], to, to + digit_words, to + 2 * digit_words);
        }
    }
}

/* Whole columns of words are packed fast; the rest, at the matrix's edge, as integers. */
static void pack_f32(rbmk_matrix *m, int row, int col, int n_rows, int n_cols, const float *W, ptrdiff_t ld, float scale)
{
    int whole = 0, q_cols;
    int32_t q[RBMK_ROW_BLOCK * RBMK_PANEL];
#ifndef RBMK_EMULATE_TILES
    const size_t digit_bytes = tiles_for(m->rows) * TILE_BYTES;
    if (n_rows % 4 == 0)
        for (; whole + TILE_COLUMNS <= n_cols; whole += TILE_COLUMNS)
            for (int r = 0; r < n_rows; r += 4)
                pack_4x16(W + r * ld + whole, ld, scale, digit_tiles(m, col + whole, 0) + (size_t)(row + r) / 4 * 64,
                          digit_bytes);
#endif
    q_cols = n_cols - whole;
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < q_cols; c++)
            q[r * RBMK_PANEL + c] = round1(W[r * ld + whole + c] * scale);
    if (q_cols)
        pack_tile(m, row, col + whole, n_rows, q_cols, q, RBMK_PANEL);
}

static void pack_transposed_f32(rbmk_matrix *m, int row, int col, int n_rows, int n_cols, const float *W, ptrdiff_t ld,
                                float scale)
{
    int whole = 0, q_rows;
    int32_t q[RBMK_PANEL * RBMK_ROW_BLOCK];
#ifndef RBMK_EMULATE_TILES
    if (n_rows == TILE_COLUMNS)
        for (; whole + TILE_COLUMNS <= n_cols; whole += TILE_COLUMNS)
            pack_transposed_16x16(W + whole, ld, scale, digit_tiles(m, col, 0) + (size_t)(row + whole) / 4 * 64,
                                  tiles_for(m->rows) * TILE_BYTES);
#endif
    q_rows = n_cols - whole;
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < q_rows; c++)
            q[c * RBMK_ROW_BLOCK + r] = round1(W[r * ld + whole + c] * scale);
    if (q_rows)
        pack_tile(m, row + whole, col, q_rows, n_rows, q, RBMK_ROW_BLOCK);
}

/* --- Products -------------------------------------------------------------------------------------------- */

/* Two left tiles by two right tiles, and on to the next 64 states: four accumulators hide the product's latency, and
 * every load serves two products. Sums: left 0 by right 0, left 1 by right 0, left 0 by right 1, left 1 by right 1. */
static void product_2x2(const uint8_t *left0, const uint8_t *left1, const uint8_t *right0, const uint8_t *right1,
                        size_t n_tiles, int32_t *sums)
{
    tile_zero(0);
    tile_zero(1);
    tile_zero(2);
    tile_zero(3);
    for (size_t at = 0; at < n_tiles * TILE_BYTES; at += TILE_BYTES) {
        tile_load(4, left0 + at, 64);
        tile_load(6, right0 + at, 64);
        tile_load(5, left1 + at, 64);
        tile_load(7, right1 + at, 64);
        tile_dot(0, 4, 6);
        tile_dot(1, 5, 6);
        tile_dot(2, 4, 7);
        tile_dot(3, 5, 7);
    }
    tile_store(0, sums, 64);
    tile_store(1, sums + TILE_SUMS, 64);
    tile_store(2, sums + 2 * TILE_SUMS, 64);
    tile_store(3, sums + 3 * TILE_SUMS, 64);
}

/* One left tile by the three digits of 16 columns, and on to the next 64 states. */
static void product_1x3(const uint8_t *left, const uint8_t *right0, const uint8_t *right1, const uint8_t *right2,
                        size_t n_tiles, int32_t *sums)
{
    tile_zero(0);
    tile_zero(1);
    tile_zero(2);
    for (size_t at = 0; at < n_tiles * TILE_BYTES; at += TILE_BYTES) {
        tile_load(3, left + at, 64);
        tile_load(4, right0 + at, 64);
        tile_dot(0, 3, 4);
        tile_load(5, right1 + at, 64);
        tile_dot(1, 3, 5);
        tile_load(6, right2 + at, 64);
        tile_dot(2, 3, 6);
    }
    tile_store(0, sums, 64);
    tile_store(1, sums + DIGIT_SUMS, 64);
    tile_store(2, sums + 2 * DIGIT_SUMS, 64);
}

/* Where states lie as left tiles: byte [tile of 16 rows][tile of 64 states][row][state], zero beyond the states. */
typedef struct {
    uint8_t *data;
    size_t tiles_across;
} left_tiles;

static size_t left_bytes(int n, int rows)
{
    return ((size_t)n + TILE_ROWS - 1) / TILE_ROWS * tiles_for(rows) * TILE_BYTES;
}

static inline uint8_t *left_at(left_tiles a, int row, int state)
{
    return a.data + ((size_t)(row / TILE_ROWS) * a.tiles_across + (size_t)(state / TILE_DEPTH)) * TILE_BYTES +
           (size_t)(row % TILE_ROWS) * TILE_DEPTH + (size_t)(state % TILE_DEPTH);
}

static inline int round_to_tile(int n) { return (n + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS; }

static void lay_out_u8(rbmk_left *left, int first, int n, const uint8_t *states, ptrdiff_t stride)
{
    const left_tiles a = {left->data, tiles_for(left->rows)};
    for (int r = 0; r < round_to_tile(n); r++) {
        int k = 0;
        if (r < n)
            for (; k + TILE_DEPTH <= left->rows; k += TILE_DEPTH)
                memcpy(left_at(a, first + r, k), states + r * stride + k, TILE_DEPTH);
        for (; k < left->rows; k += TILE_DEPTH) {
            memset(left_at(a, first + r, k), 0, TILE_DEPTH);
            if (r < n)
                memcpy(left_at(a, first + r, k), states + r * stride + k, (size_t)(left->rows - k));
        }
    }
}

/* Sums of the digits, [column tile][digit][row][column], of one or two row tiles from `row` by one or two column tiles,
 * over `n_tiles` tiles of states from the one numbered `first`. */
static void digit_sums(left_tiles a, int row, int row_tiles, const rbmk_matrix *m, int col, int column_tiles,
                       size_t first, size_t n_tiles, int32_t *sums)
{
    const size_t digit_bytes = tiles_for(m->rows) * TILE_BYTES;
    const uint8_t *left0 = left_at(a, row, 0) + first * TILE_BYTES, *left1 = left0 + a.tiles_across * TILE_BYTES;
    const uint8_t *right = digit_tiles(m, col, 0) + first * TILE_BYTES;
    if (row_tiles == 2 && column_tiles == 2) {
        for (int s = 0; s < 2 * DIGITS; s += 2, right += 2 * digit_bytes)
            product_2x2(left0, left1, right, right + digit_bytes, n_tiles, sums + s * DIGIT_SUMS);
        return;
    }
    for (int t = 0; t < column_tiles; t++, right += DIGITS * digit_bytes) {
        int32_t *to = sums + t * DIGITS * DIGIT_SUMS;
        product_1x3(left0, right, right + digit_bytes, right + 2 * digit_bytes, n_tiles, to);
        if (row_tiles == 2)
            product_1x3(left1, right, right + digit_bytes, right + 2 * digit_bytes, n_tiles, to + TILE_SUMS);
    }
}

/* q = d0 + 256 d1 + 65536 d2, of n rows x 16 columns. Digit sums may wrap around: with them, all is modulo 2^32. */
static inline void join_digits(const int32_t *sums, int n, int32_t *out, int ld)
{
    for (int i = 0; i < n; i++, sums += TILE_COLUMNS, out += ld) {
        int32_t sum[TILE_COLUMNS];
        for (int j = 0; j < TILE_COLUMNS; j++)
            sum[j] = (int32_t)((uint32_t)sums[j] + ((uint32_t)sums[j + DIGIT_SUMS] << 8) +
                               ((uint32_t)sums[j + 2 * DIGIT_SUMS] << 16));
        memcpy(out, sum, sizeof sum);
    }
}

#ifndef RBMK_EMULATE_TILES
/* The words of four states that are not all off, and which they are: a word meets 64 bytes of a column's digits. */
typedef struct {
    int n;
    uint32_t *word;
    int32_t *index;
} words_on;

static words_on find_words(left_tiles a, int row, void *scratch)
{
    words_on on = {0, scratch, (int32_t *)scratch + a.tiles_across * TILE_ROWS};
    for (int i = 0; i < (int)a.tiles_across * TILE_ROWS; i++) {
        memcpy(on.word + on.n, left_at(a, row, 4 * i), sizeof *on.word);
        on.index[on.n] = i;
        on.n += on.word[on.n] != 0;
    }
    return on;
}

/* A single row without tiles: they would read every digit, for 16 rows. All digits of 32 columns at a time: six sums
 * that do not wait for each other. */
static void multiply_row(left_tiles a, int row, const rbmk_matrix *m, int col, int n_cols, int32_t *out, void *scratch)
{
    const words_on on = find_words(a, row, scratch);
    const size_t digit_bytes = tiles_for(m->rows) * TILE_BYTES;
    for (int c = 0; c < n_cols; c += 2 * TILE_COLUMNS) {
        const int wide = n_cols - c > TILE_COLUMNS;
        const uint8_t *left = digit_tiles(m, col + c, 0), *right = wide ? left + DIGITS * digit_bytes : left;
        __m512i sum[2][DIGITS];
        for (int d = 0; d < DIGITS; d++)
            sum[0][d] = sum[1][d] = _mm512_setzero_si512();
        for (int i = 0; i < on.n; i++) {
            const __m512i word = _mm512_set1_epi32((int)on.word[i]);
            const size_t at = (size_t)on.index[i] * 64;
            RBMK_UNROLL(3)
            for (int d = 0; d < DIGITS; d++) {
                sum[0][d] = _mm512_dpbusd_epi32(sum[0][d], word, _mm512_loadu_si512(left + d * digit_bytes + at));
                sum[1][d] = _mm512_dpbusd_epi32(sum[1][d], word, _mm512_loadu_si512(right + d * digit_bytes + at));
            }
        }
        for (int t = 0; t <= wide; t++) {
            const __m512i high = _mm512_add_epi32(_mm512_slli_epi32(sum[t][2], 8), sum[t][1]);
            _mm512_storeu_si512(out + c + t * TILE_COLUMNS, _mm512_add_epi32(_mm512_slli_epi32(high, 8), sum[t][0]));
        }
    }
}
#endif

/* Writes whole groups of 16 columns. The digits of 32 columns stay near while all states use them. */
static void multiply_u8(const rbmk_left *left, int first, int n, const rbmk_matrix *m, int col, int n_cols,
                        int32_t *out, int ld, void *scratch)
{
    const left_tiles a = {left->data, tiles_for(left->rows)};
    int32_t *sums = scratch;
#ifndef RBMK_EMULATE_TILES
    if (n == 1) {
        multiply_row(a, first, m, col, n_cols, out, scratch);
        return;
    }
#endif
    for (int c = 0; c < n_cols; c += 2 * TILE_COLUMNS)
        for (int i = 0; i < n; i += PAIR_ROWS) {
            const int column_tiles = n_cols - c > TILE_COLUMNS ? 2 : 1, row_tiles = n - i > TILE_ROWS ? 2 : 1;
            const int n_rows = n - i < PAIR_ROWS ? n - i : PAIR_ROWS;
            digit_sums(a, first + i, row_tiles, m, col + c, column_tiles, 0, a.tiles_across, sums);
            for (int t = 0; t < column_tiles; t++)
                join_digits(sums + t * DIGITS * DIGIT_SUMS, n_rows, out + (ptrdiff_t)i * ld + c + t * TILE_COLUMNS, ld);
        }
}

/* --- Grey levels: the sums of their high bytes and of their low bytes ------------------------------------ */

static void lay_out_u16(left_tiles high, left_tiles low, const uint16_t *states, ptrdiff_t stride, int n, int rows)
{
    for (int r = 0; r < round_to_tile(n); r++)
        for (int k = 0; k < rows; k += TILE_DEPTH) {
            uint8_t *to_high = left_at(high, r, k), *to_low = left_at(low, r, k);
            uint16_t level[TILE_DEPTH] = {0};
            if (r < n)
                memcpy(level, states + r * stride + k,
                       (size_t)(rows - k < TILE_DEPTH ? rows - k : TILE_DEPTH) * sizeof *level);
            for (int i = 0; i < TILE_DEPTH; i++) {
                to_high[i] = (uint8_t)(level[i] >> 8);
                to_low[i] = (uint8_t)level[i];
            }
        }
}

static inline int64_t digits_value(const int32_t *s)
{
    return s[0] + ((int64_t)s[DIGIT_SUMS] + (int64_t)s[2 * DIGIT_SUMS] * 256) * 256;
}

static inline void join_grey(const int32_t *high, const int32_t *low, int n, int add, double *out, int ld)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < TILE_COLUMNS; j++) {
            const int at = i * TILE_COLUMNS + j;
            double sum = (double)(digits_value(high + at) * 256 + digits_value(low + at));
            out[(ptrdiff_t)i * ld + j] = add ? out[(ptrdiff_t)i * ld + j] + sum : sum;
        }
}

/* Writes whole groups of 16 columns. Digit sums must not wrap around here, so the rows are taken 65536 at a time. */
static void multiply_u16(const uint16_t *states, ptrdiff_t stride, int n, const rbmk_matrix *m, int col, int n_cols,
                         double *out, int ld, void *scratch)
{
    const left_tiles high = {scratch, tiles_for(m->rows)}, low = {high.data + left_bytes(n, m->rows), high.tiles_across};
    int32_t *high_sums = (int32_t *)(low.data + left_bytes(n, m->rows)), *low_sums = high_sums + GROUP_SUMS;
    lay_out_u16(high, low, states, stride, n, m->rows);
    for (int c = 0; c < n_cols; c += 2 * TILE_COLUMNS)
        for (int i = 0; i < n; i += PAIR_ROWS)
            for (size_t first = 0; first < high.tiles_across; first += EXACT_TILES) {
                const int column_tiles = n_cols - c > TILE_COLUMNS ? 2 : 1, row_tiles = n - i > TILE_ROWS ? 2 : 1;
                const int n_rows = n - i < PAIR_ROWS ? n - i : PAIR_ROWS;
                const size_t left = high.tiles_across - first, n_tiles = left < EXACT_TILES ? left : EXACT_TILES;
                digit_sums(high, i, row_tiles, m, col + c, column_tiles, first, n_tiles, high_sums);
                digit_sums(low, i, row_tiles, m, col + c, column_tiles, first, n_tiles, low_sums);
                for (int t = 0; t < column_tiles; t++)
                    join_grey(high_sums + t * DIGITS * DIGIT_SUMS, low_sums + t * DIGITS * DIGIT_SUMS, n_rows, first > 0,
                              out + (ptrdiff_t)i * ld + c + t * TILE_COLUMNS, ld);
            }
}

/* --- Threads --------------------------------------------------------------------------------------------- */

#define RBMK_OWN_THREADS

static void thread_begin(void)
{
    static const tile_config all_whole = {.palette = 1,
                                          .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                          .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    tile_configure(&all_whole);
}

static void thread_end(void) { tile_release(); }

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

TILE_TARGET_END

const rbmk_kernels *const rbmk_amx = &table;

#else

const rbmk_kernels *const rbmk_amx = NULL;

#endif
