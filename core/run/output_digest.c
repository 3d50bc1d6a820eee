/* SPDX-License-Identifier: MIT */
/* Lists of files with their digests, as sha256sum writes them. */
#include "core/run/output_digest.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES (16 * 1024) /* a path with each byte escaped */

static const char escapes[][2] = { { '\\', '\\' }, { '\n', 'n' }, { '\r', 'r' } };

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct output_digest_file *) a)->name,
                  ((const struct output_digest_file *) b)->name);
}

static void sort(struct output_digest_file *list, size_t count)
{
    if (count > 0)
        qsort(list, count, sizeof(*list), by_name);
}

static int add_name(struct buf *out, const char *name)
{
    int r = 0;

    for (size_t n; *name && r == 0; name += n) {
        n = strcspn(name, "\\\n\r");
        r = buf_add(out, name, n);
        for (size_t i = 0; name[n] && i < sizeof(escapes) / sizeof(escapes[0]); i++)
            if (name[n] == escapes[i][0] && r == 0)
                r = buf_printf(out, "\\%c", escapes[i][1]);
        n += name[n] != '\0';
    }
    return r;
}

static int add_line(struct buf *out, const struct output_digest_file *file)
{
    bool is_escaped = file->name[strcspn(file->name, "\\\n\r")];
    int r = buf_printf(out, "%s%s  ", is_escaped ? "\\" : "", file->sha256);

    if (r == 0)
        r = add_name(out, file->name);
    return r == 0 ? buf_add_char(out, '\n') : r;
}

int output_list(struct output_digest_file *list, size_t count, struct buf *out)
{
    int r = 0;

    sort(list, count);
    for (size_t i = 0; i < count && r == 0; i++)
        r = add_line(out, &list[i]);
    return r;
}

int output_digest(struct output_digest_file *list, size_t count, char ret_sha256[DIGEST_HEX], struct err *err)
{
    struct digest *sum = digest_new();
    struct buf line = BUF_INIT(LINE_MAX_BYTES);
    uint8_t raw[DIGEST_SIZE];
    int r = sum ? 0 : -ERR_INTERNAL;

    sort(list, count);
    for (size_t i = 0; i < count && r == 0; i++) {
        buf_clear(&line);
        r = add_line(&line, &list[i]);
        digest_add(sum, line.data, line.len);
    }
    if (r == 0) {
        digest_end(sum, raw);
        digest_hex(raw, ret_sha256);
    }
    digest_free(sum);
    buf_done(&line);
    return r < 0 ? err_set(err, ERR_INTERNAL, "no memory for a digest") : 0;
}

static int no_line(struct err *err)
{
    return err_set(err, ERR_INVALID, "this is no line of a list of files");
}

static int take_name(struct span s, bool is_escaped, struct buf *name)
{
    bool has_escape = s.len > 0 && memchr(s.ptr, '\\', s.len);

    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (c == '\n' || c == '\r' || c == '\0' || (c == '\\' && (!is_escaped || i + 1 == s.len)))
            return -ERR_INVALID;
        if (c == '\\') {
            size_t k = 0;

            for (i++; k < sizeof(escapes) / sizeof(escapes[0]) && s.ptr[i] != escapes[k][1]; k++)
                ;
            if (k == sizeof(escapes) / sizeof(escapes[0]))
                return -ERR_INVALID;
            c = escapes[k][0];
        }
        if (buf_add_char(name, c) < 0)
            return -ERR_TOO_LARGE;
    }
    return s.len > 0 && has_escape == is_escaped ? 0 : -ERR_INVALID;
}

int output_list_line(struct span line, char ret_sha256[DIGEST_HEX], struct buf *name, struct err *err)
{
    bool is_escaped = line.len > 0 && line.ptr[0] == '\\';
    size_t skip = is_escaped ? 1 : 0, hex = DIGEST_HEX - 1;

    line = span_make(line.ptr + skip, line.len - skip);
    if (line.len < hex + 2 || line.ptr[hex] != ' ' || line.ptr[hex + 1] != ' ')
        return no_line(err);
    for (size_t i = 0; i < hex; i++)
        if (!memchr("0123456789abcdef", line.ptr[i], 16))
            return no_line(err);
    if (take_name(span_make(line.ptr + hex + 2, line.len - hex - 2), is_escaped, name) < 0)
        return no_line(err);
    memcpy(ret_sha256, line.ptr, hex);
    ret_sha256[hex] = '\0';
    return 0;
}
