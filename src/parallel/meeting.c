#include "meeting.h"

/* --- Crowds ------------------------------------------------------------------------------------------------------ */

enum {
    LEAST_WAIT = 2000000,    /* less than a time slice: some other thread has run for a moment */
    MEMORY = 20000000,       /* what is longer ago counts half, a quarter, ... */
    FIRST_REST = 50000000,   /* a trial in vain costs some 10 ms */
    LONGEST_REST = 1000000000
};

static void forget(rbmk_crowd *crowd, int half)
{
    crowd->worked = half ? crowd->worked / 2 : 0;
    crowd->waited = half ? crowd->waited / 2 : 0;
    crowd->lost = half ? crowd->lost / 2 : 0;
}

void rbmk_crowd_note(rbmk_crowd *crowd, int size, int wanted, int64_t now, int64_t worked, int64_t waited)
{
    crowd->worked += worked;
    crowd->waited += waited;
    crowd->lost += size * waited;
    /* one member less takes 1 / size of the work per time, a little less where members share caches */
    if (crowd->waited > LEAST_WAIT && 4 * crowd->lost > 3 * crowd->worked) {
        if (!crowd->fewer) /* else one more has to go */
            crowd->rest = now - crowd->tried > 2 * crowd->rest ? FIRST_REST : 4 * crowd->rest;
        crowd->rest = crowd->rest < LONGEST_REST ? crowd->rest : LONGEST_REST;
        if (wanted - size >= crowd->fewer) /* it was a team as small as is allowed */
            crowd->fewer = wanted - size + 1;
        crowd->until = now + crowd->rest;
        forget(crowd, 0);
    } else if (crowd->worked > MEMORY) {
        forget(crowd, 1);
    }
}

int rbmk_crowd_allows(rbmk_crowd *crowd, int wanted, int64_t now)
{
    if (crowd->fewer && now >= crowd->until) {
        crowd->fewer = 0;
        crowd->tried = now;
        forget(crowd, 0);
    }
    return crowd->fewer < wanted ? wanted - crowd->fewer : 1;
}

#if defined(_OPENMP) && (defined(__unix__) || defined(__APPLE__))
#include <time.h>

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

static rbmk_crowd crowd; /* of this process */
static pthread_mutex_t crowd_lock = PTHREAD_MUTEX_INITIALIZER;

static int64_t clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What members have waited so far, to where all callers look. Nobody waits for that: a fork may have left it locked. */
static void report(struct rbmk_meeting *meeting)
{
    const int64_t now = clock_now(), worked = now - meeting->since;
    const int64_t waited = atomic_exchange(&meeting->waited, 0) / (meeting->size - 1);
    meeting->since = now;
    if (!pthread_mutex_trylock(&crowd_lock)) {
        rbmk_crowd_note(&crowd, meeting->size, meeting->wanted, now, worked, waited > 0 ? waited : 0);
        pthread_mutex_unlock(&crowd_lock);
    }
}

int rbmk_uncrowded(int wanted)
{
    int n = wanted;
    if (wanted > 1 && !pthread_mutex_trylock(&crowd_lock)) {
        n = rbmk_crowd_allows(&crowd, wanted, clock_now());
        pthread_mutex_unlock(&crowd_lock);
    }
    return n;
}

int rbmk_meeting_regroup(rbmk_team team, int wanted)
{
    if (team.size > 1)
        report(team.meeting);
    return rbmk_uncrowded(wanted) != wanted - team.left_out;
}

void rbmk_excuse(rbmk_team team, int64_t nanoseconds)
{
    if (team.size > 1) {
        atomic_fetch_sub(&team.meeting->waited, nanoseconds * (team.size - 1));
        team.meeting->since += nanoseconds;
    }
}

/* --- Our own barrier, because OpenMP's spins for milliseconds: on a machine with more busy threads than CPUs each
 * of the barriers of an update would cost a time slice. This one spins for some 30 microseconds, then sleeps. --- */

void rbmk_meeting_begin(struct rbmk_meeting *meeting, int wanted)
{
    meeting->size = 1; /* until they are there */
    meeting->wanted = wanted;
    atomic_init(&meeting->arrived, 0);
    atomic_init(&meeting->round, 0);
    atomic_init(&meeting->waited, 0);
    meeting->since = clock_now();
    pthread_mutex_init(&meeting->lock, NULL);
    pthread_cond_init(&meeting->changed, NULL);
}

void rbmk_meeting_end(struct rbmk_meeting *meeting)
{
    if (meeting->size > 1)
        report(meeting);
    pthread_cond_destroy(&meeting->changed);
    pthread_mutex_destroy(&meeting->lock);
}

static void next_round(struct rbmk_meeting *meeting, int round)
{
    atomic_store_explicit(&meeting->arrived, 0, memory_order_relaxed);
    pthread_mutex_lock(&meeting->lock);
    atomic_store_explicit(&meeting->round, round + 1, memory_order_release);
    pthread_cond_broadcast(&meeting->changed);
    pthread_mutex_unlock(&meeting->lock);
}

static inline int is_over(struct rbmk_meeting *meeting, int round)
{
    return atomic_load_explicit(&meeting->round, memory_order_acquire) != round;
}

static inline void pause_briefly(void)
{
#if defined(__SSE2__)
    _mm_pause();
#endif
}

static void sleep_until_over(struct rbmk_meeting *meeting, int round)
{
    const int64_t begin = clock_now();
    pthread_mutex_lock(&meeting->lock);
    while (!is_over(meeting, round))
        pthread_cond_wait(&meeting->changed, &meeting->lock);
    pthread_mutex_unlock(&meeting->lock);
    atomic_fetch_add(&meeting->waited, clock_now() - begin);
}

void rbmk_barrier(rbmk_team team)
{
    enum { SPINS = 1000 };
    struct rbmk_meeting *meeting = team.meeting;
    if (team.size == 1)
        return;
    int round = atomic_load_explicit(&meeting->round, memory_order_acquire);
    if (atomic_fetch_add_explicit(&meeting->arrived, 1, memory_order_acq_rel) == team.size - 1) {
        next_round(meeting, round);
        return;
    }
    for (int spin = 0; spin < SPINS; spin++) {
        if (is_over(meeting, round))
            return;
        pause_briefly();
    }
    sleep_until_over(meeting, round);
}
#else
void rbmk_meeting_begin(struct rbmk_meeting *meeting, int wanted)
{
    (void)meeting;
    (void)wanted;
}

void rbmk_meeting_end(struct rbmk_meeting *meeting) { (void)meeting; }

void rbmk_excuse(rbmk_team team, int64_t nanoseconds)
{
    (void)team;
    (void)nanoseconds;
}

int rbmk_uncrowded(int wanted) { return wanted; }

int rbmk_meeting_regroup(rbmk_team team, int wanted)
{
    (void)team;
    (void)wanted;
    return 0;
}

void rbmk_barrier(rbmk_team team)
{
    (void)team;
#ifdef _OPENMP
#pragma omp barrier
#endif
}
#endif
