/* SPDX-License-Identifier: MIT */
#include "core/tool/container.h"

#include "core/base/cleanup.h"
#include "core/base/json_canonical.h"
#include "core/base/json_schema.h"
#include "core/base/units.h"
#include "core/tool/container_inputs.h"
#include "core/tool/container_result.h"
#include "core/tool/function.h"
#include "core/tool/result_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX  (2 * CONTAINER_RESULT_MAX)
#define KEY_MAX   ((size_t) 8 * 1024 * 1024)
#define PATHS_MAX 1000
#define GRACE_MS  30000 /* beyond the tool's timeout, for a sandbox that does not keep to it */

#define SLOTS_MAX 4   /* sandboxes of one tool at once */
#define LOOKS_MAX 7   /* what has ended is counted until it was reaped: usually a moment */
#define LOOK_MS   2   /* before the second look; twice as long before each further one */
#define GROW_MS   250 /* so long a call waits for one that is there before another one is opened */

struct container_run;

/* A sandbox of a tool, and the call that has it. */
struct container_slot {
    struct container_lane *lane;
    struct tool_side *side; /* NULL: closed */
    bool is_ready;
    struct container_run *running;
    struct channel_call *look; /* for what a call left running */
    struct loop_source *again; /* until the next look */
    int looks;
    uint64_t pids; /* in it while nothing runs */
};

/* The calls of one tool that wait for a sandbox, in order. */
struct container_lane {
    struct container_lane *next;
    struct tool_host *host;
    const struct tool_container *tool;
    struct container_run *first;
    struct loop_source *soon, *grow;
    bool wants_more; /* they have waited long enough */
    struct container_slot slots[SLOTS_MAX];
};

struct container_run {
    struct function f; /* first */
    const struct tool_own *own;
    const struct tool_container *tool;
    const char *call_id;
    const struct tree *arguments;
    struct buf canonical; /* the same */
    const char **paths;   /* of inputs */
    size_t path_count;
    struct container_inputs *reading;
    const struct bundle_file *inputs;
    size_t input_count;
    struct container_lane *lane; /* where it waits */
    struct container_run *next;
    struct container_slot *slot; /* what it has */
    struct channel *channel;     /* of that sandbox */
    char key[DIGEST_HEX];        /* "": its result is not stored */
    struct container_call_spec spec;
    struct container_call *call;
    struct loop_source *guard;
    struct quota quotas[QUOTA_MAX];
    bool has_begun; /* something was asked of the sandbox */
};

static void lane_wake(struct container_lane *lane);
static void leave(struct container_run *c, bool is_spent);

/* ---- the answer ---- */

/* As much as the model may see, and where the rest is. */
static void show(struct container_run *c, struct span text)
{
    struct tool_host *host = c->f.host;
    struct capture capture;
    uint64_t tokens = 0;
    char place[96];

    if (text.len <= (size_t) host->output_bytes || capture_init(&capture, (size_t) host->output_bytes) < 0) {
        (void) buf_add(&c->f.text, text.ptr,
                       text.len < (size_t) host->output_bytes ? text.len : (size_t) host->output_bytes);
        return;
    }
    capture_add(&capture, text, 0);
    capture_place(host->number ? host->number(host->data, c->call_id) : 0, "stdout", place, sizeof(place));
    (void) capture_render(&capture, (size_t) host->output_bytes, &c->f.text, &tokens); /* it fits */
    if (tokens > 0 && c->f.quota_count < QUOTA_MAX)
        quota_cut(host->output_bytes, &c->quotas[c->f.quota_count++]);
    (void) buf_printf(&c->f.text, "%s%s", place[0] ? "\n" : "", place);
    capture_done(&capture);
}

static void fail(struct container_run *c, const struct err *err)
{
    function_fail(&c->f, "%s", err->text);
    function_end(&c->f);
}

/* ---- stored results ---- */

static void add_inputs(struct json_writer *w, const struct bundle_file *files, size_t count)
{
    json_key(w, "inputs");
    json_array(w);
    for (size_t i = 0; i < count; i++) {
        char sum[DIGEST_HEX];

        digest_of(files[i].content, sum);
        json_array(w);
        json_string(w, files[i].path);
        json_bool(w, files[i].is_program);
        json_string(w, sum);
        json_array_end(w);
    }
    json_array_end(w);
}

static void find_key(struct container_run *c, const char *image_id)
{
    struct buf text = BUF_INIT(KEY_MAX);
    struct json_writer w;

    json_begin(&w, &text);
    json_object(&w);
    json_put_string(&w, "image", image_id);
    json_put_string(&w, "tool", c->tool->digest);
    json_key(&w, "command");
    json_array(&w);
    for (const char *const *word = c->tool->command; *word; word++)
        json_string(&w, *word);
    json_array_end(&w);
    json_key(&w, "environment");
    json_array(&w);
    for (size_t i = 0; i < c->tool->sandbox->env_count; i++) {
        json_string(&w, c->tool->sandbox->env[i].name);
        json_string(&w, c->tool->sandbox->env[i].value);
    }
    json_array_end(&w);
    json_put_raw(&w, "arguments", buf_span(&c->canonical));
    add_inputs(&w, c->inputs, c->input_count);
    json_object_end(&w);
    if (json_end(&w, NULL) == 0 && image_id[0])
        digest_of(buf_span(&text), c->key);
    buf_done(&text);
}

/* True: the call has its answer. */
static bool answer_from_store(struct container_run *c)
{
    struct tool_host *host = c->f.host;
    struct buf text = BUF_INIT(TEXT_MAX);
    char run[RESULTS_RUN_MAX];
    bool is_there = c->key[0] && result_cache_get(host->results, c->key, &text, run);

    if (is_there) {
        if (host->keep_output)
            host->keep_output(host->data, c->call_id, "stdout", buf_span(&text));
        show(c, buf_span(&text));
        c->f.is_cached = true;
        (void) snprintf(c->f.summary, sizeof(c->f.summary), "stored result of run %s", run);
    }
    buf_done(&text);
    return is_there;
}

/* ---- the call ---- */

static void on_output(void *data, int fd, struct span piece)
{
    struct container_run *c = data;
    struct tool_host *host = c->f.host;

    if (host->keep_output)
        host->keep_output(host->data, c->call_id, fd == 2 ? "stderr" : "stdout", piece);
    if (host->on_output)
        host->on_output(host->data, c->call_id, fd, piece);
}

static void on_done(void *data, const struct container_done *done)
{
    struct container_run *c = data;
    struct buf text = BUF_INIT(TEXT_MAX);
    bool is_good = container_result(c->tool, done, c->spec.timeout_ms, &text, c->f.summary);

    c->f.is_failed = !is_good;
    c->f.is_late = done->exec && done->exec->end == EXEC_TIMEOUT;
    c->f.quotas = c->quotas;
    c->f.quota_count = container_quotas(c->tool, done, c->quotas);
    c->f.exit_code = done->exec && done->exec->end == EXEC_EXITED ? done->exec->code : -1;
    if (is_good && c->key[0])
        (void) result_cache_put(c->f.host->results, c->key, c->f.host->run_id, buf_span(&text),
                                NULL); /* the call is made again next time */
    show(c, buf_span(&text));
    buf_done(&text);
    leave(c, done->is_spent);
    function_end(&c->f);
}

static void on_guard(void *data)
{
    struct container_run *c = data;

    function_fail(&c->f, "the tool's sandbox does not answer, and was ended");
    leave(c, true);
    function_end(&c->f);
}

static void begin(void *data)
{
    static const struct container_call_ops ops = { on_output, on_done };
    struct container_run *c = data;
    struct err err = { 0 };

    c->has_begun = true;
    if (container_call_start(c->channel, &c->spec, &ops, c, &c->call, &err) < 0 ||
        loop_timer(c->f.host->loop, c->spec.timeout_ms + GRACE_MS, on_guard, c, &c->guard, &err) < 0)
        fail(c, &err);
}

/* What may have reached out is not begun twice. */
static void begin_once(struct container_run *c)
{
    struct tool_host *host = c->f.host;
    struct buf intent = BUF_INIT(4096);
    struct json_writer w;
    struct err err = { 0 };

    if (!c->tool->has_network || !host->declare) {
        begin(c);
        return;
    }
    if (host->declared && host->declared(host->data, c->call_id).len > 0) {
        function_fail(&c->f,
                      "the call was interrupted, and is not made again: it may have reached out already");
        function_end(&c->f);
        return;
    }
    json_begin(&w, &intent);
    json_object(&w);
    json_put_string(&w, "tool", c->own->name);
    json_object_end(&w);
    if (json_end(&w, &err) < 0 ||
        host->declare(host->data, c->call_id, buf_span(&intent), begin, c, &err) < 0)
        fail(c, &err);
    buf_done(&intent);
}

/* The call has a sandbox: its answer is stored, or is made in it. */
static void take(struct container_run *c, struct container_slot *slot)
{
    struct tool_host *host = c->f.host;

    c->slot = slot;
    slot->running = c;
    c->channel = host->side_channel(slot->side);
    if (c->tool->caches && host->results)
        find_key(c, host->side_image(slot->side));
    if (answer_from_store(c)) {
        function_end(&c->f);
        return;
    }
    c->spec = (struct container_call_spec){
        .tool = c->tool,
        .arguments = buf_span(&c->canonical),
        .inputs = c->inputs,
        .input_count = c->input_count,
        .exec_id = host->next_exec_id(host->data, c->call_id),
        .timeout_ms = c->tool->timeout_ms,
    };
    begin_once(c);
}

/* ---- sandboxes ---- */

static void slot_close(struct container_slot *slot)
{
    channel_cancel(TAKE_PTR(slot->look));
    loop_source_free(TAKE_PTR(slot->again));
    if (slot->side)
        slot->lane->host->close_side(TAKE_PTR(slot->side));
    slot->is_ready = false;
}

/* The next one that waits is told; others try again. */
static void slot_fail(struct container_slot *slot, const struct err *err)
{
    struct container_lane *lane = slot->lane;
    struct container_run *c = lane->first;

    slot_close(slot);
    if (c) {
        function_fail(&c->f, "the tool's sandbox could not be opened: %s", err->text);
        function_end(&c->f);
    }
    lane_wake(lane);
}

static void on_counted(void *data, int r, const struct guest_stats *stats, const struct err *err)
{
    struct container_slot *slot = data;

    slot->look = NULL;
    if (r < 0) {
        slot_fail(slot, err);
        return;
    }
    slot->pids = stats->pids;
    slot->is_ready = true;
    lane_wake(slot->lane);
}

static void on_ready(void *data, int result, const struct err *err)
{
    struct container_slot *slot = data;
    struct channel *channel = result == 0 ? slot->lane->host->side_channel(slot->side) : NULL;
    struct err why = { 0 };

    if (result == 0 && !channel)
        result = err_set(&why, ERR_ENGINE, "it was lost");
    else if (result == 0)
        result = channel_stats(channel, on_counted, slot, &slot->look, &why);
    if (result < 0)
        slot_fail(slot, why.code ? &why : err);
}

static void on_lost(void *data, const struct err *err)
{
    struct container_slot *slot = data;
    struct container_run *c = slot->running;

    if (c) {
        function_fail(&c->f, "the tool's sandbox was lost: %s", err->text);
        function_end(&c->f);
    }
    slot_close(slot);
    lane_wake(slot->lane);
}

static void slot_open(struct container_slot *slot)
{
    static const struct tool_side_ops ops = { on_ready, on_lost };
    struct container_lane *lane = slot->lane;
    struct err err = { 0 };

    if (lane->host->open_side(lane->host->data, lane->tool->side, &ops, slot, &slot->side, &err) < 0)
        slot_fail(slot, &err);
}

/* ---- who waits ---- */

static void on_grow(void *data)
{
    struct container_lane *lane = data;

    loop_source_free(TAKE_PTR(lane->grow));
    lane->wants_more = true;
    lane_wake(lane);
}

static struct container_slot *idle_slot(struct container_lane *lane)
{
    for (size_t i = 0; i < SLOTS_MAX; i++)
        if (lane->slots[i].is_ready && !lane->slots[i].running && !lane->slots[i].look &&
            !lane->slots[i].again)
            return &lane->slots[i];
    return NULL;
}

/* One that may be opened now: the first, or another one once they have waited for those that are there; one
 * at a time. */
static struct container_slot *closed_slot(struct container_lane *lane)
{
    struct container_slot *closed = NULL;
    bool may_open = true;

    for (size_t i = 0; i < SLOTS_MAX; i++)
        if (lane->slots[i].side)
            may_open = may_open && lane->slots[i].is_ready && lane->wants_more;
        else if (!closed)
            closed = &lane->slots[i];
    return may_open ? closed : NULL;
}

static void lane_next(void *data)
{
    struct container_lane *lane = data;
    struct container_slot *slot;

    loop_source_free(TAKE_PTR(lane->soon));
    while (lane->first && (slot = idle_slot(lane)) != NULL) {
        struct container_run *c = lane->first;

        lane->first = c->next;
        c->lane = NULL;
        take(c, slot);
    }
    slot = lane->first ? closed_slot(lane) : NULL;
    lane->wants_more = false;
    if (slot)
        slot_open(slot);
    else if (lane->first && !lane->grow)
        (void) loop_timer(lane->host->loop, GROW_MS, on_grow, lane, &lane->grow,
                          NULL); /* without it they wait for those that are there */
}

static void lane_wake(struct container_lane *lane)
{
    if (!lane->soon)
        (void) loop_defer(lane->host->loop, lane_next, lane, &lane->soon,
                          NULL); /* without memory the next call wakes it */
}

static void look(void *data);

/* What goes on in it is a call's that has ended: then it is of no use any more. */
static void on_left(void *data, int r, const struct guest_stats *stats, const struct err *err)
{
    struct container_slot *slot = data;

    (void) err; /* it is lost then */
    slot->look = NULL;
    if (r == 0 && stats->pids <= slot->pids)
        slot->looks = 0;
    else if (r < 0 || ++slot->looks == LOOKS_MAX ||
             loop_timer(slot->lane->host->loop, LOOK_MS << (slot->looks - 1), look, slot, &slot->again,
                        NULL) < 0)
        slot_close(slot);
    lane_wake(slot->lane);
}

static void look(void *data)
{
    struct container_slot *slot = data;
    struct channel *channel = slot->lane->host->side_channel(slot->side);

    loop_source_free(TAKE_PTR(slot->again));
    if (!channel || channel_stats(channel, on_left, slot, &slot->look, NULL) < 0) {
        slot_close(slot);
        lane_wake(slot->lane);
    }
}

static void leave(struct container_run *c, bool is_spent)
{
    struct container_slot *slot = TAKE_PTR(c->slot);
    struct container_lane *lane = TAKE_PTR(c->lane);

    for (struct container_run **at = lane ? &lane->first : NULL; at && *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            break;
        }
    if (!slot)
        return;
    container_call_free(TAKE_PTR(c->call));
    slot->running = NULL;
    slot->looks = 0;
    if (is_spent)
        slot_close(slot);
    else if (c->has_begun)
        look(slot);
    lane_wake(slot->lane);
}

static struct container_lane *lane_of(struct tool_host *host, const struct tool_container *tool)
{
    struct container_lane *lane = host->lanes;

    while (lane && lane->tool != tool)
        lane = lane->next;
    if (lane || !(lane = calloc(1, sizeof(*lane))))
        return lane;
    *lane = (struct container_lane){ .next = host->lanes, .host = host, .tool = tool };
    for (size_t i = 0; i < SLOTS_MAX; i++)
        lane->slots[i].lane = lane;
    host->lanes = lane;
    return lane;
}

void container_release(struct tool_host *host)
{
    while (host->lanes) {
        struct container_lane *lane = host->lanes;

        host->lanes = lane->next;
        for (size_t i = 0; i < SLOTS_MAX; i++)
            slot_close(&lane->slots[i]);
        loop_source_free(lane->soon);
        loop_source_free(lane->grow);
        free(lane);
    }
}

static void wait_in_lane(struct container_run *c)
{
    struct container_lane *lane = lane_of(c->f.host, c->tool);
    struct container_run **at;

    if (!lane) {
        function_fail(&c->f, "no memory for a tool call");
        function_end(&c->f);
        return;
    }
    loop_source_free(TAKE_PTR(c->f.deadline)); /* from here on the tool's own counts */
    for (at = &lane->first; *at; at = &(*at)->next)
        ;
    *at = c;
    c->lane = lane;
    lane_wake(lane);
}

/* ---- before that ---- */

static void on_inputs(void *data, int result, const struct bundle_file *files, size_t count,
                      const struct err *err)
{
    struct container_run *c = data;

    if (result < 0) {
        (void) function_fail_with(&c->f, result, err);
        function_end(&c->f);
        return;
    }
    c->inputs = files;
    c->input_count = count;
    wait_in_lane(c);
}

static bool add_path(struct container_run *c, const char *text)
{
    if (c->path_count == PATHS_MAX) {
        function_fail(&c->f, "more than %d inputs are named", PATHS_MAX);
        return false;
    }
    return function_path(&c->f, text, &c->paths[c->path_count++]);
}

static bool find_paths(struct container_run *c)
{
    c->paths = arena_alloc(&c->f.arena, PATHS_MAX * sizeof(*c->paths));
    for (size_t i = 0; c->paths && i < c->tool->input_count; i++) {
        const struct tool_input *input = &c->tool->inputs[i];
        const struct tree *value = input->argument ? tree_get(c->arguments, input->argument) : NULL;

        if (input->path && !add_path(c, input->path))
            return false;
        if (value && value->kind == TREE_STRING && !add_path(c, value->text.ptr))
            return false;
        tree_each (item, value && value->kind == TREE_ARRAY ? value : NULL)
            if (!add_path(c, tree_string(item, "")))
                return false;
    }
    return c->paths;
}

static bool check_arguments(struct container_run *c)
{
    struct span text = function_input(c->f.item);
    struct json_violation why;
    struct json_writer w;
    struct err err = { 0 };

    if (json_parse(text.len > 0 ? text : span_of("{}"), &c->f.arena, &c->arguments, &err) < 0) {
        function_fail(&c->f, "the arguments are not valid JSON: %s", err.text);
        return false;
    }
    if (!json_schema_fits(c->tool->parameters, c->arguments, &why)) {
        function_fail(&c->f, "the arguments do not fit the tool's parameters: at '%s': %s", why.path,
                      why.text);
        return false;
    }
    json_begin(&w, &c->canonical);
    json_canonical(&w, c->arguments);
    if (json_end(&w, NULL) == 0)
        return true;
    function_fail(&c->f, "the arguments are too large");
    return false;
}

static void release(struct function *f)
{
    struct container_run *c = (struct container_run *) f;

    leave(c, c->has_begun);
    container_inputs_free(c->reading);
    loop_source_free(c->guard);
    buf_done(&c->canonical);
}

/* True: it goes on by itself; false: its answer is there. */
static bool go(struct container_run *c, struct err *err)
{
    struct channel *channel;

    if (!check_arguments(c) || !find_paths(c))
        return false;
    if (c->path_count == 0) {
        wait_in_lane(c);
        return true;
    }
    channel = function_channel(&c->f);
    if (channel && container_inputs_start(channel, c->paths, c->path_count, c->tool->sandbox->size_bytes,
                                          on_inputs, c, &c->reading, err) == 0)
        return true;
    if (channel)
        (void) function_fail_with(&c->f, -(int) err->code, err);
    return false;
}

static int start(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                 struct tool_run **ret, struct err *err)
{
    struct container_run *c = NULL;
    struct function *f = NULL;
    struct err why = { 0 };
    int r = function_new(sizeof(*c), host, call, fn, data, &f, err);

    if (r < 0)
        return r;
    c = (struct container_run *) f;
    f->release = release;
    c->own = call->own;
    c->tool = call->own->spec;
    c->call_id = tree_string(tree_get(f->item, "call_id"), "");
    buf_init(&c->canonical, KEY_MAX / 2);
    if (!go(c, &why))
        r = function_end_soon(f, err);
    if (r < 0)
        function_free(f);
    else
        *ret = &f->run;
    return r;
}

const struct tool_ops container_tool = { .name = "container", .start = start };
