/* SPDX-License-Identifier: MIT */
/* A throw-away sandbox that shows what an engine enforces. */
#include "oci/trial.h"

#include "core/base/clock.h"
#include "core/base/digest.h"
#include "oci/docker_sandbox.h"

#include <stdio.h>
#include <string.h>

#define MIB           (1024 * 1024)
#define LEFT_OVER_S   300 /* then anybody may remove it */
#define ORPHAN_MS     20000
#define TRIAL_VERSION "doctor"

struct trial_run {
    struct sandbox *sb;
    struct trial *ret;
    bool is_ready, is_removed;
};

void trial_pick_image(const struct tree *images, char ret[128])
{
    ret[0] = '\0';
    tree_each (image, images) {
        const char *id = tree_string(tree_get(image, "Id"), "");

        if (strncmp(id, "sha256:", 7) == 0 && strspn(id + 7, "0123456789abcdef") == 64 && id[71] == '\0') {
            snprintf(ret, 128, "%s", id);
            return;
        }
    }
}

static void on_step(void *data, const char *step, const char *text)
{
}

static void on_intent(void *data, const struct sandbox_info *info)
{
    struct trial_run *run = data;
    struct err err;

    if (sandbox_proceed(run->sb, &err) < 0) {
        run->ret->result = -(int) err.code;
        run->ret->err = err;
        run->is_ready = true;
    }
}

static void on_ready(void *data, int result, const struct err *err)
{
    struct trial_run *run = data;

    run->is_ready = true;
    run->ret->result = result;
    if (result < 0)
        run->ret->err = *err;
}

static void on_lost(void *data, const struct err *err)
{
}

static void on_removed(void *data, int result, const struct err *err)
{
    struct trial_run *run = data;

    run->is_removed = true;
    if (result < 0 && run->ret->result >= 0) {
        run->ret->result = result;
        run->ret->err = *err;
    }
}

static void take_rows(const struct sandbox *sb, struct trial *ret)
{
    struct sandbox_info info;

    sandbox_info(sb, &info);
    for (size_t i = 0; i < info.row_count; i++) {
        ret->rows[i] = info.rows[i];
        ret->is_tried |= info.rows[i].state != SANDBOX_ROW_ASKED;
    }
}

/* From start to removal. */
static int carry_out(struct trial_run *run, struct loop *loop, struct err *err)
{
    static const struct sandbox_events events = { on_step, on_intent, on_ready, on_lost };
    int r = sandbox_start(run->sb, &events, run, &run->ret->err);

    if (r < 0) {
        run->ret->result = r;
        return 0;
    }
    r = loop_run(loop, &run->is_ready, err);
    if (r >= 0)
        take_rows(run->sb, run->ret);
    if (r >= 0 && sandbox_remove(run->sb, on_removed, run, err) >= 0)
        r = loop_run(loop, &run->is_removed, err);
    if (r >= 0 && !run->is_ready)
        r = err_set(err, ERR_CANCELED, "interrupted while an engine was tried");
    return r;
}

int trial_run(struct loop *loop, struct http *http, const char *engine, const char *runtime,
              const char *image, struct trial *ret, struct err *err)
{
    /* the threads and memory of a kernel in user space count */
    const bool is_roomy = strcmp(runtime, "default") != 0;
    const struct sandbox_spec spec = {
        .image = image,
        .pull = SANDBOX_PULL_NEVER,
        .engine = engine,
        .uid = 65532,
        .gid = 65532,
        .memory_bytes = (is_roomy ? 256 : 64) * MIB,
        .nano_cpus = 1000000000,
        .pids = is_roomy ? 512 : 32,
        .tmp_bytes = MIB,
        .runtime = runtime,
        .seccomp = "strict",
        .root = "/workspace",
        .storage = SANDBOX_STORAGE_MEMORY,
        .size_bytes = MIB,
        .orphan_ms = ORPHAN_MS,
    };
    struct trial_run run = { .ret = ret };
    char id[32];
    uint64_t number;
    const struct docker_identity identity = { .run_id = id,
                                              .name = "doctor",
                                              .version = TRIAL_VERSION,
                                              .attempt = 1,
                                              .deadline_s = clock_wall_ms() / 1000 + LEFT_OVER_S };
    int r = 0;

    *ret = (struct trial){ 0 };
    snprintf(ret->image, sizeof(ret->image), "%s", image);
    random_bytes(&number, sizeof(number));
    snprintf(id, sizeof(id), "doctor-%016llx", (unsigned long long) number);
    ret->result = docker_sandbox_new(loop, http, &spec, &identity, NULL, &run.sb, &ret->err);
    if (ret->result >= 0)
        r = carry_out(&run, loop, err);
    if (run.sb)
        sandbox_free(run.sb);
    return r;
}
