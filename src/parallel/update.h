/* One update of the parameters by all members of a team; shared by rbmk_update and rbmk_epoch. */
#ifndef RBMK_UPDATE_H
#define RBMK_UPDATE_H

#include "followed.h"

enum {
    UPDATE_ROWS = 64, /* whose gradients are formed together: whole blocks */
    UPDATE_TILE = UPDATE_ROWS * RBMK_PANEL
};

typedef struct rbmk_updater rbmk_updater;
struct rbmk_updater {
    rbmk_learning *model;    /* all but its weights and their velocity */
    rbmk_array W, velocity;
    rbmk_followed *followed; /* or NULL */
    const rbmk_settings *settings;
    const rbmk_kernels *kernels;
    float rate, momentum;
    int forgets; /* nobody will look at the velocity of W, neither this update, without momentum, nor the next */
    /* gradients of the biases and the data's unit means, complete before the update */
    const float *visible_gradient, *hidden_gradient, *visible_mean, *hidden_mean;
    /* writes the gradient of a tile of W (stride RBMK_PANEL) */
    void (*gradient)(const rbmk_updater *u, int row, int n_rows, int col, int n_cols, float *g, void *scratch);
    const void *source;
    /* own memory */
    float *push;        /* (n_hidden,), sparsity */
    float *row_sums;    /* (n_panels, n_visible), centring */
    float *column_sums; /* (n_blocks, n_hidden), centring */
    float *squares;     /* (n_blocks, n_hidden), max-norm */
    float *shrink;      /* (n_hidden,), max-norm */
    rbmk_fit fit;
};

int rbmk_updater_allocate(rbmk_updater *u, int team_size); /* 0 when there is no memory */
void rbmk_updater_free(rbmk_updater *u);

/* Every member, who has written the gradients and means of its share (rbmk_share) of the units. Ends without a barrier:
 * member 0 is the last to write, and only the exponent. All members return the same status. */
rbmk_status rbmk_update_member(rbmk_team team, rbmk_updater *u, void *scratch);

#endif
