/* SPDX-License-Identifier: MIT */
/* Kept answers of scanners: what is accepted comes back the same, and its words are safe to show. */
#include "oci/scan_verdict.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

#define ID "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const command[] = { "x", NULL };
    struct scan_verdict v = { .answer = SCAN_FAILED }, back;
    struct buf text = BUF_INIT(SCAN_FILE_MAX);
    char words[100];

    scan_verdict_set_output(&v, span_make(data, size));
    scan_verdict_last_words(&v, words, sizeof(words));
    for (const char *c = words; *c; c++)
        assert((unsigned char) *c >= ' ' && *c != 0x7f);
    if (scan_verdict_decode(span_make(data, size), ID, &v, NULL) < 0)
        return 0;
    assert(v.answer != SCAN_FAILED && (v.answer == SCAN_ACCEPTED) == (v.exit_status == 0));
    if (scan_verdict_encode(&v, ID, command, &text, NULL) == 0) {
        assert(scan_verdict_decode(buf_span(&text), ID, &back, NULL) == 0);
        assert(back.answer == v.answer && back.time_ms == v.time_ms);
    }
    buf_done(&text);
    return 0;
}
