/* Weights that are shared by all places of a map, K filters side by side as lanes; and hidden units in blocks, of which at
 * most one is on (probabilistic max-pooling). Sums are of integers, so their order is free; those of floats go unit by unit.
 * A place (Y, X) of the map sees the pixels from (Y - top, X - left) on. */
#ifndef RBMK_CONVOLUTION_H
#define RBMK_CONVOLUTION_H

#include <string.h>

#include "../kernels.h"
#include "scalar.h"

/* The places that see column x, from `first` on: `count` of them, the first by the weights `skip` in reversed order. */
typedef struct {
    int first, count, skip;
} seen_from;

static inline seen_from places_of(int x, int offset, int size, int places)
{
    seen_from s = {x + offset - (size - 1), size, 0};
    if (s.first < 0)
        s.skip = -s.first, s.count -= s.skip, s.first = 0;
    if (s.first + s.count > places)
        s.count = places - s.first;
    return s;
}

/* All that is done for a pixel that is on: for each row of its filter, `DO(map, weights, n)` with n numbers in a row of the
 * map and of the weights (channels, filter_height, filter_width reversed, K). */
#define FOR_PIXELS(c, image, DO) \
    do { \
        const ptrdiff_t K = (c)->n_filters, row = (ptrdiff_t)(c)->filter_width * K; \
        const uint8_t *pixel = image; \
        for (int y = 0; y < (c)->height; y++) \
            for (int x = 0; x < (c)->width; x++) \
                for (int channel = 0; channel < (c)->channels; channel++) { \
                    if (!*pixel++) \
                        continue; \
                    const seen_from X = places_of(x, (c)->left, (c)->filter_width, (c)->map_width); \
                    const seen_from Y = places_of(y, (c)->top, (c)->filter_height, (c)->map_height); \
                    for (int i = 0; i < Y.count; i++) { \
                        const int dy = (c)->filter_height - 1 - Y.skip - i; \
                        DO(((ptrdiff_t)(Y.first + i) * (c)->map_width + X.first) * K, \
                           ((ptrdiff_t)channel * (c)->filter_height + dy) * row + X.skip * K, X.count * K); \
                    } \
                } \
    } while (0)

/* to[i] += from[i], which do not overlap. */
static inline void add_weights(int32_t *restrict to, const int32_t *restrict from, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        to[i] += from[i];
}

static inline void add_means(uint32_t *restrict to, const uint16_t *restrict from, ptrdiff_t n)
{
    for (ptrdiff_t i = 0; i < n; i++)
        to[i] += from[i];
}

static void convolve_up(const rbmk_convolution *c, const uint8_t *image, const int32_t *q, int32_t *sums)
{
#define ADD(map, weights, n) add_weights(sums + (map), q + (weights), n)
    FOR_PIXELS(c, image, ADD);
#undef ADD
}

static void convolve_pairs(const rbmk_convolution *c, const uint8_t *image, const uint16_t *level, uint32_t *sums)
{
#define ADD(map, weights, n) add_means(sums + (weights), level + (map), n)
    FOR_PIXELS(c, image, ADD);
#undef ADD
}

/* to[i] += from[i] of n whole groups of 16. */
static inline void add_lanes(int32_t *restrict to, const int32_t *restrict from, ptrdiff_t n)
{
    for (ptrdiff_t first = 0; first < n; first += RBMK_LANES)
        for (int l = 0; l < RBMK_LANES; l++)
            to[first + l] += from[first + l];
}

/* The filters of the units that are on at one place, added up; whether there are any. */
static inline int add_filters(const uint8_t *on, int n_filters, const int32_t *q, ptrdiff_t size, int32_t *sum)
{
    int any = 0;
    for (int first = 0; first < n_filters; first += 64) {
        int index[64], count = 0;
        for (int k = first; k < n_filters && k < first + 64; k++) {
            index[count] = k; /* no branches, which nobody could foresee */
            count += on[k] != 0;
        }
        for (int t = 0; t < count; t++, any = 1) {
            const int32_t *filter = q + index[t] * size;
            if (any)
                add_lanes(sum, filter, size);
            else
                memcpy(sum, filter, (size_t)size * sizeof *sum);
        }
    }
    return any;
}

/* Onto an image that reaches as far as filters do, whose rows have room for whole groups of 16; of which a part is asked for. */
static void convolve_down(const rbmk_convolution *c, const uint8_t *hidden, const int32_t *q, int32_t *sums, int32_t *scratch)
{
    const ptrdiff_t row = RBMK_FILTER_ROW(c), wide = RBMK_WIDE_ROW(c), size = row * c->filter_height;
    const ptrdiff_t n = (ptrdiff_t)c->width * c->channels;
    int32_t *image = scratch + size;
    memset(image, 0, (size_t)(wide * (c->map_height + c->filter_height)) * sizeof *image);
    for (int Y = 0; Y < c->map_height; Y++)
        for (int X = 0; X < c->map_width; X++, hidden += c->n_filters)
            if (add_filters(hidden, c->n_filters, q, size, scratch))
                for (int dy = 0; dy < c->filter_height; dy++)
                    add_lanes(image + (Y + dy) * wide + (ptrdiff_t)X * c->channels, scratch + dy * row, row);
    for (int y = 0; y < c->height; y++)
        add_weights(sums + y * n, image + (y + c->top) * wide + (ptrdiff_t)c->left * c->channels, n);
}

/* --- Blocks of pool x pool places, for each filter: at most one unit is on ----------------------------------------
 * The weight of all off is exp(-top), top the largest of 0 and the block's total inputs; then the units', row by row. */

enum { FILTERS = 64 /* at a time */ };

typedef struct {
    float top[FILTERS], off[FILTERS];
} pool_tops;

/* For each block and some of its filters: `at`, those of its first place, `block`, and n. */
#define FOR_POOLS(p) \
    for (int Y = 0; Y < (p)->height / (p)->pool; Y++) \
        for (int X = 0; X < (p)->width / (p)->pool; X++) \
            for (int k = 0, n; n = (p)->n_filters - k < FILTERS ? (p)->n_filters - k : FILTERS, k < (p)->n_filters; k += FILTERS)
#define POOL_AT(p) ((((ptrdiff_t)Y * (p)->width + X) * (p)->pool) * (p)->n_filters + k)
#define POOL_BLOCK(p) (((ptrdiff_t)Y * ((p)->width / (p)->pool) + X) * (p)->n_filters + k)
#define FOR_UNITS(p, u) \
    for (int i_ = 0; i_ < (p)->pool; i_++) \
        for (ptrdiff_t u = (ptrdiff_t)i_ * (p)->width * (p)->n_filters, j_ = 0; j_ < (p)->pool; j_++, u += (p)->n_filters)

static inline void raise_tops(const float *restrict x, int n, float *restrict top)
{
    for (int k = 0; k < n; k++)
        top[k] = x[k] > top[k] ? x[k] : top[k];
}

static inline void odds_of(const float *restrict x, const float *restrict top, int n, float *restrict e)
{
    for (int k = 0; k < n; k++)
        e[k] = exp_negative(top[k] - x[k]);
}

static inline void take_tops(const rbmk_pools *p, const float *x, int n, pool_tops *t)
{
    memset(t->top, 0, sizeof t->top);
    FOR_UNITS(p, u)
        raise_tops(x + u, n, t->top);
    for (int k = 0; k < n; k++)
        t->off[k] = exp_negative(t->top[k]);
}

static inline void add_odds(const float *restrict e, int n, float *restrict total)
{
    for (int k = 0; k < n; k++)
        total[k] += e[k];
}

static inline void divide_odds(float *restrict e, const float *restrict total, int n)
{
    for (int k = 0; k < n; k++)
        e[k] = e[k] / total[k];
}

static void pool_means(const rbmk_pools *p, const float *x, float *mean)
{
    FOR_POOLS(p)
    {
        const ptrdiff_t at = POOL_AT(p);
        pool_tops t;
        take_tops(p, x + at, n, &t);
        FOR_UNITS(p, u)
        {
            odds_of(x + at + u, t.top, n, mean + at + u);
            add_odds(mean + at + u, n, t.off);
        }
        FOR_UNITS(p, u)
            divide_odds(mean + at + u, t.off, n);
    }
}

static void pool_log_sums(const rbmk_pools *p, const float *x, double *sums)
{
    FOR_POOLS(p)
    {
        const ptrdiff_t at = POOL_AT(p);
        float e[FILTERS];
        pool_tops t;
        take_tops(p, x + at, n, &t);
        FOR_UNITS(p, u)
        {
            odds_of(x + at + u, t.top, n, e);
            add_odds(e, n, t.off);
        }
        for (int k_ = 0; k_ < n; k_++)
            sums[POOL_BLOCK(p) + k_] = (double)t.top[k_] + (double)log1(t.off[k_]);
    }
}

static inline void add_cumulative(const float *restrict e, int n, double *restrict sum)
{
    for (int k = 0; k < n; k++)
        sum[k] += (double)e[k];
}

static inline void aim(const uint32_t *restrict uniform, int n, double *restrict total)
{
    for (int k = 0; k < n; k++)
        total[k] *= ((double)(int32_t)(uniform[k] ^ 0x80000000u) + 2147483648.5) * (1.0 / 4294967296.0);
}

/* How many states lie before the one that is drawn. */
static inline void pass_state(const double *restrict sum, const double *restrict target, int n, int32_t *restrict drawn)
{
    for (int k = 0; k < n; k++)
        drawn[k] += sum[k] <= target[k];
}

static inline void leave_state(const int32_t *restrict drawn, int number, int n, uint8_t *restrict state)
{
    for (int k = 0; k < n; k++)
        state[k] = drawn[k] == number;
}

/* By a uniform of each block's: the first state whose cumulative weight exceeds (u + 1/2) / 2^32 of the whole. */
static void pool_draw(const rbmk_pools *p, const float *x, const uint32_t *uniform, uint8_t *state, float *odds)
{
    FOR_POOLS(p)
    {
        const ptrdiff_t at = POOL_AT(p);
        double target[FILTERS], sum[FILTERS];
        int32_t drawn[FILTERS] = {0}, number = 1;
        float *e = odds;
        pool_tops t;
        take_tops(p, x + at, n, &t);
        for (int k_ = 0; k_ < n; k_++)
            target[k_] = sum[k_] = (double)t.off[k_];
        FOR_UNITS(p, u)
        {
            odds_of(x + at + u, t.top, n, e);
            add_cumulative(e, n, target);
            e += n;
        }
        aim(uniform + POOL_BLOCK(p), n, target);
        e = odds;
        FOR_UNITS(p, u)
        {
            pass_state(sum, target, n, drawn);
            add_cumulative(e, n, sum);
            e += n;
        }
        FOR_UNITS(p, u)
            leave_state(drawn, number++, n, state + at + u);
    }
}

static void levels_of(const float *restrict p, int n, uint16_t *restrict level)
{
    for (int i = 0; i < n; i++)
        level[i] = (uint16_t)level1(p[i]);
}

#endif
