/* rbmfast's engine: exact integer products of binary states with fixed-point weights, and what goes with them.
 *
 * This is the only public header. The engine knows arithmetic, not Boltzmann machines, and no Python.
 * docs/design/001-arithmetic.md is the specification; rbmfast/reference/ computes the same bits in NumPy.
 */
#ifndef RBMK_H
#define RBMK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    RBMK_GREY = 65535,        /* one, in grey levels and 16-bit probabilities */
    RBMK_MAX_EXPONENT = 20,
    RBMK_MIN_EXPONENT = -40,
    RBMK_MAX_Q = 127 * (1 + 256 + 65536), /* what three balanced 8-bit digits hold */
    RBMK_PANEL = 64,          /* columns that are summed together before panels are added in order */
    RBMK_LANES = 16,
    RBMK_ROW_BLOCK = 16,      /* rows whose column sums are formed together before blocks are added */
    RBMK_REAL = 2,
    RBMK_REAL_ZERO = 32768,   /* of real-valued states, which stand for (level - zero) / steps */
    RBMK_REAL_STEPS = 2048,
    RBMK_MAX_BATCH = 32768    /* rows * 65535 must fit int32 */
};

typedef enum {
    RBMK_OK = 0,
    RBMK_NO_MEMORY,
    RBMK_TOO_LARGE,   /* a weight is too large to quantise */
    RBMK_NOT_FINITE,  /* a weight stopped being finite */
    RBMK_INTERRUPTED
} rbmk_status;

/* An integer matrix (|element| <= RBMK_MAX_Q) in the layout that one instruction set multiplies by. */
typedef struct rbmk_kernels rbmk_kernels;
typedef struct {
    const rbmk_kernels *kernels;
    int rows, cols;
    void *data;
} rbmk_matrix;

/* Quantised weights, in both orientations. */
typedef struct {
    int n_visible, n_hidden, exponent;
    rbmk_matrix up, down; /* (n_visible, n_hidden) and its transpose */
} rbmk_weights;

/* Where random numbers come from: all of the counter but row and unit. */
typedef struct {
    uint64_t seed;
    uint32_t purpose, layer;
    uint64_t step;
    const int64_t *rows; /* a row id for each row, or NULL: first_row, first_row + 1, ... */
    int64_t first_row;
} rbmk_stream;

/* States (n rows): uint8 0/1, uint16 grey levels, or uint16 that mean real numbers in steps above RBMK_REAL_ZERO. */
typedef struct {
    const void *data;
    int grey;         /* 1: levels; RBMK_REAL: real numbers, only where a call says so */
    ptrdiff_t stride; /* elements from row to row */
    int64_t n;
} rbmk_states;

/* A block of a layer's units: switches, each on or off by itself (start NULL), or groups of units of which exactly one is
 * on, group g the layer's units start[g] to start[g + 1] - 1. */
typedef struct {
    int first, n_units; /* of the layer's */
    int n_groups;
    const int32_t *start; /* (n_groups + 1,) */
} rbmk_block;

/* The blocks of a layer, from left to right; none where all its units are switches. */
typedef struct {
    int n_blocks;
    const rbmk_block *blocks;
} rbmk_layer;

typedef struct {
    rbmk_layer visible, hidden;
} rbmk_layers;

/* --- This machine ------------------------------------------------------------------------------------- */

int rbmk_isa_count(void);                /* paths the source knows, worst first */
const char *rbmk_isa_name(int isa);
int rbmk_isa_built(int isa);             /* the compiler could build it */
int rbmk_isa_available(int isa);         /* built, and this CPU and operating system run it */
int rbmk_isa_current(void);
int rbmk_isa_select(int isa);            /* 0 when not available; not while other calls run */
int rbmk_has_openmp(void);
const char *rbmk_compiler(void);
void rbmk_set_default_threads(int n);    /* at most n, and what OpenMP allows, until a number is set */
void rbmk_set_num_threads(int n);        /* calls that run at once share them */
int rbmk_limit_threads(int n);           /* of calls from this thread, 0: no limit; returns the former limit */
/* A thread is started for no less work than that (default: 40 000); 0 to use all threads always. */
void rbmk_set_least_thread_time(double nanoseconds);
int rbmk_get_num_threads(void);          /* 1 in a forked child: its parent's thread pool is gone */

/* --- Weights ------------------------------------------------------------------------------------------ */

rbmk_status rbmk_weights_create(rbmk_weights *w, const float *W, int n_visible, int n_hidden, int max_exponent);
void rbmk_weights_free(rbmk_weights *w);
rbmk_status rbmk_exponent(const float *W, int n_visible, int n_hidden, int max_exponent, int *exponent);

/* --- Passes: total inputs of the other layer and functions of them ------------------------------------- */

/* Each output may be NULL. Row i of an output starts at i * (units of the other layer). */
typedef struct {
    float *input;       /* total inputs */
    float *probability; /* sigmoid of them */
    uint8_t *sample;    /* 0/1 states, drawn from stream */
    double *softplus;   /* (n,): sum of their softplus */
} rbmk_outputs;

/* States of any kind. */
rbmk_status rbmk_pass(const rbmk_weights *w, int up, rbmk_states states, const float *bias, rbmk_outputs out,
                      const rbmk_stream *stream);

/* Alternate hidden | visible and visible | hidden `steps` times from `visible` (n, n_visible), in place.
 * Where clamp (same shape, or NULL) is 1 a visible unit keeps its value. `layers` may be NULL: all units are switches. */
rbmk_status rbmk_gibbs(const rbmk_weights *w, const float *a, const float *b, uint8_t *visible, uint8_t *hidden,
                       int64_t n, int64_t steps, rbmk_stream stream, const uint8_t *clamp, const rbmk_layers *layers);

/* The same for models on the way from independent units (beta 0, visible bias `base`) to the weights (beta 1): one step
 * at each of betas[1 ...], before which log_weight[row] gains the log of the summed weight of the row's visible state,
 * at the new beta less at the old one. The model at beta has the weights beta W and the biases (1 - beta) base + beta a
 * and beta b. */
rbmk_status rbmk_anneal(const rbmk_weights *w, const float *a, const float *b, const float *base, const float *betas,
                        int64_t n_betas, uint8_t *visible, double *log_weight, int64_t n, rbmk_stream stream,
                        const rbmk_layers *layers);

/* Chains whose replicas move each by Gibbs steps of one of these models, and change places: `steps` times visible | hidden,
 * a round of swaps, hidden | visible, from `hidden` (n_betas, n, n_hidden), in place; visible (n_shown, n, n_visible) are
 * the last states at the last n_shown betas. Even and odd pairs of neighbours by turns, as step / 2 of the stream is (of two models the only one),
 * swap with the probability that keeps the product of their distributions; accepted (steps, n_betas - 1, n), zeros before,
 * tells which. A replica draws with the numbers of the row chain * n_betas + replica, where first_row is the first chain
 * (and rows NULL); a pair with those of its lower one for the purpose `swaps`. */
rbmk_status rbmk_temper(const rbmk_weights *w, const float *a, const float *b, const float *base, const float *betas,
                        int n_betas, uint8_t *visible, int n_shown, uint8_t *hidden, uint8_t *accepted, int64_t n,
                        int64_t steps, rbmk_stream stream, uint32_t swaps, const rbmk_layers *layers);

/* Units that are joined to each other, by weights (n_units, n_units) that are symmetric, and 0 within a site (a switch, or a
 * group): `sweeps` times each site is drawn in turn given all others, from the left, in n chains of states (n, n_units), in
 * place. Total inputs are beta times the weighted sums, and bias. The stream's step is that of the first sweep. Where held
 * (same shape, or NULL) is 1 a unit keeps its value, a group as a whole. `layer` may be NULL: all are switches; else it is
 * one block. */
rbmk_status rbmk_sweep(const rbmk_weights *w, float beta, const float *bias, uint8_t *states, int64_t n, int64_t sweeps,
                       rbmk_stream stream, const uint8_t *held, const rbmk_layer *layer);

/* --- States from floats --------------------------------------------------------------------------------- */

typedef struct {
    const void *data;
    int doubles; /* float64, not float32 */
    int64_t n;
} rbmk_floats;

typedef enum { RBMK_ALL_BINARY, RBMK_ALL_IN_UNIT_INTERVAL, RBMK_SOME_OUTSIDE } rbmk_range;

/* NaN is outside; -0.0 is 0, and what lies beyond 0 or 1 by at most 1e-6 is 0 or 1. These end early when they cannot
 * convert all: `state` and `level` are then incomplete. */
rbmk_range rbmk_range_of(rbmk_floats x);
rbmk_range rbmk_states_u8(rbmk_floats x, uint8_t *state);   /* 0 or 1; needs all to be binary */
rbmk_range rbmk_states_u16(rbmk_floats x, uint16_t *level); /* rint(65535 * float32(x)); needs none to be outside */

/* rint(2048 x) + RBMK_REAL_ZERO; 0 if one is outside of 16 bits: `level` is then incomplete. */
int rbmk_real_states(const float *x, int64_t n, uint16_t *level);

/* --- Functions of total inputs x (n rows of m) --------------------------------------------------------- */

void rbmk_sigmoid(const float *x, int64_t n, float *p);
void rbmk_sigmoid_u16(const float *x, int64_t n, uint16_t *p);
void rbmk_softplus(const float *x, int64_t n, float *y);
void rbmk_log(const float *x, int64_t n, float *y);
void rbmk_softplus_sum(const float *x, int64_t n, int m, double *sum);
void rbmk_weighted_sum(rbmk_states states, int m, const float *weights, double *sum);
/* groups of units of which one is on, as in rbmk_block; m is start[n_groups]. sums (n, n_groups): logarithms of summed
 * exponentials */
void rbmk_softmax_groups(const float *x, int64_t n, const int32_t *start, int n_groups, float *p);
void rbmk_log_sum_groups(const float *x, int64_t n, const int32_t *start, int n_groups, double *sums);
void rbmk_categorical(const float *x, int64_t n, const int32_t *start, int n_groups, const rbmk_stream *stream,
                      uint8_t *state);
void rbmk_bernoulli(const float *x, int64_t n, int m, const rbmk_stream *stream, uint8_t *state);
void rbmk_add_normal(const float *x, int64_t n, int m, const rbmk_stream *stream, float *state);

/* --- Weights shared by all places of a map ------------------------------------------------------------------ */

/* Images (height, width, channels), maps (map_height, map_width, n_filters): place (Y, X) sees the pixels from
 * (Y - top, X - left) on, filter_height x filter_width of them; those beyond the image are 0. */
typedef struct {
    int height, width, channels, filter_height, filter_width, n_filters, top, left, map_height, map_width;
} rbmk_convolution;

/* A map (height, width, n_filters) in blocks of pool x pool places for each filter, of which at most one unit is on. */
typedef struct {
    int height, width, n_filters, pool;
} rbmk_pools;

/* Total inputs of n maps from 0/1 images, and of n images from 0/1 maps: sums of q * 2^-exponent, and bias of each unit. q is
 * (channels, filter_height, filter_width reversed, n_filters) on the way up, (n_filters, filter_height, row) down, where rows
 * are filter_width * channels numbers and zeros up to a multiple of 16; sums must fit int32. */
rbmk_status rbmk_convolve(const rbmk_convolution *c, int up, const uint8_t *states, int64_t n, const int32_t *q, int exponent,
                          const float *bias, float *x);
/* Sums over rows and places of pixel * level, like q on the way up, and of levels (n_filters,); at most 65536 places. */
rbmk_status rbmk_convolve_pairs(const rbmk_convolution *c, const uint8_t *images, const uint16_t *levels, int64_t n,
                                int64_t *sums, int64_t *level_sums);

/* Of n maps of total inputs: probabilities, also in units of 1/65535; (n, blocks) logarithms of summed exponentials, with
 * that of none; draws, by the first numbers of each row, one for each block. */
rbmk_status rbmk_pool_means(const rbmk_pools *p, const float *x, int64_t n, float *mean, uint16_t *level);
void rbmk_pool_log_sums(const rbmk_pools *p, const float *x, int64_t n, double *sums);
rbmk_status rbmk_pool_draw(const rbmk_pools *p, const float *x, int64_t n, const rbmk_stream *stream, uint8_t *states);

/* --- Sums over classes: total inputs under class k are x (n, n_hidden) + U[k] (n_classes, n_hidden) ------- */

/* log_weights (n, n_classes): d[k] + the summed softplus. */
void rbmk_class_log_weights(const float *x, int64_t n, int n_hidden, const float *U, const float *d, int n_classes,
                            double *log_weights);
/* mean (n, n_hidden): the sum of p[k] * sigmoid over classes; sums (n_classes, n_hidden): of each of these terms over
 * rows; both in units of 1/65535. p (n, n_classes) in [0, 1]. */
void rbmk_class_expectations(const float *x, int64_t n, int n_hidden, const float *U, const float *p, int n_classes,
                             uint16_t *mean, int64_t *sums);

/* --- Sites of the visible layer, given all the others: hidden units are switches, with total inputs x (n, n_hidden) -------- */

/* sum (n,): log p(site | all others), in nats, over the sites with numbers `sites` (n_sites,). W (n_visible, n_hidden).
 * start NULL: sites are units, which are turned on and off; a grey level counts as its share of both. Else site g is the units
 * start[g] to start[g + 1] - 1, of which exactly one is on, or a single one that is on or off; states are 0 and 1, and all of
 * a site's are tried. */
rbmk_status rbmk_log_conditionals(const float *x, int n_hidden, const float *W, const float *a, rbmk_states states,
                                  const int32_t *start, const int32_t *sites, int n_sites, double *sum);

/* --- Sums over all states of a layer, the other one summed out ------------------------------------------- */

/* A layer's sites, each with options: its states, what each sends to the n_units of the other layer, whose total inputs
 * are the sum of these and the bias, and the logarithm of its own weight. The low sites are the last ones. */
typedef struct {
    int n_sites, n_low, n_units;
    const int32_t *site;      /* (n_sites + 1,): where the options of each begin */
    const double *sent;       /* (options, n_units); those of one unit by low sites at most RBMK_LOW_SPAN apart in all */
    const double *log_weight; /* (options,) */
    const double *bias;       /* (n_units,) */
    rbmk_layer layer;         /* the other one: without blocks, switches */
} rbmk_enumeration;

enum { RBMK_LOW_SPAN = 440 };

/* The states of all sites, in counting order, in blocks of those that differ in low sites alone: of n blocks from number
 * `first`, logarithms of the summed weights, each with that of the other layer's sum over its states given it. float64. */
rbmk_status rbmk_log_sums(const rbmk_enumeration *e, int64_t first, int64_t n, double *sums);
double rbmk_log_sum_exp(const double *x, int64_t n);

/* --- Random numbers ------------------------------------------------------------------------------------ */

void rbmk_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
void rbmk_uniform_u32(int64_t n, int m, const rbmk_stream *stream, uint32_t *out);
void rbmk_shuffle_keys(int64_t n, uint64_t seed, uint32_t epoch, uint32_t purpose, uint64_t *keys);
/* The stable order of random keys: the number of the lowest first. Keys that are nearly alike take longer. */
rbmk_status rbmk_argsort(const uint64_t *keys, int64_t n, int64_t *order);
void rbmk_normal_weights(int64_t n, int m, double scale, uint64_t seed, uint32_t purpose, uint32_t layer, float *out);

/* --- Gradients and updates ----------------------------------------------------------------------------- */

/* One of the two phases of learning: visible states and hidden probabilities, (n, n_hidden) in units of 1/65535. */
typedef struct {
    rbmk_states visible;
    const uint16_t *hidden;
} rbmk_samples;

/* The gradient of both, and the data's means. Of 1 to RBMK_MAX_BATCH rows each; grey samples of the model need grey data,
 * real ones real data, the other way round, and no weights.
 * Weights multiply the data's rows, and, paired, the model's, of which there are as many; else each of these has the mean
 * weight. They are kept to 16 bits of the largest one; NULL: each is 1. */
rbmk_status rbmk_contrast(const rbmk_samples *data, const rbmk_samples *model, const double *weights, int paired,
                          int n_visible, int n_hidden, float *W, float *a, float *b, float *visible_mean,
                          float *hidden_mean);

/* What learning changes. All arrays are C order; W (n_visible, n_hidden). */
typedef struct {
    int n_visible, n_hidden;
    float *W, *a, *b;
    float *W_velocity, *a_velocity, *b_velocity;
    float *visible_offset, *hidden_offset, *activity;
    int exponent;
} rbmk_learning;

typedef struct {
    float l1, l2, max_norm;
    float offset_rate, sparsity_target, sparsity_cost, sparsity_decay;
    int centered;
} rbmk_settings;

typedef struct {
    const float *W, *a, *b, *visible_mean, *hidden_mean;
} rbmk_gradient;

rbmk_status rbmk_update(rbmk_learning *model, const rbmk_gradient *gradient, const rbmk_settings *settings,
                        float rate, float momentum);

/* Entries of the data that are missing: 0 there. Each row with some has a Markov chain, which draws their units given the
 * others once an update, and rests at a hidden state until the row comes again; or the units are absent: they stay 0. */
typedef struct {
    const uint8_t *entries;   /* (rows of the data, n_visible): 1 where one is missing */
    const int64_t *chains;    /* for each row to learn from, its chain; -1: nothing is missing; NULL: units are absent */
    uint8_t *hidden;          /* (n_chains, n_hidden): where they rest */
    int begin;                /* whether they begin: missing units drawn from their biases, hidden ones given these */
    rbmk_stream stream;       /* as the plan's; rows: one for each row to learn from; chains begin in the next layer */
} rbmk_missing;

/* An earlier version of the model, and samples of it, with which persistent chains change places after each Gibbs step: v and
 * the sample y, at its own place behind a random one, with probability min(1, p(y) r(v) / (p(v) r(y))) for the model p and
 * that version r. Their random numbers are those of the chains in the next layer. Chains are divided into as many equal circles
 * as there can be, of 5 at least, at most RBMK_CIRCLES; where that makes fewer than RBMK_FEWEST_CIRCLES, there is one. Numbers i,
 * i + circles, ... are one: they meet the samples of that circle alone, so that what different ones find is independent. */
enum { RBMK_CIRCLES = 20, RBMK_FEWEST_CIRCLES = 8 };
typedef struct {
    const rbmk_weights *weights;
    const float *a, *b;
    uint8_t *samples;         /* (n, n_visible), n >= n_chains; changed in place */
    double *log_weights;      /* (n,): of exp(-E) summed over hidden states, of that version */
    int64_t n;
    float acceptance, least;  /* a running mean of the share accepted; the epoch ends before an update where it is less */
} rbmk_rung;

/* Visible states, and what is known of them: total inputs that hidden units get from them (n, n_hidden), and their log-weights,
 * of exp(-E) summed over hidden states, in the model and in the earlier version. */
typedef struct {
    uint8_t *states;
    float *x;
    double *here, *there;
} rbmk_weighed;

/* The same chains while the model stands still: `steps` times visible | hidden, exchanges, hidden | visible from `hidden` (n,
 * n_hidden), in place. All is known of the rung's samples, whose states and log-weights there are those of the rung; of the
 * chains it will be. The stream's step is that of the first visible units. Acceptance stays as it is. */
rbmk_status rbmk_climb(const rbmk_weights *w, const float *a, const float *b, rbmk_rung *rung, rbmk_weighed samples,
                       rbmk_weighed chains, uint8_t *hidden, int64_t n, int64_t steps, rbmk_stream stream,
                       const rbmk_layers *layers);

/* Parameters on top of the model's, for the negative phase: persistent chains follow the sums. They learn from the same
 * gradient, without penalties and centring, at a rate of their own, and decay: fast = decay * fast + rate * gradient. Where
 * the sums of weights cannot be quantised, an epoch ends before the next update. */
typedef struct {
    float *W, *a, *b;         /* changed in place */
    float rate, decay;
} rbmk_fast;

typedef struct {
    rbmk_states data;         /* all rows; real-valued ones as float32, without weights and missing entries */
    const int64_t *order;     /* positions in data, in the order of learning */
    const int64_t *row_ids;   /* for each of them, the row of its random counters */
    const double *weights;    /* for each of them, as in rbmk_contrast; paired unless there are chains */
    int64_t n;                /* how many */
    int batch_size, k;
    uint8_t *chains;          /* (n_chains, n_hidden) hidden states, or NULL: chains start at the data */
    int n_chains;
    const float *rates, *momenta; /* one per update */
    rbmk_stream stream;       /* step: of the first draw; an update uses 2 k steps */
    const rbmk_missing *missing; /* or NULL: nothing is */
    rbmk_rung *rung;          /* or NULL; of chains of 0/1 states */
    const rbmk_fast *fast;    /* or NULL; of chains, without a rung */
    int (*interrupted)(void *context); /* asked between passes, on the calling thread; may be NULL */
    void *context;
    rbmk_layers layers;
} rbmk_epoch_plan;

/* Learn from plan->n rows. `done` counts complete updates; the model is consistent whatever is returned, but chains may be
 * ahead of it when the last update is not complete, and the velocity of W behind it while the next update has no momentum.
 * It ends early, all as it was, before an update in which a real-valued state does not fit 16 bits. */
rbmk_status rbmk_epoch(rbmk_learning *model, const rbmk_settings *settings, const rbmk_epoch_plan *plan,
                       int64_t *done);

/* --- Networks: layers of n rows of m, and descent ------------------------------------------------------- */

/* In place: x becomes sigmoid(x + bias), or the softmax of each row of x + bias. */
void rbmk_add_bias_sigmoid(float *x, int64_t n, int m, const float *bias);
void rbmk_softmax(float *x, int64_t n, int m, const float *bias);

/* Dropout: factor = scale where the unit's 32-bit uniform is at least threshold, else 0; sent = x * factor. */
void rbmk_drop(const float *x, int64_t n, int m, uint32_t threshold, float scale, const rbmk_stream *stream,
               float *sent, float *factor);

/* In place: delta times the slope h (1 - h) of the sigmoid, unless h is NULL, and times factor, unless that is NULL. */
void rbmk_backward(float *delta, int64_t n, int m, const float *h, const float *factor);

/* In place: x becomes the gradient of each row's loss by x + bias. Losses (n,) in nats. wrong[i]: the label (0 to m - 1)
 * is not the first of the most probable classes. */
void rbmk_softmax_cross_entropy(float *x, int64_t n, int m, const float *bias, const int64_t *labels, double *loss,
                                uint8_t *wrong);
void rbmk_sigmoid_cross_entropy(float *x, int64_t n, int m, const float *bias, const float *targets, double *loss);
void rbmk_squared_error(float *x, int64_t n, int m, const float *bias, const float *targets, double *loss);

/* One step downhill along scale * gradient + decay * value. */
typedef struct {
    int64_t n;
    const float *gradient;
    float *value, *velocity;
    float scale, decay, rate, momentum;
} rbmk_momentum;

/* The same along mean / (sqrt(square_scale * square) + epsilon), running means of the gradient and of its square. */
typedef struct {
    int64_t n;
    const float *gradient;
    float *value, *mean, *square;
    float scale, decay, rate, keep_mean, add_mean, keep_square, add_square, square_scale, epsilon;
} rbmk_adam;

void rbmk_momentum_step(const rbmk_momentum *step);
void rbmk_adam_step(const rbmk_adam *step);

#ifdef __cplusplus
}
#endif
#endif
