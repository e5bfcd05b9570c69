#include "array.h"

#include <string.h>

void rbmk_copy_array(rbmk_team team, const rbmk_array *from, const rbmk_array *to)
{
    const rbmk_rectangle own = rbmk_share_rectangle(team, to->n_visible, RBMK_ROW_BLOCK, to->n_hidden);
    for (int col = own.first_col; col < own.end_col; col += RBMK_PANEL)
        for (int64_t i = own.first_row; i < own.end_row; i++)
            memcpy(rbmk_at(to, i, col), rbmk_at(from, i, col), (size_t)rbmk_panel_width(to, col) * sizeof(float));
}
