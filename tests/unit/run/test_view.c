/* SPDX-License-Identifier: MIT */
#include "tests/unit/run/state_home.h"

#include "core/run/folder.h"
#include "core/run/journal.h"
#include "core/run/view.h"

static void begin(struct run_folder **folder, struct journal **j)
{
    struct record first = { .type = RECORD_RUN_BEGIN }, start = { .type = RECORD_SANDBOX_START },
                  intent = { .type = RECORD_SANDBOX_INTENT };

    assert_int_equal(run_folder_create(folder, NULL), 0);
    assert_int_equal(journal_create(*folder, j, NULL), 0);
    first.run_begin.format = RECORD_FORMAT;
    first.run_begin.id = (*folder)->id;
    first.run_begin.name = "demo";
    intent.sandbox_intent.container_name = "agentbox-x";
    start.ms = 5;
    assert_int_equal(journal_append(*j, &first, NULL, NULL), 0);
    assert_int_equal(journal_append(*j, &start, NULL, NULL), 0);
    assert_int_equal(journal_append(*j, &intent, NULL, NULL), 0);
    assert_int_equal(journal_sync(*j, NULL), 0);
}

static struct run_view view_of(const char *id)
{
    struct run_folder *folder;
    struct run_view view;

    assert_int_equal(run_folder_open(id, &folder, NULL), 0);
    assert_int_equal(run_view_load(folder, &view, NULL), 0);
    run_folder_free(folder);
    return view;
}

static void test_running_crashed_and_damaged(void **state)
{
    struct buf text = BUF_INIT(100000);
    struct run_folder *folder;
    struct run_view view;
    struct journal *j;
    char id[RUN_ID_SIZE];

    begin(&folder, &j);
    memcpy(id, folder->id, sizeof(id));
    view = view_of(id);
    assert_int_equal(view.state, RUN_VIEW_RUNNING);
    assert_int_equal(view.exit_status, -1);
    assert_int_equal(view.ended_ms, 0);
    assert_string_equal(view.container_name, "agentbox-x");
    journal_free(j);
    assert_int_equal(run_folder_load(folder, JOURNAL_FILE, &text, NULL), 0);
    buf_add_text(&text, "{\"seq\":4,");
    assert_int_equal(run_folder_save(folder, JOURNAL_FILE, buf_span(&text), NULL), 0);
    run_folder_free(folder);

    view = view_of(id);
    assert_int_equal(view.state, RUN_VIEW_CRASHED);
    assert_int_equal(view.torn_bytes, 9);
    assert_int_equal(view.records, 3);
    assert_true(view.ended_ms > 0);

    assert_int_equal(run_folder_open(id, &folder, NULL), 0);
    text.data[2] = 'X';
    assert_int_equal(run_folder_save(folder, JOURNAL_FILE, buf_span(&text), NULL), 0);
    run_folder_free(folder);
    view = view_of(id);
    assert_int_equal(view.state, RUN_VIEW_DAMAGED);
    assert_non_null(strstr(view.message, "is damaged at byte 0: "));
    buf_done(&text);
}

static void test_a_folder_without_a_journal(void **state)
{
    struct run_folder *folder;
    char id[RUN_ID_SIZE];

    assert_int_equal(run_folder_create(&folder, NULL), 0);
    memcpy(id, folder->id, sizeof(id));
    assert_int_equal(view_of(id).state, RUN_VIEW_RUNNING); /* it is just beginning */
    run_folder_free(folder);
    assert_int_equal(view_of(id).state, RUN_VIEW_CRASHED);
}

static void test_names(void **state)
{
    static const char *const names[] = { "running",     "done",    "failed", "limit",
                                         "interrupted", "crashed", "damaged" };

    for (int i = 0; i < RUN_VIEW_STATES; i++)
        assert_string_equal(run_view_state_name((enum run_view_state) i), names[i]);
}

static void test_all_newest_first(void **state)
{
    struct run_folder *folders[3];
    struct journal *journals[3];
    struct run_view *views;
    size_t count;

    for (int i = 0; i < 3; i++)
        begin(&folders[i], &journals[i]);
    assert_int_equal(run_view_all(&views, &count, NULL), 0);
    assert_int_equal(count, 3);
    assert_true(strcmp(views[0].id, views[1].id) > 0 && strcmp(views[1].id, views[2].id) > 0);
    free(views);
    for (int i = 0; i < 3; i++) {
        journal_free(journals[i]);
        run_folder_free(folders[i]);
    }
}

static const struct CMUnitTest tests[] = {
    in_state_home(test_running_crashed_and_damaged),
    in_state_home(test_a_folder_without_a_journal),
    cmocka_unit_test(test_names),
    in_state_home(test_all_newest_first),
};

UNIT_MAIN(tests)
