/* The gradients of an update, from what its two phases leave: visible states and hidden probabilities. Runs inside a
 * region. */
#ifndef RBMK_GRADIENT_H
#define RBMK_GRADIENT_H

#include "pass.h"
#include "update.h"

enum { RBMK_DATA, RBMK_MODEL }; /* the two phases */

typedef struct {
    int64_t n;             /* rows */
    rbmk_statistic hidden; /* probabilities */
} rbmk_phase;

/* Pairs of visible states and hidden probabilities, one product: states (n_visible, rows) x probabilities. */
typedef struct {
    rbmk_left states;
    const uint8_t *transposed;
    rbmk_matrix hidden;
} rbmk_pairs;

typedef struct {
    const rbmk_kernels *kernels;
    int n_visible, n_hidden, grey; /* whether the data is */
    rbmk_phase phases[2];
    rbmk_pairs products[2];
    int n_products;
    uint8_t *transposed;  /* (n_visible, stride): the data's rows, then from `model_row` the model's */
    uint16_t *levels;     /* (n_visible, stride): the data's rows, when they are grey */
    void *packed, *left;
    int64_t model_row;
    ptrdiff_t stride;
    float *visible_gradient, *hidden_gradient, *visible_mean, *hidden_mean;
} rbmk_gradients;

/* Memory for up to so many rows of each phase, when kernels, sizes and `grey` are set; 0 when there is none. */
int rbmk_gradients_allocate(rbmk_gradients *g, int64_t data_rows, int64_t model_rows, int team_size);
void rbmk_gradients_free(rbmk_gradients *g);

/* One member: where an update with so many rows leaves its statistics. */
void rbmk_arrange(rbmk_gradients *g, int64_t data_rows, int64_t model_rows);

/* Every member, who has written its share (rbmk_share) of the data's n rows: transposes that share. Does not look at the
 * phases, which may be being arranged. */
void rbmk_take_data(rbmk_team team, rbmk_gradients *g, const void *rows, int64_t n);

/* Every member, when both phases have their visible states: its share of laying them out for the products. */
void rbmk_lay_out(rbmk_team team, rbmk_gradients *g);

/* Every member, when both phases are complete: gradients and means of its share of the units. */
void rbmk_bias_gradients(rbmk_team team, rbmk_gradients *g);

/* As rbmk_updater.gradient, whose source is a rbmk_gradients. */
void rbmk_weight_gradient(const rbmk_updater *u, int row, int n_rows, int col, int n_cols, float *gradient, void *scratch);
size_t rbmk_weight_gradient_scratch(const rbmk_gradients *g);

#endif
