/* Some of the golden runs (tests/golden/runs.py) with nothing but the engine, for machines that have no Python: trains,
 * samples, anneals, tempers and sums, by every path that this CPU runs. Each result goes to standard output as a line
 * `name`, then arrays as lines `dtype shape` with their bytes, little-endian, and an empty line; golden.py compares
 * them with the committed digests.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rbmk.h"

enum { N = 150, N_VISIBLE = 100, N_HIDDEN = 60, BATCH = 64, UPDATES = (N + BATCH - 1) / BATCH, EPOCHS = 2, SEED = 1 };
/* purposes */
enum { INITIALIZE, SHUFFLE, CHAIN_START, CD, PCD, GIBBS = 7, AIS = 12, SWAP, TEMPERING = 15, DATA = 63 };

typedef struct {
    const char *name;
    int k, n_chains; /* 0: CD */
    double decay;
    float momentum;
    rbmk_settings settings;
} run;

#define EVERYTHING \
    { \
        .l1 = 1e-3f, .l2 = 1e-2f, .max_norm = 0.15f, .offset_rate = 0.01f, .sparsity_target = 0.1f, \
        .sparsity_cost = 0.3f, .sparsity_decay = 0.9f, .centered = 1 \
    }

static const run runs[] = {
    {"trained: CD-1", 1, 0, 1.0, 0.0f, {.offset_rate = 0.01f, .sparsity_decay = 0.9f}},
    {"trained: PCD, everything", 2, 77, 0.7, 0.8f, EVERYTHING},
    {"trained: CD, everything", 2, 0, 0.7, 0.8f, EVERYTHING}, /* the last one is asked more */
};

static void require(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "%s\n", what);
        exit(1);
    }
}

static void done(rbmk_status status, const char *what) { require(status == RBMK_OK, what); }

/* --- Output ---------------------------------------------------------------------------------------------- */

static void write_array(const char *dtype, const void *data, size_t size, int rows, int cols)
{
    const uint16_t probe = 1;
    const int little = *(const uint8_t *)&probe;
    const size_t count = (size_t)rows * (size_t)(cols ? cols : 1);
    printf(cols ? "%s %d %d\n" : "%s %d\n", dtype, rows, cols);
    for (size_t i = 0; i < count; i++)
        for (size_t byte = 0; byte < size; byte++)
            putchar(((const uint8_t *)data)[i * size + (little ? byte : size - 1 - byte)]);
}

static void write_floats(const float *x, int rows, int cols) { write_array("float32", x, sizeof *x, rows, cols); }

/* --- Data ------------------------------------------------------------------------------------------------ */

static rbmk_stream stream_of(uint64_t seed, uint32_t purpose, uint32_t layer, uint64_t step)
{
    return (rbmk_stream){.seed = seed, .purpose = purpose, .layer = layer, .step = step};
}

/* Noisy copies of five prototypes; one column is always off and one always on. */
static void make_rows(uint8_t rows[N][N_VISIBLE])
{
    static uint32_t prototypes[5][N_VISIBLE], noise[N][N_VISIBLE];
    const rbmk_stream of_prototypes = stream_of(10, DATA, DATA, 0), of_noise = stream_of(11, DATA, DATA, 0);
    rbmk_uniform_u32(5, N_VISIBLE, &of_prototypes, prototypes[0]);
    rbmk_uniform_u32(N, N_VISIBLE, &of_noise, noise[0]);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N_VISIBLE; j++)
            rows[i][j] = (prototypes[i % 5][j] >> 30 == 0) ^ (noise[i][j] >> 28 == 0);
        rows[i][3] = 0, rows[i][4] = 1;
    }
}

/* --- Learning -------------------------------------------------------------------------------------------- */

static float W[N_VISIBLE][N_HIDDEN], a[N_VISIBLE], b[N_HIDDEN], visible_mean[N_VISIBLE];
static float W_velocity[N_VISIBLE][N_HIDDEN], a_velocity[N_VISIBLE], b_velocity[N_HIDDEN];
static float visible_offset[N_VISIBLE], hidden_offset[N_HIDDEN], activity[N_HIDDEN];
static uint8_t rows[N][N_VISIBLE], chains[N][N_HIDDEN];

/* Weights of standard deviation 0.01; the visible bias from the data, a row of ones and one of zeros added. */
static void initialize(void)
{
    memset(b, 0, sizeof b);
    rbmk_normal_weights(N_VISIBLE, N_HIDDEN, 0.01, 0, INITIALIZE, 0, W[0]);
    for (int j = 0; j < N_VISIBLE; j++) {
        int on = 0;
        for (int i = 0; i < N; i++)
            on += rows[i][j];
        visible_mean[j] = (float)(65535.0 * on / (65535.0 * N));
        a[j] = (float)(65535.0 * (on + 1) / (65535.0 * (N - on + 1)));
    }
    rbmk_log(a, N_VISIBLE, a);
}

/* Running means: of the data, of what the hidden units do for it, of the wanted activity. */
static void start_means(rbmk_weights *w, float target)
{
    uint16_t mean[N_VISIBLE];
    rbmk_states_u16((rbmk_floats){visible_mean, 0, N_VISIBLE}, mean);
    memcpy(visible_offset, visible_mean, sizeof visible_mean);
    done(rbmk_pass(w, 1, (rbmk_states){mean, 1, N_VISIBLE, 1}, b, (rbmk_outputs){.probability = hidden_offset}, NULL),
         "the mean row's pass");
    for (int j = 0; j < N_HIDDEN; j++)
        activity[j] = target;
}

/* Visible units from their biases, hidden units from these. */
static void start_chains(rbmk_weights *w, int n)
{
    static float x[N][N_VISIBLE];
    static uint8_t v[N][N_VISIBLE];
    const rbmk_stream first = stream_of(SEED, CHAIN_START, 0, 0), second = stream_of(SEED, CHAIN_START, 0, 1);
    for (int i = 0; i < n; i++)
        memcpy(x[i], a, sizeof a);
    rbmk_bernoulli(x[0], n, N_VISIBLE, &first, v[0]);
    done(rbmk_pass(w, 1, (rbmk_states){v, 0, N_VISIBLE, n}, b, (rbmk_outputs){.sample = chains[0]}, &second), "chains");
}

static uint64_t keys[N];

static int by_key(const void *x, const void *y)
{
    const int64_t i = *(const int64_t *)x, j = *(const int64_t *)y;
    return keys[i] != keys[j] ? (keys[i] < keys[j] ? -1 : 1) : (i > j) - (i < j);
}

static void learn_epoch(const run *r, int epoch, rbmk_learning *model)
{
    int64_t order[N], updates;
    float rates[UPDATES], momenta[UPDATES];
    rbmk_shuffle_keys(N, SEED, (uint32_t)epoch, SHUFFLE, keys);
    for (int i = 0; i < N; i++)
        order[i] = i;
    qsort(order, N, sizeof *order, by_key);
    for (int t = 0; t < UPDATES; t++)
        rates[t] = (float)(epoch ? 0.5 * r->decay : 0.5), momenta[t] = r->momentum;
    const rbmk_epoch_plan plan = {
        .data = {rows, 0, N_VISIBLE, N}, .order = order, .row_ids = order, .n = N, .batch_size = BATCH, .k = r->k,
        .chains = r->n_chains ? chains[0] : NULL, .n_chains = r->n_chains, .rates = rates, .momenta = momenta,
        .stream = stream_of(SEED, r->n_chains ? PCD : CD, 0, (uint64_t)(2 * r->k * UPDATES * epoch)),
    };
    done(rbmk_epoch(model, &r->settings, &plan, &updates), r->name);
    require(updates == UPDATES, "an epoch ended early");
}

static void train(const run *r)
{
    rbmk_learning model = {N_VISIBLE, N_HIDDEN, W[0], a, b, W_velocity[0], a_velocity, b_velocity,
                           visible_offset, hidden_offset, activity, 0};
    rbmk_weights w;
    initialize();
    memset(W_velocity, 0, sizeof W_velocity), memset(a_velocity, 0, sizeof a_velocity);
    memset(b_velocity, 0, sizeof b_velocity);
    done(rbmk_weights_create(&w, W[0], N_VISIBLE, N_HIDDEN, RBMK_MAX_EXPONENT), "weights");
    model.exponent = w.exponent;
    start_means(&w, r->settings.sparsity_target);
    start_chains(&w, r->n_chains);
    rbmk_weights_free(&w);
    for (int epoch = 0; epoch < EPOCHS; epoch++)
        learn_epoch(r, epoch, &model);
    printf("%s\n", r->name);
    write_floats(W[0], N_VISIBLE, N_HIDDEN), write_floats(a, N_VISIBLE, 0), write_floats(b, N_HIDDEN, 0);
    write_floats(visible_mean, N_VISIBLE, 0);
    printf("\n");
}

/* --- What the trained model is asked --------------------------------------------------------------------- */

static void sample(const rbmk_weights *w)
{
    static uint8_t v[N][N_VISIBLE], h[N][N_HIDDEN];
    memcpy(v, rows, sizeof v);
    done(rbmk_gibbs(w, a, b, v[0], h[0], N, 5, stream_of(2, GIBBS, 0, 0), NULL, NULL), "Gibbs steps");
    printf("gibbs\n");
    write_array("uint8", v, 1, N, N_VISIBLE), write_array("uint8", h, 1, N, N_HIDDEN);
    printf("\n");
}

static void anneal(const rbmk_weights *w)
{
    enum { STEPS = 32 };
    static uint8_t v[N][N_VISIBLE];
    double log_weights[N] = {0};
    float betas[STEPS + 1];
    const float base[N_VISIBLE] = {0};
    for (int t = 0; t <= STEPS; t++)
        betas[t] = (float)t / STEPS;
    memcpy(v, rows, sizeof v);
    done(rbmk_anneal(w, a, b, base, betas, STEPS + 1, v[0], log_weights, N, stream_of(2, AIS, 0, 0), NULL), "annealing");
    printf("annealed\n");
    write_array("uint8", v, 1, N, N_VISIBLE), write_array("float64", log_weights, sizeof(double), N, 0);
    printf("\n");
}

/* Of the first hidden units, with sixteen times their weights, in the blocks that rf.log_partition makes. */
static void sum_states(void)
{
    enum { SITES = 13, LOW = 9, BLOCKS = 1 << (SITES - LOW) };
    static double sent[SITES][2][N_VISIBLE], log_weight[SITES][2];
    int32_t site[SITES + 1];
    double bias[N_VISIBLE], sums[BLOCKS], total;
    const rbmk_enumeration e = {SITES, LOW, N_VISIBLE, site, sent[0][0], log_weight[0], bias, {0, NULL}};
    for (int j = 0; j <= SITES; j++)
        site[j] = 2 * j;
    for (int j = 0; j < SITES; j++) {
        log_weight[j][1] = b[j];
        for (int i = 0; i < N_VISIBLE; i++)
            sent[j][1][i] = 16.0f * W[i][j];
    }
    for (int i = 0; i < N_VISIBLE; i++)
        bias[i] = a[i];
    done(rbmk_log_sums(&e, 0, BLOCKS, sums), "sums over states");
    total = rbmk_log_sum_exp(sums, BLOCKS);
    printf("exact log Z\n");
    write_array("float64", &total, sizeof total, 1, 0);
    printf("\n");
}

static void temper(const rbmk_weights *w)
{
    enum { STEPS = 6, CHAINS = 7, REPLICAS = 4 };
    static uint8_t v[REPLICAS * CHAINS][N_VISIBLE], h[REPLICAS * CHAINS][N_HIDDEN], swaps[STEPS][REPLICAS - 1][CHAINS];
    const float base[N_VISIBLE] = {0};
    float betas[REPLICAS];
    for (int i = 0; i < REPLICAS; i++)
        betas[i] = (float)i / (REPLICAS - 1);
    memset(h, 0, sizeof h), memset(swaps, 0, sizeof swaps);
    done(rbmk_temper(w, a, b, base, betas, REPLICAS, v[0], REPLICAS, h[0], swaps[0][0], CHAINS, STEPS,
                     stream_of(2, TEMPERING, 0, 0), SWAP, NULL), "tempering");
    printf("tempered\n");
    write_array("uint8", v, 1, REPLICAS * CHAINS, N_VISIBLE), write_array("uint8", h, 1, REPLICAS * CHAINS, N_HIDDEN);
    write_array("uint8", swaps, 1, STEPS * (REPLICAS - 1), CHAINS);
    printf("\n");
}

int main(void)
{
    make_rows(rows);
    for (int isa = 0; isa < rbmk_isa_count(); isa++) {
        rbmk_weights w;
        if (!rbmk_isa_select(isa))
            continue;
        for (size_t r = 0; r < sizeof runs / sizeof *runs; r++)
            train(&runs[r]);
        done(rbmk_weights_create(&w, W[0], N_VISIBLE, N_HIDDEN, RBMK_MAX_EXPONENT), "weights");
        sample(&w);
        anneal(&w);
        sum_states();
        temper(&w);
        rbmk_weights_free(&w);
    }
    return 0;
}
