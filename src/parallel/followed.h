/* What chains follow: the sums of the model's parameters and fast ones, which learn, too; runs inside a region. */
#ifndef RBMK_FOLLOWED_H
#define RBMK_FOLLOWED_H

#include "quantise.h"

typedef struct {
    const rbmk_fast *fast;
    rbmk_array quick;    /* fast weights, by panels */
    rbmk_source weights; /* the sums, by panels, and their exponent */
    rbmk_fit fit;        /* of these */
    float *a, *b;
} rbmk_followed;

int rbmk_followed_allocate(rbmk_followed *f, const rbmk_learning *model, int team_size); /* 0 when there is no memory */
void rbmk_followed_free(rbmk_followed *f);

/* Every member: fast weights to their panels, and all sums; and back. */
void rbmk_followed_begin(rbmk_team team, rbmk_followed *f, const rbmk_array *W, const rbmk_learning *model);
void rbmk_followed_end(rbmk_team team, const rbmk_followed *f);

/* Every member: sums of its rectangle of W, and their largest size. */
void rbmk_follow_weights(rbmk_team team, rbmk_followed *f, const rbmk_array *W);

/* Every member: its share of the biases; fast ones learn first, unless the gradients are NULL. */
void rbmk_follow_biases(rbmk_team team, rbmk_followed *f, const rbmk_learning *model, const float *visible_gradient,
                        const float *hidden_gradient);

/* What the update of row i from column `col` on takes to do the same for weights. */
void rbmk_followed_row(const rbmk_followed *f, int64_t i, int col, rbmk_row_update *u);

/* Every member, after a barrier that followed these: the exponent of the sums, from `start` down, which is there after the
 * next barrier. All return the same. */
rbmk_status rbmk_followed_fit(rbmk_team team, rbmk_followed *f, int start);

#endif
