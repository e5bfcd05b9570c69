/* Barriers of a team, and whether waiting at them says that fewer members would do more. */
#ifndef RBMK_MEETING_H
#define RBMK_MEETING_H

#include <stdint.h>

#include "team.h"

#if defined(_OPENMP) && (defined(__unix__) || defined(__APPLE__))
#include <pthread.h>

struct rbmk_meeting {
    atomic_int arrived, round;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    atomic_llong waited; /* nanoseconds that members have slept, all together, since... */
    int64_t since;       /* on the clock */
    int size, wanted;    /* members, and how many there would be without a crowd */
};
#else
struct rbmk_meeting {
    int size;
};
#endif

void rbmk_meeting_begin(struct rbmk_meeting *meeting, int wanted);
void rbmk_meeting_end(struct rbmk_meeting *meeting);

/* How many of `wanted` threads to start now; whether a team had better be another one: see rbmk_regroup. */
int rbmk_uncrowded(int wanted);
int rbmk_meeting_regroup(rbmk_team team, int wanted);

/* What is known of the CPUs: where another program works on one of them, a team waits for its member there at each
 * barrier, time slice after time slice, and is soon slower than one thread. Then it goes on with fewer for a while,
 * and tries again; the more often in vain, the later. Times in nanoseconds. */
typedef struct {
    int fewer;            /* members than are wanted, now */
    int64_t until, tried; /* when to try again with all, and when that was done last */
    int64_t rest;         /* from being crowded to trying again */
    int64_t worked, waited; /* of late: at work, and of that waiting for one member */
    int64_t lost;           /* the same times the members that waited */
} rbmk_crowd;

/* A team of `size` members, of `wanted` ones, has worked for so long up to `now`, of which it waited. */
void rbmk_crowd_note(rbmk_crowd *crowd, int size, int wanted, int64_t now, int64_t worked, int64_t waited);
int rbmk_crowd_allows(rbmk_crowd *crowd, int wanted, int64_t now);

#endif
