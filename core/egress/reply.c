/* SPDX-License-Identifier: MIT */
#include "core/egress/reply.h"

int reply_refusal(struct buf *out, int status, const char *reason, const char *allow, bool has_body)
{
    struct buf text = BUF_INIT(REPLY_MAX / 2);
    int r = buf_printf(&text, "agentbox: %s", reason);

    if (r == 0 && allow)
        r = buf_printf(&text, "; to allow it, the manifest needs under network.allow:  - \"%s\"", allow);
    if (r == 0)
        r = buf_add_char(&text, '\n');
    if (r == 0)
        r = buf_printf(out,
                       "HTTP/1.1 %d agentbox: %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                       "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                       status, reason, text.len);
    if (r == 0 && has_body)
        r = buf_add_span(out, buf_span(&text));
    buf_done(&text);
    return r;
}
