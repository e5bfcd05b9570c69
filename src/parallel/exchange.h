/* Exchanges of states between chains and samples of an earlier version of the model: in epochs, and in climbs. */
#ifndef RBMK_EXCHANGE_H
#define RBMK_EXCHANGE_H

#include <stdatomic.h>

#include "pass.h"

typedef struct {
    const rbmk_kernels *kernels;
    rbmk_rung *rung;            /* or NULL: there are none */
    const rbmk_layers *layers;
    int64_t n;                  /* chains */
    rbmk_weighed chains, met;   /* these, and samples that they meet */
    double *softplus[3];        /* as passes leave it: of the chains here and there, of these samples here */
    atomic_int accepted;
} rbmk_exchange;

/* For epochs: all arrays but states. */
int rbmk_exchange_allocate(rbmk_exchange *e, int64_t n_chains, int n_hidden);
void rbmk_exchange_free(rbmk_exchange *e);

/* The place of the first sample that chains meet. stream: of the visible units. */
int64_t rbmk_first_met(const rbmk_exchange *e, rbmk_stream stream);

/* Log-weights of states, rows from .. to - 1, given the softplus sums and the visible bias. */
void rbmk_weigh_rows(const rbmk_exchange *e, const uint8_t *states, const double *softplus, const float *a, int64_t from,
                     int64_t to, double *log_weight);

/* These chains exchange states, and what is known of them, with the samples that they meet; how many do. */
int rbmk_exchange_rows(const rbmk_exchange *e, const rbmk_weighed *met, int64_t from, int64_t to, rbmk_stream stream);

#endif
