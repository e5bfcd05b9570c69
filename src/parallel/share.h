/* How the members of a team divide work. */
#ifndef RBMK_SHARE_H
#define RBMK_SHARE_H

#include "team.h"

/* The part of 0..n-1 that this member does. */
static inline void rbmk_share(rbmk_team team, int64_t n, int64_t *from, int64_t *to)
{
    *from = n * team.id / team.size;
    *to = n * (team.id + 1) / team.size;
}

/* The next of pieces that whoever is free takes: a member whose CPU is busy with something else then holds up none but the
 * one that it has. */
static inline int64_t rbmk_take(atomic_llong *taken)
{
    return atomic_fetch_add_explicit(taken, 1, memory_order_relaxed);
}

static inline int64_t rbmk_round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

static inline int rbmk_at_most(int64_t n, int limit) { return n < limit ? (int)n : limit; }

static inline int rbmk_panels(int columns) { return (columns + RBMK_PANEL - 1) / RBMK_PANEL; }

typedef struct {
    int64_t first_row, end_row;
    int first_col, end_col;
} rbmk_rectangle;

/* The member's rectangle of a matrix: columns in whole panels, rows in whole units. Members share columns first, since
 * each then keeps its part of the weights in its cache, pass after pass. */
rbmk_rectangle rbmk_share_rectangle(rbmk_team team, int64_t rows, int row_unit, int columns);

#endif
