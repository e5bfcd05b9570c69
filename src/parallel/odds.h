/* Chains of groups given 0/1 states without total inputs: common/odds.h. */
#ifndef RBMK_ODDS_OF_WEIGHTS_H
#define RBMK_ODDS_OF_WEIGHTS_H

#include "pass.h"

/* The factors of a pass's layer, or none (factors NULL) where it is not one of small groups, an input may be too large for
 * a float's exponential, or there is no memory. Inside a region, by one member alone. */
rbmk_odds rbmk_odds_of(const rbmk_layer_pass *pass, const rbmk_layer *layer);

size_t rbmk_odds_scratch(const rbmk_odds *o);

/* The pass's sample, of up to RBMK_TILE_ROWS states. pass_scratch: as for the pass. */
void rbmk_odds_sample(const rbmk_odds *o, const rbmk_layer_pass *pass, void *scratch, void *pass_scratch);

#endif
