/* Draws by 16 bits: a bound of the threshold that decides nearly all of them. The total input counts in steps of 2^-12, up
 * to 8; a cubic for each unit of length, all in 16 bits, is at most BOUND_WINDOW numbers of 2^16 away from where the
 * threshold of any such input lies (tests/c/random.c tries them all). A number farther away is decided, and what decides
 * costs no exponential and no division. */
#ifndef RBMK_BOUND_H
#define RBMK_BOUND_H

#include <stdint.h>

enum { BOUND_STEPS = 4096, BOUND_LAST = 32767, BOUND_WINDOW = 12 };

/* Coefficients, lowest first, of 2^16 p - 2^15 at positions from -1 to 1 in each segment: minimax fits. In the last one what
 * lies beyond 8 counts, too. */
static const int16_t bound_terms[4][8] = {{-8024, -20811, -27798, -30848, -32049, -32502, -32670, -32723},
                                          {-7700, -4889, -2296, -932, -356, -133, -50, -19},
                                          {454, 763, 490, 223, 89, 34, 12, -5},
                                          {129, -17, -56, -33, -14, -5, -1, -10}};

/* The scalar truth, of y = rint(min(|x| BOUND_STEPS, BOUND_LAST)): a high half less 2^15 is decided if it is not less than
 * BOUND_WINDOW away, and then the rarer state's iff it is below. */
static inline int bound1(int y)
{
    const int at = (y << 4 & 0xFFFF) - 32768;
    int bound = bound_terms[3][y >> 12];
    for (int term = 2; term >= 0; term--)
        bound = ((at * bound + 0x4000) >> 15) + bound_terms[term][y >> 12];
    return bound;
}

#endif
