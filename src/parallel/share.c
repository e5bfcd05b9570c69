#include "share.h"

/* The first column of part i of n: a panel's first. */
static int column_bound(int columns, int i, int n)
{
    int64_t exact = (int64_t)columns * i / n, nearest = (exact + RBMK_PANEL / 2) / RBMK_PANEL * RBMK_PANEL;
    return i == n || nearest > columns ? columns : (int)nearest;
}

static int largest_part(int columns, int n)
{
    int largest = 0;
    for (int i = 0; i < n; i++) {
        int size = column_bound(columns, i + 1, n) - column_bound(columns, i, n);
        largest = size > largest ? size : largest;
    }
    return largest;
}

static int64_t largest_share(int team_size, int parts, int64_t rows, int columns)
{
    int64_t row_parts = team_size / parts;
    return (rows + row_parts - 1) / row_parts * largest_part(columns, parts);
}

/* Into how many parts to cut the columns (the rows into team size / parts): into as many as possible, since a member
 * then reads less of the matrix and finds it in its own cache, unless the largest share is a quarter above the least. */
static int column_parts(int team_size, int64_t rows, int columns)
{
    int64_t least = INT64_MAX;
    for (int parts = 1; parts <= team_size; parts++) {
        if (team_size % parts)
            continue;
        int64_t size = largest_share(team_size, parts, rows, columns);
        least = size < least ? size : least;
    }
    for (int parts = team_size; parts > 1; parts--)
        if (team_size % parts == 0 && largest_share(team_size, parts, rows, columns) <= least + least / 4)
            return parts;
    return 1;
}

rbmk_rectangle rbmk_share_rectangle(rbmk_team team, int64_t rows, int row_unit, int columns)
{
    const int parts = column_parts(team.size, rows, columns), part = team.id % parts;
    const rbmk_team row_team = {team.id / parts, team.size / parts, NULL, 0};
    rbmk_rectangle own = {.first_col = column_bound(columns, part, parts),
                          .end_col = column_bound(columns, part + 1, parts)};
    rbmk_share(row_team, (rows + row_unit - 1) / row_unit, &own.first_row, &own.end_row);
    own.first_row *= row_unit;
    own.end_row = own.end_row * row_unit < rows ? own.end_row * row_unit : rows;
    return own;
}
