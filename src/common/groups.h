/* Groups of `size` units of which exactly one is on: softmax, draws, normalisers. Sixteen groups side by side, unit after
 * unit: sums go in the order of the units in float64, and yet no group waits for another. Exponentials are kept from the sum
 * where a group is one piece, and formed again where it is more: memory does not grow with the size. */
#ifndef RBMK_GROUPS_H
#define RBMK_GROUPS_H

#include "random.h"

enum { ABREAST = 16, PIECE = 32 /* units of each group at a time */ };

typedef struct {
    const float *x; /* of the first group */
    int n, size;    /* lanes without a group repeat the last one */
    float top[ABREAST];
    double total[ABREAST];     /* of exp(x - top) */
    float e[PIECE * ABREAST]; /* these, of the last piece: of all units where there are no more */
} groups;

/* exp(x - top) of the units k to k + n - 1 of all groups, side by side. */
static inline void exponentials(groups *g, int k, int n)
{
    float *restrict e = g->e;
    for (int l = 0; l < ABREAST; l++) {
        const float *from = g->x + (size_t)(l < g->n ? l : g->n - 1) * (size_t)g->size + k;
        for (int i = 0; i < n; i++)
            e[i * ABREAST + l] = from[i] - g->top[l];
    }
    for (int i = 0; i < n * ABREAST; i++)
        e[i] = exp_negative(e[i]);
}

static inline void add_unit(const float *restrict e, double *restrict sum)
{
    for (int l = 0; l < ABREAST; l++)
        sum[l] += (double)e[l];
}

#define FOR_PIECES(size) \
    for (int k = 0, n_units; n_units = (size) - k < PIECE ? (size) - k : PIECE, k < (size); k += n_units)

static groups sum_groups(const float *x, int n, int size)
{
    groups g;
    g.x = x, g.n = n, g.size = size;
    for (int l = 0; l < ABREAST; l++) {
        const float *from = x + (size_t)(l < n ? l : n - 1) * (size_t)size;
        float top = from[0];
        for (int k = 1; k < size; k++)
            top = from[k] > top ? from[k] : top;
        g.top[l] = top;
        g.total[l] = 0.0;
    }
    FOR_PIECES(size)
    {
        exponentials(&g, k, n_units);
        for (int i = 0; i < n_units; i++)
            add_unit(g.e + i * ABREAST, g.total);
    }
    return g;
}

/* The same of a piece, once the sums are known. */
static inline float *again(groups *g, int k, int n)
{
    if (g->size > PIECE)
        exponentials(g, k, n);
    return g->e;
}

static inline int groups_abreast(int n_groups, int first)
{
    return n_groups - first < ABREAST ? n_groups - first : ABREAST;
}

static void softmax_groups(const float *x, int n_groups, int size, float *p)
{
    for (int first = 0; first < n_groups; first += ABREAST) {
        groups g = sum_groups(x + (size_t)first * (size_t)size, groups_abreast(n_groups, first), size);
        float *to = p + (size_t)first * (size_t)size;
        FOR_PIECES(size)
        {
            float *e = again(&g, k, n_units);
            for (int i = 0; i < n_units; i++)
                for (int l = 0; l < ABREAST; l++)
                    e[i * ABREAST + l] = (float)((double)e[i * ABREAST + l] / g.total[l]);
            for (int l = 0; l < g.n; l++)
                for (int i = 0; i < n_units; i++)
                    to[(size_t)l * (size_t)size + (size_t)(k + i)] = e[i * ABREAST + l];
        }
    }
}

static void log_sum_groups(const float *x, int n_groups, int size, double *sums)
{
    for (int first = 0; first < n_groups; first += ABREAST) {
        const groups g = sum_groups(x + (size_t)first * (size_t)size, groups_abreast(n_groups, first), size);
        for (int l = 0; l < g.n; l++)
            sums[first + l] = (double)g.top[l] + (double)log1((float)g.total[l]);
    }
}

/* Uniforms of units that are no neighbours: `uniform_u32` of each. */
static inline void uniforms_of(const int32_t *restrict unit, const rbmk_counter *counter, uint32_t *restrict out)
{
    uint32_t half[2][ABREAST];
    for (int low = 0; low < 2; low++) {
        uint32_t block[ABREAST], word[4][ABREAST];
        for (int l = 0; l < ABREAST; l++)
            block[l] = (16u * (uint32_t)(unit[l] / 128) + (uint32_t)unit[l] % 16) | (low ? RBMK_LOW_HALVES : 0);
        philox_of(block, counter, word);
        for (int l = 0; l < ABREAST; l++) {
            const int t = unit[l] % 128 / 16;
            half[low][l] = (uint32_t)half_word(word[t / 2][l], t);
        }
    }
    for (int l = 0; l < ABREAST; l++)
        out[l] = half[0][l] << 16 | half[1][l];
}

/* The state of a group is the first whose cumulative weight exceeds (u + 1/2) / 2^32 of the whole, u the uniform of its
 * first unit. Units are counted from the row's first one. */
static void draw_groups(const float *x, int n_groups, int size, const rbmk_counter *counter, uint8_t *state)
{
    memset(state, 0, (size_t)n_groups * (size_t)size);
    for (int first = 0; first < n_groups; first += ABREAST) {
        groups g = sum_groups(x + (size_t)first * (size_t)size, groups_abreast(n_groups, first), size);
        int32_t unit[ABREAST], passed[ABREAST] = {0};
        uint32_t uniform[ABREAST];
        double target[ABREAST], sum[ABREAST] = {0};
        for (int l = 0; l < ABREAST; l++)
            unit[l] = (first + (l < g.n ? l : 0)) * size;
        uniforms_of(unit, counter, uniform);
        for (int l = 0; l < ABREAST; l++)
            target[l] = ((double)uniform[l] + 0.5) * (1.0 / 4294967296.0) * g.total[l];
        FOR_PIECES(size - 1)
        {
            const float *e = again(&g, k, n_units);
            for (int i = 0; i < n_units; i++) {
                add_unit(e + i * ABREAST, sum);
                for (int l = 0; l < ABREAST; l++)
                    passed[l] += sum[l] <= target[l];
            }
        }
        for (int l = 0; l < g.n; l++)
            state[(size_t)(first + l) * (size_t)size + (size_t)passed[l]] = 1;
    }
}

#endif
