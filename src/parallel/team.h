/* Threads. team.c and meeting.c are the only files that know OpenMP. */
#ifndef RBMK_TEAM_H
#define RBMK_TEAM_H

#include <stdatomic.h>

#include "../kernels.h"

typedef struct {
    int id, size;
    struct rbmk_meeting *meeting; /* where its barriers are counted; NULL where there can be none */
    int left_out; /* members that there would be without a crowd: meeting.h */
} rbmk_team;

/* Run body(team, arg) on up to `threads` threads, each with IEEE float settings and ready for `kernels`. */
void rbmk_run(int threads, const rbmk_kernels *kernels, void (*body)(rbmk_team, void *), void *arg);

/* Every thread of the team waits for all. */
void rbmk_barrier(rbmk_team team);

/* One member, now and then, while the others are on their way to the next barrier: whether another number of threads than
 * the team has would do the rest sooner. Then all of them return, and rbmk_run is called again with those `wanted`. */
int rbmk_regroup(rbmk_team team, int wanted);

/* One member: what it did not spend on the team's work, while the others may have waited for it. */
void rbmk_excuse(rbmk_team team, int64_t nanoseconds);

/* The same for a team of `size` (which rbmk_threads_for has told) whose members never wait for each other: the calling
 * thread takes one after another, and so does every thread that comes to help. Nobody waits for one that has not begun. */
void rbmk_run_apart(int size, const rbmk_kernels *kernels, void (*body)(rbmk_team, void *), void *arg);

/* Whether this member is the last to say so; it then sees what all have done. */
int rbmk_is_last(rbmk_team team, atomic_int *ended);

/* Threads worth starting for what takes one about so many nanoseconds (between two barriers, if there are any). */
int rbmk_threads_for(double nanoseconds);

/* Uninitialised, 64-byte aligned memory; NULL when there is none. */
void *rbmk_allocate(size_t count, size_t size);
void rbmk_free(void *memory);

#endif
