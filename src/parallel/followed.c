#include "followed.h"

#include <math.h>

int rbmk_followed_allocate(rbmk_followed *f, const rbmk_learning *model, int team_size)
{
    const int n_visible = model->n_visible, n_hidden = model->n_hidden;
    const size_t size = rbmk_panels_size(n_visible, n_hidden);
    f->quick = rbmk_by_panels(rbmk_allocate(size, sizeof(float)), n_visible, n_hidden);
    f->weights.W = f->fit.W = rbmk_by_panels(rbmk_allocate(size, sizeof(float)), n_visible, n_hidden);
    f->a = rbmk_allocate((size_t)n_visible, sizeof *f->a);
    f->b = rbmk_allocate((size_t)n_hidden, sizeof *f->b);
    return rbmk_fit_allocate(&f->fit, team_size) && f->quick.data && f->weights.W.data && f->a && f->b;
}

void rbmk_followed_free(rbmk_followed *f)
{
    rbmk_fit_free(&f->fit);
    rbmk_free(f->quick.data);
    rbmk_free(f->weights.W.data);
    rbmk_free(f->a);
    rbmk_free(f->b);
}

void rbmk_followed_row(const rbmk_followed *f, int64_t i, int col, rbmk_row_update *u)
{
    u->fast = rbmk_at(&f->quick, i, col);
    u->sum = rbmk_at(&f->weights.W, i, col);
    u->fast_rate = f->fast->rate;
    u->fast_decay = f->fast->decay;
}

void rbmk_follow_weights(rbmk_team team, rbmk_followed *f, const rbmk_array *W)
{
    const rbmk_array *sum = &f->weights.W;
    const rbmk_rectangle own = rbmk_share_rectangle(team, W->n_visible, RBMK_ROW_BLOCK, W->n_hidden);
    uint32_t largest = 0;
    for (int col = own.first_col; col < own.end_col; col += RBMK_PANEL)
        for (int64_t i = own.first_row; i < own.end_row; i++) {
            const float *w = rbmk_at(W, i, col), *quick = rbmk_at(&f->quick, i, col);
            float *to = rbmk_at(sum, i, col);
            for (int j = 0; j < rbmk_panel_width(sum, col); j++) {
                to[j] = w[j] + quick[j];
                largest = rbmk_larger(largest, rbmk_size_bits(to[j]));
            }
        }
    f->fit.largest[team.id] = largest;
}

/* As the kernels do: denormals are slow. */
static float flush1(float x) { return fabsf(x) < 0x1p-100f ? 0.0f : x; }

static void follow(rbmk_team team, const rbmk_fast *fast, float *quick, const float *gradient, const float *slow,
                   float *sum, int n)
{
    int64_t from, to;
    rbmk_share(team, n, &from, &to);
    for (int64_t i = from; i < to; i++) {
        if (gradient)
            quick[i] = flush1(fast->decay * quick[i] + fast->rate * gradient[i]);
        sum[i] = slow[i] + quick[i];
    }
}

void rbmk_follow_biases(rbmk_team team, rbmk_followed *f, const rbmk_learning *model, const float *visible_gradient,
                        const float *hidden_gradient)
{
    follow(team, f->fast, f->fast->a, visible_gradient, model->a, f->a, model->n_visible);
    follow(team, f->fast, f->fast->b, hidden_gradient, model->b, f->b, model->n_hidden);
}

void rbmk_followed_begin(rbmk_team team, rbmk_followed *f, const rbmk_array *W, const rbmk_learning *model)
{
    const rbmk_array rows = rbmk_by_rows(f->fast->W, W->n_visible, W->n_hidden);
    rbmk_copy_array(team, &rows, &f->quick);
    rbmk_follow_weights(team, f, W);
    rbmk_follow_biases(team, f, model, NULL, NULL);
}

void rbmk_followed_end(rbmk_team team, const rbmk_followed *f)
{
    const rbmk_array rows = rbmk_by_rows(f->fast->W, f->quick.n_visible, f->quick.n_hidden);
    rbmk_copy_array(team, &f->quick, &rows);
}

rbmk_status rbmk_followed_fit(rbmk_team team, rbmk_followed *f, int start)
{
    int exponent = start;
    const rbmk_status status = rbmk_fit_exponent(team, &f->fit, start, &exponent);
    if (team.id == 0)
        f->weights.exponent = exponent;
    return status;
}
