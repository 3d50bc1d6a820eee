/* SPDX-License-Identifier: MIT */
/* Bytes from a guest into a channel that has one request of each kind open and listens. The first byte says
 * whether HELLO comes from us. */
#include "core/sandbox/channel.h"
#include "core/sandbox/frame.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int answers, requests, open;
static bool is_told;

static void on_nothing(void *data)
{
    (void) data;
}

static void on_broken(void *data, const struct err *err)
{
    (void) data;
    assert(err->text[0] && !is_told);
    is_told = true;
}

static void on_done(void *data, int result, const struct err *err)
{
    (void) data;
    assert((result < 0) == (err != NULL));
    answers++;
}

static void on_stat(void *data, int result, const struct guest_stat *st, struct span link,
                    const struct err *err)
{
    assert((st != NULL) == (result == 0) && link.len < FRAME_PATH_MAX);
    on_done(data, result, err);
}

static void on_chunk(void *data, struct span chunk)
{
    (void) data;
    assert(chunk.len > 0 && chunk.len <= FRAME_PAYLOAD_MAX);
}

static void on_read(void *data, int result, const struct guest_stat *st, const struct err *err)
{
    (void) st;
    on_done(data, result, err);
}

static void on_entry(void *data, struct span path, const struct guest_stat *st, struct span link)
{
    (void) data;
    (void) link;
    (void) st;
    assert(frame_path_ok(path.ptr, path.len));
}

static void on_change(void *data, struct span path, const struct guest_stat *st, struct span link,
                      const uint8_t *sum)
{
    assert(!sum || (st && st->kind == GUEST_FILE));
    on_entry(data, path, st, link);
}

static void on_hole(void *data, uint64_t len)
{
    (void) data;
    assert(len > 0 && len <= INT64_MAX);
}

static void on_scanned(void *data, int result, uint64_t seen, const struct err *err)
{
    (void) seen;
    on_done(data, result, err);
}

static void on_text(void *data, int result, struct span text, const struct err *err)
{
    assert(text.len <= FRAME_PROBE_MAX);
    on_done(data, result, err);
}

static void on_stats(void *data, int result, const struct guest_stats *stats, const struct err *err)
{
    (void) stats;
    on_done(data, result, err);
}

static void on_sum(void *data, int result, const uint8_t sum[32], const struct err *err)
{
    (void) sum;
    on_done(data, result, err);
}

static void on_output(void *data, int fd, struct span chunk, uint64_t gap)
{
    (void) gap;
    assert(fd == 1 || fd == 2);
    on_chunk(data, chunk);
}

static void on_command_exit(void *data, const struct exec_result *result)
{
    (void) data;
    assert(result->end <= EXEC_LOST);
    answers++;
}

/* ---- connections: each says back what it hears, and is cut at the letter 'c' ---- */

static void echo(void *data, struct span bytes)
{
    struct channel_conn *conn = *(struct channel_conn **) data;
    size_t room = channel_conn_grant(conn);

    assert(bytes.len > 0 && bytes.len <= CHANNEL_CONN_WINDOW && room <= FRAME_WINDOW_CONN_MAX);
    channel_conn_write(conn, span_make(bytes.ptr, bytes.len < room ? bytes.len : room));
    channel_conn_dealt(conn, bytes.len);
    if (bytes.ptr[0] != 'c')
        return;
    channel_conn_cut(conn);
    free(data);
    open--;
}

static void on_end(void *data)
{
    channel_conn_end(*(struct channel_conn **) data);
}

static void on_closed(void *data)
{
    free(data);
    open--;
}

static void on_open(void *data, struct channel_conn *conn, uint64_t command)
{
    static const struct conn_ops ops = { echo, on_end, on_nothing, on_closed };
    struct channel_conn **own = malloc(sizeof(*own));

    (void) data;
    assert(own && (command < FRAME_STREAM_FILES || command == CHANNEL_COMMAND_UNKNOWN));
    *own = conn;
    channel_conn_accept(conn, &ops, own);
    open++;
    assert(open <= CHANNEL_CONNS);
}

static void on_listening(void *data, int result, const struct err *err)
{
    on_done(data, result, err);
}

static void listen_too(struct channel *ch)
{
    static const struct listen_ops ops = { on_listening, on_open };

    if (channel_listen(ch, 3128, &ops, NULL, NULL) == 0)
        requests++;
}

static void request_all(struct channel *ch)
{
    static const char *const argv[] = { "x", NULL };
    static const struct exec_ops exec_ops = { on_output, on_command_exit };
    static const struct file_read_ops read_ops = { on_chunk, on_hole, on_read };
    static const struct file_write_ops write_ops = { on_nothing, on_done };
    static const struct file_list_ops list_ops = { on_entry, on_done };
    static const struct scan_ops scan_ops = { on_change, on_scanned };
    struct exec_request req = {
        .id = 1, .argv = argv, .keep_input = true, .output_max = 1000, .tail_max = 10
    };
    struct channel_call *c;

    answers = 0;
    is_told = false;
    requests = 11;
    channel_exec(ch, &req, &exec_ops, NULL, &c, NULL);
    channel_exec_adopt(ch, 2, &exec_ops, NULL, &c, NULL);
    channel_read(ch, "a", &read_ops, NULL, &c, NULL);
    channel_write(ch, "a", 0644, &write_ops, NULL, &c, NULL);
    channel_list(ch, "a", true, &list_ops, NULL, &c, NULL);
    channel_scan(ch, SCAN_REMEMBER | SCAN_SUMS, &scan_ops, NULL, &c, NULL);
    channel_probe(ch, "/proc/x", on_text, NULL, &c, NULL);
    channel_stats(ch, on_stats, NULL, &c, NULL);
    channel_checksum(ch, "a", on_sum, NULL, &c, NULL);
    channel_stat(ch, "a", on_stat, NULL, &c, NULL);
    channel_mkdir(ch, "a", 0755, on_done, NULL, &c, NULL);
}

static void greet(struct channel *ch, struct span sent)
{
    struct frame_hello h = { .version = FRAME_VERSION,
                             .features = FRAME_FEATURE_LISTEN,
                             .execs = 2,
                             .exec_id = { 2, 3 },
                             .exec_state = { FRAME_EXEC_READS, FRAME_EXEC_ENDED } };
    uint8_t bytes[FRAME_HEADER + 256];
    struct frame_out out = { bytes + FRAME_HEADER, 0, 256, false };

    memset(h.build, 'a', FRAME_BUILD);
    frame_hello_encode(&out, true, &h);
    frame_header(bytes, FRAME_HELLO, 0, 0, (uint32_t) out.len);
    channel_feed(ch, span_make(sent.ptr, FRAME_PREAMBLE)); /* our own nonce comes back */
    channel_feed(ch, span_make(bytes, FRAME_HEADER + out.len));
}

/* Whatever the guest says, there are not more commands than it has slots for. */
static void release_all(struct channel *ch)
{
    uint64_t ids[CHANNEL_EXECS];
    size_t count = channel_exec_ended(ch, ids, CHANNEL_EXECS);

    assert(channel_exec_room(ch) >= 0 && channel_exec_room(ch) <= CHANNEL_EXECS);
    for (size_t i = 0; i < count; i++) {
        assert(channel_exec_is_known(ch, ids[i]));
        channel_exec_release(ch, ids[i]);
        assert(!channel_exec_is_known(ch, ids[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct channel_ops ops = { on_nothing, on_nothing, on_broken };
    static struct loop *loop;
    struct channel *ch;

    if (size == 0)
        return 0;
    if (!loop && loop_new(&loop, NULL) < 0)
        abort();
    if (channel_new(loop, &ops, NULL, &ch, NULL) < 0)
        abort();
    request_all(ch);
    if (data[0] & 1) {
        greet(ch, channel_pending(ch));
        listen_too(ch);
    }
    for (size_t at = 1, step = (data[0] >> 1) + 1U; at < size; at += step)
        channel_feed(ch, span_make(data + at, size - at < step ? size - at : step));
    release_all(ch);
    channel_eof(ch, NULL);
    /* the loop tells everybody, exactly once, and the owner last */
    if (loop_run(loop, &is_told, NULL) < 0)
        abort();
    assert(answers == requests && open == 0);
    channel_free(ch);
    return 0;
}
