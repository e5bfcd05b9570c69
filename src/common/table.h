/* A path's kernels as constant data: `table`, from the functions that were included before. Nothing of a path runs before
 * the CPU was asked, not even to say what there is. */
#ifndef RBMK_TABLE_H
#define RBMK_TABLE_H

static const rbmk_kernels table = {
#define RBMK_KERNEL(type, name, args) .name = name,
#include "../kernels.def"
#undef RBMK_KERNEL
#ifdef RBMK_OWN_THREADS
    .thread_begin = thread_begin,
    .thread_end = thread_end,
#endif
};

#endif
