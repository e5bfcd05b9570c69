/* The gradients of an update, from what its two phases leave: visible states and hidden probabilities. Runs inside a
 * region. */
#ifndef RBMK_GRADIENT_H
#define RBMK_GRADIENT_H

#include "pass.h"
#include "update.h"

enum { RBMK_DATA, RBMK_MODEL }; /* the two phases */

typedef struct {
    int grey;              /* whether its visible states are levels; those of the model only if those of the data are */
    int real;              /* whether these are real numbers in steps above RBMK_REAL_ZERO: both phases, or none */
    int64_t n;             /* rows */
    int64_t first_row;     /* of its visible states, transposed */
    double weight;         /* of a row whose share is whole */
    rbmk_statistic hidden; /* probabilities, and the rows' shares */
} rbmk_phase;

/* Pairs of visible states and hidden probabilities, one product: states (n_visible, rows) x probabilities. */
typedef struct {
    rbmk_left states;
    const uint8_t *transposed;
    rbmk_matrix hidden;
} rbmk_pairs;

typedef struct {
    const rbmk_kernels *kernels;
    int n_visible, n_hidden;
    int shared; /* whether both phases have the visible states of the data, and as many rows */
    int weighted;
    rbmk_phase phases[2];
    rbmk_pairs products[2];
    int n_products;
    uint8_t *transposed;  /* (n_visible, stride): the data's rows, then from `model_row` the model's */
    uint16_t *levels;     /* (n_visible, stride): the same rows of phases that are grey */
    uint16_t *shares;     /* of the data's rows where they have weights: these as parts of the largest */
    double rows;          /* the sum of the shares: as many as there are rows without weights */
    void *packed, *left;
    int64_t model_row;
    ptrdiff_t stride;
    double *zero[2];      /* (n_hidden,): sums over a phase, or over all of one product, of states that are all real zeros */
    float *visible_gradient, *hidden_gradient, *visible_mean, *hidden_mean;
} rbmk_gradients;

/* Memory for up to so many rows of each phase, when kernels, sizes, what is grey and weighted are set; 0 when there is
 * none. */
int rbmk_gradients_allocate(rbmk_gradients *g, int64_t data_rows, int64_t model_rows, int team_size);
void rbmk_gradients_free(rbmk_gradients *g);

/* One member: where an update with so many rows leaves its statistics. Weights, of the data's rows, or NULL: 1 each.
 * Those of the model have the mean weight, or, paired, those of the data in the same place. */
void rbmk_arrange(rbmk_gradients *g, int64_t data_rows, int64_t model_rows, const double *weights, int paired);

/* Every member, when its share (rbmk_share) of a phase's visible states is there: transposes that share. Does not look
 * at rows of the phases, which may be being arranged. */
void rbmk_take_states(rbmk_team team, rbmk_gradients *g, int phase, const rbmk_states *states);

/* Every member, when both phases have their visible states: its share of laying them out for the products. */
void rbmk_lay_out(rbmk_team team, rbmk_gradients *g);

/* Every member, when both phases are complete: gradients and means of its share of the units. */
void rbmk_bias_gradients(rbmk_team team, rbmk_gradients *g);

/* A tile of the gradient of W, up to 64 x 64: into `gradient`, of rows `ld` apart. */
void rbmk_weight_gradient(const rbmk_gradients *g, int row, int n_rows, int col, int n_cols, float *gradient,
                          ptrdiff_t ld, void *scratch);
size_t rbmk_weight_gradient_scratch(const rbmk_gradients *g);

#endif
