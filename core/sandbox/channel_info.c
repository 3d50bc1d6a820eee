/* SPDX-License-Identifier: MIT */
/* What is: probes, figures, pings, scans, checksums. */
#include "core/sandbox/channel_impl.h"

#include <string.h>

static int submit(struct channel *ch, const struct call_kind *kind, union call_to to, void *data, int number,
                  const char *path, struct channel_call **ret, struct err *err);

/* ---- probe ---- */

static int probe_data(struct channel_call *call, struct frame_in in, struct err *err)
{
    size_t len = in.len;

    if (call_receive(call, 0, len, err) < 0)
        return -ERR_PROTOCOL;
    if (len == 0 || buf_add(&call->text, in.p, len) < 0)
        return call_offence(err, "a small file that is not small");
    call_give_back(call, 0, len);
    return 0;
}

static int probe_done(struct channel_call *call, struct frame_in in, struct err *err)
{
    if (in.len > 0)
        return call_offence(err, "an answer that is too long");
    if (call_is_wanted(call))
        call->to.text(call->data, 0, buf_span(&call->text), NULL);
    return 0;
}

static void probe_fail(struct channel_call *call, int r, const struct err *why)
{
    call->to.text(call->data, r, span_make(NULL, 0), why);
}

static const struct call_kind probe_kind = {
    .type = FRAME_PROBE, .on_data = probe_data, .on_done = probe_done, .on_fail = probe_fail
};

int channel_probe(struct channel *ch, const char *path, channel_text_fn *fn, void *data,
                  struct channel_call **ret, struct err *err)
{
    if (path[0] != '/' || strlen(path) >= FRAME_PATH_MAX)
        return err_set(err, ERR_INVALID, "'%s' is not an absolute path", path);
    return submit(ch, &probe_kind, (union call_to){ .text = fn }, data, -1, path, ret, err);
}

/* ---- stats ---- */

static int stats_done(struct channel_call *call, struct frame_in in, struct err *err)
{
    uint64_t v[FRAME_STATS_VALUES];

    for (int i = 0; i < FRAME_STATS_VALUES; i++)
        v[i] = frame_get(&in, 8);
    if (in.is_bad || in.len > 0)
        return call_offence(err, "figures that cannot be read");
    struct guest_stats stats = {
        .memory_bytes = v[FRAME_STATS_MEMORY],
        .memory_peak_bytes = v[FRAME_STATS_MEMORY_PEAK],
        .oom_kills = v[FRAME_STATS_OOM_KILLS],
        .pids = v[FRAME_STATS_PIDS],
        .cpu_us = v[FRAME_STATS_CPU_US],
        .workspace_used = v[FRAME_STATS_USED],
        .workspace_size = v[FRAME_STATS_SIZE],
    };

    if (call_is_wanted(call))
        call->to.stats(call->data, 0, &stats, NULL);
    return 0;
}

static void stats_fail(struct channel_call *call, int r, const struct err *why)
{
    call->to.stats(call->data, r, NULL, why);
}

static const struct call_kind stats_kind = { .type = FRAME_STATS,
                                             .on_done = stats_done,
                                             .on_fail = stats_fail };

int channel_stats(struct channel *ch, channel_stats_fn *fn, void *data, struct channel_call **ret,
                  struct err *err)
{
    return submit(ch, &stats_kind, (union call_to){ .stats = fn }, data, -1, NULL, ret, err);
}

/* ---- ping ---- */

static int ping_done(struct channel_call *call, struct frame_in in, struct err *err)
{
    (void) in;
    (void) err;
    if (call_is_wanted(call))
        call->to.done(call->data, 0, NULL);
    return 0;
}

static void ping_fail(struct channel_call *call, int r, const struct err *why)
{
    call->to.done(call->data, r, why);
}

const struct call_kind ping_kind = { .type = FRAME_PING, .on_done = ping_done, .on_fail = ping_fail };

int channel_ping(struct channel *ch, channel_done_fn *fn, void *data, struct channel_call **ret,
                 struct err *err)
{
    return submit(ch, &ping_kind, (union call_to){ .done = fn }, data, -1, NULL, ret, err);
}

/* ---- scan ---- */

static int scan_entries(struct channel_call *call, struct frame_in in, struct err *err)
{
    size_t len = in.len;

    if (call_receive(call, 0, len, err) < 0)
        return -ERR_PROTOCOL;
    while (in.len > 0) {
        struct frame_entry e;
        struct guest_stat st;

        if (!frame_entry_decode(&in, &e))
            return call_offence(err, "a change that cannot be");
        stat_public(&e.st, &st);
        if (call_is_wanted(call) && call->to.scan->on_change)
            call->to.scan->on_change(call->data, span_make(e.path, e.path_len),
                                     e.st.kind == FRAME_KIND_GONE ? NULL : &st, span_make(e.link, e.link_len),
                                     e.sum);
        if (call->ch->is_freed)
            return 0;
    }
    call_give_back(call, 0, len);
    return 0;
}

static int scan_done(struct channel_call *call, struct frame_in in, struct err *err)
{
    uint64_t count = frame_get(&in, 8);

    if (in.is_bad || in.len > 0)
        return call_offence(err, "an answer that cannot be read");
    if (call_is_wanted(call))
        call->to.scan->on_done(call->data, 0, count, NULL);
    return 0;
}

static void scan_fail(struct channel_call *call, int r, const struct err *why)
{
    call->to.scan->on_done(call->data, r, 0, why);
}

static const struct call_kind scan_kind = {
    .type = FRAME_SCAN, .on_entries = scan_entries, .on_done = scan_done, .on_fail = scan_fail
};

_Static_assert((int) SCAN_REMEMBER == FRAME_SCAN_REMEMBER && (int) SCAN_SUMS == FRAME_SCAN_SUMS &&
                   (int) SCAN_ANEW == FRAME_SCAN_ANEW,
               "sent as they are");

int channel_scan(struct channel *ch, unsigned flags, const struct scan_ops *ops, void *data,
                 struct channel_call **ret, struct err *err)
{
    return submit(ch, &scan_kind, (union call_to){ .scan = ops }, data,
                  (int) (flags & (SCAN_REMEMBER | SCAN_SUMS | SCAN_ANEW)), NULL, ret, err);
}

/* ---- checksum ---- */

static int sum_done(struct channel_call *call, struct frame_in in, struct err *err)
{
    const uint8_t *sum = frame_get_bytes(&in, 32);

    if (!sum || in.len > 0)
        return call_offence(err, "a checksum that cannot be read");
    if (call_is_wanted(call))
        call->to.sum(call->data, 0, sum, NULL);
    return 0;
}

static void sum_fail(struct channel_call *call, int r, const struct err *why)
{
    call->to.sum(call->data, r, NULL, why);
}

static const struct call_kind sum_kind = { .type = FRAME_CHECKSUM, .on_done = sum_done, .on_fail = sum_fail };

int channel_checksum(struct channel *ch, const char *path, channel_sum_fn *fn, void *data,
                     struct channel_call **ret, struct err *err)
{
    if (!frame_path_ok(path, strlen(path)))
        return err_set(err, ERR_INVALID, "'%s' is not a path beneath the workspace", path);
    return submit(ch, &sum_kind, (union call_to){ .sum = fn }, data, -1, path, ret, err);
}

/* `number` below 0: none. `path` NULL: none. */
static int submit(struct channel *ch, const struct call_kind *kind, union call_to to, void *data, int number,
                  const char *path, struct channel_call **ret, struct err *err)
{
    const char *shown = path ? path : kind == &scan_kind ? "scan" : kind == &stats_kind ? "figures" : "ping";
    struct channel_call *call = call_new(ch, kind, data, shown, err);

    if (!call)
        return -(int) (ch->is_broken ? ERR_ENGINE : ERR_INTERNAL);
    call->to = to;
    struct frame_out out = call_request(call, 8 + (path ? strlen(path) + 1 : 0));

    if (number >= 0)
        frame_put(&out, (uint64_t) number, 1);
    if (path)
        frame_put_bytes(&out, path, strlen(path) + 1);
    return call_submit(call, &out, ret, err);
}
