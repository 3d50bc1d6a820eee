/* SPDX-License-Identifier: MIT */
#include "core/tool/mcp_stdio.h"

#include "core/base/glyph.h"
#include "core/base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

#define WORDS_MAX 400 /* of stderr, from its end */

struct mcp_stdio {
    struct mcp_session *session;
    struct channel_call *call; /* NULL: it has ended */
    struct buf line;           /* begun */
    char words[WORDS_MAX];
    size_t words_len;
    char name[64];
};

static void fail(struct mcp_stdio *io, enum err_code code, const char *what)
{
    struct err err = { 0 };

    (void) err_set(&err, code, "'%s' %s", io->name, what);
    mcp_session_lost(io->session, &err);
}

static void keep_words(struct mcp_stdio *io, struct span piece)
{
    size_t keep = piece.len >= WORDS_MAX                  ? 0
                  : io->words_len > WORDS_MAX - piece.len ? WORDS_MAX - piece.len
                                                          : io->words_len;

    if (piece.len > WORDS_MAX)
        piece = span_make(piece.ptr + piece.len - WORDS_MAX, WORDS_MAX);
    memmove(io->words, io->words + io->words_len - keep, keep);
    memcpy(io->words + keep, piece.ptr, piece.len);
    io->words_len = keep + piece.len;
}

/* The last line of stderr, as far as it can be shown. */
static void last_words(const struct mcp_stdio *io, struct buf *out)
{
    struct span s = span_make(io->words, io->words_len);
    size_t from, len = 0;

    while (s.len > 0 && (s.ptr[s.len - 1] == '\n' || s.ptr[s.len - 1] == '\r'))
        s.len--;
    for (from = s.len; from > 0 && s.ptr[from - 1] != '\n';)
        from--;
    s = span_make(s.ptr + from, s.len - from);
    for (; s.len > 0; s = span_make(s.ptr + len, s.len - len)) {
        uint32_t c = glyph_next(s, &len);

        if (!glyph_is_unsafe(c) && c != 0xfffd)
            (void) buf_add(out, s.ptr, len);
    }
}

static void on_line(struct mcp_stdio *io, struct span line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (line.len > 0)
        mcp_session_feed(io->session, line);
}

static void on_output(void *data, int fd, struct span chunk, uint64_t gap)
{
    struct mcp_stdio *io = data;
    const char *end;

    if (fd != 1) {
        keep_words(io, chunk);
        return;
    }
    if (gap > 0)
        fail(io, ERR_TOO_LARGE, "wrote more than can be read");
    while (chunk.len > 0 && (end = memchr(chunk.ptr, '\n', chunk.len))) {
        struct span piece = span_make(chunk.ptr, (size_t) (end - chunk.ptr));

        if (io->line.len == 0) {
            on_line(io, piece);
        } else if (buf_add_span(&io->line, piece) == 0) {
            on_line(io, buf_span(&io->line));
            buf_clear(&io->line);
        }
        chunk = span_make(end + 1, chunk.len - piece.len - 1);
    }
    if (buf_add_span(&io->line, chunk) < 0) {
        buf_clear(&io->line);
        fail(io, ERR_TOO_LARGE, "wrote a line of more than 16 MiB");
    }
}

static void on_end(void *data, const struct exec_result *result)
{
    struct mcp_stdio *io = data;
    struct buf words = BUF_INIT(4 * WORDS_MAX);
    char what[64];
    struct err err = { 0 };

    io->call = NULL;
    last_words(io, &words);
    (void) snprintf(what, sizeof(what),
                    result->end == EXEC_SIGNALED ? "was killed by signal %d" : "ended with status %d",
                    result->code);
    if (result->end == EXEC_LOST || result->end == EXEC_FAILED)
        (void) err_set(&err, result->end == EXEC_LOST ? ERR_ENGINE : ERR_NOT_FOUND,
                       "'%s' could not be run: %s", io->name, result->text ? result->text : "");
    else
        (void) err_set(&err, ERR_PROTOCOL, "'%s' %s%s%s%s", io->name, what,
                       result->memory_hit ? ", out of memory" : "", words.len > 0 ? ": " : "",
                       buf_text(&words));
    buf_done(&words);
    mcp_session_lost(io->session, &err);
}

static const struct exec_ops exec_ops = { on_output, on_end };

static int send_line(void *data, const struct mcp_out *out, struct err *err)
{
    struct mcp_stdio *io = data;
    struct buf line = BUF_INIT(MCP_MESSAGE_MAX + 1);
    int r;

    if (!io->call)
        return err_set(err, ERR_PROTOCOL, "'%s' has ended", io->name);
    r = buf_add_span(&line, out->text);
    if (r == 0)
        r = buf_add_char(&line, '\n');
    r = r < 0 ? err_set(err, ERR_TOO_LARGE, "a message for '%s' is too large", io->name)
              : channel_exec_write(io->call, buf_span(&line), false, err);
    buf_done(&line);
    return r;
}

static const struct mcp_link link_ops = { .send = send_line };

int mcp_stdio_open(struct channel *channel, const struct mcp_stdio_command *command,
                   struct mcp_session *session, struct mcp_stdio **ret, struct err *err)
{
    struct mcp_stdio *io = calloc(1, sizeof(*io));
    struct exec_request req = { .id = command->exec_id,
                                .argv = command->argv,
                                .env = command->env,
                                .cwd = command->cwd,
                                .keep_input = true,
                                .input_max = MCP_MESSAGE_MAX + 1,
                                .output_max = INT64_MAX };
    int r;

    if (!io)
        return err_set(err, ERR_INTERNAL, "no memory for a server");
    io->session = session;
    buf_init(&io->line, MCP_MESSAGE_MAX);
    (void) snprintf(io->name, sizeof(io->name), "%.60s", command->argv[0]);
    r = channel_exec(channel, &req, &exec_ops, io, &io->call, err);
    if (r < 0) {
        mcp_stdio_free(io);
        return r;
    }
    *ret = io;
    mcp_session_open(session, &link_ops, io);
    return 0;
}

void mcp_stdio_free(struct mcp_stdio *io)
{
    if (!io)
        return;
    channel_cancel(io->call);
    buf_done(&io->line);
    free(io);
}
