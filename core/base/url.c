/* SPDX-License-Identifier: MIT */
/* Who is asked, and who can listen. */
#include "core/base/url.h"

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

struct span url_host(struct span url)
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

bool url_has_userinfo(const char *url)
{
    struct span s = authority(span_of(url));

    return s.len > 0 && last_of(s, '@');
}

bool url_is_plain(const char *url)
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

bool url_is_loopback(struct span host)
{
    return host_is(host, "localhost") || host_ends(host, ".localhost") || host_is(host, "::1") ||
           is_loopback_v4(host);
}
