/* SPDX-License-Identifier: MIT */
/* A new run out of any record of another. */
#include "tests/unit/unit.h"

#include "tests/unit/run/script.h"

#include "core/run/fork.h"
#include "core/run/journal.h"
#include "core/run/past.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct rig_script script[] = {
    REASONING,         CALL("c1", "one"), COMPLETED, CALL("c2", "two"), CALL("c3", "three"), COMPLETED,
    CALL("c4", "big"), MESSAGE("aside"),  COMPLETED, MESSAGE("done"),   COMPLETED,
};

/* A run of the doubles, with files where its checkpoints would be. */
static void run_parent(struct rig *rig)
{
    char name[64];

    RIG(*rig, script);
    rig->spec.checkpoints.every = RUN_CHECKPOINT_CALL;
    rig_run(rig);
    assert_int_equal(rig->end_status, 0);
    assert_int_equal(mkdirat(rig->folder->fd, CHECKPOINT_DIR, 0700), 0);
    for (long long i = 1; i <= 5; i++) {
        snprintf(name, sizeof(name), CHECKPOINT_DIR "/" CHECKPOINT_RECORD_NAME, i);
        if (i > 1) /* the first was pruned */
            assert_int_equal(run_folder_save(rig->folder, "x", span_of("{}"), NULL), 0);
        if (i > 1)
            assert_int_equal(renameat(rig->folder->fd, "x", rig->folder->fd, name), 0);
    }
}

static int fork_at(struct rig *rig, uint64_t seq, const char *task, struct run_folder **ret, struct err *err)
{
    struct run_point point = { .folder = rig->folder, .seq = seq };
    struct run_fork ask = { .from = &point, .spec = &rig->spec, .task = task, .program = "agentbox test" };

    return run_fork(&ask, ret, err);
}

static bool is_answer_of(const struct run_state *s, size_t i, const char *call_id)
{
    return strstr(s->items[i].raw, "function_call_output") && strstr(s->items[i].raw, call_id);
}

/* Each call has one answer, behind it. */
static void check_conversation(const struct run_state *s)
{
    static const char *const ids[] = { "\"c1\"", "\"c2\"", "\"c3\"", "\"c4\"" };

    for (size_t k = 0; k < 4; k++) {
        size_t asked = 0, answered = 0;

        for (size_t i = 0; i < s->item_count; i++) {
            asked += strstr(s->items[i].raw, "\"function_call\"") && strstr(s->items[i].raw, ids[k]);
            answered += asked && is_answer_of(s, i, ids[k]);
        }
        assert_true(asked <= 1);
        assert_int_equal(answered, asked);
    }
}

static void test_from_every_record(void **state)
{
    struct rig rig;

    run_parent(&rig);
    for (uint64_t seq = 2; seq <= rig.records; seq++) {
        struct run_folder *folder = NULL;
        struct run_past *past = NULL;
        struct err err = { 0 };

        if (fork_at(&rig, seq, "and now?", &folder, &err) < 0)
            fail_msg("record %d: %s", (int) seq, err.text);
        if (run_past_load(folder, &past, &err) < 0)
            fail_msg("record %d: %s", (int) seq, err.text);
        check_conversation(&past->state);
        assert_string_equal(past->state.parent, rig.folder->id);
        assert_int_equal(past->state.turn, 0);
        assert_int_equal(past->state.usage.total, 0);
        assert_non_null(strstr(past->state.items[past->state.item_count - 1].raw, "and now?"));
        run_past_free(past);
        run_folder_free(folder);
    }
    rig_done(&rig);
}

static void test_it_is_a_run_of_its_own(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    struct run_folder *folder = NULL;
    struct err err = { 0 };
    struct rig rig;

    run_parent(&rig);
    rig.spec.resolved = "{\"version\":1,\"name\":\"other\"}";
    rig.spec.model.name = "another-model";
    assert_int_equal(fork_at(&rig, rig.records, "more", &folder, &err), 0);
    assert_true(run_folder_is_locked(folder));
    assert_int_equal(run_folder_load(folder, RUN_MANIFEST, &text, NULL), 0);
    assert_string_equal(buf_text(&text), rig.spec.resolved);
    buf_clear(&text);
    assert_int_equal(run_folder_load(folder, JOURNAL_FILE, &text, NULL), 0);
    assert_non_null(strstr(buf_text(&text), "\"parent_seq\":"));
    assert_null(strstr(buf_text(&text), "rs_1")); /* what another model thought */
    assert_non_null(strstr(buf_text(&text), "\"pruned\":[{\"text\":\"000001.json\"}]"));
    buf_done(&text);
    run_folder_free(folder);
    rig_done(&rig);
}

static void test_an_answer_needs_a_task(void **state)
{
    struct run_folder *folder = NULL;
    struct err err = { 0 };
    struct rig rig;

    run_parent(&rig);
    assert_int_equal(fork_at(&rig, rig.records, NULL, &folder, &err), -ERR_USAGE);
    assert_non_null(strstr(err.text, "has its answer at this point"));
    assert_null(folder);
    rig_done(&rig);
}

/* A turn whose only call has begun, in the sandbox or outside of it. */
static void write_parent(struct rig *rig, bool is_outside)
{
    static const char item[] = CALL_TEXT("c1", "one");
    struct record recs[10] = {
        { .type = RECORD_RUN_BEGIN },       { .type = RECORD_SANDBOX_START },
        { .type = RECORD_SANDBOX_READY },   { .type = RECORD_WORKSPACE_BEGIN },
        { .type = RECORD_WORKSPACE_READY }, { .type = RECORD_CHECKPOINT_DONE },
        { .type = RECORD_REQUEST_BEGIN },   { .type = RECORD_REQUEST_ITEM },
        { .type = RECORD_REQUEST_END },     { .type = RECORD_CALL_BEGIN },
    };
    struct journal *journal;
    struct err err = { 0 };

    RIG(*rig, script);
    recs[0].run_begin.format = RECORD_FORMAT;
    recs[0].run_begin.id = rig->folder->id;
    recs[0].run_begin.model = rig->spec.model.name;
    recs[1].sandbox_start.attempt = 1;
    recs[2].sandbox_ready.container_id = "x";
    recs[5].checkpoint.is_same = true;
    recs[6].request_begin.turn = recs[6].request_begin.attempt = 1;
    recs[7].request_item = (struct record_request_item){ .turn = 1,
                                                         .kind = "call",
                                                         .item_type = "function_call",
                                                         .call = 1,
                                                         .call_id = "c1",
                                                         .tool = "do",
                                                         .item = { .json = span_of(item) } };
    recs[8].request_end.turn = 1;
    recs[8].request_end.status = "completed";
    recs[9].call_begin.call = 1;
    recs[9].call_begin.call_id = "c1";
    recs[9].call_begin.is_outside = is_outside;
    assert_int_equal(journal_create(rig->folder, &journal, &err), 0);
    /* the checkpoint of the empty workspace needs its begin */
    for (size_t i = 0; i < 10; i++) {
        struct record begin = { .type = RECORD_CHECKPOINT_BEGIN };

        if ((i == 5 && journal_append(journal, &begin, NULL, &err) < 0) ||
            journal_append(journal, &recs[i], NULL, &err) < 0)
            fail_msg("%s", err.text);
    }
    assert_int_equal(journal_sync(journal, &err), 0);
    rig->records = journal_head(journal)->seq;
    journal_free(journal);
}

/* A call that did something outside is not said not to have run, nor left out; one in the sandbox is asked
 * for anew. */
static void test_a_call_that_had_begun(void **state)
{
    for (int is_outside = 0; is_outside < 2; is_outside++) {
        struct run_folder *folder = NULL;
        struct run_past *past = NULL;
        struct err err = { 0 };
        const char *last = "";
        struct rig rig;

        write_parent(&rig, is_outside);
        if (fork_at(&rig, rig.records, NULL, &folder, &err) < 0 || run_past_load(folder, &past, &err) < 0)
            fail_msg("%s", err.text);
        if (past->state.item_count > 0)
            last = past->state.items[past->state.item_count - 1].raw;
        assert_int_equal(past->state.item_count, is_outside ? 2 : 0);
        assert_int_equal(strstr(last, "This call had begun when the run was forked") != NULL, is_outside);
        assert_null(strstr(last, "not run"));
        run_past_free(past);
        run_folder_free(folder);
        rig_done(&rig);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_from_every_record),
    cmocka_unit_test(test_it_is_a_run_of_its_own),
    cmocka_unit_test(test_an_answer_needs_a_task),
    cmocka_unit_test(test_a_call_that_had_begun),
};

UNIT_MAIN(tests)
