/* SPDX-License-Identifier: MIT */
/* Sweeping what runs left on the engine, in three settings. */
#include "cmd/sweeping.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/run/folder.h"
#include "core/sandbox/guest_image.h"
#include "oci/sweep.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_MAX (1024 * 1024)
#define SWEEP_MS  3000 /* the process waits for it when its run is over */

struct sweeping {
    struct arena arena;
    struct engine *engine;
    struct engine_call *opening;
    struct sweep *sweep;
    struct loop_source *timer;
    loop_fn *fn;
    void *data;
    bool is_over;
};

bool sweeping_is_held(const char *run_id)
{
    struct run_folder *folder = NULL;
    bool is_held = run_folder_open(run_id, &folder, NULL) == 0 && strcmp(folder->id, run_id) == 0 &&
                   run_folder_is_locked(folder);

    run_folder_free(folder);
    return is_held;
}

/* ---- beside a run ---- */

static void over(struct sweeping *s)
{
    s->is_over = true;
    loop_source_free(TAKE_PTR(s->timer));
    s->fn(s->data);
}

static void on_late(void *data)
{
    struct sweeping *s = data;

    sweep_free(TAKE_PTR(s->sweep));
    engine_call_free(TAKE_PTR(s->opening));
    over(s);
}

static void on_swept(void *data, int result, const struct sweep_result *ret, const struct err *err)
{
    (void) result;
    (void) ret;
    (void) err; /* the next run, or `gc`, finds what is left */
    over(data);
}

static void on_open(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct sweep_options options = { .is_held = sweeping_is_held, .now_s = clock_wall_ms() / 1000 };
    struct sweeping *s = data;

    (void) answer;
    (void) err; /* the run itself has told it */
    if (result < 0 || sweep_start(s->engine, &options, on_swept, s, &s->sweep, NULL) < 0)
        over(s);
}

void sweeping_start(struct loop *loop, struct http *http, const char *engine, loop_fn *fn, void *data,
                    struct sweeping **ret)
{
    struct sweeping *s = calloc(1, sizeof(*s));
    struct endpoint at;
    int r;

    *ret = NULL;
    if (!s)
        return;
    arena_init(&s->arena, ARENA_MAX);
    s->fn = fn;
    s->data = data;
    r = endpoint_resolve(engine, &endpoint_env_process, &s->arena, &at, NULL);
    if (r == 0)
        r = engine_new(loop, http, &at, &s->engine, NULL);
    if (r == 0)
        r = loop_timer(loop, SWEEP_MS, on_late, s, &s->timer, NULL);
    if (r == 0)
        r = engine_open(s->engine, on_open, s, &s->opening, NULL);
    if (r < 0)
        sweeping_free(s);
    else
        *ret = s;
}

bool sweeping_is_over(const struct sweeping *s)
{
    return !s || s->is_over;
}

void sweeping_free(struct sweeping *s)
{
    if (!s)
        return;
    sweep_free(s->sweep);
    engine_call_free(s->opening);
    loop_source_free(s->timer);
    engine_free(s->engine);
    arena_done(&s->arena);
    free(s);
}

/* ---- as a verb ---- */

int engine_session_open(struct engine_session *s, const char *url, struct err *err)
{
    struct endpoint at;
    int r;

    *s = (struct engine_session){ 0 };
    arena_init(&s->arena, ARENA_MAX);
    r = endpoint_resolve(url, &endpoint_env_process, &s->arena, &at, err);
    if (r == 0)
        r = loop_new(&s->loop, err);
    if (r == 0)
        r = http_new(s->loop, &s->http, err);
    if (r == 0)
        r = engine_new(s->loop, s->http, &at, &s->engine, err);
    if (r == 0)
        r = engine_open_wait(s->engine, err);
    if (r < 0)
        engine_session_close(s);
    return r;
}

void engine_session_close(struct engine_session *s)
{
    engine_free(s->engine);
    http_free(s->http);
    loop_free(s->loop);
    arena_done(&s->arena);
    *s = (struct engine_session){ 0 };
}

int sweep_run(const char *engine, const char *run_id, struct err *err)
{
    struct sweep_options options = { .run = run_id, .now_s = clock_wall_ms() / 1000 };
    struct sweep_result result = { 0 };
    struct engine_session session;
    struct sweep *sweep = NULL;
    int r = engine_session_open(&session, engine, err);

    if (r < 0)
        return r;
    r = sweep_wait(session.engine, &options, &sweep, &result, err);
    if (r == 0 && result.failed > 0)
        r = -(int) err->code;
    sweep_free(sweep);
    engine_session_close(&session);
    return r;
}
