/* SPDX-License-Identifier: MIT */
/*
 * The real guest as a child over pipes, and hosts that come and go.
 *
 * Where the kernel lets us it is PID 1 of a pid namespace of its own, as in a container. The environment says
 * which guest: TEST_GUEST.
 */
#ifndef TESTS_GUEST_FIXTURE_H
#define TESTS_GUEST_FIXTURE_H

#include "core/base/buf.h"
#include "core/base/loop.h"
#include "core/sandbox/channel.h"
#include "core/sandbox/frame.h"

#include <sys/types.h>

struct host {
    struct loop *loop;
    struct loop_source *in, *out;
    struct channel *ch;
    int to_fd, from_fd;
    bool is_greeted, is_broken;
    struct err why;
};

struct guest {
    struct loop *loop;
    struct host *host;
    int to_fd, from_fd; /* our ends */
    pid_t pid;
    char root[64];                   /* its workspace */
    char cgroup[80];                 /* what it takes for its control groups: a folder of ours; "" = none */
    bool is_user;                    /* without any right, as in a sandbox */
    const char *uid, *max_processes; /* of that user */
    bool keeps;                      /* commands that ended are not let go of */
};

struct guest *guest_start(const char *orphan_ms, const char *openat2); /* with a host that was greeted */
struct guest *guest_start_user(void);    /* the same, as a user without rights; for root only */
struct guest *guest_start_crowded(void); /* the same, as one of whom a dozen processes may live, or so */
/* With a folder in the place of its control groups, and these files in it, empty. */
struct guest *guest_start_limited(const char *files);
void guest_end(struct guest *g);
int guest_wait(struct guest *g); /* for its own end; the status */

/* The host vanishes: nothing is said to the guest. Then another one comes. */
void host_drop(struct guest *g);
void host_attach(struct guest *g);                              /* not greeted yet */
void host_greet(struct guest *g);                               /* until HELLO */
void host_send_raw(struct guest *g, const void *p, size_t len); /* past the channel */
void guest_run(struct guest *g, const bool *done);

/* A command and what came of it. */
struct command {
    struct guest *g;
    uint64_t id;
    struct channel_call *call;
    bool is_done;
    bool has_spoken; /* some output came */
    struct exec_result result;
    char text[512];
    struct buf out[2];
    uint64_t gap[2];
    uint64_t bytes[2];
    void (*on_output)(struct command *c);
};

void command_init(struct command *c);
void command_done(struct command *c);
extern const struct exec_ops command_ops;
void command_start(struct guest *g, struct command *c, struct exec_request *req);
void command_run(struct guest *g, struct command *c, struct exec_request *req);
void shell_start(struct guest *g, struct command *c, uint64_t id, const char *script);
void shell_run(struct guest *g, struct command *c, uint64_t id, const char *script); /* init, start, wait */

/* A plain request and its answer. */
struct answer {
    bool is_done;
    int result;
    struct err err;
    struct guest_stat st;
    char link[4096];
    struct buf text;
    struct guest_stats stats;
    uint8_t sum[32];
    uint64_t count;
    uint64_t holes, hole_count; /* bytes in them */
};

void answer_init(struct answer *a);
void answer_free(struct answer *a);
int answer_wait(struct guest *g, struct answer *a); /* the result */

void on_done(void *data, int result, const struct err *err);
void on_stat(void *data, int result, const struct guest_stat *st, struct span link, const struct err *err);
void on_text(void *data, int result, struct span text, const struct err *err);
extern const struct file_read_ops read_ops, sparse_read_ops; /* the second is told of holes */
extern const struct file_list_ops list_ops;                  /* text: "KIND MODE SIZE PATH [-> LINK]" lines */
extern const struct scan_ops
    scan_ops; /* text: "+PATH" and "-PATH" lines, with sums " 01020304": first and last two bytes */

int guest_write(struct guest *g, const char *path, uint32_t mode, struct span contents, struct answer *a);
int guest_replace(struct guest *g, const char *path, const char *backup, struct span contents,
                  struct answer *a);
int guest_read(struct guest *g, const char *path, struct answer *a);

#endif
