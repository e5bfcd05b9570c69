/* Sites of one layer, each drawn given all others: a switch, or a group of units. Sixteen chains side by side. */
#ifndef RBMK_SWEEP_H
#define RBMK_SWEEP_H

#include "groups.h"

/* Of the 16 chains of a tile; those beyond the last draw, too, by numbers of 0. */
static inline void switch_states(const rbmk_sites *s, int i, const int32_t *restrict sums, const uint32_t *restrict uniform,
                                 uint8_t *restrict next)
{
    float x[ABREAST];
    for (int l = 0; l < ABREAST; l++)
        x[l] = (float)sums[(ptrdiff_t)l * s->ld + i] * s->scale + s->bias[i];
    for (int l = 0; l < ABREAST; l++)
        next[l] = (uint8_t)((uniform[l * RBMK_SITES + i] < threshold_of(x[l])) ^ (x[l] >= 0.0f));
}

/* A chain's sums are those of its states again: for the units from number `from` on, which are yet to be drawn. */
static inline void follow(const int32_t *restrict on, const int32_t *restrict off, int from, int to, int32_t *restrict sums)
{
    for (int j = from; j < to; j++)
        sums[j] += on[j] - off[j];
}

static void sweep_switches(const rbmk_sites *s, int n, int32_t *sums, const rbmk_counter *counter, const uint8_t *held,
                           uint8_t *states, ptrdiff_t stride)
{
    static const int32_t nothing[RBMK_SITES] = {0};
    uint32_t uniform[ABREAST * RBMK_SITES];
    uint8_t next[ABREAST];
    for (int l = 0; l < ABREAST; l++)
        if (l < n)
            uniform_u32(s->n_units, s->first, counter + l, uniform + l * RBMK_SITES);
        else
            memset(uniform + l * RBMK_SITES, 0, RBMK_SITES * sizeof *uniform);
    for (int i = 0; i < s->n_units; i++) {
        const int32_t *q = s->q + (ptrdiff_t)i * s->ld;
        switch_states(s, i, sums, uniform, next);
        for (int l = 0; l < n; l++) {
            const ptrdiff_t at = l * stride + i;
            if (next[l] == states[at] || (held && held[at]))
                continue;
            states[at] = next[l];
            follow(next[l] ? q : nothing, next[l] ? nothing : q, i + 1, s->n_units, sums + (ptrdiff_t)l * s->ld);
        }
    }
}

/* The high halves of the groups' uniforms: (16 chains, n_groups). */
static inline void halves_of_chains(const rbmk_sites *s, int n, const rbmk_counter *counter, int32_t *high)
{
    for (int at = 0; at < s->n_groups; at += ABREAST) {
        int32_t unit[ABREAST], half[ABREAST];
        const int here = s->n_groups - at < ABREAST ? s->n_groups - at : ABREAST;
        for (int g = 0; g < ABREAST; g++)
            unit[g] = s->start[at + (g < here ? g : here - 1)];
        for (int l = 0; l < n; l++) {
            halves_of(unit, counter + l, 0, half);
            memcpy(high + l * RBMK_SITES + at, half, (size_t)here * sizeof *half);
        }
    }
}

/* The states of one group in all chains, whose high halves these are. */
static inline void group_states(const rbmk_sites *s, int group, int n, const int32_t *sums, const rbmk_counter *counter,
                                const int32_t *halves, float *x, int32_t *passed)
{
    const int start = s->start[group] - s->first, size = s->start[group + 1] - s->start[group];
    groups g = {.x = x, .n = ABREAST, .least = size, .most = size};
    int32_t high[ABREAST], low[ABREAST] = {0}, unit[ABREAST], half[ABREAST];
    for (int l = 0; l < ABREAST; l++) {
        affine_i32(sums + (ptrdiff_t)l * s->ld + start, size, s->scale, s->bias + start, x + (ptrdiff_t)l * size);
        g.first[l] = l * size;
        g.size[l] = size;
        unit[l] = s->first + start;
        high[l] = halves[l * RBMK_SITES + group];
    }
    find_tops(&g);
    if (size <= PIECE && draw_roughly(&g, high, passed))
        return;
    for (int l = 0; l < n; l++) {
        halves_of(unit, counter + l, RBMK_LOW_HALVES, half);
        low[l] = half[0];
    }
    draw_exactly(&g, high, low, passed);
}

static void sweep_groups(const rbmk_sites *s, int n, int32_t *sums, const rbmk_counter *counter, const uint8_t *held,
                         uint8_t *states, ptrdiff_t stride, float *x)
{
    int32_t high[ABREAST * RBMK_SITES] = {0}, passed[ABREAST];
    halves_of_chains(s, n, counter, high);
    for (int group = 0; group < s->n_groups; group++) {
        const int start = s->start[group] - s->first, end = s->start[group + 1] - s->first;
        group_states(s, group, n, sums, counter, high, x, passed);
        for (int l = 0; l < n; l++) {
            uint8_t *state = states + l * stride;
            const int next = start + passed[l];
            int now = start;
            if (state[next] || (held && held[l * stride + start]))
                continue;
            while (now < end - 1 && !state[now])
                now++;
            state[now] = 0;
            state[next] = 1;
            follow(s->q + (ptrdiff_t)next * s->ld, s->q + (ptrdiff_t)now * s->ld, end, s->n_units,
                   sums + (ptrdiff_t)l * s->ld);
        }
    }
}

static void sweep_sites(const rbmk_sites *s, int n, int32_t *sums, const rbmk_counter *counter, const uint8_t *held,
                        uint8_t *states, ptrdiff_t stride, void *scratch)
{
    if (s->start)
        sweep_groups(s, n, sums, counter, held, states, stride, scratch);
    else
        sweep_switches(s, n, sums, counter, held, states, stride);
}

#endif
