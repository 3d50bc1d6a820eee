/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "tests/unit/tool/fake_files.h"

#include "core/base/digest.h"

#include <errno.h>
#include <stdio.h>

struct fake_files fake;
static struct loop *the_loop;

enum what { STAT, READ, WRITE, LINK, RENAME, REMOVE, SUM };

struct channel_call {
    struct channel_call *next;
    enum what what;
    char path[128], second[128], text[4096];
    size_t len;
    uint32_t mode;
    bool is_ended; /* WRITE: all of it was given */
    struct loop_source *soon;
    channel_stat_fn *stat;
    channel_done_fn *done;
    channel_sum_fn *sum;
    const struct file_read_ops *read;
    const struct file_write_ops *write;
    void *data;
};

static struct channel_call *calls;

/* ---- the tree ---- */

struct fake_file *fake_find(const char *path)
{
    for (size_t i = 0; i < fake.count; i++)
        if (strcmp(fake.list[i].path, path) == 0)
            return &fake.list[i];
    return NULL;
}

static struct fake_file *add(const char *path, enum guest_file_kind kind, uint32_t mode)
{
    struct fake_file *f = &fake.list[fake.count++];

    assert_true(fake.count <= FAKE_FILES_MAX);
    *f = (struct fake_file){ .kind = kind, .mode = mode, .inode = ++fake.last_inode };
    f->mtime_ns = ++fake.clock_ns;
    snprintf(f->path, sizeof(f->path), "%s", path);
    return f;
}

static void drop(const char *path)
{
    struct fake_file *f = fake_find(path);

    if (f)
        *f = fake.list[--fake.count];
}

static void make_parents(const char *path)
{
    char folder[128];

    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(folder, sizeof(folder), "%.*s", (int) (slash - path), path);
        if (!fake_find(folder))
            add(folder, GUEST_DIR, 0755);
    }
}

void fake_put(const char *path, const char *text, uint32_t mode)
{
    struct fake_file *f;

    make_parents(path);
    drop(path);
    f = add(path, GUEST_FILE, mode);
    f->len = strlen(text);
    memcpy(f->text, text, f->len);
}

void fake_folder(const char *path)
{
    make_parents(path);
    add(path, GUEST_DIR, 0755);
}

void fake_link(const char *path, const char *target)
{
    struct fake_file *f = add(path, GUEST_LINK, 0777);

    f->len = strlen(target);
    memcpy(f->text, target, f->len);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct fake_file *) a)->path, ((const struct fake_file *) b)->path);
}

void fake_list(char *out, size_t size)
{
    size_t used = 0;

    qsort(fake.list, fake.count, sizeof(fake.list[0]), by_path);
    out[0] = '\0';
    for (size_t i = 0; i < fake.count; i++) {
        const struct fake_file *f = &fake.list[i];

        if (f->kind == GUEST_DIR)
            used += (size_t) snprintf(out + used, size - used, "%s/\n", f->path);
        else
            used += (size_t) snprintf(out + used, size - used, "%s %o %.*s\n", f->path, f->mode, (int) f->len,
                                      f->text);
        assert_true(used < size);
    }
}

/* A folder on the way: 0, or -errno. */
static int way(const char *path, bool make)
{
    char folder[128];

    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        struct fake_file *f;

        snprintf(folder, sizeof(folder), "%.*s", (int) (slash - path), path);
        f = fake_find(folder);
        if (!f && make)
            f = add(folder, GUEST_DIR, 0755);
        if (!f)
            return -ENOENT;
        if (f->kind != GUEST_DIR)
            return f->kind == GUEST_LINK ? -ELOOP : -ENOTDIR;
    }
    return 0;
}

/* ---- requests ---- */

static int refuse(int errnum, struct err *err)
{
    enum err_code code = errnum == ENOENT                                              ? ERR_NOT_FOUND
                         : errnum == EEXIST || errnum == EISDIR || errnum == ENOTEMPTY ? ERR_CONFLICT
                         : errnum == ENOTDIR || errnum == ELOOP || errnum == EINVAL    ? ERR_INVALID
                                                                                       : ERR_IO;

    err_set(err, code, "'file': %s", strerror(errnum));
    err->errnum = errnum;
    return -(int) code;
}

static bool has_children(const char *path)
{
    size_t len = strlen(path);

    for (size_t i = 0; i < fake.count; i++)
        if (strncmp(fake.list[i].path, path, len) == 0 && fake.list[i].path[len] == '/')
            return true;
    return false;
}

static int do_write(struct channel_call *c)
{
    struct fake_file *f = fake_find(c->path);

    if (f && f->kind == GUEST_DIR)
        return -EISDIR;
    drop(c->path);
    f = add(c->path, GUEST_FILE, c->mode);
    memcpy(f->text, c->text, c->len);
    f->len = c->len;
    return 0;
}

static int do_link(struct channel_call *c) /* path: the new name, second: the existing one */
{
    struct fake_file *f = fake_find(c->second), copy;

    if (!f)
        return -ENOENT;
    if (fake_find(c->path))
        return -EEXIST;
    copy = *f;
    f = add(c->path, copy.kind, copy.mode);
    f->inode = copy.inode;
    f->mtime_ns = copy.mtime_ns;
    f->len = copy.len;
    memcpy(f->text, copy.text, copy.len);
    return 0;
}

static int do_rename(struct channel_call *c)
{
    struct fake_file *from = fake_find(c->path), *to = fake_find(c->second);

    if (!from)
        return -ENOENT;
    if (to && to->kind == GUEST_DIR)
        return -EISDIR;
    if (to && to->inode == from->inode)
        return 0; /* two names of one file: nothing happens */
    drop(c->second);
    snprintf(fake_find(c->path)->path, sizeof(from->path), "%s", c->second);
    return 0;
}

static int do_remove(struct channel_call *c)
{
    struct fake_file *f = fake_find(c->path);

    if (!f)
        return -ENOENT;
    if (f->kind == GUEST_DIR && has_children(c->path))
        return -ENOTEMPTY;
    drop(c->path);
    return 0;
}

static int change(struct channel_call *c)
{
    int r = way(c->path, c->what == WRITE);

    fake.changes++;
    if (fake.changes == fake.fail_at || (fake.fail_also && fake.changes >= fake.fail_also))
        return -ENOSPC;
    if (r < 0)
        return r;
    return c->what == WRITE    ? do_write(c)
           : c->what == LINK   ? do_link(c)
           : c->what == RENAME ? do_rename(c)
                               : do_remove(c);
}

static void forget(struct channel_call *c)
{
    struct channel_call **slot = &calls;

    while (*slot != c)
        slot = &(*slot)->next;
    *slot = c->next;
    fake.at_once--;
    loop_source_free(c->soon);
    free(c);
}

static int change_all(struct channel_call *c)
{
    struct channel_call keep = { .what = LINK };
    int r = 0, failed = 0;

    if (c->what == REMOVE &&
        c->len > 0) { /* paths, one behind the other; a host that dies has removed some */
        for (const char *at = c->text; at < c->text + c->len && !fake.is_dead; at += strlen(at) + 1) {
            snprintf(c->path, sizeof(c->path), "%.*s", (int) sizeof(c->path) - 1, at);
            r = change(c);
            failed = failed || r == -ENOENT ? failed : r;
            fake.is_dead |= fake.die_at && fake.changes >= fake.die_at;
        }
        return failed;
    }
    if (c->what != WRITE || !c->second[0])
        return change(c);
    snprintf(keep.path, sizeof(keep.path), "%s", c->second);
    snprintf(keep.second, sizeof(keep.second), "%s", c->path);
    r = change(&keep);
    fake.is_dead |= fake.die_at && fake.changes >= fake.die_at;
    if (r < 0 || fake.is_dead)
        return r;
    r = change(c);
    if (r < 0)
        drop(c->second);
    return r;
}

static void answer_change(struct channel_call *c)
{
    struct channel_call call = *c;
    struct err err = { 0 };
    int r = change_all(c), code = r < 0 ? refuse(-r, &err) : 0;

    fake.is_dead |= fake.die_at && fake.changes >= fake.die_at;
    if (fake.is_dead) {
        *fake.stop = true;
        return;
    }
    forget(c);
    if (call.what == WRITE)
        call.write->on_done(call.data, code, code ? &err : NULL);
    else
        call.done(call.data, code, code ? &err : NULL);
}

static void answer_look(struct channel_call *c)
{
    struct channel_call call = *c;
    struct fake_file *f = fake_find(c->path);
    struct guest_stat st = { 0 };
    struct err err = { 0 };
    uint8_t sum[DIGEST_SIZE] = { 0 };
    int r = way(c->path, false);

    if (r == 0 && !f)
        r = -ENOENT;
    if (r == 0)
        st = (struct guest_stat){ .kind = f->kind,
                                  .mode = f->mode,
                                  .size = f->len,
                                  .inode = f->inode,
                                  .links = 1,
                                  .mtime_ns = f->mtime_ns };
    if (r == 0 && call.what != STAT && f->kind != GUEST_FILE)
        r = -EINVAL;
    if (r < 0)
        r = refuse(-r, &err);
    forget(c);
    if (call.what == STAT) {
        call.stat(call.data, r, r < 0 ? NULL : &st,
                  r == 0 && f->kind == GUEST_LINK ? span_make(f->text, f->len) : span_make(NULL, 0), &err);
    } else if (call.what == SUM) {
        if (r == 0) {
            struct digest *d = digest_new();

            digest_add(d, f->text, f->len);
            digest_end(d, sum);
            digest_free(d);
        }
        call.sum(call.data, r, sum, &err);
    } else {
        for (size_t at = 0; r == 0 && at < f->len; at += 7)
            call.read->on_chunk(call.data, span_make(f->text + at, f->len - at < 7 ? f->len - at : 7));
        call.read->on_done(call.data, r, r < 0 ? NULL : &st, &err);
    }
}

static void on_soon(void *data)
{
    struct channel_call *c = data;

    if (fake.is_dead)
        return;
    if (c->what == WRITE && !c->is_ended) {
        c->mode |= 0x10000; /* open: room */
        loop_source_free(c->soon);
        c->soon = NULL;
        c->write->on_room(c->data);
    } else if (c->what == STAT || c->what == READ || c->what == SUM) {
        answer_look(c);
    } else {
        answer_change(c);
    }
}

static int ask(enum what what, const char *path, const char *second, void *data, struct channel_call **ret)
{
    struct channel_call *c = calloc(1, sizeof(*c));

    c->what = what;
    snprintf(c->path, sizeof(c->path), "%s", path);
    snprintf(c->second, sizeof(c->second), "%s", second ? second : "");
    c->data = data;
    c->next = calls;
    calls = c;
    if (++fake.at_once > fake.most_at_once)
        fake.most_at_once = fake.at_once;
    assert_int_equal(loop_defer(the_loop, on_soon, c, &c->soon, NULL), 0);
    *ret = c;
    return 0;
}

void fake_reset(struct loop *loop)
{
    fake = (struct fake_files){ 0 };
    the_loop = loop;
}

void fake_done(void)
{
    while (calls)
        forget(calls);
}

void fake_revive(struct loop *loop)
{
    fake_done();
    the_loop = loop;
    fake.is_dead = false;
    fake.die_at = fake.fail_at = fake.fail_also = 0;
}

int channel_stat(struct channel *ch, const char *path, channel_stat_fn *fn, void *data,
                 struct channel_call **ret, struct err *err)
{
    ask(STAT, path, NULL, data, ret);
    (*ret)->stat = fn;
    return 0;
}

int channel_read(struct channel *ch, const char *path, const struct file_read_ops *ops, void *data,
                 struct channel_call **ret, struct err *err)
{
    ask(READ, path, NULL, data, ret);
    (*ret)->read = ops;
    return 0;
}

int channel_checksum(struct channel *ch, const char *path, channel_sum_fn *fn, void *data,
                     struct channel_call **ret, struct err *err)
{
    ask(SUM, path, NULL, data, ret);
    (*ret)->sum = fn;
    return 0;
}

int channel_write(struct channel *ch, const char *path, uint32_t mode, const struct file_write_ops *ops,
                  void *data, struct channel_call **ret, struct err *err)
{
    ask(WRITE, path, NULL, data, ret);
    (*ret)->write = ops;
    (*ret)->mode = mode;
    return 0;
}

int channel_replace(struct channel *ch, const char *path, const char *backup, uint32_t mode,
                    const struct file_write_ops *ops, void *data, struct channel_call **ret, struct err *err)
{
    ask(WRITE, path, backup, data, ret);
    (*ret)->write = ops;
    (*ret)->mode = mode;
    return 0;
}

ssize_t channel_write_data(struct channel_call *c, struct span bytes, struct err *err)
{
    size_t n = bytes.len < 5 ? bytes.len : 5;

    if (!(c->mode & 0x10000))
        return 0;
    assert_true(c->len + n <= sizeof(c->text));
    memcpy(c->text + c->len, bytes.ptr, n);
    c->len += n;
    return (ssize_t) n;
}

int channel_write_end(struct channel_call *c, struct err *err)
{
    c->is_ended = true;
    c->mode &= 07777;
    if (!c->soon)
        assert_int_equal(loop_defer(the_loop, on_soon, c, &c->soon, NULL), 0);
    return 0;
}

static int plain(enum what what, const char *path, const char *second, channel_done_fn *fn, void *data,
                 struct channel_call **ret)
{
    ask(what, path, second, data, ret);
    (*ret)->done = fn;
    return 0;
}

int channel_link(struct channel *ch, const char *path, const char *existing, channel_done_fn *fn, void *data,
                 struct channel_call **ret, struct err *err)
{
    return plain(LINK, path, existing, fn, data, ret);
}

int channel_rename(struct channel *ch, const char *from, const char *to, channel_done_fn *fn, void *data,
                   struct channel_call **ret, struct err *err)
{
    return plain(RENAME, from, to, fn, data, ret);
}

int channel_remove(struct channel *ch, const char *path, bool recursive, channel_done_fn *fn, void *data,
                   struct channel_call **ret, struct err *err)
{
    assert_false(recursive);
    return plain(REMOVE, path, NULL, fn, data, ret);
}

int channel_remove_all(struct channel *ch, const char *const *paths, size_t count, channel_done_fn *fn,
                       void *data, struct channel_call **ret, struct err *err)
{
    plain(REMOVE, paths[0], NULL, fn, data, ret);
    for (size_t i = 0; i < count; i++) {
        assert_true((*ret)->len + strlen(paths[i]) < sizeof((*ret)->text));
        memcpy((*ret)->text + (*ret)->len, paths[i], strlen(paths[i]) + 1);
        (*ret)->len += strlen(paths[i]) + 1;
    }
    return 0;
}

/* Tests that play commands too bring their own. */
__attribute__((weak)) void channel_cancel(struct channel_call *call)
{
    if (call)
        forget(call);
}

int channel_find(struct channel *ch, const char *what, const char *const *paths, size_t count,
                 channel_text_fn *fn, void *data, struct channel_call **ret, struct err *err)
{
    fail_msg("files are searched");
    return -1;
}

int channel_list(struct channel *ch, const char *path, bool recursive, const struct file_list_ops *ops,
                 void *data, struct channel_call **ret, struct err *err)
{
    fail_msg("a folder is listed");
    return -1;
}

int channel_stats(struct channel *ch, channel_stats_fn *fn, void *data, struct channel_call **ret,
                  struct err *err)
{
    fail_msg("nobody asks for numbers");
    return -1;
}
