/* Sums of exp(-energy) over all states of a layer, the other one summed out: blocks of states, in each of which the first
 * sites have one state and the last, low ones run through all of theirs. What the other layer's units hear is the sum of
 * both parts, so exp of it is a product: of a table of the low states', made once, and of one exponential a block and unit. */
#include <math.h>
#include <string.h>

#include "../common/scalar.h"
#include "share.h"

enum {
    HIGH = RBMK_HIGH_STATES,
    PIECE = 8 * HIGH /* blocks that a member takes at a time: a fraction of a millisecond */
};

static const double ln2 = 0.6931471805599453;
static const double most_of_a_product = 700.0; /* in size, its logarithm: float64 has 708 */

typedef struct {
    const rbmk_enumeration *e;
    rbmk_factors factors;
    int n_high, size;           /* sites of high states, low states */
    int32_t *start, *stretch;
    uint8_t *is_switch;         /* (n_groups,) */
    double *low, *middle;       /* middle (n_units,): of what low states send, whose exponentials are relative to it */
    double *weight, *power;     /* (16 n_tiles,): of low states, as weight * 2^power */
    int64_t first, n;
    double *sums;
    atomic_llong taken;
    char *scratch;              /* one member's after the other's */
    size_t scratch_size;
} job;

/* --- The other layer's groups --------------------------------------------------------------------------- */

static int count_groups(const rbmk_layer *layer, int n_units)
{
    int n = layer->n_blocks ? 0 : n_units;
    for (int b = 0; b < layer->n_blocks; b++)
        n += layer->blocks[b].start ? layer->blocks[b].n_groups : layer->blocks[b].n_units;
    return n;
}

static void list_groups(job *j)
{
    const rbmk_block all = {0, j->e->n_units, 0, NULL}, *blocks = j->e->layer.n_blocks ? j->e->layer.blocks : &all;
    const int n_blocks = j->e->layer.n_blocks ? j->e->layer.n_blocks : 1;
    int g = 0;
    for (int b = 0; b < n_blocks; b++) {
        const int n = blocks[b].start ? blocks[b].n_groups : blocks[b].n_units;
        for (int i = 0; i < n; i++, g++) {
            j->start[g] = blocks[b].start ? blocks[b].start[i] : blocks[b].first + i;
            j->is_switch[g] = !blocks[b].start;
        }
    }
    j->start[g] = j->e->n_units;
}

/* --- Low states ------------------------------------------------------------------------------------------- */

static int options_of(const rbmk_enumeration *e, int site) { return e->site[site + 1] - e->site[site]; }

static const double *sent_by(const rbmk_enumeration *e, int option) { return e->sent + (size_t)option * (size_t)e->n_units; }

static double *low_entry(const job *j, int state, int unit)
{
    return j->low + ((size_t)(state / RBMK_LANES) * (size_t)j->e->n_units + (size_t)unit) * RBMK_LANES + state % RBMK_LANES;
}

/* What they send, and their log-weights, in weight. */
static void add_low_sites(job *j)
{
    const rbmk_enumeration *e = j->e;
    int repeats = j->size;
    for (int d = j->n_high; d < e->n_sites; d++) {
        const int n = options_of(e, d);
        repeats /= n;
        for (int s = 0; s < j->size; s++) {
            const int option = e->site[d] + s / repeats % n;
            const double *sent = sent_by(e, option);
            for (int k = 0; k < e->n_units; k++)
                *low_entry(j, s, k) += sent[k];
            j->weight[s] += e->log_weight[option];
        }
    }
}

/* Takes the middle off the unit's column, also where there is no state; returns how far from it the states are. */
static double centre(job *j, int unit)
{
    double least = *low_entry(j, 0, unit), most = least;
    for (int s = 1; s < j->size; s++) {
        const double x = *low_entry(j, s, unit);
        least = x < least ? x : least;
        most = x > most ? x : most;
    }
    j->middle[unit] = (least + most) / 2.0;
    for (int s = 0; s < RBMK_LANES * j->factors.n_tiles; s++)
        *low_entry(j, s, unit) -= s < j->size ? j->middle[unit] : *low_entry(j, s, unit);
    return (most - least) / 2.0;
}

/* Factors are 1 in size but for the low states, which go so far up and down, and up to once more for each unit. */
static void centre_and_stretch(job *j)
{
    double sum = 0.0;
    rbmk_factors *f = &j->factors;
    f->n_stretches = 0;
    j->stretch[0] = 0;
    for (int g = 0; g < f->n_groups; g++) {
        double reach = 0.0;
        for (int k = j->start[g]; k < j->start[g + 1]; k++) {
            const double of_unit = centre(j, k);
            reach = of_unit > reach ? of_unit : reach;
        }
        reach += 0.7 * (j->start[g + 1] - j->start[g]); /* log(1 + n) is less */
        if (g > 0 && sum + reach > most_of_a_product) {
            j->stretch[++f->n_stretches] = g;
            sum = 0.0;
        }
        sum += reach;
    }
    j->stretch[++f->n_stretches] = f->n_groups;
}

/* weight * 2^power from the logarithm in weight; nothing where there is no state. */
static void split_weights(job *j)
{
    for (int s = 0; s < RBMK_LANES * j->factors.n_tiles; s++) {
        const double n = rint(j->weight[s] * 1.4426950408889634);
        const double r = (j->weight[s] - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
        j->weight[s] = s < j->size ? f64_exp(r < -1.0 ? -1.0 : r > 1.0 ? 1.0 : r) : 0.0; /* beyond if n has no more digits */
        j->power[s] = s < j->size ? n : -1e300;
    }
}

static void prepare(rbmk_team team, void *arg)
{
    job *j = arg;
    const size_t n = (size_t)RBMK_LANES * (size_t)j->factors.n_tiles, n_units = (size_t)j->e->n_units;
    (void)team;
    memset(j->low, 0, n * n_units * sizeof *j->low);
    memset(j->weight, 0, n * sizeof *j->weight);
    list_groups(j);
    add_low_sites(j);
    centre_and_stretch(j);
    split_weights(j);
    rbmk_current_kernels()->exp_f64(j->low, (int64_t)(n * n_units), j->low);
}

/* --- High states ------------------------------------------------------------------------------------------ */

/* A member's high state, and what its first d sites send and weigh, with the bias, for each d: one that follows another
 * differs in the last few sites. */
typedef struct {
    double *product, *power;             /* (HIGH, 16 n_tiles) */
    double *none, *high;                 /* (n_groups, HIGH), (n_units, HIGH) */
    double *sent, *log_weight, total[HIGH]; /* (n_high + 1, n_units), (n_high + 1,) */
    int32_t *option;
} walk;

static size_t walk_size(const job *j)
{
    const size_t n = (size_t)RBMK_LANES * (size_t)j->factors.n_tiles, n_units = (size_t)j->e->n_units;
    const size_t n_doubles = HIGH * (2 * n + 2 * n_units) + (size_t)(j->n_high + 1) * (n_units + 2);
    return (n_doubles * sizeof(double) + 63) / 64 * 64;
}

static void add_sites(const job *j, walk *w, int from)
{
    const int n_units = j->e->n_units;
    for (int d = from; d < j->n_high; d++) {
        const double *sent = sent_by(j->e, w->option[d]), *before = w->sent + (size_t)d * (size_t)n_units;
        double *after = w->sent + (size_t)(d + 1) * (size_t)n_units;
        for (int k = 0; k < n_units; k++)
            after[k] = before[k] + sent[k];
        w->log_weight[d + 1] = w->log_weight[d] + j->e->log_weight[w->option[d]];
    }
}

static walk start_walk(const job *j, void *scratch, int64_t number)
{
    const size_t n = (size_t)RBMK_LANES * (size_t)j->factors.n_tiles, n_units = (size_t)j->e->n_units;
    walk w = {.product = scratch};
    w.power = w.product + HIGH * n;
    w.none = w.power + HIGH * n;
    w.high = w.none + HIGH * n_units;
    w.sent = w.high + HIGH * n_units;
    w.log_weight = w.sent + (size_t)(j->n_high + 1) * n_units;
    w.option = (int32_t *)(w.log_weight + j->n_high + 1);
    for (int d = j->n_high - 1; d >= 0; d--) {
        const int options = options_of(j->e, d);
        w.option[d] = j->e->site[d] + (int32_t)(number % options);
        number /= options;
    }
    memcpy(w.sent, j->e->bias, n_units * sizeof *w.sent);
    w.log_weight[0] = 0.0;
    add_sites(j, &w, 0);
    return w;
}

static void next_state(const job *j, walk *w)
{
    int d = j->n_high - 1;
    for (; d > 0 && w->option[d] == j->e->site[d + 1] - 1; d--)
        w->option[d] = j->e->site[d];
    w->option[d]++;
    add_sites(j, w, d);
}

/* The state is high state i of those at work: logarithms of its factors, the largest term of each made 1. */
static void scale_factors(const job *j, walk *w, int i)
{
    const double *sent = w->sent + (size_t)j->n_high * (size_t)j->e->n_units;
    double total = w->log_weight[j->n_high];
    for (int g = 0; g < j->factors.n_groups; g++) {
        double top = j->is_switch[g] ? 0.0 : -INFINITY;
        for (int k = j->start[g]; k < j->start[g + 1]; k++) {
            const double x = w->high[k * HIGH + i] = sent[k] + j->middle[k];
            top = x > top ? x : top;
        }
        for (int k = j->start[g]; k < j->start[g + 1]; k++)
            w->high[k * HIGH + i] -= top;
        w->none[g * HIGH + i] = -top;
        total += top;
    }
    w->total[i] = total;
}

static void sum_blocks(const job *j, walk *w, int n, double *sums)
{
    const rbmk_kernels *kernels = rbmk_current_kernels();
    const rbmk_factors *f = &j->factors;
    const int n_low = RBMK_LANES * f->n_tiles;
    kernels->exp_f64(w->high, HIGH * (int64_t)f->n_units, w->high);
    kernels->exp_f64(w->none, HIGH * (int64_t)f->n_groups, w->none);
    for (int g = 0; g < f->n_groups; g++)
        for (int i = 0; i < HIGH; i++)
            w->none[g * HIGH + i] = j->is_switch[g] ? w->none[g * HIGH + i] : 0.0;
    kernels->multiply_factors(f, w->none, w->high, w->product, w->power);
    for (int i = 0; i < n; i++) {
        double top;
        const double sum = kernels->sum_of_powers(w->product + i * n_low, j->weight, w->power + i * n_low, j->power, n_low,
                                                  &top);
        sums[i] = (w->total[i] + top * ln2) + f64_log(sum);
    }
}

static void sum_piece(const job *j, void *scratch, int64_t from, int64_t to)
{
    walk w = start_walk(j, scratch, j->first + from);
    for (int64_t at = from; at < to; at += HIGH) {
        const int n = rbmk_at_most(to - at, HIGH);
        for (int i = 0; i < HIGH; i++) { /* where there are no more, the last one again */
            if (at + i > from && i < n)
                next_state(j, &w);
            scale_factors(j, &w, i);
        }
        sum_blocks(j, &w, n, j->sums + at);
    }
}

static void member(rbmk_team team, void *arg)
{
    job *j = arg;
    int64_t from;
    while ((from = PIECE * rbmk_take(&j->taken)) < j->n)
        sum_piece(j, j->scratch + (size_t)team.id * j->scratch_size, from, from + rbmk_at_most(j->n - from, PIECE));
}

rbmk_status rbmk_log_sums(const rbmk_enumeration *e, int64_t first, int64_t n, double *sums)
{
    job j = {.e = e, .n_high = e->n_sites - e->n_low, .size = 1, .first = first, .n = n, .sums = sums};
    rbmk_status status = RBMK_NO_MEMORY;
    const size_t n_units = (size_t)e->n_units;
    for (int d = j.n_high; d < e->n_sites; d++)
        j.size *= options_of(e, d);
    const int n_tiles = (j.size + RBMK_LANES - 1) / RBMK_LANES, n_groups = count_groups(&e->layer, e->n_units);
    const int threads = rbmk_threads_for(0.3 * (double)n * j.size * e->n_units);
    j.start = rbmk_allocate((size_t)n_groups + 1, sizeof *j.start);
    j.stretch = rbmk_allocate((size_t)n_groups + 1, sizeof *j.stretch);
    j.is_switch = rbmk_allocate((size_t)n_groups, 1);
    j.low = rbmk_allocate((size_t)n_tiles * RBMK_LANES * n_units, sizeof *j.low);
    j.middle = rbmk_allocate(n_units, sizeof *j.middle);
    j.weight = rbmk_allocate((size_t)n_tiles * RBMK_LANES, sizeof *j.weight);
    j.power = rbmk_allocate((size_t)n_tiles * RBMK_LANES, sizeof *j.power);
    j.factors = (rbmk_factors){.n_groups = n_groups, .n_units = e->n_units, .n_tiles = n_tiles, .start = j.start,
                               .stretch = j.stretch, .low = j.low};
    j.scratch_size = walk_size(&j);
    j.scratch = rbmk_allocate((size_t)threads, j.scratch_size);
    if (j.start && j.stretch && j.is_switch && j.low && j.middle && j.weight && j.power && j.scratch) {
        rbmk_run(1, rbmk_current_kernels(), prepare, &j);
        rbmk_run(threads, rbmk_current_kernels(), member, &j);
        status = RBMK_OK;
    }
    rbmk_free(j.start);
    rbmk_free(j.stretch);
    rbmk_free(j.is_switch);
    rbmk_free(j.low);
    rbmk_free(j.middle);
    rbmk_free(j.weight);
    rbmk_free(j.power);
    rbmk_free(j.scratch);
    return status;
}

/* --- Their sum ---------------------------------------------------------------------------------------------- */

typedef struct {
    const double *x;
    int64_t n;
    double result;
} sum_job;

static double panel_sum(const double *e, int n)
{
    double lane[RBMK_LANES] = {0};
    for (int i = 0; i < n; i++)
        lane[i % RBMK_LANES] += e[i];
    for (int half = RBMK_LANES / 2; half; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

static void sum_member(rbmk_team team, void *arg)
{
    sum_job *j = arg;
    double top = j->x[0], e[RBMK_PANEL], sum = 0.0;
    (void)team;
    for (int64_t i = 1; i < j->n; i++)
        top = j->x[i] > top ? j->x[i] : top;
    for (int64_t at = 0; at < j->n; at += RBMK_PANEL) {
        const int n = rbmk_at_most(j->n - at, RBMK_PANEL);
        for (int i = 0; i < n; i++)
            e[i] = j->x[at + i] - top;
        rbmk_current_kernels()->exp_f64(e, n, e);
        sum += panel_sum(e, n);
    }
    j->result = top + f64_log(sum);
}

double rbmk_log_sum_exp(const double *x, int64_t n)
{
    sum_job j = {x, n, 0.0};
    rbmk_run(1, rbmk_current_kernels(), sum_member, &j);
    return j.result;
}
