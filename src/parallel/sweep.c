/* Chains of units that are joined to each other: each member sweeps through its own, a tile of them at a time. What a block
 * of sites hears from all units is one product; as its sites are drawn in turn, these sums follow every change. They are
 * exact, so that nobody can tell. */
#include <math.h>
#include <string.h>

#include "pass.h"

typedef struct {
    rbmk_sites sites;
    rbmk_matrix columns; /* of the weights: whole panels with the block's units in them */
    int before;          /* columns in front of these */
} site_block;

typedef struct {
    const rbmk_weights *w;
    float beta;
    const float *bias;
    uint8_t *states;
    const uint8_t *held;
    int64_t n, sweeps;
    rbmk_stream stream;
    const rbmk_block *layer;
    site_block *blocks;
    int n_blocks, largest_group;
    int64_t widest, elements; /* columns; of the weights within blocks */
    int32_t *weights;
    uint8_t *ones; /* (RBMK_TILE_ROWS, n_units) */
    char *scratch;
    size_t scratch_size;
} sweep_job;

/* --- Blocks ----------------------------------------------------------------------------------------------- */

/* Where the block of sites ends that begins at `first`: numbers of groups, or of switches. */
static int end_of_block(const rbmk_block *layer, int first)
{
    const int32_t *start = layer->start;
    int end = first + 1;
    if (!start)
        return layer->n_units - first < RBMK_SITES ? layer->n_units : first + RBMK_SITES;
    while (end < layer->n_groups && start[end + 1] - start[first] <= RBMK_SITES)
        end++;
    return end;
}

static site_block block_of(const sweep_job *job, int first, int end)
{
    const int32_t *start = job->layer->start;
    const int from = start ? start[first] : first, to = start ? start[end] : end;
    const int col = from / RBMK_PANEL * RBMK_PANEL, last = (int)rbmk_round_up(to, RBMK_PANEL);
    const int n_cols = (last < job->w->n_hidden ? last : job->w->n_hidden) - col;
    return (site_block){.sites = {.first = from, .n_units = to - from, .n_groups = start ? end - first : 0, .ld = last - col,
                                  .start = start ? start + first : NULL, .bias = job->bias + from,
                                  .scale = ldexpf(job->beta, -job->w->exponent)},
                        .columns = rbmk_columns(&job->w->up, col, n_cols), .before = from - col};
}

/* Room for as many blocks as there are sites is there. */
static void find_blocks(sweep_job *job)
{
    const int n_sites = job->layer->start ? job->layer->n_groups : job->layer->n_units;
    for (int first = 0, end; first < n_sites; first = end) {
        end = end_of_block(job->layer, first);
        site_block *b = job->blocks + job->n_blocks++;
        *b = block_of(job, first, end);
        job->widest = b->sites.ld > job->widest ? b->sites.ld : job->widest;
        job->elements += (int64_t)b->sites.n_units * b->sites.ld;
    }
    for (int g = 0; g < job->layer->n_groups; g++) {
        const int size = job->layer->start[g + 1] - job->layer->start[g];
        job->largest_group = size > job->largest_group ? size : job->largest_group;
    }
}

/* --- Products --------------------------------------------------------------------------------------------- */

static size_t whole_lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* What one member has: sums (RBMK_TILE_ROWS, widest), and what kernels ask for. */
static size_t sums_size(const sweep_job *job) { return RBMK_TILE_ROWS * (size_t)job->widest * sizeof(int32_t); }

static size_t left_size(const sweep_job *job)
{
    return whole_lines(job->w->up.kernels->left_bytes(RBMK_TILE_ROWS, job->w->n_visible));
}

static size_t kernel_size(const sweep_job *job)
{
    const size_t product = RBMK_SCRATCH(job->w->n_visible), sites = RBMK_SITES_SCRATCH(job->largest_group);
    return whole_lines(product > sites ? product : sites);
}

static void multiply(const sweep_job *job, const site_block *b, const uint8_t *states, int n, int32_t *out, char *scratch)
{
    const rbmk_kernels *k = job->w->up.kernels;
    rbmk_left left = {n, job->w->n_visible, RBMK_DEPTH, scratch + sums_size(job)};
    k->lay_out_u8(&left, 0, n, states, job->w->n_visible);
    k->multiply_u8(&left, 0, n, &b->columns, 0, b->columns.cols, out, b->sites.ld, scratch + sums_size(job) + left_size(job));
}

/* The weights within a block: sums of states of which one unit is on. */
static void find_weights(const sweep_job *job, site_block *b, int32_t *out)
{
    const int n_units = job->w->n_visible;
    b->sites.q = out + b->before;
    for (int i = 0; i < b->sites.n_units; i += RBMK_TILE_ROWS) {
        const int n = rbmk_at_most(b->sites.n_units - i, RBMK_TILE_ROWS);
        memset(job->ones, 0, (size_t)n * (size_t)n_units);
        for (int r = 0; r < n; r++)
            job->ones[(ptrdiff_t)r * n_units + b->sites.first + i + r] = 1;
        multiply(job, b, job->ones, n, out + (ptrdiff_t)i * b->sites.ld, job->scratch);
    }
}

static void prepare(rbmk_team team, void *arg)
{
    sweep_job *job = arg;
    int32_t *out = job->weights;
    (void)team;
    for (int i = 0; i < job->n_blocks; i++) {
        find_weights(job, job->blocks + i, out);
        out += (ptrdiff_t)job->blocks[i].sites.n_units * job->blocks[i].sites.ld;
    }
}

/* --- Sweeps ------------------------------------------------------------------------------------------------- */

static void draw_block(const sweep_job *job, const site_block *b, const rbmk_stream *stream, int64_t row, int n, char *scratch)
{
    const rbmk_kernels *k = job->w->up.kernels;
    const int n_units = job->w->n_visible;
    int32_t *sums = (int32_t *)(void *)scratch;
    rbmk_counter counter[RBMK_LANES];
    multiply(job, b, job->states + row * n_units, n, sums, scratch);
    for (int i = 0; i < n; i += RBMK_LANES) {
        const int some = rbmk_at_most(n - i, RBMK_LANES);
        const int64_t at = (row + i) * n_units + b->sites.first;
        for (int l = 0; l < some; l++)
            counter[l] = rbmk_counter_of(stream, row + i + l);
        k->sweep_sites(&b->sites, some, sums + (ptrdiff_t)i * b->sites.ld + b->before, counter,
                       job->held ? job->held + at : NULL, job->states + at, n_units,
                       scratch + sums_size(job) + left_size(job));
    }
}

static void sweep_member(rbmk_team team, void *arg)
{
    const sweep_job *job = arg;
    char *scratch = job->scratch + (size_t)team.id * job->scratch_size;
    int64_t from, to;
    rbmk_share(team, job->n, &from, &to);
    memset(scratch, 0, sums_size(job)); /* rows that are not there are drawn, too */
    for (int64_t row = from; row < to; row += RBMK_TILE_ROWS) {
        rbmk_stream stream = job->stream;
        for (int64_t t = 0; t < job->sweeps; t++, stream.step++)
            for (int i = 0; i < job->n_blocks; i++)
                draw_block(job, job->blocks + i, &stream, row, rbmk_at_most(to - row, RBMK_TILE_ROWS), scratch);
    }
}

rbmk_status rbmk_sweep(const rbmk_weights *w, float beta, const float *bias, uint8_t *states, int64_t n, int64_t sweeps,
                       rbmk_stream stream, const uint8_t *held, const rbmk_layer *layer)
{
    const rbmk_block switches = {.n_units = w->n_visible};
    const int n_units = w->n_visible;
    sweep_job job = {.w = w, .beta = beta, .bias = bias, .states = states, .held = held, .n = n, .sweeps = sweeps,
                     .stream = stream, .layer = layer && layer->n_blocks ? layer->blocks : &switches};
    rbmk_status status = RBMK_NO_MEMORY;
    int threads = rbmk_threads_for(0.008 * (double)n * (double)sweeps * n_units * n_units);
    threads = threads > n ? (int)n : threads;
    job.blocks = rbmk_allocate((size_t)n_units, sizeof *job.blocks);
    if (job.blocks) {
        find_blocks(&job);
        job.weights = rbmk_allocate((size_t)job.elements, sizeof *job.weights);
        job.ones = rbmk_allocate(RBMK_TILE_ROWS, (size_t)n_units);
        job.scratch_size = sums_size(&job) + left_size(&job) + kernel_size(&job);
        job.scratch = rbmk_allocate((size_t)threads, job.scratch_size);
    }
    if (job.blocks && job.weights && job.ones && job.scratch) {
        rbmk_run(1, w->up.kernels, prepare, &job);
        rbmk_run_apart(threads, w->up.kernels, sweep_member, &job);
        status = RBMK_OK;
    }
    rbmk_free(job.blocks);
    rbmk_free(job.weights);
    rbmk_free(job.ones);
    rbmk_free(job.scratch);
    return status;
}
