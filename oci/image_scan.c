/* SPDX-License-Identifier: MIT */
/* Asking a scanner, or its answer of before. */
#include "oci/image_scan.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/units.h"
#include "oci/image_export.h"
#include "oci/program.h"
#include "oci/scan_command.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_MAX         (8 * 1024 * 1024)
#define WORDS_SHOWN       400
#define CANNOT_EXECUTE    126 /* of a shell, and of env: there is no such program, or it is none */
#define COMMAND_NOT_FOUND 127

extern char **environ;

struct image_scan {
    struct engine *engine;
    struct image_scan_request req;
    struct image_scan_ops ops;
    void *data;
    struct arena arena;
    char key[SCAN_KEY];
    struct image_export *archive;
    struct program *program;
    struct engine_call *call;
    struct loop_source *deferred;
    struct scan_verdict verdict;
    bool is_cached;
    struct err err;
};

/* ---- the end ---- */

static const char *age_text(char ret[64], int64_t age_ms)
{
    char text[32];

    snprintf(ret, 64, "%s ago", units_format_duration(text, age_ms < 1000 ? 1000 : age_ms / 1000 * 1000));
    return ret;
}

static int refuse(struct image_scan *s, int64_t age_ms)
{
    const struct scan_verdict *v = &s->verdict;
    const char *program = s->req.scan->command[0];
    char words[WORDS_SHOWN], when[64];

    scan_verdict_last_words(v, words, sizeof(words));
    if (v->answer == SCAN_FAILED) {
        err_set(&s->err, ERR_POLICY, "the scanner '%.100s' gave no answer about image '%s': %s%s%s", program,
                s->req.name, v->why, words[0] ? "; it said: " : "", words);
        return err_hint(&s->err, "nothing of an image runs before it was accepted; does the command work by "
                                 "hand? `agentbox scan` shows all it says");
    }
    err_set(&s->err, ERR_POLICY, "the scanner '%.100s' refused image '%s'%s%s, with status %lld%s%s", program,
            s->req.name, s->is_cached ? " " : "", s->is_cached ? age_text(when, age_ms) : "",
            (long long) v->exit_status, words[0] ? ": " : "", words);
    return err_hint(&s->err, s->is_cached ? "`agentbox scan` asks it again"
                                          : "use another image; `agentbox scan` asks it again");
}

static void finish(void *data)
{
    struct image_scan *s = data;
    const struct scan_verdict *v = &s->verdict;
    int64_t now_ms = clock_wall_ms();
    const struct sandbox_scanned scanned = {
        .image = s->req.name,
        .image_id = s->req.image->id,
        .image_digest = s->req.image->digest,
        .command = s->req.scan->command,
        .answer = scan_answer_name(v->answer),
        .exit_status = v->exit_status,
        .age_ms = s->is_cached && now_ms > v->time_ms ? now_ms - v->time_ms : 0,
        .duration_ms = v->duration_ms,
        .output = v->output,
        .why = v->answer == SCAN_FAILED ? v->why : NULL,
    };
    int r = v->answer == SCAN_ACCEPTED ? 0 : refuse(s, scanned.age_ms);

    loop_source_free(TAKE_PTR(s->deferred));
    s->ops.on_done(s->data, r, &scanned, r < 0 ? &s->err : NULL);
}

/* It did not come to an answer for a reason of ours or the engine's. */
static void fail(struct image_scan *s)
{
    s->ops.on_done(s->data, -(int) s->err.code, NULL, &s->err);
}

static void settle(struct image_scan *s)
{
    image_export_free(TAKE_PTR(s->archive));
    if (s->verdict.answer != SCAN_FAILED && s->req.folder)
        (void) scan_verdict_save(&s->verdict, s->req.folder, s->key, s->req.image->id, s->req.scan->command,
                                 NULL); /* then it is asked again the next time */
    finish(s);
}

/* ---- is the name still that of the image? ---- */

static void on_inspected(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct image_scan *s = data;

    if (result < 0 || !tree_is_string(tree_get(answer->tree, "Id"), s->req.image->id)) {
        s->verdict.answer = SCAN_FAILED;
        snprintf(s->verdict.why, sizeof(s->verdict.why), "the name stands for another image by now");
    }
    settle(s);
}

/* Names with a digest, and ids, cannot be given to another image. */
static bool is_moving(const struct image_scan *s, const char *name)
{
    struct image_name parts;

    return scan_command_uses(s->req.scan->command, "{image}") && image_name_parse(name, &parts, NULL) == 0 &&
           !parts.is_id && !parts.digest[0];
}

static int look_again(struct image_scan *s, const char *name)
{
    struct buf path = BUF_INIT(4096);
    int r = buf_add_text(&path, "/images/");

    if (r >= 0)
        r = engine_escape(&path, name, true);
    if (r >= 0)
        r = buf_add_text(&path, "/json");
    if (r >= 0) {
        const struct engine_request req = { .path = buf_text(&path) };

        r = engine_start(s->engine, &req, on_inspected, s, &s->call, &s->err);
    } else {
        r = err_set(&s->err, ERR_INVALID, "the name of the image is too long");
    }
    buf_done(&path);
    return r;
}

/* ---- the program ---- */

static void read_end(struct scan_verdict *v, const struct program_end *end)
{
    v->exit_status = end->exit_status;
    v->duration_ms = end->duration_ms;
    v->time_ms = clock_wall_ms();
    scan_verdict_set_output(v, end->output);
    v->answer = SCAN_REFUSED;
    if (end->why) {
        v->answer = SCAN_FAILED;
        snprintf(v->why, sizeof(v->why), "%s", end->why);
    } else if (end->exit_status == CANNOT_EXECUTE || end->exit_status == COMMAND_NOT_FOUND) {
        v->answer = SCAN_FAILED;
        snprintf(v->why, sizeof(v->why), "it ended with status %d: no such program", end->exit_status);
    } else if (end->exit_status == 0) {
        v->answer = SCAN_ACCEPTED;
    }
}

static void on_end(void *data, const struct program_end *end)
{
    struct image_scan *s = data;
    const char *name = scan_command_image(s->req.image, s->req.name, &s->arena);

    read_end(&s->verdict, end);
    if (s->verdict.answer != SCAN_ACCEPTED || (name && !is_moving(s, name)))
        settle(s);
    else if (!name || look_again(s, name) < 0)
        fail(s);
}

static const char *docker_host(const struct endpoint *at)
{
    return strncmp(at->url, "unix://", 7) == 0 || strncmp(at->url, "tcp://", 6) == 0 ? at->url : NULL;
}

/* Not found, or not to be executed: that is no answer, and the end of it. */
static int cannot_start(struct image_scan *s, const struct err *why)
{
    s->verdict.answer = SCAN_FAILED;
    s->verdict.exit_status = -1;
    s->verdict.time_ms = clock_wall_ms();
    snprintf(s->verdict.why, sizeof(s->verdict.why), "%.250s", why->text);
    image_export_free(TAKE_PTR(s->archive));
    return loop_defer(engine_loop(s->engine), finish, s, &s->deferred, &s->err);
}

static int run(struct image_scan *s)
{
    const struct sandbox_scan *scan = s->req.scan;
    struct program_spec spec = { .dir = scan->dir, .timeout_ms = scan->timeout_ms };
    struct err why = { 0 };
    char text[128];
    int r;

    snprintf(text, sizeof(text), "'%.80s' looks at the image", scan->command[0]);
    if (s->ops.on_step)
        s->ops.on_step(s->data, text);
    r = scan_command_fill(scan->command, s->req.image, s->req.name,
                          s->archive ? image_export_path(s->archive) : NULL, &s->arena, &spec.argv, &s->err);
    if (r < 0)
        return r;
    spec.env = scan_command_env((const char *const *) environ, scan->hidden,
                                docker_host(engine_endpoint(s->engine)), &s->arena);
    if (!spec.env)
        return err_set(&s->err, ERR_INTERNAL, "no memory for a scan");
    r = program_start(engine_loop(s->engine), &spec, on_end, s, &s->program, &why);
    return r < 0 ? cannot_start(s, &why) : 0;
}

static void on_exported(void *data, int result, const struct err *err)
{
    struct image_scan *s = data;

    if (result == -ERR_TOO_LARGE) { /* it cannot be looked at, so it cannot be accepted */
        s->err = *err;
        result = err_recode(&s->err, ERR_POLICY);
    } else if (result < 0) {
        s->err = *err;
    } else {
        result = run(s);
    }
    if (result < 0)
        fail(s);
}

static int begin(struct image_scan *s)
{
    if (!scan_command_uses(s->req.scan->command, "{archive}"))
        return run(s);
    if (s->ops.on_step)
        s->ops.on_step(s->data, "exporting the image for its scan");
    return image_export_start(s->engine, s->req.image->id, s->req.scan->archive_bytes, on_exported, s,
                              &s->archive, &s->err);
}

/* ---- life ---- */

static bool has_answer(struct image_scan *s)
{
    if (s->req.is_fresh || !s->req.folder)
        return false;
    s->is_cached = scan_verdict_load(s->req.folder, s->key, s->req.image->id, &s->verdict, NULL) == 0 &&
                   scan_verdict_holds(&s->verdict, clock_wall_ms(), s->req.scan->max_age_ms);
    return s->is_cached;
}

int image_scan_start(struct engine *engine, const struct image_scan_request *req,
                     const struct image_scan_ops *ops, void *data, struct image_scan **ret, struct err *err)
{
    struct image_scan *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return err_set(err, ERR_INTERNAL, "no memory for a scan");
    s->engine = engine;
    s->req = *req;
    s->ops = *ops;
    s->data = data;
    arena_init(&s->arena, ARENA_MAX);
    r = scan_command_key(req->scan->command, req->scan->dir, req->image->id, s->key, &s->err);
    if (r >= 0)
        r = has_answer(s) ? loop_defer(engine_loop(engine), finish, s, &s->deferred, &s->err) : begin(s);
    if (r < 0) {
        if (err)
            *err = s->err;
        image_scan_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void image_scan_free(struct image_scan *s)
{
    if (!s)
        return;
    program_free(s->program);
    image_export_free(s->archive);
    engine_call_free(s->call);
    loop_source_free(s->deferred);
    arena_done(&s->arena);
    free(s);
}
