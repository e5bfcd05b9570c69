/* A table from which lists of the bits that are on are made without branches, 8 bits a step. */
#ifndef RBMK_POSITIONS_H
#define RBMK_POSITIONS_H

#include <stdint.h>

/* For each byte the positions of its bits, one byte each, lowest first. */
#define COUNT4(m) (((m) & 1) + ((m) >> 1 & 1) + ((m) >> 2 & 1) + ((m) >> 3 & 1))
#define COUNT8(m) (COUNT4(m) + COUNT4((m) >> 4))
#define BIT(m, b) ((uint64_t)((m) >> (b) & 1) * (b) << 8 * COUNT8((m) & ((1 << (b)) - 1)))
#define BITS(m) (BIT(m, 1) | BIT(m, 2) | BIT(m, 3) | BIT(m, 4) | BIT(m, 5) | BIT(m, 6) | BIT(m, 7))
#define BITS4(m) BITS(m), BITS(m + 1), BITS(m + 2), BITS(m + 3)
#define BITS16(m) BITS4(m), BITS4(m + 4), BITS4(m + 8), BITS4(m + 12)
#define BITS64(m) BITS16(m), BITS16(m + 16), BITS16(m + 32), BITS16(m + 48)
static const uint64_t positions[256] = {BITS64(0), BITS64(64), BITS64(128), BITS64(192)};

#endif
