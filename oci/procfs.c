/* SPDX-License-Identifier: MIT */
/* Readers of the kernel's text files. */
#include "oci/procfs.h"

#include "core/base/units.h"

bool procfs_line(struct span *rest, struct span *ret)
{
    const char *eol;
    size_t len;

    if (rest->len == 0)
        return false;
    eol = memchr(rest->ptr, '\n', rest->len);
    len = eol ? (size_t) (eol - rest->ptr) : rest->len;
    *ret = span_make(rest->ptr, len);
    len += eol ? 1 : 0;
    *rest = span_make(rest->ptr + len, rest->len - len);
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
    while (s.len && is_blank(s.ptr[0]))
        s = span_make(s.ptr + 1, s.len - 1);
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool procfs_word(struct span *line, struct span *ret)
{
    size_t n = 0;

    *line = trim(*line);
    if (line->len == 0)
        return false;
    while (n < line->len && !is_blank(line->ptr[n]))
        n++;
    *ret = span_make(line->ptr, n);
    *line = span_make(line->ptr + n, line->len - n);
    return true;
}

struct span procfs_field(struct span text, const char *name)
{
    const size_t len = strlen(name);
    struct span line;

    while (procfs_line(&text, &line))
        if (span_starts(line, name) && line.len > len && line.ptr[len] == ':')
            return trim(span_make(line.ptr + len + 1, line.len - len - 1));
    return span_make(NULL, 0);
}

struct span procfs_single(struct span text)
{
    struct span line, word, more;

    if (!procfs_line(&text, &line) || text.len || !procfs_word(&line, &word) || procfs_word(&line, &more))
        return span_make(NULL, 0);
    return word;
}

static bool read_limit(struct span word, uint64_t *ret)
{
    int64_t n;

    if (span_is(word, "unlimited")) {
        *ret = UINT64_MAX;
        return true;
    }
    if (units_int(word, 0, INT64_MAX, &n) < 0)
        return false;
    *ret = (uint64_t) n;
    return true;
}

bool procfs_limit(struct span limits, const char *title, uint64_t *ret_soft, uint64_t *ret_hard)
{
    const size_t len = strlen(title);
    struct span line, soft, hard;

    while (procfs_line(&limits, &line)) {
        if (!span_starts(line, title) || line.len <= len || !is_blank(line.ptr[len]))
            continue;
        line = span_make(line.ptr + len, line.len - len);
        return procfs_word(&line, &soft) && procfs_word(&line, &hard) && read_limit(soft, ret_soft) &&
               read_limit(hard, ret_hard);
    }
    return false;
}

static bool is_octal(const char *p)
{
    return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' && p[2] <= '7';
}

/* Blanks and backslashes of a path are written \040 and so on. */
static void unescape(struct span word, char *ret, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];

        if (c == '\\' && word.len - i >= 4 && is_octal(word.ptr + i + 1)) {
            c = (char) ((word.ptr[i + 1] - '0') * 64 + (word.ptr[i + 2] - '0') * 8 + (word.ptr[i + 3] - '0'));
            i += 3;
        }
        if (n + 1 >= size) {
            n = 0;
            break;
        }
        ret[n++] = c;
    }
    ret[n] = '\0';
}

/* id parent major:minor root point options [optional ...] - type source super */
static bool read_mount(struct span line, struct procfs_mount *ret)
{
    struct span word = { NULL, 0 };

    for (int i = 0; i < 5; i++)
        if (!procfs_word(&line, &word))
            return false;
    unescape(word, ret->point, sizeof(ret->point));
    if (!procfs_word(&line, &ret->options))
        return false;
    do {
        if (!procfs_word(&line, &word))
            return false;
    } while (!span_is(word, "-"));
    return procfs_word(&line, &ret->type) && procfs_word(&line, &ret->source) &&
           procfs_word(&line, &ret->super);
}

bool procfs_next_mount(struct span *rest, struct procfs_mount *ret)
{
    struct span line;

    while (procfs_line(rest, &line))
        if (read_mount(line, ret))
            return true;
    return false;
}

bool procfs_mount_at(struct span mountinfo, const char *point, struct procfs_mount *ret)
{
    struct procfs_mount mount;
    bool is_found = false;

    while (procfs_next_mount(&mountinfo, &mount))
        if (strcmp(mount.point, point) == 0) {
            *ret = mount;
            is_found = true;
        }
    return is_found;
}

static bool next_option(struct span *options, struct span *ret)
{
    const char *comma;
    size_t len;

    if (options->len == 0)
        return false;
    comma = memchr(options->ptr, ',', options->len);
    len = comma ? (size_t) (comma - options->ptr) : options->len;
    *ret = span_make(options->ptr, len);
    len += comma ? 1 : 0;
    *options = span_make(options->ptr + len, options->len - len);
    return true;
}

bool procfs_has_option(struct span options, const char *word)
{
    struct span option;

    while (next_option(&options, &option))
        if (span_is(option, word))
            return true;
    return false;
}

bool procfs_size_option(struct span options, const char *name, uint64_t *ret)
{
    const size_t len = strlen(name);
    struct span option;
    int64_t bytes;

    while (next_option(&options, &option)) {
        if (!span_starts(option, name) || option.len <= len || option.ptr[len] != '=')
            continue;
        if (units_size(span_make(option.ptr + len + 1, option.len - len - 1), &bytes) < 0)
            return false;
        *ret = (uint64_t) bytes;
        return true;
    }
    return false;
}
