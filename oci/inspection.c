/* SPDX-License-Identifier: MIT */
/* Evidence for the lock-down, collected from engine and guest. */
#include "oci/inspection.h"

#include "core/base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX   (8 * 1024 * 1024)
#define EXPOSED_MAX 128

struct probe {
    struct inspection *in;
    struct channel_call *call;
    const char *path;
    size_t file; /* of the evidence, LOCKDOWN_FILES: a masked path that should not exist */
};

struct inspection {
    struct engine *engine;
    const struct lockdown *lockdown;
    struct sandbox_row *rows;
    struct channel *channel;
    struct engine_call *call;
    struct channel_call *stats;
    struct loop *loop;
    struct loop_source *deferred;
    struct probe probes[LOCKDOWN_FILES + EXPOSED_MAX];
    size_t probe_count;
    size_t open; /* questions without an answer */
    char id[ENGINE_ID];
    bool has_asked, has_entered, has_looked_again, has_ended;
    struct arena arena;
    struct lockdown_evidence evidence;
    inspection_fn *fn;
    void *data;
    int result;
    struct err err;
};

static void finish(void *data)
{
    struct inspection *in = data;

    loop_source_free(TAKE_PTR(in->deferred));
    if (in->result >= 0)
        in->result = lockdown_verify(in->lockdown, &in->evidence, in->rows, &in->err);
    in->fn(in->data, in->result, in->result < 0 ? &in->err : NULL);
}

static void fail(struct inspection *in, const struct err *err)
{
    if (in->result >= 0) {
        in->err = *err;
        in->result = -(int) err->code;
    }
}

static int ask_guest(struct inspection *in, const char *path, size_t file, struct err *err);

/* The second round: which of the masked paths that nothing covers are there? */
static int look_again(struct inspection *in, struct err *err)
{
    const char *paths[EXPOSED_MAX];
    size_t n = lockdown_uncovered(in->lockdown, in->evidence.files[LOCKDOWN_MOUNTS], paths, EXPOSED_MAX);
    int r = 0;

    in->has_looked_again = true;
    for (size_t i = 0; i < n && r >= 0; i++)
        r = ask_guest(in, paths[i], LOCKDOWN_FILES, err);
    return r;
}

/* After each answer: is there more to ask, is it all there? */
static void go_on(struct inspection *in)
{
    struct err err = { 0 };

    if (in->open > 0 || !in->has_asked || !in->has_entered || in->has_ended)
        return;
    if (!in->has_looked_again && in->result >= 0) {
        if (look_again(in, &err) < 0)
            fail(in, &err);
        if (in->open > 0)
            return;
    }
    in->has_ended = true;
    if (loop_defer(in->loop, finish, in, &in->deferred, &err) < 0)
        finish(in); /* no memory even for that: the caller is the loop in any case */
}

static void on_text(void *data, int result, struct span text, const struct err *err)
{
    struct probe *probe = data;
    struct inspection *in = probe->in;

    probe->call = NULL;
    in->open--;
    if (probe->file == LOCKDOWN_FILES) {
        if (result != -ERR_NOT_FOUND && !in->evidence.exposed)
            in->evidence.exposed = probe->path;
    } else if (result >= 0) {
        const char *own = arena_copy(&in->arena, text.len ? text.ptr : "", text.len);
        struct err full;

        if (own) {
            in->evidence.files[probe->file] = span_make(own, text.len);
        } else {
            err_set(&full, ERR_TOO_LARGE, "what the guest tells of '%s' is too large", probe->path);
            fail(in, &full);
        }
    } else if (result == -ERR_ENGINE) {
        fail(in, err); /* the sandbox is lost; any other refusal means that the file is not there */
    }
    go_on(in);
}

static int ask_guest(struct inspection *in, const char *path, size_t file, struct err *err)
{
    struct probe *probe = &in->probes[in->probe_count++];
    int r;

    *probe = (struct probe){ in, NULL, path, file };
    in->open++;
    r = channel_probe(in->channel, path, on_text, probe, &probe->call, err);
    if (r < 0)
        in->open--;
    return r;
}

static void on_stats(void *data, int result, const struct guest_stats *stats, const struct err *err)
{
    struct inspection *in = data;

    in->stats = NULL;
    in->open--;
    if (result >= 0)
        in->evidence.workspace_bytes = stats->workspace_size;
    go_on(in);
}

/* An answer that is none would let the rows find fault with the sandbox instead of the engine. */
static bool is_described(const struct inspection *in, const struct tree *t)
{
    return tree_is_string(tree_get(t, "Id"), in->id) && tree_get(t, "State") && tree_get(t, "Config") &&
           tree_get(t, "HostConfig");
}

static void on_inspected(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct inspection *in = data;
    struct err why;

    in->open--;
    in->evidence.inspect = answer->tree; /* lives as long as the call */
    if (result < 0) {
        why = *err;
        err_wrap(&why, "looking at the sandbox");
        if (why.code != ERR_TIMEOUT)
            err_recode(&why, ERR_ENGINE);
        fail(in, &why);
    } else if (!is_described(in, answer->tree)) {
        err_set(&why, ERR_ENGINE, "the engine does not describe the sandbox that it runs");
        err_hint(&why, "see `docker inspect %.12s`; `agentbox doctor` tells more about the engine", in->id);
        fail(in, &why);
    }
    go_on(in);
}

int inspection_new(struct engine *engine, const struct lockdown *l, struct sandbox_row *rows,
                   inspection_fn *fn, void *data, struct inspection **ret, struct err *err)
{
    struct inspection *in = calloc(1, sizeof(*in));

    if (!in)
        return err_set(err, ERR_INTERNAL, "no memory to verify the lock-down");
    in->engine = engine;
    in->loop = engine_loop(engine);
    in->lockdown = l;
    in->rows = rows;
    in->fn = fn;
    in->data = data;
    arena_init(&in->arena, ARENA_MAX);
    *ret = in;
    return 0;
}

int inspection_ask(struct inspection *in, const char *id, struct err *err)
{
    char path[256];
    const struct engine_request req = { .path = path };
    int r;

    snprintf(in->id, sizeof(in->id), "%s", id);
    snprintf(path, sizeof(path), "%s/%s/json", engine_kind(in->engine)->containers, in->id);
    r = engine_start(in->engine, &req, on_inspected, in, &in->call, err);
    if (r < 0)
        return r;
    in->open++;
    in->has_asked = true;
    return 0;
}

/* Another profile than ours may kill for the calls. */
static bool is_of_use(const struct lockdown *l, size_t file)
{
    if (file == LOCKDOWN_CALLS)
        return lockdown_is_strict(l);
    return file != LOCKDOWN_KERNEL || lockdown_is_runtime_asked(l);
}

int inspection_enter(struct inspection *in, struct channel *channel, struct err *err)
{
    int r = 0;

    in->channel = channel;
    for (size_t i = 0; i < LOCKDOWN_FILES && r >= 0; i++)
        if (is_of_use(in->lockdown, i))
            r = ask_guest(in, lockdown_paths[i], i, err);
    if (r >= 0) {
        in->open++;
        r = channel_stats(channel, on_stats, in, &in->stats, err);
        if (r < 0)
            in->open--;
    }
    in->has_entered = r >= 0;
    return r;
}

void inspection_free(struct inspection *in)
{
    if (!in)
        return;
    for (size_t i = 0; i < in->probe_count; i++)
        channel_cancel(in->probes[i].call);
    channel_cancel(in->stats);
    engine_call_free(in->call);
    loop_source_free(in->deferred);
    arena_done(&in->arena);
    free(in);
}
