# The engine's C interface: src/rbmk.h says what everything means. Other modules cimport its public part from the
# package (__init__.pxd): only the functions at the end can be called from outside.

from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "rbmk.h" nogil:
    enum:
        RBMK_GREY
        RBMK_REAL
        RBMK_MAX_EXPONENT
        RBMK_MIN_EXPONENT
        RBMK_MAX_BATCH
        RBMK_LOW_SPAN

    ctypedef enum rbmk_status:
        RBMK_OK
        RBMK_NO_MEMORY
        RBMK_TOO_LARGE
        RBMK_NOT_FINITE
        RBMK_INTERRUPTED

    ctypedef struct rbmk_weights:
        int n_visible
        int n_hidden
        int exponent

    ctypedef struct rbmk_stream:
        uint64_t seed
        uint32_t purpose
        uint32_t layer
        uint64_t step
        const int64_t *rows
        int64_t first_row

    ctypedef struct rbmk_states:
        const void *data
        int grey
        ptrdiff_t stride
        int64_t n

    ctypedef struct rbmk_floats:
        const void *data
        int doubles
        int64_t n

    ctypedef enum rbmk_range:
        RBMK_ALL_BINARY
        RBMK_ALL_IN_UNIT_INTERVAL
        RBMK_SOME_OUTSIDE

    rbmk_range rbmk_range_of(rbmk_floats x)
    rbmk_range rbmk_states_u8(rbmk_floats x, uint8_t *state)
    rbmk_range rbmk_states_u16(rbmk_floats x, uint16_t *level)
    int rbmk_real_states(const float *x, int64_t n, uint16_t *level)

    ctypedef struct rbmk_outputs:
        float *input
        float *probability
        uint8_t *sample
        double *softplus

    ctypedef struct rbmk_samples:
        rbmk_states visible
        const uint16_t *hidden

    ctypedef struct rbmk_learning:
        int n_visible
        int n_hidden
        float *W
        float *a
        float *b
        float *W_velocity
        float *a_velocity
        float *b_velocity
        float *visible_offset
        float *hidden_offset
        float *activity
        int exponent

    ctypedef struct rbmk_settings:
        float l1
        float l2
        float max_norm
        float offset_rate
        float sparsity_target
        float sparsity_cost
        float sparsity_decay
        int centered

    ctypedef struct rbmk_gradient:
        const float *W
        const float *a
        const float *b
        const float *visible_mean
        const float *hidden_mean

    ctypedef struct rbmk_block:
        int first
        int n_units
        int n_groups
        const int32_t *start

    ctypedef struct rbmk_layer:
        int n_blocks
        const rbmk_block *blocks

    ctypedef struct rbmk_layers:
        rbmk_layer visible
        rbmk_layer hidden
    ctypedef struct rbmk_missing:
        const uint8_t *entries
        const int64_t *chains
        uint8_t *hidden
        int begin
        rbmk_stream stream

    ctypedef struct rbmk_rung:
        const rbmk_weights *weights
        const float *a
        const float *b
        uint8_t *samples
        double *log_weights
        int64_t n
        float acceptance
        float least

    ctypedef struct rbmk_fast:
        float *W
        float *a
        float *b
        float rate
        float decay

    ctypedef struct rbmk_weighed:
        uint8_t *states
        float *x
        double *here
        double *there

    ctypedef struct rbmk_epoch_plan:
        rbmk_states data
        const int64_t *order
        const int64_t *row_ids
        const double *weights
        int64_t n
        int batch_size
        int k
        uint8_t *chains
        int n_chains
        const float *rates
        const float *momenta
        rbmk_stream stream
        const rbmk_missing *missing
        rbmk_rung *rung
        const rbmk_fast *fast
        int (*interrupted)(void *context) noexcept nogil
        void *context
        rbmk_layers layers

    int rbmk_isa_count()
    const char *rbmk_isa_name(int isa)
    int rbmk_isa_built(int isa)
    int rbmk_isa_available(int isa)
    int rbmk_isa_current()
    int rbmk_isa_select(int isa)
    int rbmk_has_openmp()
    const char *rbmk_compiler()
    void rbmk_set_default_threads(int n)
    int rbmk_limit_threads(int n)
    void rbmk_set_least_thread_time(double nanoseconds)
    rbmk_status rbmk_exponent(const float *W, int n_visible, int n_hidden, int max_exponent, int *exponent)

    void rbmk_sigmoid_u16(const float *x, int64_t n, uint16_t *p)
    void rbmk_log(const float *x, int64_t n, float *y)
    void rbmk_softplus_sum(const float *x, int64_t n, int m, double *sum)
    void rbmk_softmax_groups(const float *x, int64_t n, const int32_t *start, int n_groups, float *p)
    void rbmk_log_sum_groups(const float *x, int64_t n, const int32_t *start, int n_groups, double *sums)
    void rbmk_categorical(const float *x, int64_t n, const int32_t *start, int n_groups, const rbmk_stream *stream,
                          uint8_t *state)
    void rbmk_bernoulli(const float *x, int64_t n, int m, const rbmk_stream *stream, uint8_t *state)
    void rbmk_add_normal(const float *x, int64_t n, int m, const rbmk_stream *stream, float *state)

    ctypedef struct rbmk_convolution:
        int height
        int width
        int channels
        int filter_height
        int filter_width
        int n_filters
        int top
        int left
        int map_height
        int map_width

    ctypedef struct rbmk_pools:
        int height
        int width
        int n_filters
        int pool

    rbmk_status rbmk_convolve(const rbmk_convolution *c, int up, const uint8_t *states, int64_t n, const int32_t *q,
                              int exponent, const float *bias, float *x)
    rbmk_status rbmk_convolve_pairs(const rbmk_convolution *c, const uint8_t *images, const uint16_t *levels,
                                    int64_t n, int64_t *sums, int64_t *level_sums)
    rbmk_status rbmk_pool_means(const rbmk_pools *p, const float *x, int64_t n, float *mean, uint16_t *level)
    void rbmk_pool_log_sums(const rbmk_pools *p, const float *x, int64_t n, double *sums)
    rbmk_status rbmk_pool_draw(const rbmk_pools *p, const float *x, int64_t n, const rbmk_stream *stream,
                               uint8_t *states)

    void rbmk_class_log_weights(const float *x, int64_t n, int n_hidden, const float *U, const float *d,
                                int n_classes, double *log_weights)
    void rbmk_class_expectations(const float *x, int64_t n, int n_hidden, const float *U, const float *p,
                                 int n_classes, uint16_t *mean, int64_t *sums)

    rbmk_status rbmk_log_conditionals(const float *x, int n_hidden, const float *W, const float *a,
                                      rbmk_states states, const int32_t *start, const int32_t *sites,
                                      int n_sites, double *sum)

    ctypedef struct rbmk_enumeration:
        int n_sites, n_low, n_units
        const int32_t *site
        const double *sent
        const double *log_weight
        const double *bias
        rbmk_layer layer
    rbmk_status rbmk_log_sums(const rbmk_enumeration *e, int64_t first, int64_t n, double *sums)
    double rbmk_log_sum_exp(const double *x, int64_t n)

    void rbmk_philox4x32(const uint32_t *counter, const uint32_t *key, uint32_t *out)
    void rbmk_uniform_u32(int64_t n, int m, const rbmk_stream *stream, uint32_t *out)
    void rbmk_shuffle_keys(int64_t n, uint64_t seed, uint32_t epoch, uint32_t purpose, uint64_t *keys)
    rbmk_status rbmk_argsort(const uint64_t *keys, int64_t n, int64_t *order)
    void rbmk_normal_weights(int64_t n, int m, double scale, uint64_t seed, uint32_t purpose, uint32_t layer,
                             float *out)

    rbmk_status rbmk_sweep(const rbmk_weights *w, float beta, const float *bias, uint8_t *states, int64_t n,
                           int64_t sweeps, rbmk_stream stream, const uint8_t *held, const rbmk_layer *layer)
    rbmk_status rbmk_anneal(const rbmk_weights *w, const float *a, const float *b, const float *base,
                            const float *betas, int64_t n_betas, uint8_t *visible, double *log_weight, int64_t n,
                            rbmk_stream stream, const rbmk_layers *layers)
    rbmk_status rbmk_temper(const rbmk_weights *w, const float *a, const float *b, const float *base,
                            const float *betas, int n_betas, uint8_t *visible, int n_shown, uint8_t *hidden,
                            uint8_t *accepted, int64_t n, int64_t steps, rbmk_stream stream, uint32_t swaps,
                            const rbmk_layers *layers)
    rbmk_status rbmk_climb(const rbmk_weights *w, const float *a, const float *b, rbmk_rung *rung,
                           rbmk_weighed samples, rbmk_weighed chains, uint8_t *hidden, int64_t n, int64_t steps,
                           rbmk_stream stream, const rbmk_layers *layers)
    rbmk_status rbmk_contrast(const rbmk_samples *data, const rbmk_samples *model, const double *weights,
                              bint paired, int n_visible, int n_hidden, float *W, float *a, float *b,
                              float *visible_mean, float *hidden_mean)
    rbmk_status rbmk_update(rbmk_learning *model, const rbmk_gradient *gradient, const rbmk_settings *settings,
                            float rate, float momentum)
    rbmk_status rbmk_epoch(rbmk_learning *model, const rbmk_settings *settings, const rbmk_epoch_plan *plan,
                           int64_t *done)

    void rbmk_add_bias_sigmoid(float *x, int64_t n, int m, const float *bias)
    void rbmk_softmax(float *x, int64_t n, int m, const float *bias)
    void rbmk_drop(const float *x, int64_t n, int m, uint32_t threshold, float scale, const rbmk_stream *stream,
                   float *sent, float *factor)
    void rbmk_backward(float *delta, int64_t n, int m, const float *h, const float *factor)
    void rbmk_softmax_cross_entropy(float *x, int64_t n, int m, const float *bias, const int64_t *labels,
                                    double *loss, uint8_t *wrong)
    void rbmk_sigmoid_cross_entropy(float *x, int64_t n, int m, const float *bias, const float *targets,
                                    double *loss)
    void rbmk_squared_error(float *x, int64_t n, int m, const float *bias, const float *targets, double *loss)

    ctypedef struct rbmk_momentum:
        int64_t n
        const float *gradient
        float *value
        float *velocity
        float scale
        float decay
        float rate
        float momentum

    ctypedef struct rbmk_adam:
        int64_t n
        const float *gradient
        float *value
        float *mean
        float *square
        float scale
        float decay
        float rate
        float keep_mean
        float add_mean
        float keep_square
        float add_square
        float square_scale
        float epsilon

    void rbmk_momentum_step(const rbmk_momentum *step)
    void rbmk_adam_step(const rbmk_adam *step)


# Exported: the header's functions under their own names. Calling one needs no linking; the importing module takes
# its address from this one.
cdef int rbmk_get_num_threads() noexcept nogil
cdef void rbmk_set_num_threads(int n) noexcept nogil
cdef rbmk_status rbmk_weights_create(rbmk_weights *w, const float *W, int n_visible, int n_hidden,
                                     int max_exponent) noexcept nogil
cdef void rbmk_weights_free(rbmk_weights *w) noexcept nogil
cdef rbmk_status rbmk_pass(const rbmk_weights *w, int up, rbmk_states states, const float *bias, rbmk_outputs out,
                           const rbmk_stream *stream) noexcept nogil
cdef rbmk_status rbmk_gibbs(const rbmk_weights *w, const float *a, const float *b, uint8_t *visible, uint8_t *hidden,
                            int64_t n, int64_t steps, rbmk_stream stream, const uint8_t *clamp) noexcept nogil
cdef void rbmk_sigmoid(const float *x, int64_t n, float *p) noexcept nogil
cdef void rbmk_softplus(const float *x, int64_t n, float *y) noexcept nogil
cdef void rbmk_weighted_sum(rbmk_states states, int m, const float *weights, double *sum) noexcept nogil
