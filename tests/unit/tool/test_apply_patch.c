/* SPDX-License-Identifier: MIT */
/*
 * The apply_patch tool over a tree of files played by the test: what it answers, and that a patch is all or
 * nothing: with every change failing in turn, and with the host dying after every change and coming back.
 */
#include "tests/unit/unit.h"

#include "tests/unit/tool/fake_files.h"

#include "core/tool/apply_patch.h"

#include <stdio.h>

struct world {
    struct loop *loop;
    struct tool_host host;
    char intent[8192]; /* what was declared; outlives the host */
    bool has_channel, has_declared, is_done;
    int64_t declare_ms; /* how long a record takes to become durable */
    bool stop;          /* the host has died, or a call is done */
    char answer[16384], answers[16384];
    enum tool_outcome outcome;
    struct loop_source *soon;
    loop_fn *on_declared;
    void *on_declared_data;
    uint64_t id;
};

static struct channel *the_channel(void *data)
{
    struct world *w = data;

    return w->has_channel ? (struct channel *) w : NULL;
}

static uint64_t next_id(void *data, const char *call_id)
{
    (void) call_id;
    return ((struct world *) data)->id;
}

static void declared_soon(void *data)
{
    struct world *w = data;

    loop_source_free(w->soon);
    w->soon = NULL;
    w->on_declared(w->on_declared_data);
}

static int declare(void *data, const char *call_id, struct span intent, loop_fn *fn, void *fn_data,
                   struct err *err)
{
    struct world *w = data;

    if (!w->has_declared)
        assert_int_equal(fake.changes, 0); /* nothing was changed before */
    assert_true(intent.len < sizeof(w->intent));
    memcpy(w->intent, intent.ptr, intent.len);
    w->intent[intent.len] = '\0';
    w->on_declared = fn;
    w->on_declared_data = fn_data;
    if (w->declare_ms > 0)
        return loop_timer(w->loop, w->declare_ms, declared_soon, w, &w->soon, err);
    return loop_defer(w->loop, declared_soon, w, &w->soon, err);
}

static struct span declared(void *data, const char *call_id)
{
    struct world *w = data;

    (void) call_id;
    return span_of(w->has_declared ? w->intent : "");
}

static void on_done(void *data, const struct tool_answer *answer)
{
    struct world *w = data;
    size_t used = strlen(w->answers);

    w->is_done = w->stop = true;
    w->outcome = answer->outcome;
    snprintf(w->answer, sizeof(w->answer), "%.*s", (int) answer->item.len,
             answer->item.ptr ? answer->item.ptr : "");
    snprintf(w->answers + used, sizeof(w->answers) - used, "%s\n", w->answer);
}

static void init(struct world *w)
{
    memset(w, 0, sizeof(*w));
    assert_int_equal(loop_new(&w->loop, NULL), 0);
    w->host = (struct tool_host){
        .loop = w->loop,
        .channel = the_channel,
        .next_exec_id = next_id,
        .declare = declare,
        .declared = declared,
        .data = w,
        .root = "/workspace",
        .output_bytes = 64 * 1024,
    };
    w->has_channel = true;
    w->id = TOOL_EXEC_IDS;
    fake_reset(w->loop);
    fake.stop = &w->stop;
}

static void done(struct world *w)
{
    fake_done();
    tools_release(&w->host);
    loop_source_free(w->soon);
    loop_free(w->loop);
}

static struct tool_run *start(struct world *w, const char *item)
{
    struct arena arena = ARENA_INIT(1 << 20);
    struct tool_call call = { .call_id = "c1", .raw = span_of(item) };
    struct tool_run *run = NULL;

    assert_int_equal(json_parse(call.raw, &arena, &call.item, NULL), 0);
    assert_true(apply_patch_tool.owns(call.item));
    w->is_done = false;
    assert_int_equal(apply_patch_tool.start(&w->host, &call, on_done, w, &run, NULL), 0);
    assert_false(w->is_done); /* never before start returns */
    arena_done(&arena);
    return run;
}

static void go_on(struct world *w)
{
    w->stop = false;
    assert_int_equal(loop_run(w->loop, &w->stop, NULL), 0);
}

static void run(struct world *w, const char *item)
{
    (void) start(w, item);
    go_on(w);
}

static void expect_tree(const char *text)
{
    char list[8192];

    fake_list(list, sizeof(list));
    assert_string_equal(list, text);
}

/* ---- answers ---- */

static void test_three_shapes(void **state)
{
    struct world w;

    (void) state;
    init(&w);
    fake_put("f", "a\n", 0640);
    run(&w, "{\"type\":\"apply_patch_call\",\"call_id\":\"c1\",\"operation\":{\"type\":\"update_file\","
            "\"path\":\"f\",\"diff\":\"@@\\n-a\\n+b\\n\"}}");
    assert_string_equal(w.answer,
                        "{\"type\":\"apply_patch_call_output\",\"call_id\":\"c1\",\"status\":\"completed\","
                        "\"output\":\"Success. Updated the following files:\\nM f (+1 -1)\\n\"}");
    fake.changes = 0;
    run(&w,
        "{\"type\":\"custom_tool_call\",\"call_id\":\"c1\",\"name\":\"apply_patch\",\"input\":\"*** Begin "
        "Patch\\n*** Add File: d/e/g\\n+x\\n*** End Patch\"}");
    assert_string_equal(w.answer,
                        "{\"type\":\"custom_tool_call_output\",\"call_id\":\"c1\",\"output\":\"Success. "
                        "Updated the following files:\\nA d/e/g (+1 -0)\\n\"}");
    fake.changes = 0;
    run(&w, "{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"apply_patch\",\"caller\":{\"type\":"
            "\"program\"},"
            "\"arguments\":\"{\\\"input\\\":\\\"*** Begin Patch\\\\n*** Delete File: f\\\\n*** End "
            "Patch\\\"}\"}");
    assert_string_equal(w.answer,
                        "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"caller\":{\"type\":"
                        "\"program\"},\"output\":\"Success. Updated the following files:\\nD f\\n\"}");
    assert_int_equal(w.outcome, TOOL_OK);
    expect_tree("d/\nd/e/\nd/e/g 644 x\n\n");
    done(&w);
}

static void test_what_is_wrong_is_an_answer(void **state)
{
    static const struct {
        const char *item, *says;
    } wrong[] = {
        { "{\"type\":\"function_call\",\"name\":\"apply_patch\",\"call_id\":\"c\",\"arguments\":\"{oops\"}",
          "the arguments are not valid JSON" },
        { "{\"type\":\"function_call\",\"name\":\"apply_patch\",\"call_id\":\"c\",\"arguments\":\"{}\"}",
          "the arguments must be an object with the patch as 'input'" },
        { "{\"type\":\"function_call\",\"name\":\"apply_patch\",\"call_id\":\"c\"}", "not valid JSON" },
        { "{\"type\":\"custom_tool_call\",\"name\":\"apply_patch\",\"call_id\":\"c\"}",
          "the patch is empty" },
        { "{\"type\":\"apply_patch_call\",\"call_id\":\"c\"}", "the operation's type must be create_file" },
        { "{\"type\":\"apply_patch_call\",\"call_id\":\"c\",\"operation\":{\"type\":\"delete_file\"}}",
          "names no file" },
        { "{\"type\":\"apply_patch_call\",\"call_id\":\"c\",\"operation\":{\"type\":\"delete_file\",\"path\":"
          "\"../x\"}}",
          "the path '../x' leads out of the workspace" },
        { "{\"type\":\"apply_patch_call\",\"call_id\":\"c\",\"operation\":{\"type\":\"delete_file\",\"path\":"
          "\"no\"}}",
          "cannot delete 'no': there is no such file. Nothing was changed." },
        { "{\"type\":\"apply_patch_call\",\"call_id\":\"c\",\"operation\":{\"type\":\"update_file\",\"path\":"
          "\"l\",\"diff\":"
          "\"-a\\n+b\\n\"}}",
          "cannot update 'l': it is a symbolic link to 'f', and links are not followed" },
        { "{\"type\":\"apply_patch_call\",\"call_id\":\"c\",\"operation\":{\"type\":\"create_file\",\"path\":"
          "\"f/x\",\"diff\":"
          "\"+b\\n\"}}",
          "cannot write 'f/x': a folder on the way is a file" },
        { "{\"type\":\"apply_patch_call\",\"call_id\":\"c\",\"operation\":{\"type\":\"create_file\",\"path\":"
          "\"f/x/y\",\"diff\":"
          "\"+b\\n\"}}",
          "cannot write 'f/x/y': a folder on the way is a file" },
        { "{\"type\":\"apply_patch_call\",\"call_id\":\"c\",\"operation\":{\"type\":\"create_file\",\"path\":"
          "\"l/x\",\"diff\":"
          "\"+b\\n\"}}",
          "cannot write 'l/x': 'file': Too many levels" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct world w;

        init(&w);
        fake_put("f", "a\n", 0644);
        fake_link("l", "f");
        run(&w, wrong[i].item);
        assert_int_equal(w.outcome, TOOL_FAILED);
        if (!strstr(w.answer, wrong[i].says))
            assert_string_equal(w.answer, wrong[i].says);
        assert_int_equal(fake.changes, 0);
        expect_tree("f 644 a\n\nl 777 f\n");
        done(&w);
    }
}

/* Time is up before the first write. */
static void test_a_deadline(void **state)
{
    struct world w;
    char before[2048], after[2048];

    init(&w);
    fake_put("f", "a\n", 0644);
    fake_list(before, sizeof(before));
    w.host.command_ms = 5;
    w.declare_ms = 100;
    (void) start(&w, "{\"type\":\"custom_tool_call\",\"call_id\":\"c1\",\"name\":\"apply_patch\",\"input\":"
                     "\"*** Begin Patch\\n"
                     "*** Update File: f\\n@@\\n-a\\n+b\\n*** Add File: g\\n+x\\n*** End Patch\"}");
    go_on(&w);
    assert_int_equal(w.outcome, TOOL_TIMEOUT);
    assert_non_null(strstr(
        w.answer, "apply_patch failed: it took longer than 5 ms (limits.command). Nothing was changed."));
    fake_list(after, sizeof(after));
    assert_string_equal(after, before);
    done(&w);
}

static void test_a_link_can_be_deleted(void **state)
{
    struct world w;

    (void) state;
    init(&w);
    fake_put("f", "a\n", 0644);
    fake_link("l", "f");
    run(&w, "{\"type\":\"apply_patch_call\",\"call_id\":\"c\",\"operation\":{\"type\":\"delete_file\","
            "\"path\":\"l\"}}");
    expect_tree("f 644 a\n\n");
    done(&w);
}

static void test_a_lost_sandbox_is_no_answer(void **state)
{
    struct world w;

    (void) state;
    init(&w);
    w.has_channel = false;
    run(&w, "{\"type\":\"apply_patch_call\",\"call_id\":\"c\",\"operation\":{\"type\":\"delete_file\","
            "\"path\":\"f\"}}");
    assert_int_equal(w.outcome, TOOL_LOST);
    assert_string_equal(w.answer, "");
    done(&w);
}

/* ---- all or nothing ---- */

/* Everything at once: an edit, a new file in new folders, an overwritten one, a removal, a move onto another,
 * a file that makes room for a folder. The edit would fit twice. */
static const char everything[] = "{\"type\":\"custom_tool_call\",\"call_id\":\"c1\",\"name\":\"apply_patch\","
                                 "\"input\":\"*** Begin Patch\\n"
                                 "*** Update File: edit\\n@@\\n+more\\n"
                                 "*** Add File: new/er/file\\n+n\\n"
                                 "*** Add File: there\\n+t\\n"
                                 "*** Delete File: gone\\n"
                                 "*** Update File: from\\n*** Move to: to\\n@@\\n-1\\n+one\\n"
                                 "*** Delete File: room\\n*** Add File: room/x\\n+r\\n"
                                 "*** End Patch\"}";
static const char before[] =
    "edit 755 e\nmore\n\nfrom 600 1\n2\n\ngone 644 g\n\nother 644 o\n\nroom 644 r\n\n"
    "there 640 old\n\nto 644 t\n\n";
static const char after[] =
    "edit 755 e\nmore\nmore\n\nnew/\nnew/er/\nnew/er/file 644 n\n\nother 644 o\n\nroom/\n"
    "room/x 644 r\n\nthere 640 t\n\nto 600 one\n2\n\n";

static void fill(void)
{
    fake_put("edit", "e\nmore\n", 0755);
    fake_put("from", "1\n2\n", 0600);
    fake_put("gone", "g\n", 0644);
    fake_put("other", "o\n", 0644);
    fake_put("room", "r\n", 0644);
    fake_put("there", "old\n", 0640);
    fake_put("to", "t\n", 0644);
}

static void test_everything_at_once(void **state)
{
    struct world w;

    (void) state;
    init(&w);
    fill();
    expect_tree(before);
    run(&w, everything);
    assert_int_equal(w.outcome, TOOL_OK);
    assert_non_null(strstr(w.answer,
                           "M edit (+1 -0)\\nA new/er/file (+1 -0)\\nM there (+1 -0)\\nD gone\\nD "
                           "from\\nM to (+1 -1)\\nD room\\nA room/x (+1 -0)\\nNote: 'there' was there and "
                           "was replaced.\\nNote: 'to' was there and was replaced.\\n"));
    expect_tree(after);
    done(&w);
}

static void test_any_write_that_fails_takes_all_back(void **state)
{
    int steps = 0, at;

    (void) state;
    for (at = 1; steps == 0; at++) {
        struct world w;

        init(&w);
        fill();
        fake.fail_at = at;
        run(&w, everything);
        if (w.outcome == TOOL_OK) { /* nothing was left to fail but what is cleaned up at the end */
            steps = at;
        } else {
            expect_tree(before);
            assert_non_null(strstr(w.answer,
                                   "apply_patch failed: 'file': No space left on device. Nothing was "
                                   "changed."));
        }
        done(&w);
    }
    assert_int_equal(steps, 12);
}

static void test_what_cannot_be_taken_back_is_named(void **state)
{
    struct world w;

    (void) state;
    init(&w);
    fake_put("a", "1\n", 0644);
    fake_put("b", "2\n", 0644);
    fake_put("c", "3\n", 0644);
    fake.fail_also = 5; /* two have their second name and are written, the rest fails */
    run(&w, "{\"type\":\"custom_tool_call\",\"call_id\":\"c1\",\"name\":\"apply_patch\",\"input\":\"*** "
            "Begin Patch\\n"
            "*** Update File: a\\n@@\\n-1\\n+A\\n*** Update File: b\\n@@\\n-2\\n+B\\n"
            "*** Update File: c\\n@@\\n-3\\n+C\\n*** End Patch\"}");
    assert_int_equal(w.outcome, TOOL_FAILED);
    assert_non_null(strstr(w.answer, " These could not be put back as they were: 'a', 'b'. Look at them."));
    assert_null(strstr(w.answer, "Nothing was changed"));
    done(&w);
}

/* The host dies when so many changes were made; another one starts the call again, with what was declared. */
static int die_and_come_back(struct world *w, int die_at, int die_again_at)
{
    struct tool_run *run;
    bool is_dead = false;

    init(w);
    fill();
    fake.die_at = die_at;
    run = start(w, everything);
    go_on(w);
    is_dead = fake.is_dead;
    for (int again = die_again_at; !w->is_done && fake.is_dead; again = 0) {
        tool_cancel(run);
        fake_revive(w->loop);
        fake.changes = 0;
        fake.die_at = again;
        w->has_declared = true;
        run = start(w, everything);
        go_on(w);
    }
    return is_dead;
}

static void test_a_host_that_dies_at_any_change(void **state)
{
    int at = 1;

    (void) state;
    for (int is_dead = 1; is_dead; at++) {
        struct world w;

        is_dead = die_and_come_back(&w, at, 0);
        assert_int_equal(w.outcome, TOOL_OK);
        expect_tree(after);
        done(&w);
    }
    assert_true(at > 12);
}

static void test_hosts_that_die_twice(void **state)
{
    (void) state;
    for (int first = 1; first < 24; first++)
        for (int second = 1; second < 24; second++) {
            struct world w;

            die_and_come_back(&w, first, second);
            assert_int_equal(w.outcome, TOOL_OK);
            expect_tree(after);
            done(&w);
        }
}

static void test_what_others_changed_meanwhile_is_left_alone(void **state)
{
    struct world w;
    struct tool_run *run;

    (void) state;
    init(&w);
    fake_put("f", "a\n", 0644);
    fake.die_at = 2; /* it has its second name, and is written */
    run = start(
        &w,
        "{\"type\":\"apply_patch_call\",\"call_id\":\"c\",\"operation\":{\"type\":\"update_file\",\"path\":"
        "\"f\",\"diff\":\"@@\\n+b\\n\"}}");
    go_on(&w);
    assert_true(fake.is_dead);
    tool_cancel(run);
    fake_revive(w.loop);
    fake_put("f", "theirs\n", 0644);
    w.has_declared = true;
    (void) start(
        &w,
        "{\"type\":\"apply_patch_call\",\"call_id\":\"c\",\"operation\":{\"type\":\"update_file\",\"path\":"
        "\"f\",\"diff\":\"@@\\n+b\\n\"}}");
    go_on(&w);
    assert_int_equal(w.outcome, TOOL_FAILED);
    assert_non_null(strstr(w.answer, "meanwhile something else changed 'f'"));
    assert_string_equal(fake_find("f")->text, "theirs\n");
    done(&w);
}

/* ---- order ---- */

static void test_calls_wait_for_each_other_in_order(void **state)
{
    static const char item[] = "{\"type\":\"apply_patch_call\",\"call_id\":\"c%d\",\"operation\":{\"type\":"
                               "\"update_file\",\"path\":\"f\",\"diff\":\"@@\\n-%d\\n+%d\\n\"}}";
    struct tool_run *runs[4];
    struct world w;
    char text[256];

    (void) state;
    init(&w);
    w.host.declare = NULL;
    fake_put("f", "0\n", 0644);
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof(text), item, i, i, i + 1);
        runs[i] = start(&w, text);
    }
    tool_cancel(runs[3]);
    while (!strstr(w.answers, "c2"))
        go_on(&w);
    assert_true(strstr(w.answers, "c0") < strstr(w.answers, "c1") &&
                strstr(w.answers, "c1") < strstr(w.answers, "c2"));
    expect_tree("f 644 3\n\n");
    runs[0] =
        start(&w, "{\"type\":\"apply_patch_call\",\"call_id\":\"c8\",\"operation\":{\"type\":\"delete_file\","
                  "\"path\":\"f\"}}");
    runs[1] =
        start(&w, "{\"type\":\"apply_patch_call\",\"call_id\":\"c9\",\"operation\":{\"type\":\"delete_file\","
                  "\"path\":\"f\"}}");
    tool_cancel(runs[0]); /* the one whose turn it is makes room for the next */
    while (!strstr(w.answers, "c9"))
        go_on(&w);
    expect_tree("");
    done(&w);
}

static void test_many_files_go_in_a_window(void **state)
{
    struct buf item = BUF_INIT(1 << 16);
    struct world w;

    (void) state;
    init(&w);
    buf_add_text(
        &item,
        "{\"type\":\"custom_tool_call\",\"call_id\":\"c1\",\"name\":\"apply_patch\",\"input\":\"*** Begin "
        "Patch\\n");
    for (int i = 0; i < 60; i++)
        buf_printf(&item, "*** Add File: n%02d\\n+x\\n", i);
    buf_add_text(&item, "*** End Patch\"}");
    run(&w, buf_text(&item));
    assert_int_equal(w.outcome, TOOL_OK);
    assert_int_equal(fake.count, 60);
    assert_in_range(fake.most_at_once, 8, 64);
    buf_done(&item);
    done(&w);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_three_shapes),
    cmocka_unit_test(test_what_is_wrong_is_an_answer),
    cmocka_unit_test(test_a_deadline),
    cmocka_unit_test(test_a_link_can_be_deleted),
    cmocka_unit_test(test_a_lost_sandbox_is_no_answer),
    cmocka_unit_test(test_everything_at_once),
    cmocka_unit_test(test_any_write_that_fails_takes_all_back),
    cmocka_unit_test(test_what_cannot_be_taken_back_is_named),
    cmocka_unit_test(test_a_host_that_dies_at_any_change),
    cmocka_unit_test(test_hosts_that_die_twice),
    cmocka_unit_test(test_what_others_changed_meanwhile_is_left_alone),
    cmocka_unit_test(test_calls_wait_for_each_other_in_order),
    cmocka_unit_test(test_many_files_go_in_a_window),
};

UNIT_MAIN(tests)
