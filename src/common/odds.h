/* Groups drawn from 0/1 states without their total inputs: exp(x) is a product of factors, one for the bias and one for each
 * state that is on, and the products of the 16 choices of four states are looked up. Floats are wrong by a rounding or
 * so for each state; groups that this leaves in doubt are told, the others are as draw_groups would have them.
 *
 * Of each 16 groups the first units lie side by side, then the second ones; all lie in entries of 16. For each entry there are
 * the factors of the biases, then of the states, four at a time. */
#ifndef RBMK_ODDS_H
#define RBMK_ODDS_H

#include "groups.h"

enum {
    QUAD = 4,
    CHOICES = 1 << QUAD,
    NEAR_QUADS = 32,     /* whose tables (32 KB) stay near */
    TOGETHER = 8 / PARTS /* rows: products that do not wait for each other, in half of the registers */
};

typedef struct {
    lanes part[PARTS];
} entry;

static inline int groups_from(const rbmk_odds *o, int at)
{
    return o->n_groups - at < ABREAST ? o->n_groups - at : ABREAST;
}

/* The factors of entry number i of the groups from `at` on. */
static inline entry *odds_factors(const rbmk_odds *o, int at, int i)
{
    const size_t before = (size_t)(at / ABREAST) * (size_t)o->n_units + (size_t)i;
    return (entry *)o->factors + before * (1 + QUAD * (size_t)o->quads);
}

/* From the unit's logarithms x[row * ld]: of the bias and of the states, of which quad q has q, q + quads, ... */
static inline void pack_unit(const rbmk_odds *o, const float *x, ptrdiff_t ld, int group, int unit)
{
    const int at = group / ABREAST * ABREAST, place = unit * groups_from(o, at) + group - at;
    float *to = (float *)odds_factors(o, at, place / ABREAST) + place % ABREAST;
    to[0] = x[0];
    for (int state = 0; state < o->n_states; state++)
        to[(1 + state % o->quads * QUAD + state / o->quads) * ABREAST] = x[(state + 1) * ld];
}

static void pack_odds(const rbmk_odds *o, const float *x, ptrdiff_t ld)
{
    const size_t n = RBMK_ODDS_BYTES(o) / sizeof(float);
    float *factor = o->factors;
    for (size_t i = 0; i < n; i++)
        factor[i] = -INFINITY; /* places without a unit */
    for (int g = 0; g < o->n_groups; g++)
        for (int k = 0; k < o->start[g + 1] - o->start[g]; k++)
            pack_unit(o, x + o->start[g] + k, ld, g, k);
    for (size_t i = 0; i < n; i++) {
        const float e = exp_negative(factor[i]);
        factor[i] = factor[i] > 0.0f ? 1.0f / e : factor[i] == -INFINITY ? 0.0f : e;
    }
}

static inline void tabulate_odds(const entry *factor, int quads, entry (*table)[CHOICES])
{
    for (int q = 0; q < quads; q++, factor += QUAD)
        for (int p = 0; p < PARTS; p++) {
            lanes product[CHOICES];
            product[0] = (lanes){0} + 1.0f;
            for (int r = 0; r < QUAD; r++)
                for (int c = 0; c < 1 << r; c++)
                    product[(1 << r) + c] = product[c] * factor[r].part[p];
            for (int c = 0; c < CHOICES; c++)
                table[q][c].part[p] = product[c];
        }
}

/* Rows `to` apart by `ld` entries, from `bias`, or times what is there. */
static inline void multiply_odds(entry (*table)[CHOICES], int quads, const uint16_t *choice, int n, const entry *bias,
                                 entry *to, int ld)
{
    for (int i = 0; i < n; i += TOGETHER, to += TOGETHER * ld, choice += TOGETHER) {
        const uint16_t *chosen = choice;
        entry product[TOGETHER];
        for (int r = 0; r < TOGETHER; r++)
            for (int p = 0; p < PARTS; p++)
                product[r].part[p] = (bias ? bias : to + r * ld)->part[p];
        for (int q = 0; q < quads; q++, chosen += RBMK_TILE_ROWS)
            for (int r = 0; r < TOGETHER; r++) {
                const entry *factor = (const entry *)((const char *)table[q] + chosen[r]);
                for (int p = 0; p < PARTS; p++)
                    product[r].part[p] *= factor->part[p];
            }
        for (int r = 0; r < TOGETHER; r++)
            for (int p = 0; p < PARTS; p++)
                to[r * ld].part[p] = product[r].part[p];
    }
}

/* How many units of each of WIDE groups with these odds, from unit to unit `step` on, lie before the drawn one, and which
 * groups are in doubt (not 0). */
static inline void draw_part(const float *odds, int n_units, int step, const int32_t *high, float slack, int32_t *passed,
                             int32_t *doubt)
{
    lanes total = {0}, sum = {0}, one, half, low_limit, high_limit;
    marks sure = {0}, possible = {0};
    for (int l = 0; l < WIDE; l++)
        half[l] = (float)high[l];
    for (int i = 0; i < n_units; i++) {
        memcpy(&one, odds + i * step, sizeof one);
        total += one;
    }
    total *= 1.0f / 65536.0f;
    low_limit = half * (1.0f - slack) * total;
    high_limit = (half + 1.0f) * (1.0f + slack) * total;
    for (int i = 0; i < n_units; i++) {
        memcpy(&one, odds + i * step, sizeof one);
        sum += one;
        sure -= sum <= low_limit;
        possible -= sum <= high_limit;
    }
    possible ^= sure;
    memcpy(passed, &sure, sizeof sure);
    memcpy(doubt, &possible, sizeof possible);
}

/* One row; returns the groups in doubt. */
static inline unsigned draw_row(const rbmk_odds *o, int at, const float *odds, const rbmk_counter *counter, uint8_t *state,
                                uint16_t *chosen)
{
    const int n = groups_from(o, at);
    const int32_t *start = o->start + at;
    int32_t first[ABREAST], high[ABREAST], passed[ABREAST], doubt[ABREAST];
    unsigned doubts = 0;
    for (int l = 0; l < ABREAST; l++)
        first[l] = start[l < n ? l : n - 1];
    halves_of(first, counter, 0, high);
    for (int l = 0; l < n; l += WIDE)
        draw_part(odds + l, o->n_units, n, high + l, o->slack, passed + l, doubt + l);
    memset(state + first[0], 0, (size_t)(start[n] - first[0]));
    for (int l = 0; l < n; l++) {
        doubts |= (unsigned)(doubt[l] != 0) << l;
        state[first[l] + passed[l]] = 1;
        chosen[l * RBMK_TILE_ROWS] = (uint16_t)(passed[l] * (int)sizeof(entry));
    }
    return doubts;
}

static void draw_odds(const rbmk_odds *o, int at, const uint16_t *choice, int n, const rbmk_counter *counter,
                      uint8_t *states, ptrdiff_t stride, uint16_t *chosen, uint16_t *doubts, void *scratch)
{
    const int entries = (o->n_units * groups_from(o, at) + ABREAST - 1) / ABREAST;
    entry(*table)[CHOICES] = scratch, *odds = table[NEAR_QUADS];
    for (int i = 0; i < entries; i++) {
        const entry *factors = odds_factors(o, at, i);
        for (int q = 0; q < o->quads; q += NEAR_QUADS) {
            const int quads = o->quads - q < NEAR_QUADS ? o->quads - q : NEAR_QUADS;
            tabulate_odds(factors + 1 + QUAD * q, quads, table);
            multiply_odds(table, quads, choice + q * RBMK_TILE_ROWS, n, q ? NULL : factors, odds + i, entries);
        }
    }
    for (int i = 0; i < n; i++)
        doubts[i] = (uint16_t)draw_row(o, at, (const float *)(odds + (size_t)i * (size_t)entries), counter + i,
                                       states + i * stride, chosen + at * RBMK_TILE_ROWS + i);
}

/* --- Back: sums of one row of each group -------------------------------------------------------------------- */

enum { NEAR_ROWS = 384 /* 24 KB */ };

typedef struct {
    marks part[PARTS];
} row16;

/* To 16 columns of n states, or from 0: the groups from `first` to `last` - 1. */
static inline void add_groups(const rbmk_chosen *c, int first, int last, const row16 *weights, int n, int32_t *out, int ld)
{
    for (int i = 0; i < n; i += TOGETHER, out += TOGETHER * ld) {
        const uint16_t *choice = c->choice + first * RBMK_TILE_ROWS + i;
        row16 sum[TOGETHER] = {0};
        for (int r = 0; r < TOGETHER; r++)
            if (first)
                memcpy(sum + r, out + r * ld, sizeof *sum);
        for (int g = first; g < last; g++, choice += RBMK_TILE_ROWS)
            for (int r = 0; r < TOGETHER; r++) {
                const row16 *row = (const row16 *)((const char *)(weights + c->start[g]) + choice[r]);
                for (int p = 0; p < PARTS; p++)
                    sum[r].part[p] += row->part[p];
            }
        for (int r = 0; r < TOGETHER; r++)
            memcpy(out + r * ld, sum + r, sizeof *sum);
    }
}

static void add_chosen(const rbmk_chosen *c, int n, int col, int n_cols, int32_t *out, int ld)
{
    for (int j = 0; j < n_cols; j += ABREAST) {
        const row16 *weights = (const row16 *)c->weights + (size_t)((col + j) / ABREAST) * (size_t)c->rows;
        for (int g = 0, last; g < c->n_groups; g = last) {
            for (last = g + 1; last < c->n_groups && c->start[last + 1] - c->start[g] <= NEAR_ROWS;)
                last++;
            add_groups(c, g, last, weights, n, out + j, ld);
        }
    }
}

#endif
