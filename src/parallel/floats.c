/* What kind of states floats are, and conversion to them, in one pass through memory. */
#include <stdatomic.h>
#include <string.h>

#include "../common/scalar.h"
#include "share.h"

typedef struct {
    rbmk_floats x;
    uint8_t *state;  /* where to write states, or NULL */
    uint16_t *level; /* where to write levels, or NULL */
    atomic_int range;
} floats_job;

static rbmk_range range_of(uint64_t between, uint64_t outside)
{
    return outside ? RBMK_SOME_OUTSIDE : between ? RBMK_ALL_IN_UNIT_INTERVAL : RBMK_ALL_BINARY;
}

/* NumPy hands over floats at any address. */
static inline float float_at(const char *x, int64_t i)
{
    float one;
    memcpy(&one, x + i * (int64_t)sizeof one, sizeof one);
    return one;
}

static inline double double_at(const char *x, int64_t i)
{
    double one;
    memcpy(&one, x + i * (int64_t)sizeof one, sizeof one);
    return one;
}

/* By their bits: these grow with the value from +0.0 to +1.0 and are greater for all that is outside. What lies beyond 0
 * or 1 by at most 1e-6, a rounding error of scaling, counts as 0 or 1; so does -0.0. The loops have no branches, so that
 * compilers vectorise them. */
static rbmk_range range_f32(const char *x, int64_t n)
{
    const uint32_t one = 0x3F800000u, minus_zero = 0x80000000u;
    const uint32_t below = 0x358637BDu /* 1e-6f */, above = 8; /* ulps of 1.0f in 1e-6 */
    uint32_t between = 0, outside = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)float_bits(float_at(x, i));
        bits = bits - minus_zero <= below ? 0 : bits;
        bits = bits - one <= above ? one : bits;
        between |= (bits != 0) & (bits != one);
        outside |= bits > one;
    }
    return range_of(between, outside);
}

static rbmk_range range_f64(const char *x, int64_t n)
{
    const uint64_t one = 0x3FF0000000000000u, minus_zero = 0x8000000000000000u;
    const uint64_t below = 0x3EB0C6F7A0B5ED8Du /* 1e-6 */, above = 4503599627; /* ulps of 1.0 in 1e-6 */
    uint64_t between = 0, outside = 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, x + i * (int64_t)sizeof bits, sizeof bits);
        bits = bits - minus_zero <= below ? 0 : bits;
        bits = bits - one <= above ? one : bits;
        between |= (bits != 0) & (bits != one);
        outside |= bits > one;
    }
    return range_of(between, outside);
}

static void convert_f32(const char *restrict x, int64_t n, uint8_t *restrict state, uint16_t *restrict level)
{
    for (int64_t i = 0; state && i < n; i++)
        state[i] = float_at(x, i) > 0.5f;
    for (int64_t i = 0; level && i < n; i++)
        level[i] = (uint16_t)level1(float_at(x, i));
}

static void convert_f64(const char *restrict x, int64_t n, uint8_t *restrict state, uint16_t *restrict level)
{
    for (int64_t i = 0; state && i < n; i++)
        state[i] = double_at(x, i) > 0.5;
    for (int64_t i = 0; level && i < n; i++)
        level[i] = (uint16_t)level1((float)double_at(x, i));
}

/* Looks at a chunk and converts it while it is in the cache; returns whether that was possible. */
static int do_chunk(floats_job *job, int64_t at, int64_t n)
{
    const int worst = job->state ? RBMK_ALL_BINARY : job->level ? RBMK_ALL_IN_UNIT_INTERVAL : RBMK_SOME_OUTSIDE - 1;
    const char *x = (const char *)job->x.data + at * (int64_t)(job->x.doubles ? sizeof(double) : sizeof(float));
    uint8_t *state = job->state ? job->state + at : NULL;
    uint16_t *level = job->level ? job->level + at : NULL;
    int found = job->x.doubles ? range_f64(x, n) : range_f32(x, n), before = atomic_load(&job->range);
    while (found > before && !atomic_compare_exchange_weak(&job->range, &before, found))
        ;
    if (found > worst)
        return 0;
    if (job->x.doubles)
        convert_f64(x, n, state, level);
    else
        convert_f32(x, n, state, level);
    return 1;
}

enum { CHUNK = 8192 };

static void floats_member(rbmk_team team, void *arg)
{
    floats_job *job = arg;
    int64_t from, to;
    rbmk_share(team, job->x.n, &from, &to);
    for (int64_t at = from; at < to; at += CHUNK)
        if (!do_chunk(job, at, to - at < CHUNK ? to - at : CHUNK))
            return;
}

static rbmk_range run(floats_job job)
{
    rbmk_run_apart(rbmk_threads_for(0.2 * (double)job.x.n), rbmk_current_kernels(), floats_member, &job);
    return (rbmk_range)atomic_load(&job.range);
}

rbmk_range rbmk_range_of(rbmk_floats x) { return run((floats_job){.x = x}); }

rbmk_range rbmk_states_u8(rbmk_floats x, uint8_t *state) { return run((floats_job){.x = x, .state = state}); }

rbmk_range rbmk_states_u16(rbmk_floats x, uint16_t *level) { return run((floats_job){.x = x, .level = level}); }

/* --- Real-valued states --------------------------------------------------------------------------------- */

typedef struct {
    const float *x;
    int64_t n;
    uint16_t *level;
    atomic_int outside;
} real_job;

static void real_member(rbmk_team team, void *arg)
{
    real_job *job = arg;
    int64_t from, to;
    rbmk_share(team, job->n, &from, &to);
    for (int64_t at = from; at < to; at += CHUNK)
        if (!rbmk_current_kernels()->real_levels(job->x + at, to - at < CHUNK ? (int)(to - at) : CHUNK, job->level + at))
            atomic_store(&job->outside, 1);
}

int rbmk_real_states(const float *x, int64_t n, uint16_t *level)
{
    real_job job = {.x = x, .n = n, .level = level};
    rbmk_run_apart(rbmk_threads_for(0.2 * (double)n), rbmk_current_kernels(), real_member, &job);
    return !atomic_load(&job.outside);
}
