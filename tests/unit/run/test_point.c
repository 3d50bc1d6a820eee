/* SPDX-License-Identifier: MIT */
#include "tests/unit/run/kept.h"

#include "core/run/journal.h"
#include "core/run/point.h"

static struct run_folder *folder;
static struct checkpoint_store *store;
static struct journal *journal;
static struct listing listing;
static char id[RUN_ID_SIZE];

static int setup(void **state)
{
    if (state_home_setup(state) < 0 || run_folder_create(&folder, NULL) < 0)
        return -1;
    snprintf(id, sizeof(id), "%s", folder->id);
    listing_init(&listing);
    assert_int_equal(checkpoint_store_new(folder, &store, NULL), 0);
    return journal_create(folder, &journal, NULL);
}

static int teardown(void **state)
{
    journal_free(journal);
    checkpoint_store_free(store);
    listing_done(&listing);
    run_folder_free(folder);
    return state_home_teardown(state);
}

static uint64_t append(struct record *rec)
{
    assert_int_equal(journal_append(journal, rec, NULL, NULL), 0);
    assert_int_equal(journal_sync(journal, NULL), 0);
    return rec->seq;
}

static void begin(void)
{
    struct record rec = { .type = RECORD_RUN_BEGIN };

    rec.run_begin =
        (struct record_run_begin){ .format = RECORD_FORMAT, .id = id, .name = "n", .manifest = "m" };
    append(&rec);
}

static uint64_t request(int64_t turn)
{
    struct record rec = { .type = RECORD_REQUEST_BEGIN };

    rec.request_begin = (struct record_request_begin){ .turn = turn, .attempt = 1 };
    return append(&rec);
}

static uint64_t call(int64_t turn)
{
    struct record rec = { .type = RECORD_CALL_BEGIN };

    rec.call_begin = (struct record_call_begin){ .turn = turn, .call = 1, .call_id = "c", .tool = "shell" };
    return append(&rec);
}

static uint64_t rollback(int64_t checkpoint, int64_t turn)
{
    struct record rec = { .type = RECORD_ROLLBACK };

    rec.rollback = (struct record_rollback){ .checkpoint = checkpoint, .turn = turn };
    return append(&rec);
}

/* The workspace is a file with `text` now. */
static uint64_t checkpoint(int64_t turn, const char *text, int64_t keep)
{
    struct record rec = { .type = RECORD_CHECKPOINT_DONE };
    struct checkpoint_writer *w = NULL;
    struct kept kept;

    assert_int_equal(checkpoint_begin(store, &w, NULL), 0);
    kept_file(w, &listing, "f", span_of(text));
    kept_commit(store, w, &listing, keep, &kept);
    rec.checkpoint = kept.rec;
    rec.checkpoint.turn = turn;
    return append(&rec);
}

static void expect(const char *suffix, uint64_t seq, int64_t number)
{
    struct run_point p = { 0 };
    struct err err = { 0 };
    char text[64];

    snprintf(text, sizeof(text), "%s%s", id, suffix);
    assert_int_equal(run_point_open(text, &p, &err), 0);
    assert_int_equal(p.seq, seq);
    assert_int_equal(p.checkpoint, number);
    assert_string_equal(p.folder->id, id);
    assert_int_equal(checkpoint_store_last(p.store), checkpoint_store_last(store));
    run_point_done(&p);
    assert_null(p.folder);
}

static void expect_error(const char *suffix, int code, const char *why, const char *hint)
{
    struct run_point p = { 0 };
    struct err err = { 0 };
    char text[64], want[256];

    snprintf(text, sizeof(text), "%s%s", id, suffix);
    assert_int_equal(run_point_open(text, &p, &err), -code);
    snprintf(want, sizeof(want), "run '%s' %s", id, why ? why : "");
    if (why)
        assert_non_null(strstr(err.text, want));
    if (hint)
        assert_string_equal(err.hint, hint);
    assert_null(p.folder);
}

static void test_forms(void **state)
{
    static const char *const bad[] = { "@",       "@0",   "@-1",      "@x",   "@turn:",
                                       "@turn:x", "@1.5", "@turn:-1", "@1@2", "@99999999999999999999" };
    struct run_point p = { 0 };
    struct err err = { 0 };

    begin();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect_error(bad[i], ERR_USAGE, NULL,
                     "RUN, RUN@first, RUN@SEQ (a record of its journal) or RUN@turn:N, as in last@turn:3");
    assert_int_equal(run_point_open("@3", &p, NULL), -ERR_USAGE);
    assert_int_equal(run_point_open("nobody", &p, &err), -ERR_NOT_FOUND);
    assert_int_equal(run_point_open("last@turn:0", &p, NULL), 0);
    assert_int_equal(p.checkpoint, 0);
    run_point_done(&p);
}

static void test_records_and_turns(void **state)
{
    uint64_t base, first, second, late, end;

    begin();
    base = checkpoint(0, "base", 0); /* 1 */
    first = request(1);
    call(1);
    checkpoint(1, "one", 0); /* 2 */
    second = request(2);
    late = checkpoint(1, "one, in the background", 0); /* 3: taken while turn 2 was asked for */
    call(2);
    end = checkpoint(2, "two", 0); /* 4 */
    expect("", end, 4);
    expect("@1", 1, 0);
    expect("@2", base, 1);
    expect("@3", first, 1);
    expect("@5", 5, 2);
    expect("@6", second, 2);
    expect("@7", late, 3);
    expect("@9", end, 4);
    expect("@turn:0", first - 1, 1);
    expect("@turn:1", late, 3);
    expect("@turn:2", end, 4);
    expect_error("@10", ERR_NOT_FOUND, "has only 9 records", NULL);
    expect_error("@turn:3", ERR_NOT_FOUND, "has only 2 turns", NULL);
}

/* Turns that were undone and done again. */
static void test_rollback(void **state)
{
    uint64_t again, back, end;

    begin();
    checkpoint(0, "base", 0); /* 1 */
    request(1);
    call(1);
    checkpoint(1, "one", 0); /* 2 */
    request(2);
    request(3);
    back = rollback(2, 1);
    expect("", back, 2);
    expect("@turn:1", back, 2);
    expect_error("@turn:2", ERR_NOT_FOUND, "has only 1 turns", NULL);
    again = request(2);
    call(2);
    end = checkpoint(2, "two again", 0); /* 3 */
    expect("@turn:1", again - 1, 2);
    expect("@turn:2", end, 3);
    end = rollback(0, 0);
    expect("", end, 0);
    expect("@turn:0", end, 0);
}

static void test_pruned(void **state)
{
    uint64_t first, second;
    char hint[128];

    begin();
    first = checkpoint(0, "first", 1);
    checkpoint(1, "second", 1);
    second = checkpoint(2, "third", 1);
    snprintf(hint, sizeof(hint), "the oldest one left is that of %s@%llu", id, (unsigned long long) second);
    assert_int_equal(first, 2);
    expect_error("@2", ERR_NOT_FOUND, NULL, hint);
    expect("@4", 4, 3);
    expect("", 4, 3);
}

static void test_damaged_journal(void **state)
{
    int fd;

    begin();
    request(1);
    fd = openat(folder->fd, JOURNAL_FILE, O_WRONLY);
    assert_int_equal(pwrite(fd, "X", 1, 20), 1);
    close(fd);
    expect_error("", ERR_INVALID, NULL, NULL);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static const struct CMUnitTest tests[] = {
    CASE(test_forms),  CASE(test_records_and_turns), CASE(test_rollback),
    CASE(test_pruned), CASE(test_damaged_journal),
};

UNIT_MAIN(tests)
