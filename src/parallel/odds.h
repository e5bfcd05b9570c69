/* Chains of groups and 0/1 states by looking up: common/odds.h. */
#ifndef RBMK_ODDS_OF_WEIGHTS_H
#define RBMK_ODDS_OF_WEIGHTS_H

#include "pass.h"

typedef struct {
    rbmk_odds odds;     /* factors: NULL where nothing can be looked up */
    rbmk_chosen chosen; /* for the way back */
} rbmk_lookups;

/* Of a pass to a layer, unless that is not one of small groups, an input may be too large for a float's exponential, or there is
 * no memory. Inside a region, by one member alone. */
rbmk_lookups rbmk_lookups_of(const rbmk_layer_pass *pass, const rbmk_layer *layer);
void rbmk_lookups_free(const rbmk_lookups *l);

size_t rbmk_lookups_scratch(const rbmk_lookups *l);

/* The member's own, in its scratch. */
rbmk_lookups rbmk_own_lookups(const rbmk_lookups *l, void *scratch);

/* The pass's sample, of up to RBMK_TILE_ROWS states, also as l->chosen. scratch: as for the pass. */
void rbmk_lookups_sample(const rbmk_lookups *l, const rbmk_layer_pass *pass, void *scratch);

#endif
