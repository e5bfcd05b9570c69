/* The harness of the C tests: counting, random inputs, and buffers that end where they say. */
#ifndef CHECK_H
#define CHECK_H

#include <stddef.h>
#include <stdint.h>

void check_start(void); /* says which test crashes */

/* A group prints one line; it is made of tests, each of any number of checks. */
void check_group(const char *format, ...);
void check_test(const char *format, ...); /* the checks from here on belong to this test */
void check_skip(const char *why);         /* prints a line of its own */
int check(int ok, const char *format, ...); /* a test's first failed check prints a line; returns ok */
int check_finish(void);                   /* the last line; the exit code */

/* The same bytes, or one line that says where they differ. */
int check_same(const void *expected, const void *got, size_t bytes, const char *format, ...);

/* Buffers of exactly `bytes` bytes, with nothing readable behind them, freed by forget(). Filled with a pattern. */
void *fresh(size_t bytes);
void *fresh_aligned(size_t bytes); /* for a matrix or scratch: starts at a multiple of 64 */
void forget(void);
int buffers_mark(void);
void forget_since(int mark); /* only those that came after the mark */

/* Random numbers that depend on nothing but the last seed. Only exact float operations: whatever the rounding mode. */
void seed_random(uint64_t seed);
uint64_t random_bits(void);
int random_below(int n);
float random_float(float scale); /* in (-scale, scale), scale a power of 2 */
void fill_states(uint8_t *states, size_t n, int percent_on);
double *random_weights(int n); /* of rows: some are 0 */

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Emulated CPUs take a quarter of the random inputs. */
#ifdef FEWER_REPEATS
#define REPEATS(n) ((n) / 4)
#else
#define REPEATS(n) (n)
#endif

static inline int at_most(int a, int b) { return a < b ? a : b; }
static inline int round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

/* Sizes about every width that a kernel may treat as whole. */
static const int sizes[] = {1, 7, 15, 16, 17, 31, 33, 63, 64, 65, 100, 784};

/* paths.c */
const char *paths_note(void); /* how the AMX path runs here, or why not */

/* The groups. */
void test_random(void);
void test_kernels(void);
void test_calls(void);
void test_changing_teams(void);
void test_crowds(void);
void test_float_settings(void);
void test_refusals(void);

#endif
