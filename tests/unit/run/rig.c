/* SPDX-License-Identifier: MIT */
#include "tests/unit/run/rig.h"

#include "tests/unit/run/state_home.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/run/checkpoint_restore.h"
#include "core/run/checkpoint_take.h"
#include "core/run/context.h"
#include "core/run/decide.h"
#include "core/run/driver_impl.h"
#include "core/run/journal.h"
#include "core/run/outputs.h"
#include "core/run/snapshot.h"
#include "core/run/view.h"
#include "core/run/workspace.h"
#include "core/sandbox/channel.h"
#include "core/tool/tool.h"
#include "core/tool/touched.h"

static struct rig *the_rig; /* doubles of plain functions have no other way to know */

static void note(struct rig *rig, const char *word)
{
    size_t used = strlen(rig->log);

    snprintf(rig->log + used, sizeof(rig->log) - used, "%s%s", used ? " " : "", word);
}

/* What was announced is on disk: as many records of the type as there have been effects of it. */
static void check_durable(const char *type, int64_t count)
{
    struct buf disk = BUF_INIT(1 << 24);
    char needle[64];
    const char *at;

    snprintf(needle, sizeof(needle), "\"type\":\"%s\"", type);
    assert_int_equal(run_folder_load(the_rig->folder, JOURNAL_FILE, &disk, NULL), 0);
    at = buf_text(&disk);
    while (count > 0 && (at = strstr(at, needle)) != NULL) {
        at++;
        count--;
    }
    assert_int_equal(count, 0);
    buf_done(&disk);
}

/* The journal's descriptor becomes one that takes nothing. */
static void fill_disk(void)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    for (int fd = 3; fd < 64; fd++) {
        char link[64], target[512];
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, target, sizeof(target) - 1);
        if (n > 0 && (target[n] = '\0', strstr(target, JOURNAL_FILE)))
            assert_int_equal(dup2(full, fd), fd);
    }
    close(full);
}

/* Calls `fn` from the loop; frees itself. */
struct later {
    struct loop_source *source;
    void (*fn)(void *data);
    void *data;
    struct later **owner; /* cleared when it has run */
};

static void run_later(void *data)
{
    struct later *l = data;
    struct later copy = *l;

    if (l->owner)
        *l->owner = NULL;
    loop_source_free(l->source);
    free(l);
    copy.fn(copy.data);
}

static void later(struct later **owner, void (*fn)(void *), void *data)
{
    struct later *l = calloc(1, sizeof(*l));

    l->fn = fn;
    l->data = data;
    l->owner = owner;
    if (owner)
        *owner = l;
    assert_int_equal(loop_defer(the_rig->loop, run_later, l, &l->source, NULL), 0);
}

static void cancel_later(struct later **owner)
{
    if (!*owner)
        return;
    loop_source_free((*owner)->source);
    free(*owner);
    *owner = NULL;
}

/* ---- model ---- */

struct model_client {
    int unused;
};

struct model_exchange {
    const struct model_ops *ops;
    void *data;
    struct later *later;
    bool has_ended;
};

int model_client_new(struct loop *loop, struct http *http, const struct model_spec *spec,
                     struct model_client **ret, struct err *err)
{
    *ret = calloc(1, sizeof(**ret));
    return 0;
}

void model_client_free(struct model_client *c)
{
    free(c);
}

bool model_client_holds(const struct model_client *c, struct span text)
{
    return false;
}

static void model_step(void *data)
{
    struct model_exchange *x = data;
    struct rig *rig = the_rig;
    const struct rig_script *s;

    assert_true(rig->script_at < rig->script_count);
    s = &rig->script[rig->script_at];
    if (s->step == RIG_WAIT_CALLS && rig->calls_begun < s->count && !rig->is_resumed) {
        later(&x->later, model_step, x);
        return;
    }
    rig->script_at++;
    if (s->step == RIG_END) {
        x->has_ended = true;
        x->ops->on_end(x->data, &s->end);
        return;
    }
    later(&x->later, model_step, x);
    if (s->step == RIG_ITEM) {
        x->ops->on_delta(x->data, MODEL_DELTA_OTHER, span_of("."));
        x->ops->on_item(x->data, s->count, span_of(s->text));
    }
}

/* The model goes on behind the answers that the request holds, as a real one would. */
static void find_place(struct rig *rig, struct span body)
{
    struct buf text = BUF_INIT(1 << 24);
    size_t at = 0;

    assert_int_equal(buf_add_span(&text, body), 0);
    while (at < rig->script_count && rig->script[at].step == RIG_ITEM &&
           strstr(buf_text(&text), rig->script[at].text)) {
        while (rig->script[at].step != RIG_END)
            at++;
        at++;
    }
    rig->script_at = at;
    buf_done(&text);
}

int model_send(struct model_client *c, struct span body, const struct model_ops *ops, void *data,
               struct model_exchange **ret, struct err *err)
{
    struct model_exchange *x = calloc(1, sizeof(*x));

    note(the_rig, "(send)");
    ++the_rig->sends;
    check_durable("request.begin", the_rig->is_resumed ? 1 : the_rig->sends);
    if (the_rig->is_resumed)
        find_place(the_rig, body);
    buf_add_span(&the_rig->bodies, body);
    buf_add_char(&the_rig->bodies, '\n');
    x->ops = ops;
    x->data = data;
    later(&x->later, model_step, x);
    *ret = x;
    return 0;
}

void model_exchange_free(struct model_exchange *x)
{
    if (!x)
        return;
    if (!x->has_ended)
        note(the_rig, "(cancel-request)");
    cancel_later(&x->later);
    free(x);
}

/* ---- sandbox ---- */

static struct sandbox_row row = { "caps", "capabilities", SANDBOX_ROW_VERIFIED, "none", "none" };

/* Only for a guest that answers nothing at all, which the rig's is not; tests/live/test_lying_guest.py has
 * such ones. */
void channel_eof(struct channel *ch, const struct err *why)
{
    (void) ch;
    fail_msg("the sandbox was given up: %s", why->text);
}

const struct channel_guest *channel_guest(const struct channel *ch)
{
    static const struct channel_guest guest = { 1, 0, "guest-build", 0xabcdef };

    return &guest;
}

static void sandbox_say_intent(void *data)
{
    struct rig *rig = data;
    struct sandbox_info info;

    sandbox_info(&rig->sandbox, &info);
    rig->sandbox.events->on_intent(rig->sandbox.events_data, &info);
}

static void sandbox_say_ready(void *data)
{
    struct rig *rig = data;
    struct err err = { 0 };

    if (rig->fault == RIG_SANDBOX_FAILS)
        (void) err_set(&err, ERR_TIMEOUT, "the container did not start");
    else if (rig->fault == RIG_LOCKDOWN_FAILS)
        (void) err_set(&err, ERR_POLICY, "row 'caps' is not as asked");
    rig->sandbox.events->on_ready(rig->sandbox.events_data, -(int) err.code, &err);
}

static void sandbox_say_lost(void *data)
{
    struct rig *rig = data;
    struct err err = { 0 };

    (void) err_set(&err, ERR_ENGINE, "the container was killed: out of memory");
    (void) err_hint(&err, "Raise sandbox.memory");
    rig->sandbox.events->on_lost(rig->sandbox.events_data, &err);
}

static int fake_start(struct sandbox *sb, struct err *err)
{
    note(the_rig, "(start)");
    check_durable("sandbox.start", 1);
    if (the_rig->fault == RIG_SANDBOX_REFUSED)
        return err_set(err, ERR_ENGINE, "no engine");
    sb->events->on_step(sb->events_data, "image", "looking for the image");
    later(NULL, sandbox_say_intent, the_rig);
    return 0;
}

static int fake_proceed(struct sandbox *sb, struct err *err)
{
    note(the_rig, "(create)");
    check_durable("sandbox.intent", 1);
    later(NULL, sandbox_say_ready, the_rig);
    return 0;
}

static void sandbox_say_attached(void *data)
{
    struct rig *rig = data;
    struct err err = { 0 };

    if (rig->fault == RIG_ATTACH_FAILS)
        (void) err_set(&err, ERR_NOT_FOUND, "the container is gone");
    else if (rig->fault == RIG_ATTACH_UNREACHABLE)
        (void) err_set(&err, ERR_ENGINE, "the engine does not answer");
    rig->sandbox.events->on_ready(rig->sandbox.events_data, -(int) err.code, &err);
}

static int fake_attach(struct sandbox *sb, const struct sandbox_known *known, struct err *err)
{
    note(the_rig, "(attach)");
    check_durable("sandbox.attach", 1);
    assert_string_equal(known->container_id, "c0ffee");
    assert_true(known->guest_boot == 0xabcdef);
    later(NULL, sandbox_say_attached, the_rig);
    return 0;
}

static void fake_info(const struct sandbox *sb, struct sandbox_info *ret)
{
    *ret = (struct sandbox_info){ .backend = "fake",
                                  .engine = "fake://",
                                  .image = "busybox",
                                  .image_id = "sha256:1",
                                  .container_id = "c0ffee",
                                  .container_name = "agentbox-1",
                                  .attempt = 1,
                                  .rows = &row,
                                  .row_count = 1 };
}

static struct channel *fake_channel(struct sandbox *sb)
{
    return (struct channel *) sb;
}

static void fake_removed(void *data)
{
    struct later *l = data;
    sandbox_removed_fn *fn = (sandbox_removed_fn *) (uintptr_t) l->fn;
    struct err err = { 0 };

    if (the_rig->fault == RIG_REMOVE_FAILS)
        (void) err_set(&err, ERR_ENGINE, "the engine does not answer");
    fn(l->data, -(int) err.code, &err);
    free(l);
}

/* A removal that takes its time. */
static struct {
    struct loop_source *timer, *before_wait;
    sandbox_removed_fn *fn;
    void *data;
} slow;

static void count_wait(void *data)
{
    the_rig->removal_waits++;
}

static void slow_removed(void *data)
{
    loop_source_free(slow.timer);
    loop_source_free(slow.before_wait);
    slow.fn(slow.data, 0, NULL);
}

static int fake_slow_remove(sandbox_removed_fn *fn, void *data)
{
    slow.fn = fn;
    slow.data = data;
    assert_int_equal(loop_before_wait(the_rig->loop, count_wait, NULL, &slow.before_wait, NULL), 0);
    return loop_timer(the_rig->loop, the_rig->removal_ms, slow_removed, NULL, &slow.timer, NULL);
}

static int fake_remove(struct sandbox *sb, sandbox_removed_fn *fn, void *data, struct err *err)
{
    struct later *l = calloc(1, sizeof(*l)); /* used as a pair of pointers only */

    note(the_rig, "(remove)");
    if (the_rig->removal_ms) {
        free(l);
        return fake_slow_remove(fn, data);
    }
    l->fn = (void (*)(void *))(uintptr_t) fn;
    l->data = data;
    later(NULL, fake_removed, l);
    return 0;
}

static void fake_free(struct sandbox *sb)
{
}

static const struct sandbox_ops fake_sandbox = { "fake",    fake_start,   fake_proceed, fake_attach,
                                                 fake_info, fake_channel, fake_remove,  fake_free };

/* ---- a sandbox beside it: every other step of its life at once, as one that is quick ---- */

static void side_say_intent(void *data)
{
    struct sandbox *sb = data;
    struct sandbox_info info;

    sandbox_info(sb, &info);
    sb->events->on_intent(sb->events_data, &info);
}

static void side_say_ready(void *data)
{
    struct sandbox *sb = data;

    sb->events->on_ready(sb->events_data, 0, NULL);
}

static int side_start(struct sandbox *sb, struct err *err)
{
    note(the_rig, "(side-start)");
    check_durable("side.start", 1);
    if (the_rig->fault == RIG_SIDE_REFUSED)
        return err_set(err, ERR_ENGINE, "no image");
    later(NULL, side_say_intent, sb);
    return 0;
}

static int side_proceed(struct sandbox *sb, struct err *err)
{
    note(the_rig, "(side-create)");
    check_durable("side.intent", 1);
    later(NULL, side_say_ready, sb);
    return 0;
}

static void side_removed(void *data)
{
    if (the_rig->fault == RIG_SIDE_STAYS) {
        the_rig->fault = RIG_REMOVE_FAILS;
        fake_removed(data);
        the_rig->fault = RIG_SIDE_STAYS;
        return;
    }
    fake_removed(data);
}

static int side_remove(struct sandbox *sb, sandbox_removed_fn *fn, void *data, struct err *err)
{
    struct later *l = calloc(1, sizeof(*l));

    note(the_rig, "(side-remove)");
    l->fn = (void (*)(void *))(uintptr_t) fn;
    l->data = data;
    later(NULL, side_removed, l);
    return 0;
}

static void side_free(struct sandbox *sb)
{
    free(sb);
}

static const struct sandbox_ops fake_side = { "fake",    side_start,   side_proceed, fake_attach,
                                              fake_info, fake_channel, side_remove,  side_free };

static int make_side(const struct sandbox_order *order, struct sandbox **ret)
{
    struct sandbox *sb = calloc(1, sizeof(*sb));

    assert_ptr_equal(order->spec, &the_rig->spec.sides[0].sandbox);
    assert_true(strncmp(order->part, "docs-", 5) == 0);
    sb->ops = &fake_side;
    *ret = sb;
    return 0;
}

static int fake_make(void *data, const struct sandbox_order *order, struct sandbox **ret, struct err *err)
{
    struct rig *rig = data;

    assert_string_equal(order->run_id, rig->folder->id);
    if (order->part)
        return make_side(order, ret);
    rig->attempt = order->attempt;
    *ret = &rig->sandbox;
    return 0;
}

size_t channel_exec_ended(const struct channel *ch, uint64_t *ret_ids, size_t max)
{
    ret_ids[0] = 4096;
    return 1;
}

int channel_exec(struct channel *ch, const struct exec_request *req, const struct exec_ops *ops, void *data,
                 struct channel_call **ret, struct err *err)
{
    return err_set(err, ERR_CONFLICT, "no command runs in this rig");
}

int channel_exec_write(struct channel_call *call, struct span input, bool eof, struct err *err)
{
    return err_set(err, ERR_CONFLICT, "no command of this rig reads");
}

void channel_exec_release(struct channel *ch, uint64_t id)
{
    assert_int_equal(id, 4096);
    the_rig->releases++;
}

/* ---- the way out: nothing here goes there (tests/live/test_egress.py does) ---- */

int channel_listen(struct channel *ch, uint16_t port, const struct listen_ops *ops, void *data,
                   struct err *err)
{
    fail();
    return 0;
}

void channel_listen_stop(struct channel *ch)
{
}

int channel_write_trust(struct channel *ch, const char *name, const struct file_write_ops *ops, void *data,
                        struct channel_call **ret, struct err *err)
{
    fail();
    return 0;
}

ssize_t channel_write_data(struct channel_call *call, struct span bytes, struct err *err)
{
    fail();
    return 0;
}

int channel_write_end(struct channel_call *call, struct err *err)
{
    fail();
    return 0;
}

/* No run of the rig hands files over to a subagent. */
int channel_remove(struct channel *ch, const char *path, bool recursive, channel_done_fn *fn, void *data,
                   struct channel_call **ret, struct err *err)
{
    return err_set(err, ERR_INTERNAL, "the rig removes nothing");
}

int channel_rename(struct channel *ch, const char *from, const char *to, channel_done_fn *fn, void *data,
                   struct channel_call **ret, struct err *err)
{
    return err_set(err, ERR_INTERNAL, "the rig renames nothing");
}

void channel_cancel(struct channel_call *call)
{
    assert_null(call);
}

void channel_conn_accept(struct channel_conn *conn, const struct conn_ops *ops, void *data)
{
    fail();
}

size_t channel_conn_grant(struct channel_conn *conn)
{
    fail();
    return 0;
}

void channel_conn_write(struct channel_conn *conn, struct span bytes)
{
    fail();
}

void channel_conn_end(struct channel_conn *conn)
{
    fail();
}

void channel_conn_dealt(struct channel_conn *conn, size_t len)
{
    fail();
}

void channel_conn_cut(struct channel_conn *conn)
{
    fail();
}

/* ---- checkpoints: a store that counts, and a workspace that is as far as the calls that ended ---- */

struct checkpoint_store {
    int64_t last;
};

int checkpoint_store_new(struct run_folder *folder, struct checkpoint_store **ret, struct err *err)
{
    *ret = calloc(1, sizeof(**ret));
    return 0;
}

void checkpoint_store_free(struct checkpoint_store *store)
{
    free(store);
}

int checkpoint_store_told(struct checkpoint_store *store, const struct record_checkpoint *rec,
                          struct err *err)
{
    store->last = rec->number;
    return 0;
}

int64_t checkpoint_store_last(const struct checkpoint_store *store)
{
    return store->last;
}

int checkpoint_clean(struct checkpoint_store *store, struct err *err)
{
    return 0;
}

int checkpoint_prune(struct checkpoint_store *store, const struct record_checkpoint *rec, struct err *err)
{
    note(the_rig, "(prune)");
    check_durable("checkpoint.done", 1);
    assert_string_equal(rec->pruned[0].text, "000001.json");
    return 0;
}

void checkpoint_view_init(struct checkpoint_view *view)
{
    memset(view, 0, sizeof(*view));
}

void checkpoint_view_done(struct checkpoint_view *view)
{
}

struct checkpoint_take {
    struct later *later;
    struct checkpoint_store *store;
    checkpoint_taken_fn *fn;
    void *data;
};

static void taken(void *data)
{
    struct checkpoint_take *t = data;
    static const struct record_text pruned[] = { { "000001.json" } };
    struct record_checkpoint rec = { .number = t->store->last + 1, .tree = "t", .record = "r", .files = 1 };
    struct err err = { 0 };

    if (the_rig->fault == RIG_CHECKPOINT_FAILS)
        (void) err_set(&err, ERR_IO, "no room");
    if (the_rig->fault == RIG_CHECKPOINT_TOO_LARGE)
        (void) err_set(&err, ERR_TOO_LARGE, "more names than a checkpoint can hold");
    if (the_rig->fault == RIG_CHECKPOINT_LOST)
        (void) err_set(&err, ERR_ENGINE, "the sandbox is gone");
    if (err.code == ERR_ENGINE)
        later(NULL, sandbox_say_lost, the_rig);
    if (the_rig->fault == RIG_NOTHING_CHANGES)
        rec = (struct record_checkpoint){ .number = t->store->last, .is_same = true };
    if (rec.number == 3) {
        rec.pruned = pruned;
        rec.pruned_count = 1;
    }
    t->fn(t->data, -(int) err.code, &rec, &err);
}

int checkpoint_take_start(const struct checkpoint_site *site, int64_t keep, checkpoint_taken_fn *fn,
                          void *data, struct checkpoint_take **ret, struct err *err)
{
    struct checkpoint_take *t = calloc(1, sizeof(*t));

    note(the_rig, "(take)");
    check_durable("checkpoint.begin", 1);
    t->store = site->store;
    t->fn = fn;
    t->data = data;
    later(&t->later, taken, t);
    *ret = t;
    return 0;
}

void checkpoint_take_free(struct checkpoint_take *t)
{
    if (t)
        cancel_later(&t->later);
    free(t);
}

struct checkpoint_restore {
    struct later *later;
    checkpoint_restored_fn *fn;
    void *data;
};

static void restored(void *data)
{
    struct checkpoint_restore *t = data;
    struct checkpoint_restored ret = { 1, 0, 0, 10, "t" };

    t->fn(t->data, 0, &ret, NULL);
}

int checkpoint_restore_start(const struct checkpoint_site *site, int64_t number, checkpoint_restored_fn *fn,
                             void *data, struct checkpoint_restore **ret, struct err *err)
{
    struct checkpoint_restore *t = calloc(1, sizeof(*t));

    note(the_rig, "(restore)");
    check_durable("workspace.begin", 1);
    assert_int_equal(number, site->store->last);
    t->fn = fn;
    t->data = data;
    later(&t->later, restored, t);
    *ret = t;
    return 0;
}

void checkpoint_restore_free(struct checkpoint_restore *t)
{
    if (t)
        cancel_later(&t->later);
    free(t);
}

/* ---- workspace and outputs ---- */

int outputs_check(const struct run_output *list, size_t count, struct err *err)
{
    return 0;
}

struct workspace_fill {
    struct later *later;
    workspace_done_fn *fn;
    void *data;
};

int workspace_check(const struct run_entry *entries, size_t count, struct err *err)
{
    return 0;
}

static void filled(void *data)
{
    struct workspace_fill *f = data;
    struct workspace_report report = { 2, 1, 0, 10 };
    struct err err = { 0 };

    if (the_rig->fault == RIG_FILL_FAILS)
        (void) err_set(&err, ERR_IO, "entry 'data': reading 'x': Permission denied");
    f->fn(f->data, -(int) err.code, &report, &err);
}

int workspace_fill_start(struct loop *loop, struct channel *channel, const struct run_entry *entries,
                         size_t count, workspace_done_fn *fn, void *data, struct workspace_fill **ret,
                         struct err *err)
{
    struct workspace_fill *f = calloc(1, sizeof(*f));

    note(the_rig, "(fill)");
    check_durable("workspace.begin", 1);
    f->fn = fn;
    f->data = data;
    later(&f->later, filled, f);
    *ret = f;
    return 0;
}

void workspace_fill_free(struct workspace_fill *f)
{
    if (f)
        cancel_later(&f->later);
    free(f);
}

struct outputs {
    struct later *later;
    const struct run_output *list;
    size_t count;
    const struct outputs_ops *ops;
    void *data;
};

static void collected(void *data)
{
    struct outputs *o = data;
    struct output_report report = { .output = &o->list[0], .files = 1, .size = 5 };
    bool fails = the_rig->fault == RIG_OUTPUT_FAILS;

    if (fails)
        report.result = err_set(&report.err, ERR_OUTPUT, "output 'out/report.md' is missing");
    else
        memset(report.sha256, 'a', DIGEST_HEX - 1);
    o->ops->on_output(o->data, &report);
    o->ops->on_done(o->data, report.result, &report.err);
}

void outputs_set_max(struct outputs *o, int64_t bytes)
{
    assert_int_equal(bytes, the_rig->spec.sandbox.size_bytes);
}

void outputs_set_state(struct outputs *o, const struct run_state *state)
{
}

int outputs_start(struct loop *loop, struct channel *channel, const struct run_output *list, size_t count,
                  const struct outputs_ops *ops, void *data, struct outputs **ret, struct err *err)
{
    struct outputs *o = calloc(1, sizeof(*o));

    note(the_rig, "(collect)");
    check_durable("outputs.begin", 1);
    o->list = list;
    o->count = count;
    o->ops = ops;
    o->data = data;
    later(&o->later, collected, o);
    *ret = o;
    return 0;
}

void outputs_free(struct outputs *o)
{
    if (o)
        cancel_later(&o->later);
    free(o);
}

/* ---- looking around: every folder has an AGENTS.md ---- */

struct context_look {
    struct context_ask ask;
    context_done_fn *fn;
    void *data;
    struct later *later;
};

static void looked(void *data)
{
    struct context_look *look = data;
    struct record_looked list[RUN_TOUCHED_MAX];
    struct buf text = BUF_INIT(65536);
    struct context_found found = { .looked = list, .count = look->ask.count };

    if (look->ask.wants_tree)
        assert_int_equal(buf_add_text(&text, "a listing; "), 0);
    for (size_t i = 0; i < look->ask.count; i++) {
        list[i] = (struct record_looked){ .folder = look->ask.folders[i], .size = 6, .shown = 6 };
        assert_int_equal(buf_printf(&text, "rules of '%s'; ", look->ask.folders[i]), 0);
    }
    found.text = buf_span(&text);
    look->fn(look->data, 0, &found, NULL);
    buf_done(&text);
}

int context_look_start(const struct context_ask *ask, context_done_fn *fn, void *data,
                       struct context_look **ret, struct err *err)
{
    struct context_look *look = calloc(1, sizeof(*look));

    note(the_rig, "(look)");
    check_durable("context.begin", 1);
    look->ask = *ask;
    look->fn = fn;
    look->data = data;
    later(&look->later, looked, look);
    *ret = look;
    return 0;
}

void context_look_free(struct context_look *look)
{
    if (look)
        cancel_later(&look->later);
    free(look);
}

/* ---- one tool: a function_call named "do" whose arguments are what happens ---- */

struct fake_call {
    struct tool_run run;
    struct tool_host *host;
    char call_id[64], word[64];
    tool_done_fn *fn;
    void *data;
    struct later *later;
    struct tool_side *side;
};

static void fake_cancel(struct tool_run *run)
{
    struct fake_call *c = (struct fake_call *) run;

    note(the_rig, "(cancel-call)");
    cancel_later(&c->later);
    free(c);
}

static void print_output(struct fake_call *c)
{
    char big[5000];

    if (strcmp(c->word, "binary") == 0)
        c->host->keep_output(c->host->data, c->call_id, "stdout", span_make("\xff\0", 2));
    else
        c->host->keep_output(c->host->data, c->call_id, "stdout", span_of("hi\n"));
    memset(big, 'x', sizeof(big));
    if (strcmp(c->word, "big") == 0)
        c->host->keep_output(c->host->data, c->call_id, "stdout", span_make(big, sizeof(big)));
    c->host->on_output(c->host->data, c->call_id, 1, span_of("hi\n"));
}

static void fake_answer(void *data)
{
    struct fake_call *c = data;
    struct tool_answer answer = { .summary = "done", .exit_code = 0, .output_bytes = 3 };
    char item[256];

    if (strcmp(c->word, "hang") == 0)
        return;
    print_output(c);
    snprintf(item, sizeof(item), "{\"type\":\"function_call_output\",\"call_id\":\"%s\",\"output\":\"%s\"}",
             c->call_id, c->word);
    answer.item = span_of(item);
    if (strcmp(c->word, "lost") == 0) {
        answer = (struct tool_answer){ .outcome = TOOL_LOST };
        later(NULL, sandbox_say_lost, the_rig);
    }
    c->fn(c->data, &answer);
    free(c);
}

static void on_side_ready(void *data, int result, const struct err *err)
{
    struct fake_call *c = data;

    note(the_rig, result < 0 ? "(no-side)" : "(side)");
    assert_int_equal(c->host->side_channel(c->side) != NULL, result == 0);
    if (strcmp(c->word, "beside-lost") == 0) {
        struct sandbox *sb = (struct sandbox *) c->host->side_channel(c->side);
        struct err why = { .code = ERR_ENGINE };

        sb->events->on_lost(sb->events_data, &why);
        return;
    }
    if (strcmp(c->word, "beside-kept") != 0)
        c->host->close_side(c->side);
    later(&c->later, fake_answer, c);
}

static void on_side_lost(void *data, const struct err *err)
{
    struct fake_call *c = data;

    note(the_rig, "(side-lost)");
    assert_null(c->host->side_channel(c->side));
    c->host->close_side(c->side);
    later(&c->later, fake_answer, c);
}

static int open_beside(struct fake_call *c, struct err *err)
{
    static const struct tool_side_ops ops = { on_side_ready, on_side_lost };

    assert_int_equal(c->host->open_side(c->host->data, "nothing", &ops, c, &c->side, err), -ERR_INTERNAL);
    return c->host->open_side(c->host->data, "docs", &ops, c, &c->side, err);
}

static int fake_tool_start(struct tool_host *host, const struct tool_call *call, tool_done_fn *fn, void *data,
                           struct tool_run **ret, struct err *err)
{
    struct fake_call *c;
    char word[96];

    ++the_rig->calls_begun;
    check_durable("call.begin", the_rig->is_resumed ? 1 : the_rig->calls_begun);
    snprintf(word, sizeof(word), "(call:%s)", tree_string(tree_get(call->item, "arguments"), "?"));
    note(the_rig, word);
    if (tree_is_string(tree_get(call->item, "arguments"), "wrong"))
        return err_set(err, ERR_INVALID, "cannot do that");
    c = calloc(1, sizeof(*c));
    c->run.cancel = fake_cancel;
    c->host = host;
    c->fn = fn;
    c->data = data;
    snprintf(c->call_id, sizeof(c->call_id), "%s", call->call_id);
    snprintf(c->word, sizeof(c->word), "%s", tree_string(tree_get(call->item, "arguments"), "?"));
    assert_true(host->next_exec_id(host->data, call->call_id) >= 4096);
    *ret = &c->run;
    if (strncmp(c->word, "beside", 6) == 0)
        return open_beside(c, err);
    later(&c->later, fake_answer, c);
    return 0;
}

static void fake_describe(struct json_writer *w, enum tool_style style)
{
    json_object(w);
    json_put_string(w, "type", style == TOOL_STYLE_NATIVE ? "native" : "function");
    json_object_end(w);
}

static bool fake_owns(const struct tree *item)
{
    return tree_is_string(tree_get(item, "name"), "do");
}

static void fake_title(const struct tree *item, char *out, size_t size)
{
    snprintf(out, size, "$ %s", tree_string(tree_get(item, "arguments"), "?"));
}

static void fake_touch(const struct tree *item, struct touched *ret)
{
    touched_argument(ret, item, "path", true); /* there are no such arguments: nothing */
    touched_add(ret, tree_span(tree_get(item, "arguments")), true);
}

static const struct tool_ops fake_tool = { "do",       fake_describe,   fake_owns,
                                           fake_title, fake_tool_start, fake_touch };
const struct tool_ops *const tools_all[] = { &fake_tool, NULL };

bool tool_find(const struct tool_list *list, const struct tree *item, struct tool_found *ret)
{
    *ret = (struct tool_found){ fake_tool.name, &fake_tool, NULL };
    return list->count && fake_owns(item);
}

void tool_title(const struct tool_found *tool, const struct tree *item, char *out, size_t size)
{
    tool->ops->title(item, out, size);
}

int tools_describe(const struct tool_list *list, enum tool_style style, struct buf *out, struct err *err)
{
    struct json_writer w;

    json_begin(&w, out);
    json_array(&w);
    fake_describe(&w, style);
    json_array_end(&w);
    return json_end(&w, err);
}

int tool_refuse(const struct tree *item, const char *text, struct buf *out, struct err *err)
{
    struct json_writer w;

    json_begin(&w, out);
    json_object(&w);
    json_put_string(&w, "type", "function_call_output");
    json_put_span(&w, "call_id", tree_span(tree_get(item, "call_id")));
    json_put_string(&w, "output", text);
    json_object_end(&w);
    return json_end(&w, err);
}

void tools_release(struct tool_host *host)
{
}

bool tools_holds(const struct tool_host *host, uint64_t exec_id)
{
    return false;
}

int tools_restore_session(struct tool_host *host, int64_t session, uint64_t exec_id, struct err *err)
{
    note(the_rig, "(session)");
    return 0;
}

/* ---- events ---- */

static void on_record(void *data, const struct run_event *ev)
{
    struct rig *rig = data;

    rig->records++;
    note(rig, record_type_name(ev->record->type));
    buf_add_span(&rig->lines, ev->line);
    buf_add_char(&rig->lines, '\n');
    if (rig->interrupt_after && rig->records == (size_t) rig->interrupt_after)
        run_interrupt(rig->run, 2);
    if (rig->full_after && rig->records == (size_t) rig->full_after)
        fill_disk();
}

static void on_end(void *data, const struct run_summary *sum)
{
    struct rig *rig = data;

    assert_false(rig->has_ended);
    note(rig, "(end)");
    rig->has_ended = true;
    rig->end_status = sum->exit_status;
    rig->end_state = sum->end;
    rig->end_turns = sum->turns;
    rig->end_calls = sum->calls;
    rig->end_tokens = sum->usage.total;
    rig->end_cost = sum->cost_micros;
    rig->end_outputs = sum->output_count;
    rig->end_kept = sum->is_kept;
    snprintf(rig->end_reason, sizeof(rig->end_reason), "%s", sum->reason);
    snprintf(rig->end_text, sizeof(rig->end_text), "%.*s", (int) sum->text.len,
             sum->text.ptr ? sum->text.ptr : "");
    if (sum->err) {
        snprintf(rig->end_error, sizeof(rig->end_error), "%s", sum->err->text);
        snprintf(rig->end_hint, sizeof(rig->end_hint), "%s", sum->err->hint);
    }
}

static void on_removed(void *data, int result, const struct err *err)
{
    struct rig *rig = data;

    assert_true(rig->has_ended);
    note(rig, "(removed)");
    rig->remove_result = result;
    rig->is_removed = true;
}

static void answer_question(void *data)
{
    struct rig *rig = data;

    rig->ask_later = NULL;
    run_approve(rig->run, NULL, rig->asked_call, RUN_APPROVE_YES, NULL);
}

/* Time passes for the run, not for us. */
static bool on_ask(void *data, const struct run_question *question)
{
    struct rig *rig = data;

    if (!rig->asked_ms)
        return false;
    rig->asked_call = question->call;
    rig->run->mono_base_ms -= rig->asked_ms;
    later(&rig->ask_later, answer_question, rig);
    return true;
}

static const struct run_events rig_events = {
    .on_ask = on_ask, .on_record = on_record, .on_end = on_end, .on_removed = on_removed
};

/* ---- the rig ---- */

void rig_init(struct rig *rig, const struct rig_script *script, size_t count)
{
    static const char *const tools[] = { "do" };
    static struct run_side docs = { .name = "docs", .sandbox = { .image = "docs" } };

    memset(rig, 0, sizeof(*rig));
    the_rig = rig;
    rig->sandbox.ops = &fake_sandbox;
    rig->maker = (struct sandbox_maker){ fake_make, rig };
    rig->spec.checkpoints.every = RUN_CHECKPOINT_OFF;
    rig->script = script;
    rig->script_count = count;
    buf_init(&rig->bodies, 1 << 24);
    buf_init(&rig->lines, 1 << 24);
    rig->spec.name = "demo";
    rig->spec.task = "do it";
    rig->spec.tools = tools;
    rig->spec.tool_count = 1;
    rig->spec.sides = &docs;
    rig->spec.side_count = 1;
    rig->spec.resolved = "{\"version\":1}";
    rig->spec.sandbox.image = "busybox";
    rig->spec.sandbox.root = "/workspace";
    rig->spec.model.name = "test-model";
    rig->spec.model.base_url = "http://127.0.0.1/v1";
    rig->spec.model.service_tier = "auto";
    rig->spec.model.retries = 5;
    rig->spec.model.price = (struct model_price){ 1000000, 100000, 2000000 };
    assert_int_equal(state_home_setup(NULL), 0);
    assert_int_equal(loop_new(&rig->loop, NULL), 0);
    assert_int_equal(run_folder_create(&rig->folder, NULL), 0);
}

void rig_set_context(struct rig *rig)
{
    static const struct run_entry entries[] = { { .path = "AGENTS.md", .kind = RUN_ENTRY_FILE, .mode = -1 } };

    rig->spec.entries = entries;
    rig->spec.entry_count = 1;
    rig->spec.agents_md = rig->spec.file_tree = true;
}

static void check_fold(struct rig *rig)
{
    struct buf live = BUF_INIT(1 << 24), folded = BUF_INIT(1 << 24);
    struct run_state s;
    struct err err = { 0 };

    if (run_fold(rig->folder, &s, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(run_state_encode(run_state_of(rig->run), &live, NULL), 0);
    assert_int_equal(run_state_encode(&s, &folded, NULL), 0);
    assert_string_equal(buf_text(&folded), buf_text(&live));
    run_state_done(&s);
    buf_done(&live);
    buf_done(&folded);
}

static void check_told(struct rig *rig)
{
    struct buf disk = BUF_INIT(1 << 24);

    assert_int_equal(run_folder_load(rig->folder, JOURNAL_FILE, &disk, NULL), 0);
    assert_string_equal(buf_text(&rig->lines), buf_text(&disk));
    buf_done(&disk);
}

/* A crash after any record leaves a journal that folds, and on which a decision can be made. */
static void check_prefixes(struct rig *rig)
{
    struct journal_chain chain;
    size_t offset = 0;
    struct run_state s;

    run_state_init(&s);
    journal_chain_init(&chain);
    while (offset < rig->lines.len) {
        struct arena arena = ARENA_INIT(1 << 26);
        struct buf object = BUF_INIT(1 << 24);
        struct err err = { 0 };
        struct record rec;
        ssize_t n = journal_decode(span_make(rig->lines.data + offset, rig->lines.len - offset), &chain,
                                   &arena, &rec, &err);

        assert_true(n > 0);
        assert_int_equal(journal_resolve(rig->folder, &rec, &object, &err), 0);
        assert_int_equal(run_apply(&s, &rec, &err), 0);
        (void) run_decide(&s, &rig->spec, s.ms);
        offset += (size_t) n;
        arena_done(&arena);
        buf_done(&object);
    }
    run_state_done(&s);
}

/* The line may be shown before what follows it is there. */
static void check_all(struct rig *rig)
{
    check_told(rig);
    if (!rig->full_after) /* else the state is ahead of the disk */
        check_fold(rig);
    check_prefixes(rig);
}

void rig_run(struct rig *rig)
{
    struct err err = { 0 };

    if (run_new(rig->loop, NULL, &rig->spec, rig->folder, &rig->maker, NULL, &rig->run, &err) < 0 ||
        run_start(rig->run, "agentbox test", &rig_events, rig, &err) < 0 ||
        loop_run(rig->loop, &rig->is_removed, &err) < 0)
        fail_msg("%s", err.text);
    check_all(rig);
}

size_t rig_records(const struct buf *lines)
{
    size_t count = 0;

    for (size_t i = 0; i < lines->len; i++)
        count += lines->data[i] == '\n';
    return count;
}

/* As after kill -9: so many records are on disk, and perhaps a part of the next one. */
static void plant(struct rig *rig, const struct buf *lines, size_t records)
{
    const char *at = lines->data, *end = lines->data + lines->len;
    size_t torn;
    int fd;

    for (size_t i = 0; i < records; i++)
        at = (const char *) memchr(at, '\n', (size_t) (end - at)) + 1;
    assert_int_equal(buf_add(&rig->lines, lines->data, (size_t) (at - lines->data)), 0);
    torn = records % 2 && at < end ? 7 : 0;
    fd = openat(rig->folder->fd, JOURNAL_FILE, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, lines->data, (size_t) (at - lines->data) + torn, NULL), 0);
    close(fd);
}

void rig_resume(struct rig *rig, const struct buf *lines, size_t records)
{
    struct run_past *past = NULL;
    struct err err = { 0 };

    plant(rig, lines, records);
    rig->is_resumed = true;
    if (run_past_load(rig->folder, &past, &err) < 0 ||
        run_new(rig->loop, NULL, &rig->spec, rig->folder, &rig->maker, past, &rig->run, &err) < 0)
        fail_msg("%s", err.text);
    rig->refused = run_resume(rig->run, "agentbox test", rig->sets, &rig_events, rig, &err);
    if (rig->refused < 0) {
        snprintf(rig->end_error, sizeof(rig->end_error), "%s", err.text);
        return;
    }
    if (loop_run(rig->loop, &rig->is_removed, &err) < 0)
        fail_msg("%s", err.text);
    check_all(rig);
}

void rig_done(struct rig *rig)
{
    run_free(rig->run);
    run_folder_free(rig->folder);
    loop_free(rig->loop);
    buf_done(&rig->bodies);
    buf_done(&rig->lines);
    (void) state_home_teardown(NULL);
}
