/* SPDX-License-Identifier: MIT */
/* The certificates of rules that intercept, written into the sandbox before it counts as ready. Each harness
 * has an authority of its own, so one that takes up a sandbox writes them again. */
#include "core/base/cleanup.h"
#include "core/run/driver_impl.h"
#include "core/sandbox/channel.h"

#define TRUST_MAX (4 * 1024 * 1024) /* a bundle; usual ones have 200 KiB */

struct trust_file {
    const char *name;
    int (*make)(const struct door *door, struct buf *out, struct err *err);
};

static const struct trust_file files[] = {
    { SANDBOX_TRUST_CA, door_certificate },
    { SANDBOX_TRUST_BUNDLE, door_bundle },
};

#define FILES (sizeof(files) / sizeof(files[0]))

static void next(struct box *box);

static void finish(struct box *box, int result, struct err *err)
{
    buf_done(&box->trust.text);
    if (result < 0)
        (void) err_wrap(err, "telling the sandbox of this run's authority (network: intercept)");
    box->ops->trusted(box, result, err);
}

/* The end of a failed one comes by on_done(). */
static void feed(struct box *box)
{
    struct live_trust *t = &box->trust;
    struct span rest = span_make(t->text.data + t->sent, t->text.len - t->sent);
    ssize_t n = 1;

    while (rest.len > 0 && (n = channel_write_data(t->call, rest, NULL)) > 0)
        rest = span_make(rest.ptr + n, rest.len - (size_t) n);
    t->sent = t->text.len - rest.len;
    if (rest.len == 0 && n > 0)
        (void) channel_write_end(t->call, NULL);
}

static void on_room(void *data)
{
    feed(data);
}

static void on_done(void *data, int result, const struct err *err)
{
    struct box *box = data;
    struct err why = { 0 };

    box->trust.call = NULL;
    if (result < 0) {
        why = *err;
        finish(box, result, &why);
        return;
    }
    box->trust.index++;
    next(box);
}

static void next(struct box *box)
{
    static const struct file_write_ops ops = { on_room, on_done };
    struct live_trust *t = &box->trust;
    struct channel *channel = box_channel(box);
    struct err err = { 0 };
    int r;

    if (t->index == FILES) {
        finish(box, 0, NULL);
        return;
    }
    buf_clear(&t->text);
    t->sent = 0;
    r = files[t->index].make(box->out->door, &t->text, &err);
    if (r == 0)
        r = channel ? channel_write_trust(channel, files[t->index].name, &ops, box, &t->call, &err)
                    : err_set(&err, ERR_ENGINE, "the sandbox is gone");
    if (r < 0)
        finish(box, r, &err);
    else
        feed(box);
}

void drive_trust_start(struct box *box)
{
    if (!box->out->door || !door_intercepts(box->out->door)) {
        box->ops->trusted(box, 0, NULL);
        return;
    }
    buf_init(&box->trust.text, TRUST_MAX);
    box->trust.index = 0;
    next(box);
}

void drive_trust_cancel(struct box *box)
{
    channel_cancel(TAKE_PTR(box->trust.call));
    buf_done(&box->trust.text);
}
