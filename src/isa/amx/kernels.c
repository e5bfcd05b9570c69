/* Placeholder until the tile path is written. */
#include "../../kernels.h"

int rbmk_fill_amx(rbmk_kernels *table)
{
    (void)table;
    return 0;
}
