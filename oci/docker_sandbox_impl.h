/* SPDX-License-Identifier: MIT */
/*
 * Shared inside the Docker sandbox: the struct, its states, and how the steps go on to the next. A state has
 * one function that enters it; the answer it waits for comes to a callback beside that function, which enters
 * the next state or fails. Which function that is stands in one switch, docker_sandbox_start_state(). The
 * states are grouped by files: docker_prepare.h, docker_create.h, docker_launch.h, docker_end.h;
 * docker_reattach.h for a container that is there already.
 *
 * One request is under way at a time in `call` (beside it those of the image and of what is filled or
 * inspected, which have their own). sb->err is the error of the step that failed, or is about to be told.
 * docker_sandbox_enter() and docker_sandbox_fail() may call the owner, who may ask for the removal inside:
 * look at sb->state before going on.
 */
#ifndef OCI_DOCKER_SANDBOX_IMPL_H
#define OCI_DOCKER_SANDBOX_IMPL_H

#include "core/base/arena.h"
#include "core/sandbox/sandbox.h"
#include "oci/blueprint.h"
#include "oci/endpoint.h"
#include "oci/engine.h"
#include "oci/fence.h"
#include "oci/image.h"
#include "oci/image_scan.h"
#include "oci/inspection.h"
#include "oci/lockdown.h"
#include "oci/spaces.h"
#include "oci/volume_fill.h"
#include "oci/wire.h"

#include <stdbool.h>

enum docker_state {
    STATE_NEW,
    STATE_OPEN,      /* asking the engine for its version */
    STATE_FENCE,     /* removing older attempts of the run */
    STATE_TAKE,      /* attach only: everything about the container that was left, at once */
    STATE_LOOK,      /* for the image and the guest's volume, at once */
    STATE_SCAN,      /* a program of the host looks at the image */
    STATE_INTENT,    /* the owner writes down what will be made */
    STATE_FILL,      /* putting the guest into its volume */
    STATE_WORKSPACE, /* making its volume */
    STATE_SPACES,    /* making the volumes that stand for tmpfs */
    STATE_CLEAR,     /* removing what has the container's name */
    STATE_CREATE,
    STATE_FIND, /* create failed: is there a container all the same? */
    STATE_ATTACH,
    STATE_START,
    STATE_VERIFY, /* it runs: waiting for the guest to speak, and for the evidence */
    STATE_READY,
    STATE_LOST,  /* the stream ended: asking the engine why */
    STATE_ENDED, /* failed or lost, and told so */
    STATE_LEAVE, /* the guest was asked to end: waiting for the container to have stopped */
    STATE_REMOVE,
    STATE_REMOVE_VOLUME,
    STATE_REMOVED,
};

struct docker_sandbox {
    struct sandbox base; /* first */
    struct loop *loop;
    struct arena arena;
    struct endpoint at;
    struct engine *engine;
    struct blueprint blueprint;
    const char *config_path; /* docker's, with logins */
    enum docker_state state;
    struct engine_call *call;
    struct engine_call *side_call; /* beside the image query or the fence */
    struct fence *fence;
    struct fence_options fence_options;
    struct image_query *image_query;
    const struct image *image;
    const char *scans; /* folder of scanners' answers; NULL: none are kept */
    struct image_scan *scan;
    struct volume_fill *fill;
    struct spaces *spaces;
    struct wire *wire;
    struct inspection *inspection;
    struct loop_source *timer; /* of STATE_TAKE, STATE_VERIFY, STATE_LOST, STATE_LEAVE */
    struct loop_source *deferred;
    char id[ENGINE_ID]; /* of the container, "" before */
    bool is_looking, has_volume, has_refilled, has_cleared, has_hello;
    bool has_made, has_made_volume; /* there may be a container, volumes of its own */
    bool is_answer_lost;            /* of create */
    size_t volume_at;               /* being removed */
    bool wants_removal;
    bool is_attaching; /* to a container that was left; what is known of it: */
    uint64_t known_boot;
    char left_image[80];
    int left_result; /* of looking at it */
    struct err left_err;
    int64_t away_ms;  /* STATE_LOST: since when the engine does not answer; 0: it does */
    bool has_doubted; /* that it will */
    struct sandbox_row rows[LOCKDOWN_ROWS];
    sandbox_removed_fn *removed;
    void *removed_data;
    int removal_result;
    struct err err; /* of the step that failed */
    struct err removal_err;
};

/* Go into a state; a failure is in sb->err, and nothing follows by itself. */
int docker_sandbox_start_state(struct docker_sandbox *sb, enum docker_state state);

/* From callbacks of the loop: go into a state, fail when it cannot be entered. Once the owner wants the
 * sandbox removed, every way leads to STATE_REMOVE (of one that was left once it is known to be ours). */
void docker_sandbox_enter(struct docker_sandbox *sb, enum docker_state state);

/* Start has failed; sb->err says why. The owner removes what there may be. */
void docker_sandbox_fail(struct docker_sandbox *sb);
void docker_sandbox_fail_with(struct docker_sandbox *sb, const struct err *err);

/* Tell the owner what is being done; see on_step of struct sandbox_events. */
void docker_sandbox_step(struct docker_sandbox *sb, const char *word, const char *text);

/* Ask the engine, instead of what was asked before. `rest` follows the container's id, or its name while no
 * id is known. */
int docker_sandbox_ask(struct docker_sandbox *sb, const char *method, const char *path, struct span body,
                       engine_fn *fn);
int docker_sandbox_ask_container(struct docker_sandbox *sb, const char *method, const char *rest,
                                 engine_fn *fn);

#endif
