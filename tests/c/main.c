#include <stdio.h>

#include "check.h"
#include "rbmk.h"

/* With an argument: not the kernels. */
int main(int argc, char **argv)
{
    (void)argv;
    check_start();
    rbmk_set_least_thread_time(0.0); /* small tests, too, use all threads */
    printf("  paths:");
    for (int isa = 0; isa < rbmk_isa_count(); isa++)
        if (rbmk_isa_available(isa))
            printf(" %s", rbmk_isa_name(isa));
    printf("; amx: %s; %s\n", paths_note(), rbmk_has_openmp() ? "OpenMP" : "one thread");
    test_random();
    if (argc == 1)
        test_kernels();
    test_calls();
    test_changing_teams();
    test_crowds();
    test_float_settings();
    test_refusals();
    return check_finish();
}
