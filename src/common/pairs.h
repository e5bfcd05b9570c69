/* Products of many rows of levels, most of them not 0: two rows of the right operand at a time, in integers of 16 bits.
 *
 * Less 32768 a level is a number of 16 bits with its sign, and an element q = low + 4096 high two of 12. A processor adds
 * two such products to a lane of 32 bits at once, which holds as many as the states allow: those of real-valued data are
 * mostly far from their ends. What 32768 in each state adds is 32768 times the sum of the elements.
 *
 * A path says first: PAIR_LANES, PAIR_ROWS (rows of sums that its registers hold), transpose; then pair_sums, by
 * RBMK_PAIR_SUMS. */
#ifndef RBMK_PAIRS_H
#define RBMK_PAIRS_H

enum {
    MIDDLE = 32768,
    LEAST_DENSE = 8,  /* rows: fewer do not repay the splitting of the elements */
    MOST_PAIRS = 128, /* that are split, and added in 32 bits, together */
    LEAST_PAIRS = 8,
    MOST_DISTANCE = INT32_MAX / 2048 /* of states from the middle, summed over their rows */
};

typedef uint32_t pair_words __attribute__((vector_size(4 * PAIR_LANES)));
typedef int32_t pair_integers __attribute__((vector_size(4 * PAIR_LANES)));
typedef double pair_doubles __attribute__((vector_size(8 * PAIR_LANES)));

typedef struct {
    uint32_t digit[MOST_PAIRS][2][PAIR_LANES]; /* low, high; of two rows each */
    int32_t total[PAIR_LANES];                 /* of the elements */
} pair_block;

typedef struct {
    int64_t on;   /* levels that are not 0 */
    int farthest; /* largest distance from the middle, summed over the rows of so many pairs */
} pair_survey;

static inline pair_survey survey(const uint16_t *levels, ptrdiff_t stride, int n, int rows, int pairs)
{
    pair_survey all = {0, 0};
    for (int i = 0; i < n; i++, levels += stride)
        for (int from = 0; from < rows; from += 2 * pairs) {
            const int to = rows - from < 2 * pairs ? rows : from + 2 * pairs;
            int distance = 0, on = 0;
            for (int k = from; k < to; k++) {
                distance += levels[k] < MIDDLE ? MIDDLE - levels[k] : levels[k] - MIDDLE;
                on += levels[k] != 0;
            }
            all.on += on;
            all.farthest = distance > all.farthest ? distance : all.farthest;
        }
    return all;
}

/* How many pairs to add in 32 bits, if a third of the levels are not 0; else 0. */
static inline int pairs_of_dense(const uint16_t *levels, ptrdiff_t stride, int n, int rows)
{
    int pairs = MOST_PAIRS;
    pair_survey found = survey(levels, stride, n, rows, pairs);
    if (3 * found.on < (int64_t)n * rows)
        return 0;
    for (; pairs > LEAST_PAIRS && found.farthest > MOST_DISTANCE; found = survey(levels, stride, n, rows, pairs))
        pairs /= 2;
    return pairs;
}

/* Words of two neighbouring states: [group of PAIR_ROWS rows][pair][row], zero beyond the states. */
static inline void lay_out_pairs(const uint16_t *levels, ptrdiff_t stride, int n, int rows, uint32_t *words)
{
    const int pairs = (rows + 1) / 2;
    for (int i = 0; i < n; i += PAIR_ROWS, levels += PAIR_ROWS * stride, words += PAIR_ROWS * pairs) {
        const int height = n - i < PAIR_ROWS ? n - i : PAIR_ROWS, whole = stride % 2 ? 0 : rows / 2;
        transpose((const int32_t *)(const void *)levels, (int)(stride / 2), height, whole, (int32_t *)words, PAIR_ROWS);
        for (int k = 0; k < whole * PAIR_ROWS; k++)
            words[k] ^= 0x80008000u;
        for (int r = 0; r < height; r++)
            for (int k = whole; k < pairs; k++) {
                const uint16_t *level = levels + r * stride + 2 * k;
                const uint32_t second = 2 * k + 1 < rows ? (uint32_t)(level[1] ^ MIDDLE) << 16 : 0;
                words[k * PAIR_ROWS + r] = (uint32_t)(level[0] ^ MIDDLE) | second;
            }
        for (int r = height; r < PAIR_ROWS; r++)
            for (int k = 0; k < pairs; k++)
                words[k * PAIR_ROWS + r] = 0;
    }
}

/* The digits of n_rows <= 2 MOST_PAIRS rows. */
static inline void split_pairs(const int32_t *rows, int n_rows, int width, pair_block *to)
{
    pair_words total = {0}, first, second;
    for (int r = 0; r < n_rows; r += 2, rows += 2 * width) {
        memcpy(&first, rows, sizeof first);
        second = (pair_words){0};
        if (r + 1 < n_rows)
            memcpy(&second, rows + width, sizeof second);
        total += first + second;
        first += 2048;
        second += 2048;
        const pair_words low = (((first & 4095) - 2048) & 0xFFFF) | ((second & 4095) - 2048) << 16;
        const pair_words high = (first >> 12 & 0xFFFF) | second >> 12 << 16;
        memcpy(to->digit[r / 2][0], &low, sizeof low);
        memcpy(to->digit[r / 2][1], &high, sizeof high);
    }
    memcpy(to->total, &total, sizeof total);
}

/* Sums (PAIR_ROWS, 2 digits, PAIR_LANES) of so many pairs. */
#define RBMK_PAIR_SUMS(name, vector, zero, load, store, spread, dot) \
    static void name(const uint32_t *words, const pair_block *block, int pairs, int32_t *sums) \
    { \
        vector sum[PAIR_ROWS][2]; \
        for (int i = 0; i < PAIR_ROWS; i++) \
            sum[i][0] = sum[i][1] = zero(); \
        for (int k = 0; k < pairs; k++, words += PAIR_ROWS) { \
            const vector low = load((const void *)block->digit[k][0]), high = load((const void *)block->digit[k][1]); \
            RBMK_UNROLL(8) \
            for (int i = 0; i < PAIR_ROWS; i++) { \
                const vector states = spread((int)words[i]); \
                sum[i][0] = dot(sum[i][0], states, low); \
                sum[i][1] = dot(sum[i][1], states, high); \
            } \
        } \
        for (int i = 0; i < PAIR_ROWS; i++) { \
            store((void *)(sums + 2 * i * PAIR_LANES), sum[i][0]); \
            store((void *)(sums + (2 * i + 1) * PAIR_LANES), sum[i][1]); \
        } \
    }

static inline void add_pair_sums(const int32_t *sums, const int32_t *total, int n, int fresh, double *out, int ld)
{
    pair_integers high, low = {0};
    pair_doubles zero;
    memcpy(&low, total, sizeof low);
    zero = MIDDLE * __builtin_convertvector(low, pair_doubles);
    for (int i = 0; i < n; i++, out += ld, sums += 2 * PAIR_LANES) {
        pair_doubles sum = zero, before = {0};
        memcpy(&low, sums, sizeof low);
        memcpy(&high, sums + PAIR_LANES, sizeof high);
        if (!fresh)
            memcpy(&before, out, sizeof before);
        sum += before + 4096.0 * __builtin_convertvector(high, pair_doubles) + __builtin_convertvector(low, pair_doubles);
        memcpy(out, &sum, sizeof sum);
    }
}

#endif
