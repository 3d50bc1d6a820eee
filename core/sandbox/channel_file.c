/* SPDX-License-Identifier: MIT */
/* Files beneath the workspace root. */
#include "core/sandbox/channel_impl.h"

#include <string.h>

void stat_public(const struct frame_stat *st, struct guest_stat *ret)
{
    static const enum guest_file_kind kinds[] = {
        [FRAME_KIND_FILE] = GUEST_FILE,   [FRAME_KIND_DIR] = GUEST_DIR,    [FRAME_KIND_LINK] = GUEST_LINK,
        [FRAME_KIND_OTHER] = GUEST_OTHER, [FRAME_KIND_GONE] = GUEST_OTHER, [FRAME_KIND_DEEP] = GUEST_DEEP
    };

    *ret = (struct guest_stat){
        .kind = kinds[st->kind],
        .mode = st->mode,
        .links = st->links,
        .size = st->size,
        .inode = st->inode,
        .stored = st->stored,
        .mtime_ns = st->mtime_ns,
        .ctime_ns = st->ctime_ns,
    };
}

static int lost_code(const struct channel *ch)
{
    return -(int) (ch->is_broken ? ERR_ENGINE : ERR_INTERNAL);
}

static bool is_root(const char *path)
{
    return path[0] == 0 || strcmp(path, ".") == 0;
}

static int path_check(const char *path, bool root_ok, struct err *err)
{
    if (strlen(path) >= FRAME_PATH_MAX)
        return err_set(err, ERR_TOO_LARGE, "a path of more than %d bytes", FRAME_PATH_MAX - 1);
    if ((root_ok && is_root(path)) || frame_path_ok(path, strlen(path)))
        return 0;
    return err_set(err, ERR_INVALID, "'%s' is not a path beneath the workspace", path);
}

/* ---- requests that are answered by DONE alone ---- */

static int nothing_more(struct frame_in in, struct err *err)
{
    return in.len > 0 ? call_offence(err, "an answer that is too long") : 0;
}

static int plain_done(struct channel_call *call, struct frame_in in, struct err *err)
{
    int r = nothing_more(in, err);

    if (r == 0 && call_is_wanted(call))
        call->to.done(call->data, 0, NULL);
    return r;
}

static void plain_fail(struct channel_call *call, int r, const struct err *why)
{
    call->to.done(call->data, r, why);
}

static const struct call_kind mkdir_kind = { .type = FRAME_MKDIR,
                                             .on_done = plain_done,
                                             .on_fail = plain_fail };
static const struct call_kind symlink_kind = { .type = FRAME_SYMLINK,
                                               .on_done = plain_done,
                                               .on_fail = plain_fail };
static const struct call_kind link_kind = { .type = FRAME_LINK,
                                            .on_done = plain_done,
                                            .on_fail = plain_fail };
static const struct call_kind set_kind = { .type = FRAME_SET, .on_done = plain_done, .on_fail = plain_fail };
static const struct call_kind rename_kind = { .type = FRAME_RENAME,
                                              .on_done = plain_done,
                                              .on_fail = plain_fail };
static const struct call_kind remove_kind = { .type = FRAME_REMOVE,
                                              .on_done = plain_done,
                                              .on_fail = plain_fail };

/* [number,] [time,] path [, second]. */
struct arguments {
    uint32_t number;
    int number_bytes, time_bytes;
    int64_t time_ns;
    const char *path, *second;
};

static int submit(struct channel *ch, const struct call_kind *kind, const struct arguments *a,
                  union call_to to, void *data, struct channel_call **ret, struct err *err)
{
    struct channel_call *call = call_new(ch, kind, data, a->path, err);

    if (!call)
        return lost_code(ch);
    call->to = to;
    if (kind == &write_kind)
        call->window = FRAME_WINDOW;
    struct frame_out out =
        call_request(call, 16 + strlen(a->path) + 1 + (a->second ? strlen(a->second) + 1 : 0));

    if (a->number_bytes)
        frame_put(&out, a->number, a->number_bytes);
    if (a->time_bytes)
        frame_put(&out, (uint64_t) a->time_ns, a->time_bytes);
    frame_put_bytes(&out, a->path, strlen(a->path) + 1);
    if (a->second)
        frame_put_bytes(&out, a->second, strlen(a->second) + 1);
    return call_submit(call, &out, ret, err);
}

int channel_mkdir(struct channel *ch, const char *path, uint32_t mode, channel_done_fn *fn, void *data,
                  struct channel_call **ret, struct err *err)
{
    const struct arguments a = { .number = mode & 01777, .number_bytes = 4, .path = path };
    int r = path_check(path, false, err);

    return r < 0 ? r : submit(ch, &mkdir_kind, &a, (union call_to){ .done = fn }, data, ret, err);
}

int channel_symlink(struct channel *ch, const char *path, const char *target, channel_done_fn *fn, void *data,
                    struct channel_call **ret, struct err *err)
{
    const struct arguments a = { .path = path, .second = target };
    int r = path_check(path, false, err);

    if (r == 0 && (!target[0] || strlen(target) >= FRAME_PATH_MAX))
        r = err_set(err, ERR_INVALID, "the target of the link '%s' is empty or too long", path);
    return r < 0 ? r : submit(ch, &symlink_kind, &a, (union call_to){ .done = fn }, data, ret, err);
}

int channel_link(struct channel *ch, const char *path, const char *existing, channel_done_fn *fn, void *data,
                 struct channel_call **ret, struct err *err)
{
    const struct arguments a = { .path = path, .second = existing };
    int r = path_check(path, false, err);

    if (r == 0)
        r = path_check(existing, false, err);
    return r < 0 ? r : submit(ch, &link_kind, &a, (union call_to){ .done = fn }, data, ret, err);
}

int channel_set(struct channel *ch, const char *path, uint32_t mode, int64_t mtime_ns, channel_done_fn *fn,
                void *data, struct channel_call **ret, struct err *err)
{
    const struct arguments a = {
        .number = mode & 07777, .number_bytes = 4, .time_bytes = 8, .time_ns = mtime_ns, .path = path
    };
    int r = path_check(path, false, err);

    return r < 0 ? r : submit(ch, &set_kind, &a, (union call_to){ .done = fn }, data, ret, err);
}

int channel_rename(struct channel *ch, const char *from, const char *to, channel_done_fn *fn, void *data,
                   struct channel_call **ret, struct err *err)
{
    const struct arguments a = { .path = from, .second = to };
    int r = path_check(from, false, err);

    if (r == 0)
        r = path_check(to, false, err);
    return r < 0 ? r : submit(ch, &rename_kind, &a, (union call_to){ .done = fn }, data, ret, err);
}

int channel_remove(struct channel *ch, const char *path, bool recursive, channel_done_fn *fn, void *data,
                   struct channel_call **ret, struct err *err)
{
    const struct arguments a = { .number = recursive ? FRAME_REMOVE_TREE : 0,
                                 .number_bytes = 1,
                                 .path = path };
    int r = path_check(path, false, err);

    return r < 0 ? r : submit(ch, &remove_kind, &a, (union call_to){ .done = fn }, data, ret, err);
}

/* A request for many: what stands in front, then the paths. */
static int names_submit(struct channel_call *call, const void *lead, size_t lead_len,
                        const char *const *paths, size_t count, struct channel_call **ret, struct err *err)
{
    size_t len = lead_len;

    for (size_t i = 0; i < count; i++)
        len += strlen(paths[i]) + 1;
    struct frame_out out = call_request(call, len);

    frame_put_bytes(&out, lead, lead_len);
    for (size_t i = 0; i < count; i++)
        frame_put_bytes(&out, paths[i], strlen(paths[i]) + 1);
    return call_submit(call, &out, ret, err);
}

int channel_remove_all(struct channel *ch, const char *const *paths, size_t count, channel_done_fn *fn,
                       void *data, struct channel_call **ret, struct err *err)
{
    static const uint8_t all = FRAME_REMOVE_ALL;
    struct channel_call *call = call_new(ch, &remove_kind, data, paths[0], err);

    if (!call)
        return lost_code(ch);
    call->to.done = fn;
    return names_submit(call, &all, 1, paths, count, ret, err);
}

/* ---- find ---- */

_Static_assert((int) CHANNEL_FIND_MANY == FRAME_FIND_MAX, "what the guest takes at once");

static int find_done(struct channel_call *call, struct frame_in in, struct err *err)
{
    if (in.len != call->delivered_max)
        return call_offence(err, "an answer that cannot be read");
    if (call_is_wanted(call))
        call->to.text(call->data, 0, span_make(in.p, in.len), NULL);
    return 0;
}

static void find_fail(struct channel_call *call, int r, const struct err *why)
{
    call->to.text(call->data, r, span_make(NULL, 0), why);
}

static const struct call_kind find_kind = { .type = FRAME_FIND, .on_done = find_done, .on_fail = find_fail };

int channel_find(struct channel *ch, const char *what, const char *const *paths, size_t count,
                 channel_text_fn *fn, void *data, struct channel_call **ret, struct err *err)
{
    struct channel_call *call = call_new(ch, &find_kind, data, paths[0], err);

    if (!call)
        return lost_code(ch);
    call->to.text = fn;
    call->delivered_max = count;
    return names_submit(call, what, strlen(what) + 1, paths, count, ret, err);
}

/* ---- stat ---- */

/* stat and link target, both ends of the answer. */
static int stat_decode(struct frame_in *in, struct guest_stat *ret, struct span *ret_link, struct err *err)
{
    struct frame_stat st;
    bool is_fine = frame_stat_decode(in, &st) && st.kind < FRAME_KIND_GONE;
    size_t len = (size_t) frame_get(in, 2);

    *ret_link = span_make(frame_get_bytes(in, len), len);
    if (!is_fine || in->is_bad || in->len > 0 || len >= FRAME_PATH_MAX ||
        (len > 0) != (st.kind == FRAME_KIND_LINK))
        return call_offence(err, "a file's properties that cannot be read");
    stat_public(&st, ret);
    return 0;
}

static int stat_done(struct channel_call *call, struct frame_in in, struct err *err)
{
    struct guest_stat st;
    struct span link;
    int r = stat_decode(&in, &st, &link, err);

    if (r == 0 && call_is_wanted(call))
        call->to.stat(call->data, 0, &st, link, NULL);
    return r;
}

static void stat_fail(struct channel_call *call, int r, const struct err *why)
{
    call->to.stat(call->data, r, NULL, span_make(NULL, 0), why);
}

static const struct call_kind stat_kind = { .type = FRAME_STAT, .on_done = stat_done, .on_fail = stat_fail };

int channel_stat(struct channel *ch, const char *path, channel_stat_fn *fn, void *data,
                 struct channel_call **ret, struct err *err)
{
    const struct arguments a = { .path = path };
    int r = path_check(path, true, err);

    return r < 0 ? r : submit(ch, &stat_kind, &a, (union call_to){ .stat = fn }, data, ret, err);
}

/* ---- list ---- */

/* What was listed is beneath what was asked for. */
static bool is_beneath(const struct channel_call *call, const struct frame_entry *e)
{
    struct span root = buf_span(&call->text);

    if (root.len == 0)
        return true;
    return e->path_len > root.len + 1 && memcmp(e->path, root.ptr, root.len) == 0 && e->path[root.len] == '/';
}

static int list_entries(struct channel_call *call, struct frame_in in, struct err *err)
{
    size_t len = in.len;

    if (call_receive(call, 0, len, err) < 0)
        return -ERR_PROTOCOL;
    while (in.len > 0) {
        struct frame_entry e;
        struct guest_stat st;

        if (!frame_entry_decode(&in, &e) || e.st.kind >= FRAME_KIND_GONE || !is_beneath(call, &e))
            return call_offence(err, "a folder's entry that cannot be");
        stat_public(&e.st, &st);
        if (call_is_wanted(call) && call->to.list->on_entry)
            call->to.list->on_entry(call->data, span_make(e.path, e.path_len), &st,
                                    span_make(e.link, e.link_len));
        if (call->ch->is_freed)
            return 0;
    }
    call_give_back(call, 0, len);
    return 0;
}

static int list_done(struct channel_call *call, struct frame_in in, struct err *err)
{
    int r = nothing_more(in, err);

    if (r == 0 && call_is_wanted(call))
        call->to.list->on_done(call->data, 0, NULL);
    return r;
}

static void list_fail(struct channel_call *call, int r, const struct err *why)
{
    call->to.list->on_done(call->data, r, why);
}

static const struct call_kind list_kind = {
    .type = FRAME_LIST, .on_entries = list_entries, .on_done = list_done, .on_fail = list_fail
};

int channel_list(struct channel *ch, const char *path, bool recursive, const struct file_list_ops *ops,
                 void *data, struct channel_call **ret, struct err *err)
{
    const struct arguments a = { .number = recursive, .number_bytes = 1, .path = path };
    struct channel_call *call = NULL;
    int r = path_check(path, true, err);

    if (r == 0)
        r = submit(ch, &list_kind, &a, (union call_to){ .list = ops }, data, &call, err);
    if (r < 0)
        return r;
    if (!is_root(path) && buf_add_text(&call->text, path) < 0) {
        channel_cancel(call);
        return err_set(err, ERR_INTERNAL, "no memory for listing '%s'", path);
    }
    if (ret)
        *ret = call;
    return 0;
}

/* ---- read ---- */

static int read_data(struct channel_call *call, struct frame_in in, struct err *err)
{
    if (in.len == 0 || call_receive(call, 0, in.len, err) < 0)
        return call_offence(err, "file contents without credit");
    if (call_is_wanted(call))
        call->to.read->on_chunk(call->data, span_make(in.p, in.len));
    if (!call->ch->is_freed)
        call_give_back(call, 0, in.len);
    return 0;
}

static int read_hole(struct channel_call *call, struct frame_in in, struct err *err)
{
    uint64_t len = frame_get(&in, 8);

    if (call_receive(call, 0, 8, err) < 0)
        return -ERR_PROTOCOL;
    if (in.is_bad || in.len > 0 || len == 0 || len > INT64_MAX || !call->to.read->on_hole)
        return call_offence(err, "a hole that cannot be");
    if (call_is_wanted(call))
        call->to.read->on_hole(call->data, len);
    if (!call->ch->is_freed)
        call_give_back(call, 0, 8);
    return 0;
}

static int read_done(struct channel_call *call, struct frame_in in, struct err *err)
{
    struct guest_stat st;
    struct span link;
    int r = stat_decode(&in, &st, &link, err);

    if (r == 0 && st.kind != GUEST_FILE)
        r = call_offence(err, "contents of what is no file");
    if (r == 0 && call_is_wanted(call))
        call->to.read->on_done(call->data, 0, &st, NULL);
    return r;
}

static void read_fail(struct channel_call *call, int r, const struct err *why)
{
    call->to.read->on_done(call->data, r, NULL, why);
}

static const struct call_kind read_kind = {
    .type = FRAME_READ, .on_data = read_data, .on_hole = read_hole, .on_done = read_done, .on_fail = read_fail
};

int channel_read(struct channel *ch, const char *path, const struct file_read_ops *ops, void *data,
                 struct channel_call **ret, struct err *err)
{
    const struct arguments a = { .number = ops->on_hole ? 1 : 0, .number_bytes = 1, .path = path };
    int r = path_check(path, false, err);

    return r < 0 ? r : submit(ch, &read_kind, &a, (union call_to){ .read = ops }, data, ret, err);
}

void channel_read_hold(struct channel_call *call, bool hold)
{
    call->is_held = hold;
    if (!hold)
        call_give_back(call, 0, 0);
}

/* ---- write ---- */

static int write_done(struct channel_call *call, struct frame_in in, struct err *err)
{
    if (!call->is_ending)
        return call_offence(err, "a file complete before its end was sent");
    if (nothing_more(in, err) < 0)
        return -ERR_PROTOCOL;
    if (call_is_wanted(call))
        call->to.write->on_done(call->data, 0, NULL);
    return 0;
}

static void write_fail(struct channel_call *call, int r, const struct err *why)
{
    call->to.write->on_done(call->data, r, why);
}

const struct call_kind write_kind = { .type = FRAME_WRITE, .on_done = write_done, .on_fail = write_fail };

int channel_write(struct channel *ch, const char *path, uint32_t mode, const struct file_write_ops *ops,
                  void *data, struct channel_call **ret, struct err *err)
{
    const struct arguments a = { .number = mode & 01777, .number_bytes = 4, .path = path };
    int r = path_check(path, false, err);

    return r < 0 ? r : submit(ch, &write_kind, &a, (union call_to){ .write = ops }, data, ret, err);
}

int channel_replace(struct channel *ch, const char *path, const char *backup, uint32_t mode,
                    const struct file_write_ops *ops, void *data, struct channel_call **ret, struct err *err)
{
    const char *slash = strrchr(backup, '/');
    const struct arguments a = { .number = (mode & 01777) | FRAME_WRITE_KEEP,
                                 .number_bytes = 4,
                                 .path = path,
                                 .second = slash ? slash + 1 : backup };
    int r = path_check(path, false, err);

    return r < 0 ? r : submit(ch, &write_kind, &a, (union call_to){ .write = ops }, data, ret, err);
}

int channel_write_trust(struct channel *ch, const char *name, const struct file_write_ops *ops, void *data,
                        struct channel_call **ret, struct err *err)
{
    const struct arguments a = { .number = 0644 | FRAME_WRITE_TRUST, .number_bytes = 4, .path = name };

    return submit(ch, &write_kind, &a, (union call_to){ .write = ops }, data, ret, err);
}

static int writable(const struct channel_call *call, struct err *err)
{
    if (call->ch->is_broken)
        return err_set(err, ERR_ENGINE, "sandbox lost: %s", call->ch->why.text);
    if (call->is_ending)
        return err_set(err, ERR_CONFLICT, "the contents of '%s' were complete already", call->shown);
    return 0;
}

ssize_t channel_write_data(struct channel_call *call, struct span bytes, struct err *err)
{
    size_t waiting = channel_waiting_bytes(call->ch);
    size_t n = waiting < CHANNEL_OUT_SOFT && call->state == CALL_OPEN ? CHANNEL_OUT_SOFT - waiting : 0;
    int r = writable(call, err);

    if (r < 0)
        return r;
    if (n > call->window)
        n = call->window;
    if (n > bytes.len)
        n = bytes.len;
    call->wants_room = n < bytes.len;
    if (n == 0)
        return 0;
    call->window -= (uint32_t) n;
    channel_say_long(call->ch, FRAME_DATA, call->stream, span_make(bytes.ptr, n), 0, 0);
    return (ssize_t) n;
}

int channel_write_hole(struct channel_call *call, uint64_t len, struct err *err)
{
    uint8_t payload[8];
    struct frame_out out = { payload, 0, sizeof(payload), false };
    int r = writable(call, err);

    if (r < 0)
        return r;
    call->wants_room =
        call->state != CALL_OPEN || call->window < sizeof(payload) || channel_is_crowded(call->ch);
    if (call->wants_room)
        return 0;
    call->window -= (uint32_t) sizeof(payload);
    frame_put(&out, len, 8);
    channel_say(call->ch, FRAME_HOLE, 0, call->stream, span_make(payload, out.len));
    return 1;
}

int channel_write_end(struct channel_call *call, struct err *err)
{
    int r = writable(call, err);

    if (r < 0)
        return r;
    call->is_ending = true;
    call->wants_room = false;
    if (call->state == CALL_OPEN)
        channel_say(call->ch, FRAME_DATA, FRAME_END, call->stream, span_make(NULL, 0));
    return 0;
}
