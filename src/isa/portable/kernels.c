/* Plain C11: the path of every CPU, and the truth that the others are compared with. */
#include "../../common/product.h"
#include "../../common/elementwise.h"
#include "../../common/random.h"
#include "../../common/groups.h"
#include "../../common/convolution.h"
#include "../../common/odds.h"
#include "../../common/factors.h"
#include "../../common/sweep.h"
#include "../../common/update.h"
#include "../../common/table.h"

const rbmk_kernels *const rbmk_portable = &table;
