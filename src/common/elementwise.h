/* Functions of total inputs and the sums over units: plain loops over scalar.h, vectorised for each path's target. */
#ifndef RBMK_ELEMENTWISE_H
#define RBMK_ELEMENTWISE_H

#include "../kernels.h"
#include "scalar.h"

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

static void affine_real(const double *sum, const double *zero, int n, double scale, const float *bias, float *x)
{
    for (int j = 0; j < n; j++)
        x[j] = (float)((sum[j] - zero[j]) * scale) + bias[j];
}

static int real_levels(const float *restrict x, int n, uint16_t *restrict level)
{
    const float magic = 12582912.0f; /* as in exp_negative */
    int inside = 1;
    for (int j = 0; j < n; j++) {
        const float step = x[j] * (float)RBMK_REAL_STEPS;
        inside &= (step >= -32768.0f) & (step <= 32767.0f); /* NaN is not */
        level[j] = (uint16_t)((uint32_t)float_bits(step + magic) - 0x4B400000u + RBMK_REAL_ZERO);
    }
    return inside;
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

static void sigmoid_statistic(const float *restrict x, int n, uint16_t share, int negate, int32_t *restrict p,
                              int32_t *restrict sums)
{
    const int32_t sign = negate ? -1 : 0;
    for (int j = 0; j < n; j++) {
        int32_t one = sigmoid_i32_1(x[j]);
        if (share != RBMK_GREY)
            one = share1((uint16_t)one, share);
        sums[j] += one;
        p[j] = (one ^ sign) - sign;
    }
}

static void softplus(const float *x, int n, float *y)
{
    for (int j = 0; j < n; j++)
        y[j] = softplus1(x[j]);
}

static void exp_f64(const double *x, int64_t n, double *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = f64_exp(x[i]);
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

static inline double panel_sum(const float y[RBMK_PANEL])
{
    double lane[RBMK_LANES] = {0};
    for (int part = 0; part < RBMK_PANEL; part += RBMK_LANES)
        for (int l = 0; l < RBMK_LANES; l++)
            lane[l] += y[part + l];
    FOLD(lane);
    return lane[0];
}

static double softplus_panel(const float *x, int n)
{
    float y[RBMK_PANEL] = {0};
    for (int j = 0; j < n; j++)
        y[j] = softplus1(x[j]);
    return panel_sum(y);
}

static double shifted_softplus_panel(const float *x, const float *shift, int n)
{
    float y[RBMK_PANEL] = {0};
    for (int j = 0; j < n; j++)
        y[j] = softplus1(x[j] + shift[j]);
    return panel_sum(y);
}

static void shifted_sigmoid_sums(const float *restrict x, const float *restrict shift, int n, float p,
                                 float *restrict means, int64_t *restrict sums)
{
    for (int j = 0; j < n; j++) {
        float term = p * sigmoid1(x[j] + shift[j]);
        means[j] += term;
        sums[j] += level1(term);
    }
}

#ifndef RBMK_OWN_DOT
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
#endif

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

static void difference_grey(const double *positive, const double *negative, int n, float scale, float *g)
{
    for (int j = 0; j < n; j++)
        g[j] = (float)(positive[j] / 65535.0 - negative[j] / 65535.0) * scale;
}

static void difference_scaled_grey(const double *positive, const double *negative, int n, float positive_scale,
                                   float negative_scale, float *g)
{
    for (int j = 0; j < n; j++)
        g[j] = (float)(positive[j] / 65535.0) * positive_scale - (float)(negative[j] / 65535.0) * negative_scale;
}

static void mean_real(const double *sum, const double *zero, int n, double scale, float *g)
{
    for (int j = 0; j < n; j++)
        g[j] = (float)((sum[j] - zero[j]) * scale);
}

static void difference_real(const double *positive, const double *positive_zero, double positive_scale,
                            const double *negative, const double *negative_zero, double negative_scale, int n, float *g)
{
    for (int j = 0; j < n; j++)
        g[j] = (float)((positive[j] - positive_zero[j]) * positive_scale -
                       (negative[j] - negative_zero[j]) * negative_scale);
}

static void add_bias_sigmoid(const float *restrict bias, int n, float *restrict x)
{
    for (int j = 0; j < n; j++)
        x[j] = sigmoid1(x[j] + bias[j]);
}

static void sigmoid_slope(const float *restrict h, int n, float *restrict delta)
{
    for (int j = 0; j < n; j++)
        delta[j] = delta[j] * (h[j] * (1.0f - h[j]));
}

#endif
