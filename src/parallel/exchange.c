#include "exchange.h"
#include "share.h"

int rbmk_exchange_allocate(rbmk_exchange *e, int64_t n_chains, int n_hidden)
{
    const size_t n = (size_t)n_chains, inputs = n * (size_t)n_hidden, parts = n * (size_t)rbmk_panels(n_hidden);
    int ok = 1;
    if (!e->rung)
        return 1;
    for (int i = 0; i < 3; i++)
        ok = (e->softplus[i] = rbmk_allocate(parts, sizeof(double))) && ok;
    ok = (e->chains.x = rbmk_allocate(inputs, sizeof(float))) && ok;
    ok = (e->chains.here = rbmk_allocate(n, sizeof(double))) && ok;
    ok = (e->chains.there = rbmk_allocate(n, sizeof(double))) && ok;
    ok = (e->met.x = rbmk_allocate(inputs, sizeof(float))) && ok;
    ok = (e->met.here = rbmk_allocate(n, sizeof(double))) && ok;
    return ok;
}

void rbmk_exchange_free(rbmk_exchange *e)
{
    for (int i = 0; i < 3; i++)
        rbmk_free(e->softplus[i]);
    rbmk_free(e->chains.x);
    rbmk_free(e->chains.here);
    rbmk_free(e->chains.there);
    rbmk_free(e->met.x);
    rbmk_free(e->met.here);
}

static rbmk_stream of_exchanges(rbmk_stream stream)
{
    stream.layer++;
    return stream;
}

/* Into how many circles n chains are divided. */
static int64_t circles(int64_t n)
{
    int64_t most = n / 5 < RBMK_CIRCLES ? n / 5 : RBMK_CIRCLES;
    while (most >= RBMK_FEWEST_CIRCLES && n % most)
        most--;
    return most >= RBMK_FEWEST_CIRCLES ? most : 1;
}

int64_t rbmk_first_met(const rbmk_exchange *e, rbmk_stream stream)
{
    const rbmk_stream own = of_exchanges(stream);
    const int64_t apart = circles(e->n), places = (e->rung->n - e->n) / apart + 1;
    return apart * (int64_t)(rbmk_random_bits(e->kernels, &own, e->n) * (uint64_t)places >> 32);
}

void rbmk_weigh_rows(const rbmk_exchange *e, const uint8_t *states, const double *softplus, const float *a, int64_t from,
                     int64_t to, double *log_weight)
{
    const int n_visible = e->rung->weights->n_visible;
    const int n_parts = rbmk_softplus_parts(&e->layers->hidden, e->rung->weights->n_hidden);
    const rbmk_states all = {states, 0, n_visible, to};
    for (int64_t i = from; i < to; i++)
        log_weight[i] = rbmk_softplus_row(softplus, i, n_parts) +
                        rbmk_weighted_layer(e->kernels, &all, i, &e->layers->visible, n_visible, a);
}

/* Bytes of row i of both, of elements of `size` bytes. */
static void swap(void *x, void *y, int64_t i, int64_t n, size_t size)
{
    const size_t bytes = (size_t)n * size;
    uint8_t *restrict one = (uint8_t *)x + (size_t)i * bytes, *restrict other = (uint8_t *)y + (size_t)i * bytes;
    for (size_t j = 0; j < bytes; j++) {
        const uint8_t kept = one[j];
        one[j] = other[j];
        other[j] = kept;
    }
}

int rbmk_exchange_rows(const rbmk_exchange *e, const rbmk_weighed *met, int64_t from, int64_t to, rbmk_stream stream)
{
    const rbmk_stream own = of_exchanges(stream);
    const rbmk_weighed *x = &e->chains, *y = met;
    int accepted = 0;
    for (int64_t i = from; i < to; i++)
        if (rbmk_accepts(e->kernels, &own, i, (y->here[i] - x->here[i]) + (x->there[i] - y->there[i]))) {
            swap(x->states, y->states, i, e->rung->weights->n_visible, sizeof *x->states);
            swap(x->x, y->x, i, e->rung->weights->n_hidden, sizeof *x->x);
            swap(x->here, y->here, i, 1, sizeof *x->here);
            swap(x->there, y->there, i, 1, sizeof *x->there);
            accepted++;
        }
    return accepted;
}
