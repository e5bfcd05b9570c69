/* Threads that help whoever has work to give away. Nobody waits for one that has not begun: on a busy machine that takes
 * longer than most work. */
#ifndef RBMK_POOL_H
#define RBMK_POOL_H

/* work(arg) on the calling thread, and on up to `helpers` others that are free meanwhile, each of which returns when
 * nothing is left to begin; until all who began have ended. It takes one thread about so many nanoseconds. */
void rbmk_with_helpers(int helpers, double nanoseconds, void (*work)(void *arg), void *arg);

#endif
