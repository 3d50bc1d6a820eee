/* SPDX-License-Identifier: MIT */
/* Where the model server is. */
#include "core/model/endpoint.h"

#include "core/base/err.h"
#include "core/base/url.h"

#include <strings.h>

static bool host_is(struct span host, const char *name)
{
    return host.len == strlen(name) && strncasecmp(host.ptr, name, host.len) == 0;
}

static bool host_ends(struct span host, const char *tail)
{
    size_t len = strlen(tail);

    return host.len > len && strncasecmp(host.ptr + host.len - len, tail, len) == 0;
}

bool endpoint_is_openai(const char *url)
{
    return host_is(url_host(span_of(url)), "api.openai.com");
}

bool endpoint_is_azure(const char *url)
{
    return host_ends(url_host(span_of(url)), ".openai.azure.com");
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
