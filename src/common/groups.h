/* Groups of units of which exactly one is on: softmax, draws, normalisers. Group g of a row has its units start[g] to
 * start[g + 1] - 1. Sixteen groups side by side, unit after unit: sums go in the order of the units, and yet no group waits
 * for another. Exponentials are kept from the sum where a group is one piece, and formed again where it is more: memory does
 * not grow with the size. */
#ifndef RBMK_GROUPS_H
#define RBMK_GROUPS_H

#include "random.h"

enum { ABREAST = 16, PIECE = 32 /* units of each group at a time */ };

#ifndef RBMK_VECTOR
#define RBMK_VECTOR 16 /* bytes of a register */
#endif

/* Some of the groups: GNU C's vectors, as compilers unroll loops over 16 before they would vectorise them. */
typedef float lanes __attribute__((vector_size(RBMK_VECTOR)));
typedef int32_t marks __attribute__((vector_size(RBMK_VECTOR))); /* comparisons: 0, or -1 for true */

enum { WIDE = RBMK_VECTOR / 4, PARTS = ABREAST / WIDE };

/* No function, whose arguments could be no registers without the target. */
#define CHOOSE(which, yes, no) (((yes) & (which)) | ((no) & ~(which)))

typedef struct {
    const float *x; /* the row */
    int n, least, most; /* how many; units of the smallest and the largest */
    int32_t first[ABREAST], size[ABREAST]; /* lanes without a group repeat the last one */
    lanes top[PARTS], e[PIECE][PARTS]; /* exp(x - top) of the last piece: of all units where there are no more */
} groups;

#define FOR_PIECES(size) \
    for (int k = 0, n_units; n_units = (size) - k < PIECE ? (size) - k : PIECE, k < (size); k += n_units)

#ifndef RBMK_OWN_FOUR_UNITS
/* Four units of each group, from[l] on. */
static inline void four_units(const float *const from[ABREAST], int k, float *restrict to)
{
    for (int l = 0; l < ABREAST; l++)
        for (int i = 0; i < 4; i++)
            to[i * ABREAST + l] = from[l][k + i];
}
#endif

/* x of n units of groups that all have so many. */
static inline void side_by_side(const float *const from[ABREAST], int n, float *restrict to)
{
    int i = 0;
    for (; i + 4 <= n; i += 4)
        four_units(from, i, to + i * ABREAST);
    if (i < n && n >= 4) {
        four_units(from, n - 4, to + (n - 4) * ABREAST);
        return;
    }
    for (; i < n; i++)
        for (int l = 0; l < ABREAST; l++)
            to[i * ABREAST + l] = from[l][i];
}

/* x of the units k to k + n - 1; where a group has fewer, the last one again. */
static inline void take_units(groups *g, int k, int n)
{
    const int all = g->least - k < n ? g->least - k : n; /* have these */
    const float *from[ABREAST];
    float *e = (float *)g->e;
    for (int l = 0; l < ABREAST; l++)
        from[l] = g->x + g->first[l] + k;
    if (all > 0)
        side_by_side(from, all, e);
    for (int i = all > 0 ? all : 0; i < n; i++)
        for (int l = 0; l < ABREAST; l++)
            e[i * ABREAST + l] = g->x[g->first[l] + (k + i < g->size[l] ? k + i : g->size[l] - 1)];
}

/* Their largest inputs. */
static inline void find_tops(groups *g)
{
    FOR_PIECES(g->most)
    {
        take_units(g, k, n_units);
        for (int part = 0; part < PARTS; part++) {
            lanes top = k ? g->top[part] : g->e[0][part];
            for (int i = 0; i < n_units; i++)
                top = (lanes)CHOOSE(g->e[i][part] > top, (marks)g->e[i][part], (marks)top);
            g->top[part] = top;
        }
    }
}

/* Groups from number `at` on, and their largest inputs. */
static inline void take_groups(groups *g, const float *x, const int32_t *start, int n_groups, int at)
{
    g->x = x;
    g->n = n_groups - at < ABREAST ? n_groups - at : ABREAST;
    g->least = INT32_MAX, g->most = 0;
    for (int l = 0; l < ABREAST; l++) {
        const int32_t *here = start + at + (l < g->n ? l : g->n - 1);
        g->first[l] = here[0];
        g->size[l] = here[1] - here[0];
        g->least = g->size[l] < g->least ? g->size[l] : g->least;
        g->most = g->size[l] > g->most ? g->size[l] : g->most;
    }
    find_tops(g);
}

/* exp(x - top) of the units k to k + n - 1, 0 for those that a group does not have. Of groups that are one piece once. */
static inline const float *exponentials(groups *g, int k, int n)
{
    float *e = (float *)g->e;
    if (g->most > PIECE)
        take_units(g, k, n);
    for (int part = 0; part < PARTS; part++)
        for (int i = 0; i < n; i++)
            g->e[i][part] -= g->top[part];
    for (int j = 0; j < n * ABREAST; j++)
        e[j] = exp_negative(e[j]);
    for (int i = g->least > k ? g->least - k : 0; i < n; i++)
        for (int l = 0; l < ABREAST; l++)
            e[i * ABREAST + l] = k + i < g->size[l] ? e[i * ABREAST + l] : 0.0f;
    return e;
}

static inline void add_unit(const float *restrict e, double *restrict sum)
{
    for (int l = 0; l < ABREAST; l++)
        sum[l] += (double)e[l];
}

static inline void sum_groups(groups *g, double *restrict total)
{
    memset(total, 0, ABREAST * sizeof *total);
    FOR_PIECES(g->most)
    {
        const float *e = exponentials(g, k, n_units);
        for (int i = 0; i < n_units; i++)
            add_unit(e + i * ABREAST, total);
    }
}

/* The exponentials of a piece, once the sums are known. */
static inline const float *again(groups *g, int k, int n)
{
    return g->most > PIECE ? exponentials(g, k, n) : (const float *)g->e;
}

static void softmax_groups(const float *x, const int32_t *start, int n_groups, float *p)
{
    for (int at = 0; at < n_groups; at += ABREAST) {
        groups g;
        double total[ABREAST];
        take_groups(&g, x, start, n_groups, at);
        sum_groups(&g, total);
        FOR_PIECES(g.most)
        {
            const float *e = again(&g, k, n_units);
            float share[PIECE * ABREAST];
            for (int i = 0; i < n_units; i++)
                for (int l = 0; l < ABREAST; l++)
                    share[i * ABREAST + l] = (float)((double)e[i * ABREAST + l] / total[l]);
            for (int l = 0; l < g.n; l++)
                for (int i = 0; i < n_units && k + i < g.size[l]; i++)
                    p[g.first[l] + k + i] = share[i * ABREAST + l];
        }
    }
}

static void log_sum_groups(const float *x, const int32_t *start, int n_groups, double *sums)
{
    for (int at = 0; at < n_groups; at += ABREAST) {
        groups g;
        double total[ABREAST];
        const float *top = (const float *)g.top;
        take_groups(&g, x, start, n_groups, at);
        sum_groups(&g, total);
        for (int l = 0; l < g.n; l++)
            sums[at + l] = (double)top[l] + (double)log1((float)total[l]);
    }
}

/* --- Draws ----------------------------------------------------------------------------------------------
 * The state of a group is the first whose cumulative weight exceeds (u + 1/2) / 2^32 of the whole, u the uniform of its
 * first unit. The high half of u and sums in float32 decide all but what lies near a limit, one group in thousands. */

/* The high or low halves of the uniforms of units that are no neighbours. */
static inline void halves_of(const int32_t *unit, const rbmk_counter *counter, uint32_t half, int32_t *out)
{
    uint32_t block[ABREAST], word[4][ABREAST];
    for (int l = 0; l < ABREAST; l++)
        block[l] = 16 * ((uint32_t)unit[l] / 128) | (uint32_t)unit[l] % 16 | half;
    philox_of(block, counter, word);
    for (int part = 0; part < PARTS; part++) {
        marks w[4], t, one;
        memcpy(&t, unit + part * WIDE, sizeof t);
        t = t >> 4 & 7;
        for (int i = 0; i < 4; i++)
            memcpy(w + i, word[i] + part * WIDE, sizeof *w);
        one = CHOOSE(t < 4, CHOOSE(t < 2, w[0], w[1]), CHOOSE(t < 6, w[2], w[3]));
        one = CHOOSE((t & 1) == 0, one, one >> 16) & 0xFFFF;
        memcpy(out + part * WIDE, &one, sizeof one);
    }
}

/* How many states of each group lie before the drawn one, for groups of one piece; 0 if a group is too near a limit to
 * tell. Sums of float32 are wrong by less than PIECE 2^-24 of the whole, which is 2^-19: the limits are 2^-17 wide. */
static inline int draw_roughly(groups *g, const int32_t *high, int32_t *passed)
{
    int32_t doubts = 0;
    exponentials(g, 0, g->most);
    for (int part = 0; part < PARTS; part++) {
        lanes total = {0}, sum = {0}, half, low_limit, high_limit;
        marks sure = {0}, possible = {0};
        for (int l = 0; l < WIDE; l++)
            half[l] = (float)high[part * WIDE + l];
        for (int i = 0; i < g->most; i++)
            total += g->e[i][part];
        low_limit = (half - 0.5f) * (1.0f / 65536.0f) * total;
        high_limit = (half + 1.5f) * (1.0f / 65536.0f) * total;
        for (int i = 0; i < g->most; i++) {
            sum += g->e[i][part];
            sure -= sum <= low_limit;
            possible -= sum <= high_limit;
        }
        for (int l = 0; l < WIDE; l++) {
            passed[part * WIDE + l] = sure[l];
            doubts |= sure[l] ^ possible[l];
        }
    }
    return !doubts;
}

static inline void draw_exactly(groups *g, const int32_t *restrict high, const int32_t *restrict low,
                                int32_t *restrict passed)
{
    double total[ABREAST], target[ABREAST], sum[ABREAST] = {0};
    take_units(g, 0, g->most < PIECE ? g->most : PIECE);
    sum_groups(g, total);
    for (int l = 0; l < ABREAST; l++) {
        const uint32_t uniform = (uint32_t)high[l] << 16 | (uint32_t)low[l];
        target[l] = ((double)uniform + 0.5) * (1.0 / 4294967296.0) * total[l];
        passed[l] = 0;
    }
    FOR_PIECES(g->most) /* the whole exceeds all */
    {
        const float *e = again(g, k, n_units);
        for (int i = 0; i < n_units; i++) {
            add_unit(e + i * ABREAST, sum);
            for (int l = 0; l < ABREAST; l++)
                passed[l] += sum[l] <= target[l];
        }
    }
}

static void draw_groups(const float *x, const int32_t *start, int n_groups, const rbmk_counter *counter, uint8_t *state)
{
    memset(state + start[0], 0, (size_t)(start[n_groups] - start[0]));
    for (int at = 0; at < n_groups; at += ABREAST) {
        groups g;
        int32_t high[ABREAST], low[ABREAST], passed[ABREAST];
        take_groups(&g, x, start, n_groups, at);
        halves_of(g.first, counter, 0, high);
        if (g.most > PIECE || !draw_roughly(&g, high, passed)) {
            halves_of(g.first, counter, RBMK_LOW_HALVES, low);
            draw_exactly(&g, high, low, passed);
        }
        for (int l = 0; l < g.n; l++)
            state[g.first[l] + passed[l]] = 1;
    }
}

#endif
