/* SPDX-License-Identifier: MIT */
#include "tests/unit/run/state_home.h"

#include "core/run/folder.h"
#include "core/run/follow.h"
#include "core/run/journal.h"

#define SUM_TAIL 74 /* bytes of ,"sum":"<64 digits>"} */

static struct record begin_record(void)
{
    struct record rec = { .type = RECORD_RUN_BEGIN };

    rec.run_begin.format = RECORD_FORMAT;
    rec.run_begin.id = "20261122-013000-k3x9ab";
    rec.run_begin.name = "demo";
    return rec;
}

static struct record lost_record(int64_t call)
{
    struct record rec = { .type = RECORD_CALL_LOST, .ms = call };

    rec.call_lost.turn = 1;
    rec.call_lost.call = call;
    rec.call_lost.call_id = "call_1";
    return rec;
}

static struct run_folder *three_records(void)
{
    struct record first = begin_record(), second = lost_record(2), third = lost_record(3);
    struct run_folder *folder = NULL;
    struct journal *j = NULL;

    assert_int_equal(run_folder_create(&folder, NULL), 0);
    assert_int_equal(journal_create(folder, &j, NULL), 0);
    assert_int_equal(journal_append(j, &first, NULL, NULL), 0);
    assert_int_equal(journal_append(j, &second, NULL, NULL), 0);
    assert_true(journal_is_dirty(j));
    assert_int_equal(journal_sync(j, NULL), 0);
    assert_false(journal_is_dirty(j));
    assert_int_equal(journal_append(j, &third, NULL, NULL), 0);
    assert_int_equal(third.seq, 3);
    assert_int_equal(journal_sync(j, NULL), 0);
    journal_free(j);
    return folder;
}

static void load(const struct run_folder *folder, struct buf *out)
{
    buf_clear(out);
    assert_int_equal(run_folder_load(folder, JOURNAL_FILE, out, NULL), 0);
}

/* Number of records until the end or the first error. */
static size_t count_records(struct run_folder *folder, int *ret_result, struct err *err, int64_t *ret_torn)
{
    struct journal_reader reader;
    struct record rec;
    size_t count = 0;
    int r;

    assert_int_equal(journal_open(folder, &reader, err), 0);
    while ((r = journal_next(&reader, &rec, err)) > 0)
        count++;
    *ret_result = r;
    *ret_torn = reader.torn_bytes;
    journal_close(&reader);
    return count;
}

static void test_lines_have_a_fixed_shape(void **state)
{
    struct run_folder *folder = three_records();
    struct buf text = BUF_INIT(100000);
    char expected[256], digest[DIGEST_HEX];
    const char *first_end, *second_end;

    load(folder, &text);
    first_end = strchr(text.data, '\n');
    assert_int_equal(strncmp(text.data, "{\"seq\":1,\"time\":\"20", 19), 0);
    assert_non_null(strstr(
        text.data, "Z\",\"ms\":0,\"type\":\"run.begin\",\"format\":1,\"id\":\"20261122-013000-k3x9ab\","
                   "\"name\":\"demo\",\"pid\":0,\"prev\":\"0000000000000000000000000000000000000000"
                   "000000000000000000000000\",\"sum\":\""));
    second_end = strchr(first_end + 1, '\n');
    digest_of(span_make(text.data, (size_t) (first_end - text.data)), digest);
    snprintf(expected, sizeof(expected), "\"prev\":\"%s\",\"sum\":\"", digest);
    assert_int_equal(strncmp(second_end - SUM_TAIL - strlen(expected) + 8, expected, strlen(expected)), 0);
    digest_of(span_make(first_end + 1, (size_t) (second_end - first_end - 1 - SUM_TAIL)), digest);
    snprintf(expected, sizeof(expected), ",\"sum\":\"%s\"}", digest);
    assert_int_equal(strncmp(second_end - SUM_TAIL, expected, SUM_TAIL), 0);
    buf_done(&text);
    run_folder_free(folder);
}

static void test_a_second_journal_is_refused(void **state)
{
    struct run_folder *folder = three_records();
    struct journal *j;
    struct err err = { 0 };

    assert_int_equal(journal_create(folder, &j, &err), -ERR_CONFLICT);
    run_folder_free(folder);
}

static void test_every_torn_end_is_cut_and_reported(void **state)
{
    struct run_folder *folder = three_records();
    struct buf text = BUF_INIT(100000);
    size_t last;

    load(folder, &text);
    for (last = text.len - 2; text.data[last] != '\n'; last--)
        ;
    for (size_t len = last + 1; len < text.len; len++) {
        int64_t torn;
        int result;

        assert_int_equal(run_folder_save(folder, JOURNAL_FILE, span_make(text.data, len), NULL), 0);
        assert_int_equal(count_records(folder, &result, NULL, &torn), 2);
        assert_int_equal(result, 0);
        assert_int_equal(torn, len - last - 1);
    }
    buf_done(&text);
    run_folder_free(folder);
}

static void test_goes_on_behind_a_torn_end(void **state)
{
    struct run_folder *folder = three_records();
    struct buf text = BUF_INIT(100000);
    struct journal_reader reader;
    struct record rec, more = lost_record(9);
    struct journal *j;
    int64_t torn;
    int r;

    load(folder, &text);
    assert_int_equal(run_folder_save(folder, JOURNAL_FILE, span_make(text.data, text.len - 5), NULL), 0);
    assert_int_equal(journal_open(folder, &reader, NULL), 0);
    while ((r = journal_next(&reader, &rec, NULL)) > 0)
        ;
    assert_int_equal(journal_continue(folder, &reader.chain, reader.offset, &j, NULL), 0);
    journal_close(&reader);
    assert_int_equal(journal_append(j, &more, NULL, NULL), 0);
    assert_int_equal(more.seq, 3);
    assert_int_equal(journal_sync(j, NULL), 0);
    journal_free(j);
    assert_int_equal(count_records(folder, &r, NULL, &torn), 3);
    assert_int_equal(r, 0);
    assert_int_equal(torn, 0);
    buf_done(&text);
    run_folder_free(folder);
}

/* The last line break is not a matter of damage: without it the line is torn. */
static void test_any_changed_byte_is_found(void **state)
{
    struct run_folder *folder = three_records();
    struct buf text = BUF_INIT(100000);

    load(folder, &text);
    for (size_t i = 0; i + 1 < text.len; i++) {
        struct err err = { 0 };
        int64_t torn;
        int result;

        text.data[i] ^= 1;
        assert_int_equal(run_folder_save(folder, JOURNAL_FILE, buf_span(&text), NULL), 0);
        (void) count_records(folder, &result, &err, &torn);
        assert_true(result < 0);
        assert_non_null(strstr(err.text, "is damaged at byte "));
        text.data[i] ^= 1;
    }
    buf_done(&text);
    run_folder_free(folder);
}

static void test_damage_has_its_place(void **state)
{
    struct run_folder *folder = three_records();
    struct buf text = BUF_INIT(100000);
    struct err err = { 0 };
    char expected[256];
    size_t second;
    int64_t torn;
    int result;

    load(folder, &text);
    second = (size_t) (strchr(text.data, '\n') - text.data) + 1;
    assert_int_equal(
        run_folder_save(folder, JOURNAL_FILE, span_make(text.data + second, text.len - second), NULL), 0);
    assert_int_equal(count_records(folder, &result, &err, &torn), 0);
    snprintf(expected, sizeof(expected), "journal of run '%s' is damaged at byte 0: record 2 where 1 must be",
             folder->id);
    assert_string_equal(err.text, expected);

    text.data[second + 7] = '9'; /* seq of the second record */
    assert_int_equal(run_folder_save(folder, JOURNAL_FILE, buf_span(&text), NULL), 0);
    assert_int_equal(count_records(folder, &result, &err, &torn), 1);
    snprintf(expected, sizeof(expected),
             "journal of run '%s' is damaged at byte %zu: a record that is not what its digest says",
             folder->id, second);
    assert_string_equal(err.text, expected);
    buf_done(&text);
    run_folder_free(folder);
}

/* A line with its digest put behind; a result that is the length of a line is told without that. */
static void decode_one(const char *text, int expected_result, const char *expected_text)
{
    struct arena arena = ARENA_INIT(1000000);
    struct journal_chain chain;
    struct err err = { 0 };
    char line[4096], sum[DIGEST_HEX];
    size_t len = strlen(text);
    struct record rec;

    snprintf(line, sizeof(line), "%s", text);
    if (len > 2 && text[len - 1] == '\n') {
        digest_of(span_make(text, len - 2), sum);
        snprintf(line + len - 2, sizeof(line) - len, ",\"sum\":\"%s\"}\n", sum);
        expected_result += expected_result > 0 ? SUM_TAIL - 1 : 0;
    }
    journal_chain_init(&chain);
    assert_int_equal(journal_decode(span_of(line), &chain, &arena, &rec, &err), expected_result);
    if (expected_result < 0)
        assert_string_equal(err.text, expected_text);
    arena_done(&arena);
}

#define HEAD  "{\"seq\":1,\"time\":\"2026-11-22T01:30:00.000Z\",\"ms\":0,\"type\":"
#define ZEROS "\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\"}\n"

static void test_what_a_line_must_be(void **state)
{
    decode_one("", 0, NULL);
    decode_one("{\"seq\":1", 0, NULL);
    decode_one(HEAD "\"run.begin\",\"format\":1,\"id\":\"x\"," ZEROS,
               (int) strlen(HEAD "\"run.begin\",\"format\":1,\"id\":\"x\"," ZEROS), NULL);
    decode_one("[1]\n", -ERR_INVALID, "line 1, column 9: a ',' or ']' is missing after an element");
    decode_one("{}", 0, NULL);
    decode_one(HEAD "\"call.lost\",\"turn\":1,\"call\":1,\"call_id\":\"c\"," ZEROS, -ERR_INVALID,
               "record 1 is 'call.lost'");
    decode_one(HEAD "\"run.begin\",\"id\":\"x\"," ZEROS, -ERR_INVALID,
               "record 'run.begin': field 'format' is missing");
    decode_one(HEAD "\"run.begin\",\"format\":\"1\",\"id\":\"x\"," ZEROS, -ERR_INVALID,
               "record 'run.begin': field 'format' is no integer");
    decode_one(HEAD "\"run.begin\",\"format\":1,\"id\":7," ZEROS, -ERR_INVALID,
               "record 'run.begin': field 'id' is no text");
    decode_one(HEAD "\"run.begin\",\"format\":2,\"id\":\"x\"," ZEROS, -ERR_PROTOCOL,
               "journal format 2 is not known, only 1");
    decode_one("{\"seq\":1,\"time\":\"yesterday\",\"ms\":0,\"type\":\"run.begin\"," ZEROS, -ERR_INVALID,
               "record 1 has no type or no time");
    decode_one("{\"seq\":1,\"time\":\"2026-11-22T01:30:00.000Z\",\"type\":\"run.begin\"," ZEROS, -ERR_INVALID,
               "record 1 has no running time");
    decode_one(HEAD "\"run.begin\",\"format\":1,\"id\":\"x\",\"prev\":\"00\"}\n", -ERR_INVALID,
               "the chain is broken: record 1 does not follow the one before it");
}

static void test_large_blobs_become_objects(void **state)
{
    struct record first = begin_record(), item = { .type = RECORD_INPUT_ITEM };
    struct buf raw = BUF_INIT(200000), back = BUF_INIT(200000), text = BUF_INIT(1000000);
    struct journal_reader reader;
    struct run_folder *folder;
    struct record rec;
    struct journal *j;

    assert_int_equal(run_folder_create(&folder, NULL), 0);
    assert_int_equal(journal_create(folder, &j, NULL), 0);
    buf_add_char(&raw, '"');
    for (size_t i = 0; i < RECORD_INLINE_MAX; i++)
        buf_add_char(&raw, 'a');
    buf_add_char(&raw, '"');
    item.input_item.item.json = buf_span(&raw);
    assert_int_equal(journal_append(j, &first, NULL, NULL), 0);
    assert_int_equal(journal_append(j, &item, NULL, NULL), 0);
    assert_int_equal(item.input_item.item.size, RECORD_INLINE_MAX + 2);
    assert_int_equal(journal_sync(j, NULL), 0);
    journal_free(j);
    load(folder, &text);
    assert_true(text.len < 2000);
    assert_non_null(strstr(text.data, "\"item_ref\":{\"object\":\""));

    assert_int_equal(journal_open(folder, &reader, NULL), 0);
    assert_int_equal(journal_next(&reader, &rec, NULL), 1);
    assert_int_equal(journal_next(&reader, &rec, NULL), 1);
    assert_int_equal(rec.input_item.item.json.len, 0);
    assert_int_equal(journal_resolve(folder, &rec, &back, NULL), 0);
    assert_true(span_equal(rec.input_item.item.json, buf_span(&raw)));
    assert_int_equal(journal_next(&reader, &rec, NULL), 0);
    journal_close(&reader);
    buf_done(&raw);
    buf_done(&back);
    buf_done(&text);
    run_folder_free(folder);
}

static void test_a_blob_with_line_breaks_stays_one_line(void **state)
{
    struct record first = begin_record(), item = { .type = RECORD_INPUT_ITEM };
    struct buf back = BUF_INIT(1000);
    struct journal_reader reader;
    struct run_folder *folder;
    struct record rec;
    struct journal *j;

    assert_int_equal(run_folder_create(&folder, NULL), 0);
    assert_int_equal(journal_create(folder, &j, NULL), 0);
    item.input_item.item.json = span_of("{\n\"a\":1\n}");
    assert_int_equal(journal_append(j, &first, NULL, NULL), 0);
    assert_int_equal(journal_append(j, &item, NULL, NULL), 0);
    assert_int_equal(journal_sync(j, NULL), 0);
    journal_free(j);
    assert_int_equal(journal_open(folder, &reader, NULL), 0);
    assert_int_equal(journal_next(&reader, &rec, NULL), 1);
    assert_int_equal(journal_next(&reader, &rec, NULL), 1);
    assert_int_equal(journal_resolve(folder, &rec, &back, NULL), 0);
    assert_string_equal(buf_text(&back), "{\n\"a\":1\n}");
    journal_close(&reader);
    buf_done(&back);
    run_folder_free(folder);
}

static void test_a_full_disk_breaks_it_for_good(void **state)
{
    struct record first = begin_record();
    struct run_folder *folder;
    struct err err = { 0 }, again = { 0 };
    struct journal *j;

    if (access("/dev/full", W_OK) < 0)
        skip();
    assert_int_equal(run_folder_create(&folder, NULL), 0);
    assert_int_equal(symlinkat("/dev/full", folder->fd, "full"), 0);
    assert_int_equal(journal_create(folder, &j, NULL), 0);
    {
        /* put the full device where the journal's file is open */
        char path[64];
        int fd = -1, full = open("/dev/full", O_WRONLY | O_CLOEXEC);

        for (int i = 3; i < 64 && fd < 0; i++) {
            char target[512];
            ssize_t n;

            snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
            n = readlink(path, target, sizeof(target) - 1);
            if (n > 0 && (target[n] = '\0', strstr(target, JOURNAL_FILE)))
                fd = i;
        }
        assert_true(fd >= 0 && full >= 0);
        assert_int_equal(dup2(full, fd), fd);
        close(full);
    }
    assert_int_equal(journal_append(j, &first, NULL, &err), 0);
    assert_int_equal(journal_sync(j, &err), -ERR_IO);
    assert_non_null(strstr(err.text, "No space left on device"));
    assert_non_null(strstr(err.hint, "make room on its disk, or set "));
    assert_int_equal(journal_sync(j, &again), -ERR_IO);
    assert_string_equal(again.text, err.text);
    assert_int_equal(journal_append(j, &first, NULL, &again), -ERR_IO);
    journal_free(j);
    run_folder_free(folder);
}

struct follower {
    struct loop *loop;
    struct journal *writer;
    size_t records;
    bool is_done;
};

static void follow_record(void *data, struct span line, const struct record *rec)
{
    struct follower *f = data;

    assert_int_equal(rec->seq, ++f->records);
}

static void follow_quiet(void *data)
{
    struct follower *f = data;
    struct record rec = lost_record(4);

    if (f->records == 2) {
        assert_int_equal(journal_append(f->writer, &rec, NULL, NULL), 0);
        assert_int_equal(journal_sync(f->writer, NULL), 0);
    }
    f->is_done = f->records == 3;
}

static void follow_error(void *data, const struct err *err)
{
    fail_msg("%s", err->text);
}

static void test_follows_what_is_appended(void **state)
{
    static const struct journal_follow_ops ops = { follow_record, follow_quiet, follow_error };
    struct record first = begin_record(), second = lost_record(2);
    struct journal_follow *follow;
    struct follower f = { 0 };
    struct run_folder *folder;

    assert_int_equal(loop_new(&f.loop, NULL), 0);
    assert_int_equal(run_folder_create(&folder, NULL), 0);
    assert_int_equal(journal_create(folder, &f.writer, NULL), 0);
    assert_int_equal(journal_append(f.writer, &first, NULL, NULL), 0);
    assert_int_equal(journal_append(f.writer, &second, NULL, NULL), 0);
    assert_int_equal(journal_sync(f.writer, NULL), 0);
    assert_int_equal(journal_follow_start(f.loop, folder, &ops, &f, &follow, NULL), 0);
    assert_int_equal(loop_run(f.loop, &f.is_done, NULL), 0);
    assert_int_equal(f.records, 3);
    journal_follow_free(follow);
    journal_free(f.writer);
    run_folder_free(folder);
    loop_free(f.loop);
}

static const struct CMUnitTest tests[] = {
    in_state_home(test_lines_have_a_fixed_shape),
    in_state_home(test_a_second_journal_is_refused),
    in_state_home(test_every_torn_end_is_cut_and_reported),
    in_state_home(test_goes_on_behind_a_torn_end),
    in_state_home(test_any_changed_byte_is_found),
    in_state_home(test_damage_has_its_place),
    cmocka_unit_test(test_what_a_line_must_be),
    in_state_home(test_large_blobs_become_objects),
    in_state_home(test_a_blob_with_line_breaks_stays_one_line),
    in_state_home(test_a_full_disk_breaks_it_for_good),
    in_state_home(test_follows_what_is_appended),
};

UNIT_MAIN(tests)
