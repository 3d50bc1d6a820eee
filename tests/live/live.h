/* SPDX-License-Identifier: MIT */
/*
 * What the tests on a real engine share: a sandbox of the demo image with a loop of
 * its own, and commands in it. DOCKER_HOST says which engine. Everything that goes
 * wrong fails the test.
 */
#ifndef TESTS_LIVE_H
#define TESTS_LIVE_H

#include "core/base/http.h"
#include "core/sandbox/channel.h"
#include "core/sandbox/sandbox.h"
#include "core/sandbox/spec.h"
#include "tests/unit/unit.h"

#define MIB (1024 * 1024)

struct fixture {
    struct loop *loop;
    struct http *http;
    struct sandbox *sb;
    struct sandbox_spec spec;
    const char *lower[8];
    bool has_intent, is_ready, is_removed, is_lost, is_command_done;
    int ready_result, removed_result;
    struct err err, lost;
    struct exec_result result;
    struct buf out;
    int64_t intent_us, ready_us;
    struct channel_call *call;
};

/* What sets the engine of AGENTBOX_ENGINE_KIND (scripts/engine) apart, as the tests know it. */
struct live_engine {
    const char *kind;
    bool is_podman;
    /* Rows that it cannot enforce, in the order of the table; each is asserted to be refused, and lowered. */
    const char *refused[4];
};
const struct live_engine *live_engine(void);

extern const struct sandbox_events live_events; /* data is the fixture */
extern const struct exec_ops live_exec_ops;

const char *need(const char *name); /* of the environment */

/* The spec gives up what the engine cannot enforce, and nothing else. */
void setup(struct fixture *f);
/* A sandbox of one attempt of one run of this process; make() takes the next attempt of its main run. */
int make_of(struct fixture *f, const char *what, int number, struct err *err);
int make(struct fixture *f, struct err *err);
void give_up(struct fixture *f, const char *row); /* one more */
void start(struct fixture *f);                    /* make() and sandbox_start(), until on_ready */
void start_well(struct fixture *f);               /* setup() and start(), and it is ready */
void finish(struct fixture *f);                   /* removes it */
/* Every row is verified, but for those that were given up. */
void assert_verified(const struct fixture *f);
void print_rows(const struct fixture *f);

/* Exit status of a shell script inside, 1000 + enum exec_end when it did not exit; its output is in f->out.
 */
int sh_within(struct fixture *f, const char *script, int64_t timeout_ms);
int sh(struct fixture *f, const char *script);
void assert_sh(struct fixture *f, const char *script, int status, const char *output);

/* For main() without DOCKER_HOST: says so in TAP, returns the exit status. */
int live_no_engine(void);

#endif
