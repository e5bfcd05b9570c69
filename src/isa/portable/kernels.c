/* Plain C11: the baseline that every other path overwrites. */
#include "../../common/kernels.inl.h"

int rbmk_fill_portable(rbmk_kernels *table)
{
    fill_table(table);
    return 1;
}
