/* Tile registers: eight of 16 rows x 64 bytes. With RBMK_EMULATE_TILES (only the C tests) the same operations in plain
 * C, written from Intel's manual, so that the path's logic runs, under sanitizers too, on any CPU. */
#ifndef RBMK_TILE_H
#define RBMK_TILE_H

#include <stdint.h>

#include "../../common/target.h"
#include "../../kernels.h"

/* The operand of LDTILECFG. */
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

#if defined(RBMK_EMULATE_TILES)

#include <stdlib.h>
#include <string.h>

#define RBMK_BUILD_TILES 1
#define TILE_TARGET_BEGIN
#define TILE_TARGET_END

static _Thread_local struct {
    tile_config config; /* all zero: no tile may be used */
    uint8_t data[8][16][64];
} tiles;

/* What the processor answers with an exception. */
static inline void tile_require(int condition)
{
    if (!condition)
        abort();
}

static inline void tile_require_use(int t) { tile_require(tiles.config.palette == 1 && tiles.config.rows[t]); }

static inline void tile_configure(const tile_config *config)
{
    tile_require(config->palette == 1 && config->start_row == 0);
    for (int t = 0; t < 16; t++) {
        tile_require(config->rows[t] <= (t < 8 ? 16 : 0) && config->row_bytes[t] <= (t < 8 ? 64 : 0));
        tile_require(!config->rows[t] == !config->row_bytes[t]);
    }
    memset(&tiles, 0, sizeof tiles);
    tiles.config = *config;
}

static inline void tile_release(void) { memset(&tiles, 0, sizeof tiles); }

static inline void tile_zero(int t)
{
    tile_require_use(t);
    memset(tiles.data[t], 0, sizeof tiles.data[t]);
}

static inline void tile_load(int t, const void *from, ptrdiff_t stride)
{
    tile_zero(t);
    for (int row = 0; row < tiles.config.rows[t]; row++)
        memcpy(tiles.data[t][row], (const char *)from + row * stride, tiles.config.row_bytes[t]);
}

static inline void tile_store(int t, void *to, ptrdiff_t stride)
{
    tile_require_use(t);
    for (int row = 0; row < tiles.config.rows[t]; row++)
        memcpy((char *)to + row * stride, tiles.data[t][row], tiles.config.row_bytes[t]);
}

/* TDPBUSD: int32 c[m][n] += the four products of bytes a[m][4k + i] (unsigned) and b[k][4n + i] (signed), for all k.
 * Works on registers only, so sanitizers would find nothing, slowly. */
#if defined(__GNUC__)
__attribute__((no_sanitize("address", "undefined")))
#endif
static void tile_dot(int c, int a, int b)
{
    const tile_config *config = &tiles.config;
    const int depth = config->rows[b], columns = config->row_bytes[c] / 4;
    tile_require_use(a), tile_require_use(b), tile_require_use(c);
    tile_require(a != b && b != c && c != a);
    tile_require(config->rows[c] == config->rows[a] && config->row_bytes[c] == config->row_bytes[b]);
    tile_require(config->row_bytes[a] == 4 * depth && config->row_bytes[b] == 4 * columns);
    for (int m = 0; m < config->rows[c]; m++) {
        uint32_t sum[16]; /* unsigned: it wraps around */
        memcpy(sum, tiles.data[c][m], sizeof sum);
        for (int k = 0; k < depth; k++) {
            const uint8_t *x = tiles.data[a][m] + 4 * k;
            const int8_t *y = (const int8_t *)tiles.data[b][k];
            if (x[0] | x[1] | x[2] | x[3])
                for (int n = 0; n < columns; n++, y += 4)
                    sum[n] += (uint32_t)(x[0] * y[0] + x[1] * y[1] + x[2] * y[2] + x[3] * y[3]);
        }
        memcpy(tiles.data[c][m], sum, sizeof sum);
    }
}

#elif defined(RBMK_BUILD_AMX)

#include <immintrin.h>

#define RBMK_BUILD_TILES 1
#if defined(__clang__) /* it would ignore all for the last */
#define TILE_TARGET_BEGIN RBMK_TARGET_BEGIN("amx-tile,amx-int8,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,bmi")
#else
#define TILE_TARGET_BEGIN \
    RBMK_TARGET_BEGIN("amx-tile,amx-int8,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,bmi,prefer-vector-width=512")
#endif
#define TILE_TARGET_END RBMK_TARGET_END

/* Macros, because a tile's number is part of the instruction. GCC does not know that a tile load reads memory: the
 * empty statement keeps earlier stores before it. */
#define tile_configure(config) _tile_loadconfig(config)
#define tile_release() _tile_release()
#define tile_zero(t) _tile_zero(t)
#define tile_load(t, from, stride) \
    do { \
        __asm__ volatile("" ::: "memory"); \
        _tile_loadd(t, from, stride); \
    } while (0)
#define tile_store(t, to, stride) _tile_stored(t, to, stride)
#define tile_dot(c, a, b) _tile_dpbusd(c, a, b)

#endif

#endif
