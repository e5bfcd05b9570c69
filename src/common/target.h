/* RBMK_TARGET_BEGIN("avx2") ... RBMK_TARGET_END: compile what is between for these extensions, whatever the command
 * line's flags. Headers of the C library and of intrinsics must be included before. */
#ifndef RBMK_TARGET_H
#define RBMK_TARGET_H

#define RBMK_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define RBMK_TARGET_BEGIN(features) \
    RBMK_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define RBMK_TARGET_END RBMK_PRAGMA(clang attribute pop)
#elif defined(__GNUC__)
#define RBMK_TARGET_BEGIN(features) RBMK_PRAGMA(GCC push_options) RBMK_PRAGMA(GCC target(features))
#define RBMK_TARGET_END RBMK_PRAGMA(GCC pop_options)
#endif

/* RBMK_APART: a function of its own, because inlined its loops would share registers with others.
 * RBMK_UNROLL(n): n steps at a time of the loop that follows. */
#if defined(__GNUC__)
#define RBMK_APART __attribute__((noinline))
#define RBMK_PREFETCH(address) __builtin_prefetch(address)
#else
#define RBMK_APART
#define RBMK_PREFETCH(address) (void)(address)
#endif
#if defined(__clang__)
#define RBMK_UNROLL(n) RBMK_PRAGMA(unroll n)
#elif defined(__GNUC__) && __GNUC__ >= 8
#define RBMK_UNROLL(n) RBMK_PRAGMA(GCC unroll n)
#else
#define RBMK_UNROLL(n)
#endif

/* What this compiler can build. */
#if defined(RBMK_TARGET_BEGIN) && (defined(__x86_64__) || defined(__i386__))
#define RBMK_BUILD_AVX2 1
#if (defined(__clang__) && __clang_major__ >= 8) || (!defined(__clang__) && __GNUC__ >= 9)
#define RBMK_BUILD_AVX512 1
#endif
#if defined(__x86_64__) && ((defined(__clang__) && __clang_major__ >= 12) || (!defined(__clang__) && __GNUC__ >= 11))
#define RBMK_BUILD_AMX 1
#endif
#endif
#if defined(__aarch64__) && defined(__ARM_NEON) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define RBMK_BUILD_NEON 1
#endif

#endif
