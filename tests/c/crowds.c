/* When a team goes on with fewer members, and when it tries again: by a clock of our own. */
#include "check.h"
#include "parallel/meeting.h"

enum { MS = 1000000 };

/* So many milliseconds of work by `wanted` members, who wait for this share of them: after how many fewer are
 * allowed; -1: after none. */
static int first_fewer(rbmk_crowd *crowd, int wanted, int ms, double share)
{
    for (int t = 0; t < ms; t++) {
        rbmk_crowd_note(crowd, wanted, wanted, (int64_t)t * MS, MS, (int64_t)(share * MS));
        if (rbmk_crowd_allows(crowd, wanted, (int64_t)t * MS) < wanted)
            return t;
    }
    return -1;
}

/* Of `ms` milliseconds with one CPU busy, in how many all of `wanted` members work. */
static int trials(rbmk_crowd *crowd, int wanted, int from, int ms)
{
    int all = 0;
    for (int t = from; t < from + ms; t++) {
        const int size = rbmk_crowd_allows(crowd, wanted, (int64_t)t * MS);
        all += size == wanted;
        if (size > 1)
            rbmk_crowd_note(crowd, size, wanted, (int64_t)t * MS, MS, size == wanted ? MS / 2 : 0);
    }
    return all;
}

void test_crowds(void)
{
    rbmk_crowd crowd;
    check_group("crowds");
    check_test("two members, hardly waiting");
    crowd = (rbmk_crowd){0};
    check(first_fewer(&crowd, 2, 10000, 0.3) == -1, "one of them left");
    check_test("two members, waiting half of the time");
    crowd = (rbmk_crowd){0};
    int t = first_fewer(&crowd, 2, 100, 0.5);
    check(t >= 2 && t < 10, "one left after %d ms", t);
    check(rbmk_crowd_allows(&crowd, 2, t * MS) == 1, "not one is left");
    check(rbmk_crowd_allows(&crowd, 1, t * MS) == 1, "one may not work");
    check(rbmk_crowd_allows(&crowd, 2, (t + 200) * MS) == 2, "no trial");
    check_test("two members, once a pause");
    crowd = (rbmk_crowd){0};
    rbmk_crowd_note(&crowd, 2, 2, 0, 2 * MS, 2 * MS);
    check(rbmk_crowd_allows(&crowd, 2, 0) == 2, "two milliseconds are enough");
    for (int members = 2; members <= 16; members *= 2) {
        check_test("%d members, one CPU busy for long", members);
        crowd = (rbmk_crowd){0};
        int begun = trials(&crowd, members, 1000, 1000), later = trials(&crowd, members, 2000, 10000);
        check(begun < 30 && later < 60, "all work for %d of 1000, then %d of 10 000 ms", begun, later);
        check(later > 10, "all work for %d of 10 000 ms: nobody tries again", later);
        check_test("%d members, the CPU is free again", members);
        int n = 0;
        for (t = 12000; t < 14000; t++) {
            n += rbmk_crowd_allows(&crowd, members, (int64_t)t * MS) == members;
            rbmk_crowd_note(&crowd, members, members, (int64_t)t * MS, MS, 0);
        }
        check(n >= 900, "all work for %d of 2000 ms", n);
    }
    check_test("sixteen members, eight CPUs busy");
    crowd = (rbmk_crowd){0};
    int size = 16;
    for (t = 0; t < 60 && size > 8; t++) {
        rbmk_crowd_note(&crowd, size, 16, (int64_t)t * MS, MS, size > 8 ? MS / 2 : 0);
        size = rbmk_crowd_allows(&crowd, 16, (int64_t)t * MS);
    }
    check(size == 8, "%d left after %d ms", size, t);
    check_test("teams of several sizes");
    crowd = (rbmk_crowd){0};
    first_fewer(&crowd, 2, 100, 0.5);
    check(rbmk_crowd_allows(&crowd, 16, 0) == 15, "%d of 16", rbmk_crowd_allows(&crowd, 16, 0));
    rbmk_crowd_note(&crowd, 16, 16, 0, 10 * MS, 5 * MS); /* one that has not heard of it yet */
    check(rbmk_crowd_allows(&crowd, 16, 0) == 15, "it made the others smaller still");
}
