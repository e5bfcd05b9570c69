#include "team.h"

#include <math.h>
#include <stdlib.h>

#include "meeting.h"
#include "pool.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <unistd.h>
#endif

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

static atomic_int usable = 1; /* threads that nobody has to ask for */
static atomic_int chosen;     /* threads that somebody asked for; 0: nobody did */
static _Thread_local int limit; /* of calls from this thread; 0: none */
static atomic_int forked; /* a forked child has its parent's OpenMP state but not its threads: a parallel region hangs */

#if defined(__unix__) || defined(__APPLE__)
static void in_child(void) { forked = 1; }
#endif

/* Called at import, before any region. */
void rbmk_set_default_threads(int n)
{
#if defined(__unix__) || defined(__APPLE__)
    static int watching;
    if (!watching)
        watching = !pthread_atfork(NULL, NULL, in_child);
#endif
    usable = n < 1 ? 1 : n;
}

void rbmk_set_num_threads(int n) { chosen = n < 1 ? 1 : n; }

int rbmk_limit_threads(int n)
{
    int before = limit;
    limit = n;
    return before;
}

/* Of all callers together. What limits OpenMP in the calling thread (threadpoolctl, omp_set_num_threads) limits the
 * default, too. */
static int allowed_threads(void)
{
#ifdef _OPENMP
    int asked = chosen, most = omp_get_max_threads(), without_asking = usable;
    if (forked)
        return 1;
    return asked ? asked : without_asking < most ? without_asking : most;
#else
    return 1;
#endif
}

int rbmk_get_num_threads(void)
{
    int n = allowed_threads();
    return limit && limit < n ? limit : n;
}

int rbmk_has_openmp(void)
{
#ifdef _OPENMP
    return 1;
#else
    return 0;
#endif
}

/* Starting a warm team costs a few microseconds, waiting for one whose CPU is busy a thousand times as much. */
static _Atomic double least_time = 4e4;

void rbmk_set_least_thread_time(double nanoseconds) { least_time = nanoseconds; }

static int uses_all(void) { return least_time == 0.0; } /* whatever it costs */

int rbmk_regroup(rbmk_team team, int wanted) { return !uses_all() && rbmk_meeting_regroup(team, wanted); }

static _Thread_local double expected; /* nanoseconds of the work that comes next */

int rbmk_threads_for(double nanoseconds)
{
    const int n = rbmk_get_num_threads();
    const double least = least_time;
    expected = uses_all() ? HUGE_VAL : nanoseconds;
    return nanoseconds < n * least ? (int)(nanoseconds / least) + 1 : n;
}

/* Other libraries leave threads that flush denormals to zero or round otherwise; results must not depend on that. */
#if defined(__SSE2__)
typedef unsigned float_settings;

static float_settings ieee_floats(void)
{
    const unsigned saved = _mm_getcsr();
    _mm_setcsr(0x1F80);
    return saved;
}

static void restore_floats(float_settings saved) { _mm_setcsr(saved); }
#elif defined(__aarch64__) && defined(__GNUC__)
typedef uint64_t float_settings; /* FPCR: zero is round to nearest, no flushing, no traps */

static void restore_floats(float_settings saved) { __asm__ volatile("msr fpcr, %0" : : "r"(saved) : "memory"); }

static float_settings ieee_floats(void)
{
    uint64_t saved;
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved));
    restore_floats(0);
    return saved;
}
#else
typedef int float_settings;

static float_settings ieee_floats(void) { return 0; }

static void restore_floats(float_settings saved) { (void)saved; }
#endif

static void member(rbmk_team team, const rbmk_kernels *kernels, void (*body)(rbmk_team, void *), void *arg)
{
    const float_settings saved = ieee_floats();
    if (kernels->thread_begin)
        kernels->thread_begin();
    body(team, arg);
    if (kernels->thread_end)
        kernels->thread_end();
    restore_floats(saved);
}

#ifdef _OPENMP
/* Threads at work for all callers. Calls that run at once, from several threads, share what one could have alone. */
static atomic_int busy;

static int engage(int wanted)
{
    int left = allowed_threads() - atomic_fetch_add(&busy, wanted);
    int given = wanted <= left ? wanted : left > 1 ? left : 1;
    atomic_fetch_sub(&busy, wanted - given);
    return given;
}

#if defined(__unix__) || defined(__APPLE__)
static void *pass(void *gate)
{
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

/* The calling thread, and up to `n` - 1 beside it that the system gives at once. */
static int start_and_end(int n)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_t *threads = malloc((size_t)n * sizeof *threads);
    int started = 0;
    pthread_mutex_lock(&gate);
    while (threads && started < n - 1 && !pthread_create(threads + started, NULL, pass, &gate))
        started++;
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return started + 1;
}

/* OpenMP ends the process where the system refuses it a thread (RLIMIT_NPROC, a container's limit of processes). So as
 * many are started once before, and when more are wanted, by each calling thread: OpenMP keeps a team for each. */
static int startable(int wanted)
{
    static _Thread_local int tried = 1, got = 1;
    if (wanted > tried) {
        got = start_and_end(wanted);
        tried = wanted;
    }
    return wanted < got ? wanted : got;
}
#else
static int startable(int wanted) { return wanted; }
#endif

static void run_in_parallel(int threads, int wanted, int left_out, const rbmk_kernels *kernels,
                            void (*body)(rbmk_team, void *), void *arg)
{
    struct rbmk_meeting meeting;
    rbmk_meeting_begin(&meeting, wanted);
#pragma omp parallel num_threads(threads)
    {
        rbmk_team team = {omp_get_thread_num(), omp_get_num_threads(), &meeting, left_out};
        if (team.id == 0)
            meeting.size = team.size;
        member(team, kernels, body, arg);
        rbmk_barrier(team); /* of ours: waiting for the end counts, too */
    }
    rbmk_meeting_end(&meeting);
}
#endif

void rbmk_run(int wanted, const rbmk_kernels *kernels, void (*body)(rbmk_team, void *), void *arg)
{
#ifdef _OPENMP
    const int left_out = uses_all() ? 0 : wanted - rbmk_uncrowded(wanted), engaged = engage(wanted - left_out);
    const int threads = engaged > 1 ? startable(engaged) : 1;
    if (threads > 1)
        run_in_parallel(threads, wanted, left_out, kernels, body, arg);
    else
        member((rbmk_team){0, 1, NULL, left_out}, kernels, body, arg);
    atomic_fetch_sub(&busy, engaged);
#else
    (void)wanted;
    member((rbmk_team){0, 1, NULL, 0}, kernels, body, arg);
#endif
}

typedef struct {
    const rbmk_kernels *kernels;
    void (*body)(rbmk_team, void *);
    void *arg;
    int size;
    atomic_int taken;
} members;

static void take_members(void *arg)
{
    members *m = arg;
    for (int id; (id = atomic_fetch_add(&m->taken, 1)) < m->size;)
        member((rbmk_team){id, m->size, NULL, 0}, m->kernels, m->body, m->arg);
}

void rbmk_run_apart(int size, const rbmk_kernels *kernels, void (*body)(rbmk_team, void *), void *arg)
{
    members all = {.kernels = kernels, .body = body, .arg = arg, .size = size};
#ifdef _OPENMP
    const int most = omp_get_thread_limit(), engaged = engage(size < most ? size : most);
    rbmk_with_helpers(engaged - 1, expected, take_members, &all);
    atomic_fetch_sub(&busy, engaged);
#else
    take_members(&all);
#endif
}

int rbmk_is_last(rbmk_team team, atomic_int *ended) { return atomic_fetch_add(ended, 1) == team.size - 1; }

void *rbmk_allocate(size_t count, size_t size)
{
    size_t bytes;
    void *memory = NULL;
    if (count && size > ((size_t)-1 - 128) / count)
        return NULL;
    bytes = count * size + 128; /* full vectors past the end stay inside */
#if defined(_WIN32)
    memory = _aligned_malloc(bytes, 64);
#else
    if (posix_memalign(&memory, 64, bytes))
        return NULL;
#endif
    return memory;
}

void rbmk_free(void *memory)
{
#if defined(_WIN32)
    _aligned_free(memory);
#else
    free(memory);
#endif
}
