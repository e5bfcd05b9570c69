/* Float arrays of the shape of the weights, in one of two layouts: by rows, as callers have them, or by panels of 64
 * columns, as an epoch keeps them: what is touched together is then one stretch of memory, which the processor
 * foresees, and few pages. */
#ifndef RBMK_ARRAY_H
#define RBMK_ARRAY_H

#include "share.h"

typedef struct {
    float *data;
    int n_visible, n_hidden;
    ptrdiff_t panel, row; /* from panel to panel, and from row to row */
} rbmk_array;

static inline rbmk_array rbmk_by_rows(const float *data, int n_visible, int n_hidden)
{
    return (rbmk_array){(float *)data, n_visible, n_hidden, RBMK_PANEL, n_hidden};
}

static inline rbmk_array rbmk_by_panels(float *data, int n_visible, int n_hidden)
{
    return (rbmk_array){data, n_visible, n_hidden, (ptrdiff_t)n_visible * RBMK_PANEL, RBMK_PANEL};
}

/* Elements of memory that panels take. */
static inline size_t rbmk_panels_size(int n_visible, int n_hidden)
{
    return (size_t)rbmk_panels(n_hidden) * RBMK_PANEL * (size_t)n_visible;
}

/* Row i from column j to the end of its panel. */
static inline float *rbmk_at(const rbmk_array *x, int64_t i, int j)
{
    return x->data + j / RBMK_PANEL * x->panel + i * x->row + j % RBMK_PANEL;
}

static inline int rbmk_panel_width(const rbmk_array *x, int j)
{
    return x->n_hidden - j < RBMK_PANEL ? x->n_hidden - j : RBMK_PANEL;
}

/* The member's columns of `from`, which has the same shape. */
void rbmk_copy_array(rbmk_team team, const rbmk_array *from, const rbmk_array *to);

#endif
