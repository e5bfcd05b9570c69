/* Refuses compilers' settings under which the bits would change. */
#ifndef RBMK_GUARD_H
#define RBMK_GUARD_H

#include <float.h>

#ifdef __FAST_MATH__
#error "rbmfast: -ffast-math changes results; remove it from CFLAGS"
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "rbmfast: float arithmetic must round to float (FLT_EVAL_METHOD == 0); on 32-bit x86 use -msse2 -mfpmath=sse"
#endif

#endif
