#include "exchange.h"
#include "share.h"

static rbmk_stream of_exchanges(rbmk_stream stream)
{
    stream.layer++;
    return stream;
}

int rbmk_exchange_allocate(rbmk_exchange *e, int64_t n_chains, int n_hidden)
{
    int ok = 1;
    for (int i = 0; e->rung && i < 3; i++)
        ok = (e->softplus[i] = rbmk_allocate((size_t)n_chains * (size_t)rbmk_panels(n_hidden), sizeof(double))) && ok;
    return ok;
}

void rbmk_exchange_free(rbmk_exchange *e)
{
    for (int i = 0; i < 3; i++)
        rbmk_free(e->softplus[i]);
}

void rbmk_exchange_begin(rbmk_exchange *e, const rbmk_kernels *k, const rbmk_states *chains, rbmk_stream stream)
{
    const rbmk_stream own = of_exchanges(stream);
    const uint64_t places = (uint64_t)(e->rung->n - chains->n + 1);
    e->first = (int64_t)(rbmk_random_bits(k, &own, chains->n) * places >> 32);
    e->chains = *chains;
    e->met = *chains;
    e->met.data = e->rung->samples + e->first * chains->stride;
    atomic_store(&e->accepted, 0);
}

void rbmk_exchange_weigh(const rbmk_exchange *e, rbmk_weighing which, rbmk_layer_pass *up)
{
    if (which == RBMK_CHAINS_AT_RUNG) {
        up->packed = &e->rung->weights->up;
        up->exponent = e->rung->weights->exponent;
        up->bias = e->rung->b;
    }
    up->states = which == RBMK_MET_HERE ? e->met : e->chains;
    up->out.softplus = e->softplus[which];
}

/* Log-weight of a row of states: what its hidden units sum up to, and its visible units. */
static double log_weight(const rbmk_exchange *e, const rbmk_kernels *k, rbmk_weighing which, int64_t row, const float *a)
{
    const rbmk_states *states = which == RBMK_MET_HERE ? &e->met : &e->chains;
    const int n_parts = rbmk_softplus_parts(&e->layers->hidden, e->rung->weights->n_hidden);
    return rbmk_softplus_row(e->softplus[which], row, n_parts) +
           rbmk_weighted_layer(k, states, row, &e->layers->visible, e->rung->weights->n_visible, a);
}

static void swap_rows(uint8_t *restrict x, uint8_t *restrict y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const uint8_t kept = x[i];
        x[i] = y[i];
        y[i] = kept;
    }
}

void rbmk_exchange_rows(rbmk_team team, rbmk_exchange *e, const rbmk_kernels *k, const float *a, rbmk_stream stream)
{
    const rbmk_stream own = of_exchanges(stream);
    int accepted = 0;
    int64_t from, to;
    rbmk_share(team, e->chains.n, &from, &to);
    for (int64_t i = from; i < to; i++) {
        double *weight = e->rung->log_weights + e->first + i;
        const double here = log_weight(e, k, RBMK_MET_HERE, i, a) - log_weight(e, k, RBMK_CHAINS_HERE, i, a);
        const double there = log_weight(e, k, RBMK_CHAINS_AT_RUNG, i, e->rung->a);
        if (rbmk_accepts(k, &own, i, here + (there - *weight))) {
            const int64_t at = i * e->chains.stride;
            swap_rows((uint8_t *)e->chains.data + at, (uint8_t *)e->met.data + at, e->chains.stride);
            *weight = there;
            accepted++;
        }
    }
    atomic_fetch_add(&e->accepted, accepted);
}

void rbmk_exchange_end(rbmk_exchange *e)
{
    const float now = (float)((double)atomic_load(&e->accepted) / (double)e->chains.n);
    e->rung->acceptance += (now - e->rung->acceptance) / 4.0f;
}
