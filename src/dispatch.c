/* Which kernels run: the best path that was built and that this CPU has. */
#include <stdatomic.h>

#include "kernels.h"

/* Worst first. A new path is one line here and one folder in isa/. Constant data: only the kernels themselves are compiled
 * for an instruction set, and they are called only when cpu.c, compiled for any CPU, has said yes. */
static const struct {
    const char *name;
    int (*cpu_supports)(void);
    const rbmk_kernels *const *kernels;
} paths[] = {
    {"portable", rbmk_cpu_always, &rbmk_portable},
    {"avx2", rbmk_cpu_has_avx2, &rbmk_avx2},
    {"avx512", rbmk_cpu_has_avx512, &rbmk_avx512},
    {"amx", rbmk_cpu_has_amx, &rbmk_amx},
    {"neon", rbmk_cpu_always, &rbmk_neon}, /* where it was built */
};
enum { N_PATHS = sizeof paths / sizeof *paths };

static atomic_int current = -1;

int rbmk_isa_count(void) { return N_PATHS; }

const char *rbmk_isa_name(int isa) { return paths[isa].name; }

int rbmk_isa_built(int isa) { return *paths[isa].kernels != NULL; }

int rbmk_isa_available(int isa) { return rbmk_isa_built(isa) && paths[isa].cpu_supports(); }

int rbmk_isa_select(int isa)
{
    if (isa < 0 || isa >= N_PATHS || !rbmk_isa_available(isa))
        return 0;
    current = isa;
    return 1;
}

/* Found at the first question, which the extension asks at import, before any threads. */
int rbmk_isa_current(void)
{
    for (int isa = N_PATHS - 1; current < 0; isa--)
        if (rbmk_isa_available(isa))
            current = isa;
    return current;
}

const rbmk_kernels *rbmk_current_kernels(void) { return *paths[rbmk_isa_current()].kernels; }

const char *rbmk_compiler(void)
{
#if defined(__VERSION__) && defined(__clang__)
    return __VERSION__;
#elif defined(__VERSION__)
    return "GCC " __VERSION__;
#else
    return "unknown compiler";
#endif
}
