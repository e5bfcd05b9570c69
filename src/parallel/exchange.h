/* Exchanges of states between the chains of an epoch and samples of an earlier version of the model. */
#ifndef RBMK_EXCHANGE_H
#define RBMK_EXCHANGE_H

#include <stdatomic.h>

#include "pass.h"

typedef struct {
    rbmk_rung *rung;
    const rbmk_layers *layers;
    rbmk_states chains;   /* visible states, which change */
    rbmk_states met;      /* the samples that they meet */
    int64_t first;        /* the place of the first one */
    double *softplus[3];  /* (n, panels), or (n,) where the hidden layer is one of groups; of each `rbmk_weighing` */
    atomic_int accepted;
} rbmk_exchange;

/* Whose hidden units are summed over, given whose visible states. */
typedef enum { RBMK_CHAINS_HERE, RBMK_MET_HERE, RBMK_CHAINS_AT_RUNG } rbmk_weighing;

int rbmk_exchange_allocate(rbmk_exchange *e, int64_t n_chains, int n_hidden);
void rbmk_exchange_free(rbmk_exchange *e);

/* One member, before the passes: which samples are met. stream: of the visible units. */
void rbmk_exchange_begin(rbmk_exchange *e, const rbmk_kernels *k, const rbmk_states *chains, rbmk_stream stream);

/* A pass up of the kind that weighs, but for its weights and bias where these are the model's. */
void rbmk_exchange_weigh(const rbmk_exchange *e, rbmk_weighing which, rbmk_layer_pass *up);

/* Every member, after the passes: its share of the chains exchange states. a: the model's visible bias. */
void rbmk_exchange_rows(rbmk_team team, rbmk_exchange *e, const rbmk_kernels *k, const float *a, rbmk_stream stream);

/* One member, after all shares. */
void rbmk_exchange_end(rbmk_exchange *e);

#endif
