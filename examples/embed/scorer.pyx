# cython: language_level=3, boundscheck=False, wraparound=False
"""Free energies of raw memory: rbmfast's engine called from another Cython module."""

from libc.stdint cimport int64_t, uint8_t

from rbmfast cimport (
    RBMK_MAX_EXPONENT,
    RBMK_OK,
    rbmk_outputs,
    rbmk_pass,
    rbmk_states,
    rbmk_status,
    rbmk_weighted_sum,
    rbmk_weights,
    rbmk_weights_create,
    rbmk_weights_free,
)


cdef rbmk_status free_energies(const rbmk_weights *weights, const float *a, const float *b, const uint8_t *v,
                               int64_t n, double *energies) noexcept nogil:
    """-a v - sum_j softplus(x_j) for n rows of zeros and ones. Memory in, memory out: no Python object."""
    cdef rbmk_states rows = rbmk_states(data=v, grey=0, stride=weights.n_visible, n=n)
    cdef rbmk_outputs out = rbmk_outputs(input=NULL, probability=NULL, sample=NULL, softplus=energies)
    cdef rbmk_status status = rbmk_pass(weights, True, rows, b, out, NULL)
    cdef double of_bias
    cdef int64_t i
    if status != RBMK_OK:
        return status
    rows.n = 1
    for i in range(n):
        rows.data = v + i * weights.n_visible
        rbmk_weighted_sum(rows, weights.n_visible, a, &of_bias)
        energies[i] = -of_bias - energies[i]
    return RBMK_OK


def score(const float[:, ::1] W not None, const float[::1] a not None, const float[::1] b not None,
          const uint8_t[:, ::1] v not None, double[::1] energies not None):
    """Write the free energies of the rows of `v` into `energies`: checked here, once, for the code above."""
    if a.shape[0] != W.shape[0] or b.shape[0] != W.shape[1] or v.shape[1] != W.shape[0]:
        raise ValueError("W, a, b and v do not fit together")
    if energies.shape[0] != v.shape[0]:
        raise ValueError("energies must be as long as v")
    if 0 in (W.shape[0], W.shape[1], v.shape[0]):
        raise ValueError("nothing to do")
    cdef rbmk_weights weights  # fixed-point weights; W must outlive them
    cdef rbmk_status status
    with nogil:
        status = rbmk_weights_create(&weights, &W[0, 0], <int>W.shape[0], <int>W.shape[1], RBMK_MAX_EXPONENT)
        if status == RBMK_OK:
            status = free_energies(&weights, &a[0], &b[0], &v[0, 0], v.shape[0], &energies[0])
            rbmk_weights_free(&weights)
    if status != RBMK_OK:
        raise RuntimeError(f"the engine answers {<int>status}: see rbmk_status in rbmk.h")
