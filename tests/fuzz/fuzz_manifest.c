/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a manifest, up to the struct; no file is looked at. What is accepted is written back as its
 * resolved form, which must be accepted too and give the same text again.
 */
#include "core/base/utf8.h"
#include "manifest/decode.h"
#include "manifest/resolve.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

static const char *const env[] = { "HOME=/home/u", "EMPTY=", "N=7", "AGENTBOX_MODEL=m", NULL };

/* Decode; when it is accepted, the resolved form is in `out`. */
static int decode(struct span text, struct buf *out)
{
    struct decode_input in = { .file = "fuzz", .text = text, .env = env };
    struct arena arena = ARENA_INIT(DECODE_ARENA_MAX);
    struct diags *diags = calloc(1, sizeof(*diags));
    struct buf said = BUF_INIT(4 * 1024 * 1024);
    struct decoded decoded;
    int r;

    assert(diags);
    diags_init(diags);
    r = decode_manifest(&in, &arena, diags, &decoded, NULL);
    assert(r == 0 || r == -ERR_MANIFEST || r == -ERR_INTERNAL);
    assert(r == -ERR_INTERNAL || (r == 0) == (diags->count == 0));
    diags_render(diags, &said);
    assert(utf8_valid(buf_span(&said)) == said.len);
    if (r == 0 && resolve_write(&decoded.manifest, out) < 0)
        r = -ERR_TOO_LARGE;
    buf_done(&said);
    diags_done(diags);
    free(diags);
    arena_done(&arena);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf first = BUF_INIT(RESOLVE_MAX), second = BUF_INIT(RESOLVE_MAX);

    if (decode(span_make(data, size), &first) == 0 && first.len < 256 * 1024) {
        int r = decode(buf_span(&first), &second);

        assert(r == 0);
        assert(span_equal(buf_span(&first), buf_span(&second)));
    }
    buf_done(&first);
    buf_done(&second);
    return 0;
}
