/* Threads. team.c is the only file that knows OpenMP. */
#ifndef RBMK_TEAM_H
#define RBMK_TEAM_H

#include "../kernels.h"

typedef struct {
    int id, size;
    struct rbmk_meeting *meeting; /* where its barriers are counted */
} rbmk_team;

/* Run body(team, arg) on up to `threads` threads, each with IEEE float settings and ready for `kernels`. */
void rbmk_run(int threads, const rbmk_kernels *kernels, void (*body)(rbmk_team, void *), void *arg);

/* Every thread of the team waits for all. */
void rbmk_barrier(rbmk_team team);

/* Threads worth starting for about `work` elementary operations. */
int rbmk_threads_for(double work);

/* The part of 0..n-1 that this member does. */
static inline void rbmk_share(rbmk_team team, int64_t n, int64_t *from, int64_t *to)
{
    *from = n * team.id / team.size;
    *to = n * (team.id + 1) / team.size;
}

static inline int64_t rbmk_round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

static inline int rbmk_panels(int columns) { return (columns + RBMK_PANEL - 1) / RBMK_PANEL; }

/* Uninitialised, 64-byte aligned memory; NULL when there is none. */
void *rbmk_allocate(size_t count, size_t size);
void rbmk_free(void *memory);

#endif
