/* update PATH N: N <= 2 updates of CD-1, 784 x 500, batch 100, on the kernels of that path. 13 % of the visible units are
 * on, and about 35 % of the hidden ones. */
#include <stdlib.h>
#include <string.h>

#include "rbmk.h"

enum { VISIBLE = 784, HIDDEN = 500, BATCH = 100, UPDATES = 2 };

static uint8_t data[UPDATES * BATCH * VISIBLE];
static float W[VISIBLE * HIDDEN], W_velocity[VISIBLE * HIDDEN], a[VISIBLE], a_velocity[VISIBLE], b[HIDDEN], b_velocity[HIDDEN];
static float visible_offset[VISIBLE], hidden_offset[HIDDEN], activity[HIDDEN];
static int64_t rows[UPDATES * BATCH];

static float uniform(void)
{
    static uint32_t state = 12345;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) * 0x1p-24f;
}

static int select_path(const char *name)
{
    for (int isa = 0; isa < rbmk_isa_count(); isa++)
        if (!strcmp(rbmk_isa_name(isa), name))
            return rbmk_isa_select(isa);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3 || !select_path(argv[1]))
        return 2;
    for (int i = 0; i < VISIBLE * HIDDEN; i++)
        W[i] = 0.1f * (uniform() + uniform() + uniform() + uniform() - 2.0f);
    for (int i = 0; i < VISIBLE; i++)
        a[i] = -2.0f;
    for (int j = 0; j < HIDDEN; j++)
        b[j] = -0.7f;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = uniform() < 0.13f;
    for (int i = 0; i < UPDATES * BATCH; i++)
        rows[i] = i;
    const float rates[UPDATES] = {0.01f, 0.01f}, momenta[UPDATES] = {0.5f, 0.5f};
    const rbmk_settings settings = {0};
    rbmk_learning model = {VISIBLE, HIDDEN, W, a, b, W_velocity, a_velocity, b_velocity, visible_offset, hidden_offset,
                           activity, RBMK_MAX_EXPONENT};
    const rbmk_epoch_plan plan = {
        .data = {data, 0, VISIBLE, UPDATES * BATCH}, .order = rows, .row_ids = rows, .n = (int64_t)BATCH * atoi(argv[2]),
        .batch_size = BATCH, .k = 1, .rates = rates, .momenta = momenta, .stream = {.seed = 1, .purpose = 3}};
    int64_t done = 0;
    return rbmk_epoch(&model, &settings, &plan, &done) != RBMK_OK;
}
