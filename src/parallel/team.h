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

/* Threads worth starting for what takes one about so many nanoseconds (between two barriers, if there are any). */
int rbmk_threads_for(double nanoseconds);

/* Uninitialised, 64-byte aligned memory; NULL when there is none. */
void *rbmk_allocate(size_t count, size_t size);
void rbmk_free(void *memory);

#endif
