#include "pool.h"

#if defined(_OPENMP) && (defined(__unix__) || defined(__APPLE__)) /* a build for more than one thread */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

enum { YIELDS = 50 }; /* some 20 microseconds, before a caller sleeps: the helper that it waits for may share its CPU */

/* What a caller has to give away, while it stands in the list. */
typedef struct offer {
    void (*work)(void *arg);
    void *arg;
    int wanted;        /* helpers that may still begin */
    atomic_int inside; /* that have begun, and not ended */
    _Atomic int64_t processor_time; /* of all */
    struct offer *next;
} offer;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static pthread_cond_t offered = PTHREAD_COND_INITIALIZER, ended = PTHREAD_COND_INITIALIZER;
static offer *offers;
static int n_started, n_working, n_refused; /* helpers; refused: so many were too many for the system */

static int64_t nanoseconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void take_part(offer *o)
{
    const int64_t begin = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
    o->work(o->arg);
    o->processor_time += nanoseconds(CLOCK_THREAD_CPUTIME_ID) - begin;
}

static offer *open_offer(void)
{
    offer *o = offers;
    while (o && !o->wanted)
        o = o->next;
    return o;
}

static void help_with(offer *o)
{
    o->wanted--;
    atomic_fetch_add(&o->inside, 1);
    n_working++;
    pthread_mutex_unlock(&lock);
    take_part(o);
    pthread_mutex_lock(&lock);
    n_working--;
    if (atomic_fetch_sub(&o->inside, 1) == 1) /* the offer may be gone now */
        pthread_cond_broadcast(&ended);
}

static void *help(void *unused)
{
    pthread_mutex_lock(&lock);
    for (;;) {
        offer *o = open_offer();
        if (o)
            help_with(o);
        else
            pthread_cond_wait(&offered, &lock);
    }
    return unused;
}

/* Signals are for the program's own threads, but for those that say what a thread has done itself. */
static sigset_t block_signals(void)
{
    static const int own[] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV};
    sigset_t others, before;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&others, own[i]);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    return before;
}

/* As many as the system allows, which are never fewer again. */
static void start_helpers(int n)
{
    const sigset_t before = block_signals();
    pthread_t thread;
    while (n_started < n && !(n_refused && n >= n_refused)) {
        if (pthread_create(&thread, NULL, help, NULL)) {
            n_refused = n;
            break;
        }
        pthread_detach(thread);
        n_started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void make(offer *own)
{
    const int wanted = own->wanted;
    pthread_mutex_lock(&lock);
    start_helpers(n_working + wanted);
    own->next = offers;
    offers = own;
    pthread_mutex_unlock(&lock);
    if (wanted > 1)
        pthread_cond_broadcast(&offered);
    else
        pthread_cond_signal(&offered);
}

static void withdraw(offer *own)
{
    offer **at = &offers;
    pthread_mutex_lock(&lock);
    while (*at != own)
        at = &(*at)->next;
    *at = own->next;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < YIELDS && own->inside; i++)
        sched_yield();
    pthread_mutex_lock(&lock);
    while (own->inside)
        pthread_cond_wait(&ended, &lock);
    pthread_mutex_unlock(&lock);
}

/* --- Whether it pays ---------------------------------------------------------------------------------------- */

/* Nanoseconds that callers have lost: what a call took beyond all the processor time that went into its work, as where
 * helpers come late, or take the CPU from the caller. Until a twentieth of the work done alone has paid for it, nobody is
 * asked, unless the work is much longer: asking costs some 5 % where every CPU is busy with something else. */
static _Atomic int64_t debt;

enum { MOST_DEBT = 20000000 };

static void work_alone(void (*work)(void *arg), void *arg)
{
    const int64_t begin = nanoseconds(CLOCK_MONOTONIC);
    work(arg);
    debt -= (nanoseconds(CLOCK_MONOTONIC) - begin) / 20;
}

static void work_together(offer *own)
{
    const int64_t begin = nanoseconds(CLOCK_MONOTONIC);
    make(own);
    take_part(own);
    withdraw(own);
    const int64_t lost = nanoseconds(CLOCK_MONOTONIC) - begin - own->processor_time;
    debt = lost < 0 ? 0 : lost < MOST_DEBT ? lost : MOST_DEBT; /* a process may have been stopped for hours */
}

void rbmk_with_helpers(int helpers, double nanoseconds, void (*work)(void *arg), void *arg)
{
    offer own = {.work = work, .arg = arg, .wanted = helpers};
    if (helpers < 1)
        work(arg);
    else if ((double)debt > nanoseconds / 4)
        work_alone(work, arg);
    else
        work_together(&own);
}
#else
void rbmk_with_helpers(int helpers, double nanoseconds, void (*work)(void *arg), void *arg)
{
    (void)helpers;
    (void)nanoseconds;
    work(arg);
}
#endif
