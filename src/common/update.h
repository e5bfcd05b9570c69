/* Steps of the parameters. */
#ifndef RBMK_UPDATE_H
#define RBMK_UPDATE_H

#include <math.h>
#include <string.h>

#include "../kernels.h"
#include "elementwise.h" /* FOLD */
#include "scalar.h"

#ifndef RBMK_OWN_COMPARISONS
static inline float signum(float w) { return w > 0.0f ? 1.0f : w < 0.0f ? -1.0f : 0.0f; }

static inline float flush(float velocity) { return absolute(velocity) < 0x1p-100f ? 0.0f : velocity; }
#endif

/* Centres a row of the gradient in place and adds to the sums that the bias gradients need. */
static inline void center_row(const rbmk_row_update *u, float *restrict g)
{
    const int n = u->n; /* read once: a store to `column` might change it, and the loop would stay scalar */
    const float visible_gradient = u->visible_gradient, visible_offset = u->visible_offset;
    const float *restrict hidden_gradient = u->hidden_gradient, *restrict hidden_offset = u->hidden_offset;
    float *restrict column = u->column;
    float term[RBMK_PANEL] = {0}, lane[RBMK_LANES] = {0};
    for (int j = 0; j < n; j++) {
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

static inline void step_row(int n, float rate, float momentum, const float *restrict g, float *restrict W,
                            float *restrict velocity, int32_t *restrict largest)
{
    for (int j = 0; j < n; j++) {
        velocity[j] = flush(momentum * velocity[j] + rate * g[j]);
        W[j] = W[j] + velocity[j];
        int32_t size = float_bits(W[j]) & 0x7FFFFFFF;
        largest[j] = size > largest[j] ? size : largest[j];
    }
}

static inline void follow_row(int n, float rate, float decay, const float *restrict g, const float *restrict W,
                              float *restrict fast, float *restrict sum, int32_t *restrict largest)
{
    for (int j = 0; j < n; j++) {
        fast[j] = flush(decay * fast[j] + rate * g[j]);
        sum[j] = W[j] + fast[j];
        int32_t size = float_bits(sum[j]) & 0x7FFFFFFF;
        largest[j] = size > largest[j] ? size : largest[j];
    }
}

static void update_row(const rbmk_row_update *u)
{
    const int n = u->n;
    const float l1 = u->l1, l2 = u->l2, *restrict g = u->g, *restrict W = u->W;
    float changed[RBMK_PANEL];
    const int decays = l1 != 0.0f || l2 != 0.0f; /* else decay changes at most the sign of a 0, which is flushed */
    if (u->centered || u->push || decays)
        g = memcpy(changed, g, (size_t)n * sizeof *g);
    if (u->centered)
        center_row(u, changed);
    if (u->push)
        for (int j = 0; j < n; j++)
            changed[j] = changed[j] + u->visible_mean * u->push[j];
    if (decays)
        for (int j = 0; j < n; j++)
            changed[j] = (changed[j] - l2 * W[j]) - l1 * signum(W[j]);
    if (n == RBMK_PANEL) /* a constant, to unroll */
        step_row(RBMK_PANEL, u->rate, u->momentum, g, u->W, u->velocity, u->largest);
    else
        step_row(n, u->rate, u->momentum, g, u->W, u->velocity, u->largest);
    if (u->fast && n == RBMK_PANEL)
        follow_row(RBMK_PANEL, u->fast_rate, u->fast_decay, u->g, u->W, u->fast, u->sum, u->largest_sum);
    else if (u->fast)
        follow_row(n, u->fast_rate, u->fast_decay, u->g, u->W, u->fast, u->sum, u->largest_sum);
}

static void momentum_step(const rbmk_momentum *step, int64_t from, int64_t to)
{
    const float scale = step->scale, decay = step->decay, rate = step->rate, momentum = step->momentum;
    const float *restrict gradient = step->gradient;
    float *restrict value = step->value, *restrict velocity = step->velocity;
    for (int64_t i = from; i < to; i++) {
        float slope = scale * gradient[i] + decay * value[i];
        velocity[i] = flush(momentum * velocity[i] - rate * slope);
        value[i] = value[i] + velocity[i];
    }
}

static void adam_step(const rbmk_adam *step, int64_t from, int64_t to)
{
    const float scale = step->scale, decay = step->decay, rate = step->rate, epsilon = step->epsilon;
    const float keep_mean = step->keep_mean, keep_square = step->keep_square;
    const float add_mean = step->add_mean, add_square = step->add_square, square_scale = step->square_scale;
    const float *restrict gradient = step->gradient;
    float *restrict value = step->value, *restrict mean = step->mean, *restrict square = step->square;
    for (int64_t i = from; i < to; i++) {
        float slope = scale * gradient[i] + decay * value[i];
        mean[i] = flush(keep_mean * mean[i] + add_mean * slope);
        square[i] = flush(keep_square * square[i] + add_square * (slope * slope));
        value[i] = value[i] - (rate * mean[i]) / (sqrtf(square_scale * square[i]) + epsilon);
    }
}

#endif
