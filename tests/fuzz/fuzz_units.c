/* SPDX-License-Identifier: MIT */
/* The small parsers of core/base: numbers with units, base64, UTF-8. */
#include "tests/fuzz/fuzz.h"

#include "core/base/digest.h"
#include "core/base/err.h"
#include "core/base/table.h"
#include "core/base/units.h"
#include "core/base/utf8.h"

#include <stdlib.h>
#include <string.h>

static void must(bool claim)
{
    if (!claim)
        abort();
}

typedef int parse_fn(struct span text, int64_t *ret);
typedef const char *format_fn(char out[32], int64_t value);

static void check_amount(struct span text, parse_fn *parse, format_fn *format)
{
    int64_t value = -1;
    char out[32];
    int r = parse(text, &value);

    must(r == 0 ? value >= 0 : value == -1 && (r == -ERR_INVALID || r == -ERR_TOO_LARGE));
    must(strlen(format(out, value)) < sizeof(out));
}

static void check_numbers(struct span text)
{
    struct tree t = { .kind = TREE_NUMBER, .text = text };
    int64_t a = 0, b = 0;
    uint32_t mode = 0;

    if (units_int(text, INT64_MIN, INT64_MAX, &a) == 0)
        must(tree_read_int(&t, &b) && a == b);
    (void) tree_read_int(&t, &b);
    if (units_octal(text, 07777, &mode) == 0)
        must(mode <= 07777);
}

static void check_base64(struct span text)
{
    struct buf plain = BUF_INIT(1 << 20), again = BUF_INIT(1 << 20);

    if (base64_decode(&plain, text) == 0) {
        must(base64_encode(&again, buf_span(&plain)) == 0);
        must(span_equal(buf_span(&again), text));
    }
    buf_done(&plain);
    buf_done(&again);
}

static void check_utf8(struct span text)
{
    struct buf out = BUF_INIT(1 << 22);
    size_t valid = utf8_valid(text);

    must(valid <= text.len && utf8_repair(&out, text) == 0);
    must(utf8_valid(buf_span(&out)) == out.len);
    must(valid < text.len || span_equal(buf_span(&out), text));
    for (size_t at = 0; at <= text.len && at < 64; at++) {
        size_t cut = utf8_cut(text, at), next = utf8_next(text, at);

        must(cut <= at && at - cut < 4 && next >= at && next - at < 4 && next <= text.len);
        if (valid == text.len)
            must(utf8_valid(span_make(text.ptr, cut)) == cut &&
                 utf8_valid(span_make(text.ptr, next)) == next);
    }
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "memory", "cpus", "instructions", "id" };
    struct span text = span_make(data, size);

    if (size > 1 << 16)
        return 0;
    check_amount(text, units_size, units_format_size);
    check_amount(text, units_duration, units_format_duration);
    check_amount(text, units_count, units_format_count);
    check_amount(text, units_money, units_format_money);
    check_numbers(text);
    check_base64(text);
    check_utf8(text);
    (void) table_nearest(text, names, FIELD_COUNT_OF(names));
    return 0;
}
