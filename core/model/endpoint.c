/* SPDX-License-Identifier: MIT */
/* Where the model server is. */
#include "core/model/endpoint.h"

#include "core/base/err.h"

#include <strings.h>

/* What stands between "scheme://" and the path. */
static struct span authority(struct span url)
{
    const char *at = url.len ? memmem(url.ptr, url.len, "://", 3) : NULL;
    struct span s;
    size_t n = 0;

    if (!at)
        return span_make(NULL, 0);
    s = span_make(at + 3, url.len - (size_t) (at + 3 - url.ptr));
    while (n < s.len && !strchr("/?#", s.ptr[n]))
        n++;
    s.len = n;
    return s;
}

static const char *last_of(struct span s, char c)
{
    for (size_t i = s.len; i > 0; i--)
        if (s.ptr[i - 1] == c)
            return s.ptr + i - 1;
    return NULL;
}

struct span endpoint_host(struct span url)
{
    struct span s = authority(url);
    const char *at = s.len ? last_of(s, '@') : NULL;
    const char *end;

    if (at)
        s = span_make(at + 1, s.len - (size_t) (at + 1 - s.ptr));
    if (s.len > 0 && s.ptr[0] == '[') {
        end = memchr(s.ptr, ']', s.len);
        return end ? span_make(s.ptr + 1, (size_t) (end - s.ptr - 1)) : span_make(NULL, 0);
    }
    end = s.len ? memchr(s.ptr, ':', s.len) : NULL;
    if (end)
        s.len = (size_t) (end - s.ptr);
    return s;
}

bool endpoint_has_userinfo(const char *url)
{
    struct span s = authority(span_of(url));

    return s.len > 0 && last_of(s, '@');
}

bool endpoint_is_plain(const char *url)
{
    return strncasecmp(url, "http://", 7) == 0;
}

static bool host_is(struct span host, const char *name)
{
    return host.len == strlen(name) && strncasecmp(host.ptr, name, host.len) == 0;
}

static bool host_ends(struct span host, const char *tail)
{
    size_t len = strlen(tail);

    return host.len > len && strncasecmp(host.ptr + host.len - len, tail, len) == 0;
}

/* Only digits and dots behind "127.": a name such as 127.0.0.1.example.org is not loopback. */
static bool is_loopback_v4(struct span host)
{
    if (!span_starts(host, "127."))
        return false;
    for (size_t i = 0; i < host.len; i++)
        if (!strchr("0123456789.", host.ptr[i]))
            return false;
    return true;
}

bool endpoint_is_loopback(struct span host)
{
    return host_is(host, "localhost") || host_ends(host, ".localhost") || host_is(host, "::1") ||
           is_loopback_v4(host);
}

bool endpoint_is_openai(const char *url)
{
    return host_is(endpoint_host(span_of(url)), "api.openai.com");
}

bool endpoint_is_azure(const char *url)
{
    return host_ends(endpoint_host(span_of(url)), ".openai.azure.com");
}

int endpoint_join(struct buf *out, const char *base_url, const char *path)
{
    size_t base_len = strcspn(base_url, "?#");
    size_t query_len = base_url[base_len] == '?' ? strcspn(base_url + base_len, "#") : 0;
    const char *query = base_url + base_len;
    int r;

    while (base_len > 0 && base_url[base_len - 1] == '/')
        base_len--;
    while (*path == '/')
        path++;
    r = buf_add(out, base_url, base_len);
    if (r == 0)
        r = buf_add_char(out, '/');
    if (r == 0)
        r = buf_add_text(out, path);
    return r == 0 ? buf_add(out, query, query_len) : r;
}
