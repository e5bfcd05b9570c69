/* Products of factors none + sum of low * high, over the groups of a layer that is summed out: sixteen low and four high
 * states at once. Factors stay in range by how they are scaled (parallel/enumerate.c), products by setting aside their
 * powers of 2 after each stretch of groups. */
#ifndef RBMK_FACTORS_H
#define RBMK_FACTORS_H

#include "elementwise.h"
#include "groups.h"

/* GNU C's vectors: so many accumulators do not vectorise by themselves. */
typedef double f64_lanes __attribute__((vector_size(RBMK_VECTOR)));
typedef uint64_t f64_words __attribute__((vector_size(RBMK_VECTOR)));

enum { F64_WIDE = RBMK_VECTOR / 8, HIGH = RBMK_HIGH_STATES };

/* Of groups from .. to - 1; low: those of the first unit, for the first lanes. */
static inline void multiply_stretch(const rbmk_factors *f, int from, int to, const double *low, const double *none,
                                    const double *high, f64_lanes product[HIGH])
{
    f64_lanes p[HIGH], t[HIGH];
    memcpy(p, product, sizeof p);
    for (int g = from; g < to; g++) {
        for (int i = 0; i < HIGH; i++)
            t[i] = (f64_lanes){0} + none[g * HIGH + i];
        for (int k = f->start[g]; k < f->start[g + 1]; k++) {
            const f64_lanes here = *(const f64_lanes *)(low + (size_t)k * RBMK_LANES);
            for (int i = 0; i < HIGH; i++)
                t[i] += here * high[k * HIGH + i];
        }
        for (int i = 0; i < HIGH; i++)
            p[i] *= t[i];
    }
    memcpy(product, p, sizeof p);
}

static void multiply_factors(const rbmk_factors *f, const double *none, const double *high, double *product, double *power)
{
    const int n = f->n_tiles * RBMK_LANES;
    for (int i = 0; i < HIGH * n; i++) {
        product[i] = 1.0;
        power[i] = 0.0;
    }
    for (int tile = 0; tile < f->n_tiles; tile++)
        for (int c = 0; c < f->n_stretches; c++)
            for (int l = 0; l < RBMK_LANES; l += F64_WIDE) {
                const double *low = f->low + (size_t)tile * (size_t)f->n_units * RBMK_LANES + l;
                f64_lanes p[HIGH];
                for (int i = 0; i < HIGH; i++)
                    p[i] = *(f64_lanes *)(product + i * n + tile * RBMK_LANES + l);
                multiply_stretch(f, f->stretch[c], f->stretch[c + 1], low, none, high, p);
                for (int i = 0; i < HIGH; i++) {
                    const f64_words bits = (f64_words)p[i];
                    const f64_lanes exponent = (f64_lanes)(bits >> 52 | 0x4330000000000000) - (4503599627370496.0 + 1023.0);
                    *(f64_lanes *)(power + i * n + tile * RBMK_LANES + l) += exponent;
                    *(f64_lanes *)(product + i * n + tile * RBMK_LANES + l) =
                        (f64_lanes)((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000);
                }
            }
}

static double sum_of_powers(const double *restrict x, const double *restrict weight, const double *restrict power,
                            const double *restrict weight_power, int n, double *top)
{
    double lane[RBMK_LANES], total = 0.0, most = power[0] + weight_power[0];
    for (int l = 0; l < RBMK_LANES; l++)
        lane[l] = most;
    for (int s = 0; s < n; s += RBMK_LANES)
        for (int l = 0; l < RBMK_LANES; l++) {
            const double p = power[s + l] + weight_power[s + l];
            lane[l] = p > lane[l] ? p : lane[l];
        }
    for (int l = 0; l < RBMK_LANES; l++)
        most = lane[l] > most ? lane[l] : most;
    for (int first = 0; first < n; first += RBMK_PANEL) {
        memset(lane, 0, sizeof lane);
        for (int s = first; s < n && s < first + RBMK_PANEL; s += RBMK_LANES)
            for (int l = 0; l < RBMK_LANES; l++) {
                const double p = power[s + l] + weight_power[s + l] - most;
                lane[l] += (x[s + l] * weight[s + l]) * f64_power(p > -1000.0 ? p : -1000.0);
            }
        FOLD(lane);
        total += lane[0];
    }
    *top = most;
    return total;
}

#endif
