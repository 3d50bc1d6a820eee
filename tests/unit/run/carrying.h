/* SPDX-License-Identifier: MIT */
/*
 * Workspaces that go into checkpoints and come back, with the real guest: what
 * the tests of takes and of restores share. The guest's workspace is a folder that the test
 * can see, so what came back is compared without the guest's help.
 */
#ifndef TESTS_CARRYING_H
#define TESTS_CARRYING_H

#include "tests/unit/sandbox/guest_fixture.h"
#include "tests/unit/unit.h"

#include "core/run/checkpoint_restore.h"
#include "core/run/checkpoint_take.h"
#include "core/run/folder.h"

/* The run. */
extern struct run_folder *carry_folder;
extern struct checkpoint_store *carry_store;

int carry_setup(void **state);
int carry_teardown(void **state);
#define carried(test) cmocka_unit_test_setup_teardown(test, carry_setup, carry_teardown)

/* A sandbox of it, with what is known of its workspace. */
struct box {
    struct guest *guest;
    struct checkpoint_view view;
    struct checkpoint_take *take;
    struct checkpoint_restore *restore;
    /* what came out */
    bool is_done;
    int result;
    struct err err;
    struct record_checkpoint rec; /* numbers only */
    char tree[DIGEST_HEX];
    struct checkpoint_restored restored;
    /* so many turns of the loop from now on, and this is called */
    int turns_left;
    void (*at_turn)(struct box *box);
    struct loop_source *turns;
};

struct box *box_new(bool is_user); /* the guest has no rights, when we can do that */
void box_free(struct box *box);
void box_forget(struct box *box); /* as a harness that comes anew: another host, an empty view */

void take_start(struct box *box);
void restore_start(struct box *box, int64_t number);
int box_wait(struct box *box);   /* the result; after a take the store is told */
void take(struct box *box);      /* well */
void take_same(struct box *box); /* well, and nothing has changed */
void restore(struct box *box, int64_t number);

/* Everything that can be seen of a workspace: "<type> <mode> <mtime> <size> <digest> <first name> <path>
 * <target>" lines. Free it. */
char *workspace_text(struct box *box);
void assert_same_workspace(struct box *a, struct box *b);

/* ---- making things, as the user of the sandbox ---- */

const char *box_path(struct box *box, const char *path); /* until the next call but three */
void put(struct box *box, const char *path, const void *bytes, size_t len, mode_t mode);
void put_text(struct box *box, const char *path, const char *text);
void put_noise(struct box *box, const char *path, size_t len, unsigned seed);
void put_dir(struct box *box, const char *path, mode_t mode);
void put_link(struct box *box, const char *path, const char *target);
void put_name(struct box *box, const char *path, const char *existing);
void put_hole(struct box *box, const char *path, int64_t size, const char *text, int64_t at);
void set_time(struct box *box, const char *path, int64_t seconds, long ns);
void set_mode(struct box *box, const char *path, mode_t mode);
void drop(struct box *box, const char *path); /* with all that is in it */

void as_user(struct box *box);
void as_ourselves(struct box *box);

#endif
