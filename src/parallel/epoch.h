/* An epoch as its members see it: what there is (epoch.c), and the phases of its updates (phases.c). */
#ifndef RBMK_EPOCH_H
#define RBMK_EPOCH_H

#include <stdatomic.h>

#include "exchange.h"
#include "gradient.h"

typedef struct {
    rbmk_learning *model;
    const rbmk_epoch_plan *plan;
    const rbmk_kernels *kernels;
    rbmk_source weights;
    rbmk_followed followed; /* what the negative phase goes through, where there are fast parameters */
    float *W, *velocity;   /* those of the model by panels, or NULL */
    rbmk_matrix up, down;  /* weights that the first pass of an update packed, for the others; data NULL: not kept */
    rbmk_updater updater;
    rbmk_gradients gradients;
    rbmk_exchange exchange;
    void *batch;           /* (batch_size, n_visible) gathered rows */
    void *visible;         /* states of the negative phase */
    uint8_t *hidden;
    uint8_t *chains_before; /* an update of real-valued states that may not fit, or NULL */
    atomic_llong outside;  /* the pass in which one did not: all stop after it; 0: none */
    float *inputs;         /* of a layer in which not all units are switches */
    uint8_t *missing;      /* (batch_size, n_visible): which entries are; or NULL */
    uint8_t *resting;      /* (batch_size, n_hidden): of the rows' chains; or NULL */
    char *scratch;
    size_t scratch_size;
    int threads, regroup;  /* wanted; whether another number of them should go on */
    int64_t passes;        /* so far */
    atomic_llong stop_at;  /* the pass after which all stop, counted from 1; 0: none */
    double asked;          /* when the caller was last asked whether to stop */
    int64_t done;
    rbmk_status status;
} rbmk_epoch_run;

static inline void *rbmk_scratch_of(const rbmk_epoch_run *r, rbmk_team team)
{
    return r->scratch + (size_t)team.id * r->scratch_size;
}

static inline int rbmk_is_real(const rbmk_epoch_run *r) { return r->plan->data.grey == RBMK_REAL; }

/* Every member calls these; `pass` counts passes. They end with a barrier, and return 1 when the run is interrupted. */

/* Missing entries of the batch's n rows, drawn given where the chains of their rows rest. */
int rbmk_complete(rbmk_team team, rbmk_epoch_run *r, int64_t n, const rbmk_stream *stream, int64_t *pass);

/* Hidden units given the batch; with `rest` also where the chains of its rows rest. */
int rbmk_positive_phase(rbmk_team team, rbmk_epoch_run *r, const rbmk_stream *stream, const rbmk_stream *rest,
                        int64_t *pass);

/* k times visible | hidden, hidden | visible; the stream is that of the positive phase. */
int rbmk_negative_phase(rbmk_team team, rbmk_epoch_run *r, rbmk_stream stream, int64_t *pass);

#endif
