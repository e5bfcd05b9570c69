/* Transposes of byte matrices: states are read by row in a pass and by column in the statistics. */
#ifndef RBMK_TRANSPOSE_H
#define RBMK_TRANSPOSE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Swap the off-diagonal halves of pairs of words: three rounds transpose 8 x 8 bytes. */
static inline void swap_bytes(uint64_t *x, uint64_t *y, int shift, uint64_t mask)
{
    uint64_t t = ((*x >> shift) ^ *y) & mask;
    *x ^= t << shift;
    *y ^= t;
}

static inline void transpose_8x8_u8(const uint8_t *from, ptrdiff_t stride, uint8_t *to, ptrdiff_t to_stride)
{
    uint64_t w[8];
    for (int i = 0; i < 8; i++)
        memcpy(w + i, from + i * stride, 8);
    for (int i = 0; i < 4; i++)
        swap_bytes(w + i, w + i + 4, 32, 0x00000000FFFFFFFFull);
    for (int i = 0; i < 8; i += i % 4 == 1 ? 3 : 1)
        swap_bytes(w + i, w + i + 2, 16, 0x0000FFFF0000FFFFull);
    for (int i = 0; i < 8; i += 2)
        swap_bytes(w + i, w + i + 1, 8, 0x00FF00FF00FF00FFull);
    for (int i = 0; i < 8; i++)
        memcpy(to + i * to_stride, w + i, 8);
}

/* to[j, i] = from[i, j] for i < n, j < m. */
static inline void transpose_u8(const uint8_t *from, ptrdiff_t stride, int n, int m, uint8_t *to, ptrdiff_t to_stride)
{
    int i = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; i + 8 <= n; i += 8) {
        int j = 0;
        for (; j + 8 <= m; j += 8)
            transpose_8x8_u8(from + i * stride + j, stride, to + j * to_stride + i, to_stride);
        for (; j < m; j++)
            for (int r = i; r < i + 8; r++)
                to[j * to_stride + r] = from[r * stride + j];
    }
#endif
    for (; i < n; i++)
        for (int j = 0; j < m; j++)
            to[j * to_stride + i] = from[i * stride + j];
}

/* The same of uint16, in blocks that stay in the first-level cache. */
static inline void transpose_u16(const uint16_t *from, ptrdiff_t stride, int n, int m, uint16_t *to, ptrdiff_t to_stride)
{
    enum { SIDE = 32 };
    for (int i = 0; i < n; i += SIDE)
        for (int j = 0; j < m; j += SIDE)
            for (int c = j; c < m && c < j + SIDE; c++)
                for (int r = i; r < n && r < i + SIDE; r++)
                    to[c * to_stride + r] = from[r * stride + c];
}

#endif
