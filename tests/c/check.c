#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Counting -------------------------------------------------------------------------------------------- */

static char group[128], test[128];
static int group_passed, group_failed, passed, failed, test_open, test_failed;

static void close_test(void)
{
    if (test_open)
        ++*(test_failed ? &group_failed : &group_passed);
    test_open = test_failed = 0;
}

static void close_group(void)
{
    close_test();
    if (group[0])
        printf("  %-6s %s: %d of %d\n", group_failed ? "FAILED" : "ok", group, group_passed,
               group_passed + group_failed);
    fflush(stdout);
    passed += group_passed;
    failed += group_failed;
    group_passed = group_failed = 0;
}

#define FORMAT(text) \
    do { \
        va_list args; \
        va_start(args, format); \
        vsnprintf(text, sizeof text, format, args); \
        va_end(args); \
    } while (0)

void check_group(const char *format, ...)
{
    close_group();
    FORMAT(group);
}

void check_test(const char *format, ...)
{
    close_test();
    test_open = 1;
    FORMAT(test);
}

void check_skip(const char *why) { printf("  skipped %s\n", why); }

static int note(int ok, const char *message)
{
    if (!ok && !test_failed) {
        printf("    %s, %s: %s\n", group, test, message);
        fflush(stdout);
        test_failed = 1;
    }
    return ok;
}

int check(int ok, const char *format, ...)
{
    char message[256];
    FORMAT(message);
    return note(ok, message);
}

int check_same(const void *expected, const void *got, size_t bytes, const char *format, ...)
{
    const unsigned char *e = expected, *g = got;
    char what[128], message[256];
    size_t at = 0;
    if (memcmp(e, g, bytes) == 0)
        return 1;
    while (e[at] == g[at])
        at++;
    FORMAT(what);
    snprintf(message, sizeof message, "%s: byte %zu of %zu is %02x, not %02x", what, at, bytes, g[at], e[at]);
    return note(0, message);
}

int check_finish(void)
{
    close_group();
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}

/* --- Buffers --------------------------------------------------------------------------------------------- */

enum { MOST_BUFFERS = 256, PATTERN = 0xA5 };

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

static struct {
    void *memory;
    size_t bytes;
} buffers[MOST_BUFFERS];
static int n_buffers;

int buffers_mark(void) { return n_buffers; }

void forget(void) { forget_since(0); }

static void *hold(void *memory, size_t bytes)
{
    if (!memory || n_buffers == MOST_BUFFERS) {
        printf("no memory for a buffer\n");
        exit(2);
    }
    buffers[n_buffers].memory = memory;
    buffers[n_buffers++].bytes = bytes;
    return memory;
}

#if defined(SANITIZED)

void *fresh(size_t bytes) { return memset(hold(malloc(bytes), bytes), PATTERN, bytes); }

void *fresh_aligned(size_t bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, 64, bytes))
        memory = NULL;
    return memset(hold(memory, bytes), PATTERN, bytes);
}

void forget_since(int mark)
{
    while (n_buffers > mark)
        free(buffers[--n_buffers].memory);
}

void check_start(void) {} /* the sanitizer says where it was */

#else /* a page that nobody may touch does the same for what sanitizers do not see: masked vectors, tiles */

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

/* QEMU's vcvtdq2pd reads 32 bytes of memory where processors read 16 (seen in 7.2): its x86 gets so much more room. */
#ifdef EMULATED_X86
enum { SLACK = 16 };
#else
enum { SLACK = 0 };
#endif

static void on_crash(int signal_number)
{
    printf("    %s, %s: signal %d\n", group, test, signal_number);
    fflush(stdout);
    _exit(2);
}

void check_start(void)
{
    signal(SIGSEGV, on_crash);
    signal(SIGBUS, on_crash);
    signal(SIGABRT, on_crash);
}

static char *guarded(size_t bytes, size_t *to_end)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (bytes + page - 1) / page * page;
    char *memory = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    hold(memory == (char *)MAP_FAILED ? NULL : memory, whole + page);
    mprotect(memory + whole, page, PROT_NONE);
    *to_end = whole - bytes;
    return memory;
}

void *fresh(size_t bytes)
{
    size_t to_end;
    char *memory = guarded(bytes + SLACK, &to_end);
    return memset(memory + to_end, PATTERN, bytes);
}

void *fresh_aligned(size_t bytes)
{
    size_t to_end;
    char *memory = guarded(bytes + SLACK, &to_end);
    return memset(memory + to_end / 64 * 64, PATTERN, bytes);
}

void forget_since(int mark)
{
    while (n_buffers > mark) {
        n_buffers--;
        munmap(buffers[n_buffers].memory, buffers[n_buffers].bytes);
    }
}

#endif

/* --- Random numbers: SplitMix64 -------------------------------------------------------------------------- */

static uint64_t state;

void seed_random(uint64_t seed) { state = seed * 0x9E3779B97F4A7C15u; }

uint64_t random_bits(void)
{
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

int random_below(int n) { return (int)((random_bits() >> 32) * (uint64_t)n >> 32); }

float random_float(float scale) { return (float)((int)(random_bits() >> 40) - (1 << 23)) * (scale / 8388608.0f); }

double *random_weights(int n)
{
    double *weights = fresh((size_t)n * sizeof *weights);
    for (int i = 0; i < n; i++)
        weights[i] = random_below(4) * (double)random_below(1 << 20);
    return weights;
}

void fill_states(uint8_t *states, size_t n, int percent_on)
{
    for (size_t i = 0; i < n; i++)
        states[i] = random_below(100) < percent_on;
}
