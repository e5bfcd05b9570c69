# What other Cython modules may cimport from rbmfast: rbmk.h describes it, examples/embed uses it. Arguments are not
# checked, and W must outlive the rbmk_weights made from it.
# Compile with include_dirs=[rbmfast.get_include()], and again for another version of rbmfast.

from rbmfast._engine cimport (
    RBMK_INTERRUPTED,
    RBMK_MAX_EXPONENT,
    RBMK_MIN_EXPONENT,
    RBMK_NO_MEMORY,
    RBMK_NOT_FINITE,
    RBMK_OK,
    RBMK_TOO_LARGE,
    rbmk_get_num_threads,
    rbmk_gibbs,
    rbmk_outputs,
    rbmk_pass,
    rbmk_set_num_threads,
    rbmk_sigmoid,
    rbmk_softplus,
    rbmk_states,
    rbmk_status,
    rbmk_stream,
    rbmk_weighted_sum,
    rbmk_weights,
    rbmk_weights_create,
    rbmk_weights_free,
)
