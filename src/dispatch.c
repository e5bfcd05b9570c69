/* Which kernels run: portable first, better paths that this CPU has overwrite it. */
#include <stdatomic.h>

#include "kernels.h"

/* Worst first. A new path is one line here and one folder in isa/. */
static const rbmk_isa paths[] = {
    {"portable", rbmk_cpu_always, rbmk_fill_portable},
    {"avx2", rbmk_cpu_has_avx2, rbmk_fill_avx2},
    {"avx512", rbmk_cpu_has_avx512, rbmk_fill_avx512},
    {"amx", rbmk_cpu_has_amx, rbmk_fill_amx},
};
enum { N_PATHS = sizeof paths / sizeof *paths };

static rbmk_kernels tables[N_PATHS];
static atomic_int state[N_PATHS]; /* 0 unknown, 1 usable, -1 not */
static atomic_int current = -1;

int rbmk_isa_count(void) { return N_PATHS; }

const char *rbmk_isa_name(int isa) { return paths[isa].name; }

int rbmk_isa_built(int isa)
{
    rbmk_kernels probe;
    return paths[isa].fill(&probe);
}

/* Tables are filled on the first question, which the extension asks at import, before any threads. */
int rbmk_isa_available(int isa)
{
    if (!state[isa])
        state[isa] = paths[isa].cpu_supports() && paths[isa].fill(&tables[isa]) ? 1 : -1;
    return state[isa] == 1;
}

int rbmk_isa_select(int isa)
{
    if (isa < 0 || isa >= N_PATHS || !rbmk_isa_available(isa))
        return 0;
    current = isa;
    return 1;
}

int rbmk_isa_current(void)
{
    for (int isa = N_PATHS - 1; current < 0; isa--)
        if (rbmk_isa_available(isa))
            current = isa;
    return current;
}

const rbmk_kernels *rbmk_current_kernels(void) { return &tables[rbmk_isa_current()]; }

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
