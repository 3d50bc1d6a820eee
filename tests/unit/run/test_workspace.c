/* SPDX-License-Identifier: MIT */
/* Filling a workspace: what reaches the guest, and what is told when it does not. */
#include "tests/unit/run/filling.h"

/* ---- what is copied ---- */

static void test_no_entries(void **state)
{
    expect_done(NULL, 0);
    expect_report(0, 0, 0, 0);
    assert_int_equal(guest.asked, 0);
}

static void test_every_kind(void **state)
{
    const struct run_entry entries[] = {
        folder("a", -1),
        folder("b/c", 0711),
        text("a/text", "hello", 5, -1),
        text("a/key", "k", 1, 0600),
        text("a/empty", NULL, 0, -1),
        local_file("one", host("one")),
        { .path = "two", .kind = RUN_ENTRY_LOCAL_FILE, .src = host("one"), .mode = 0755 },
        local_file("none", host("none")),
    };

    put("one", "1\n", 0640);
    put("none", "", 0400);
    expect_done(LIST(entries));
    assert_string_equal(buf_text(&guest.made), "dir a 755\n"
                                               "dir b/c 711\n"
                                               "file a/text 644 5 hello\n"
                                               "file a/key 600 1 k\n"
                                               "file a/empty 644 0 \n"
                                               "file one 640 2 1\n\n"
                                               "file two 755 2 1\n\n"
                                               "file none 400 0 \n");
    expect_report(6, 2, 0, 10);
}

static void make_tree(void)
{
    put_dir("t", 0750);
    put_dir("t/sub", 0700);
    put_dir("t/sub/deep", 0755);
    put_dir("t/void", 0777);
    put("t/run.sh", "#!", 0755);
    put("t/.hidden", "h", 0604);
    put("t/sub/deep/x y", "xy", 0444);
    assert_int_equal(chmod(host("t/run.sh"), 04755), 0); /* set-user-id stays here */
}

static void test_copied_folder_keeps_modes(void **state)
{
    const struct run_entry entry = local_dir("data", host("t"));

    make_tree();
    expect_done(&entry, 1);
    expect_made_sorted("dir data 750\n"
                       "dir data/sub 700\n"
                       "dir data/sub/deep 755\n"
                       "dir data/void 777\n"
                       "file data/.hidden 604 1 h\n"
                       "file data/run.sh 755 2 #!\n"
                       "file data/sub/deep/x y 444 2 xy\n");
    expect_report(3, 4, 0, 5);
}

/* What the record of each entry will say. */
static void test_what_went_in_is_summed_up(void **state)
{
    const struct run_entry entries[] = {
        local_dir("data", host("t")),         text("key", "k", 1, 0600),         folder("void", -1),
        mounted(local_dir("big", host("t"))), local_file("empty", host("none")),
    };

    make_tree();
    put("none", "", 0400);
    assert_int_equal(symlink("run.sh", host("t/link")), 0);
    expect_done(LIST(entries));
    assert_int_equal(report.input_count, 5);
    assert_true(inputs[0].is_folder && inputs[0].files == 3 && inputs[0].size == 5);
    assert_ptr_equal(inputs[0].entry, &entries[0]);
    /* printf '%s' ... | sha256sum of ".hidden", "run.sh", "sub/deep/x y", and of the three lines */
    assert_string_equal(inputs[0].sha256, "3a4f5dcf0ee84dbb0112ba38151dcfa70b7c217c73c07f8a473a8690d910dfca");
    assert_true(!inputs[1].is_folder && inputs[1].files == 1 && inputs[1].size == 1);
    assert_string_equal(inputs[1].sha256, "8254c329a92850f6d539dd376f4816ee2764517da5e0235514af433164480d7a");
    assert_true(inputs[2].is_folder && inputs[2].files == 0);
    assert_string_equal(inputs[2].sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_true(inputs[3].is_folder && inputs[3].files == 0 && !inputs[3].sha256[0]);
    assert_string_equal(inputs[4].sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_mode_of_the_entry_wins(void **state)
{
    const struct run_entry entry = {
        .path = "data", .kind = RUN_ENTRY_LOCAL_DIR, .src = host("e"), .mode = 0777
    };

    put_dir("e", 0700);
    put("e/f", "f", 0600);
    expect_done(&entry, 1);
    assert_string_equal(buf_text(&guest.made), "dir data 777\nfile data/f 600 1 f\n");
}

static void test_source_may_be_a_link(void **state)
{
    const struct run_entry entries[] = {
        local_dir("d", host("to-e")),
        local_file("f", host("to-f")),
    };

    put_dir("e", 0711);
    put("e/f", "f", 0600);
    put_link("to-e", "e");
    put_link("to-f", "e/f");
    expect_done(LIST(entries));
    assert_string_equal(buf_text(&guest.made), "dir d 711\nfile d/f 600 1 f\nfile f 600 1 f\n");
}

static void test_bytes_are_kept(void **state)
{
    static const char bytes[] = "a\0\xff\r\n\0";
    const struct run_entry entries[] = {
        text("literal", bytes, 6, -1),
        local_file("copy", host("bytes")),
    };

    put_bytes("bytes", bytes, 6, 0644);
    guest.silent_after = 1; /* the second stays open: look at what it holds */
    fill_all(LIST(entries));
    assert_int_equal(guest.open, 1);
    assert_string_equal(guest.calls->path, "copy");
    assert_int_equal(guest.calls->content.len, 6);
    assert_memory_equal(guest.calls->content.data, bytes, 6);
    assert_string_equal(buf_text(&guest.made), "file literal 644 6 a\n");
}

static void test_mounts_are_skipped(void **state)
{
    const struct run_entry entries[] = {
        mounted(local_dir("m", "/nonexistent/folder")),
        mounted(local_file("n", "/nonexistent/file")),
        folder("a", -1),
    };

    expect_done(LIST(entries));
    assert_string_equal(buf_text(&guest.made), "dir a 755\n");
    expect_report(0, 1, 0, 0);
}

static void test_only_mounts(void **state)
{
    struct run_entry entries[200];

    for (size_t i = 0; i < 200; i++)
        entries[i] = mounted(local_dir("m", "/nonexistent"));
    expect_done(entries, 200);
    assert_int_equal(guest.asked, 0);
}

static void test_read_only_folders_get_their_mode_last(void **state)
{
    const struct run_entry entries[] = {
        local_dir("w", host("w")),
        folder("d", 0),
        text("d/f", "f", 1, -1),
    };

    put_dir("w", 0700);
    put_dir("w/in", 0700);
    put("w/in/f", "x", 0444);
    put_dir("w/in", 0500);
    put_dir("w", 0555);
    expect_done(LIST(entries));
    put_dir("w", 0755);
    put_dir("w/in", 0755);
    assert_string_equal(buf_text(&guest.made), "dir w 755\n"
                                               "dir w/in 700\n"
                                               "dir d 700\n"
                                               "file w/in/f 444 1 x\n"
                                               "file d/f 644 1 f\n"
                                               "dir d 0\n"
                                               "dir w/in 500\n"
                                               "dir w 555\n");
    expect_report(2, 3, 0, 2);
}

/* ---- links and other things ---- */

static void test_links_inside_are_kept(void **state)
{
    const struct run_entry entry = local_dir("c", host("l"));

    put_dir("l", 0755);
    put_dir("l/a", 0755);
    put_dir("l/a/b", 0755);
    put_link("l/dangling", "nothing");
    put_link("l/self", ".");
    put_link("l/down", "a//b/./");
    put_link("l/there-and-back", "a/b/../../a/..");
    put_link("l/dots", "..a/...");
    put_link("l/a/up", "..");
    put_link("l/a/b/top", "../../a/b");
    expect_done(&entry, 1);
    expect_made_sorted("dir c 755\n"
                       "dir c/a 755\n"
                       "dir c/a/b 755\n"
                       "link c/a/b/top -> ../../a/b\n"
                       "link c/a/up -> ..\n"
                       "link c/dangling -> nothing\n"
                       "link c/dots -> ..a/...\n"
                       "link c/down -> a//b/./\n"
                       "link c/self -> .\n"
                       "link c/there-and-back -> a/b/../../a/..\n");
    expect_report(0, 3, 7, 0);
}

static void check_link_out(const char *name, const char *target)
{
    struct run_entry entry;
    char file[64], text[256];

    set_up(NULL);
    entry = local_dir("in/c", host("l"));
    put_dir("l", 0755);
    put_dir("l/a", 0755);
    put_dir("l/a/b", 0755);
    snprintf(file, sizeof(file), "l/%s", name);
    put_link(file, target);
    fill_all(&entry, 1);
    snprintf(text, sizeof(text), "entry 'in/c': link '%s' leads out of '@/l' (to '%s')", name, target);
    expect_failure(ERR_MANIFEST, text,
                   "copy what it leads to into the folder, or give it an entry of its own");
    assert_null(strstr(buf_text(&guest.made), "link"));
    assert_int_equal(report.links, 0);
    tear_down(NULL);
}

static void test_links_out_are_refused(void **state)
{
    check_link_out("x", "/etc/passwd");
    check_link_out("x", "/");
    check_link_out("x", "..");
    check_link_out("x", "../other");
    check_link_out("x", "./../l/a"); /* out and in again is out */
    check_link_out("x", "a/../../l");
    check_link_out("x", "a/b/../../../l");
    check_link_out("x", ".//..");
    check_link_out("a/x", "../../other");
    check_link_out("a/b/x", "../../../l");
    check_link_out("a/b/x", "..//.././../");
}

static void check_kind(void (*make)(const char *name))
{
    struct run_entry entry;

    set_up(NULL);
    entry = local_dir("c", host("k"));
    put_dir("k", 0755);
    put_dir("k/a", 0755);
    make("k/a/odd");
    fill_all(&entry, 1);
    expect_failure(ERR_MANIFEST, "entry 'c': '@/k/a/odd' is a socket, device or pipe, which cannot be copied",
                   NULL);
    assert_string_equal(buf_text(&guest.made), "dir c 755\ndir c/a 755\n");
    tear_down(NULL);
}

static void put_pipe(const char *name)
{
    assert_int_equal(mkfifo(host(name), 0644), 0);
}

static void test_sockets_and_pipes_are_refused(void **state)
{
    check_kind(put_socket);
    check_kind(put_pipe);
}

/* ---- sources that are not what they were ---- */

static void check_source(enum run_entry_kind kind, int code, const char *text)
{
    const struct run_entry entries[] = {
        folder("before", -1),
        { "e", kind, host("src"), { 0 }, false, -1 },
        folder("after", -1),
    };

    fill_all(LIST(entries));
    expect_failure(code, text, NULL);
    assert_string_equal(buf_text(&guest.made), "dir before 755\n");
    workspace_fill_free(fill);
    fill = NULL;
    ends = 0;
    is_over = false;
    buf_clear(&guest.made);
}

static void test_vanished_sources(void **state)
{
    check_source(RUN_ENTRY_LOCAL_FILE, ERR_IO, "entry 'e': opening '@/src': No such file or directory");
    check_source(RUN_ENTRY_LOCAL_DIR, ERR_IO, "entry 'e': opening folder '@/src': No such file or directory");
}

static void test_sources_of_another_kind(void **state)
{
    put("src", "x", 0644);
    check_source(RUN_ENTRY_LOCAL_DIR, ERR_IO, "entry 'e': opening folder '@/src': Not a directory");
    unlink(host("src"));
    put_dir("src", 0755);
    check_source(RUN_ENTRY_LOCAL_FILE, ERR_MANIFEST, "entry 'e': '@/src' is not a file");
    rmdir(host("src"));
    put_pipe("src");
    check_source(RUN_ENTRY_LOCAL_FILE, ERR_MANIFEST, "entry 'e': '@/src' is not a file");
}

/* What root may read says nothing: be somebody else meanwhile. */
static void as_nobody(bool on)
{
    if (getuid() == 0)
        assert_int_equal(seteuid(on ? 65534 : 0), 0);
}

static void test_unreadable_file_in_a_folder(void **state)
{
    const struct run_entry entry = local_dir("c", host("u"));

    assert_int_equal(chmod(top, 0755), 0);
    put_dir("u", 0755);
    put("u/f", "x", 0);
    as_nobody(true);
    fill_all(&entry, 1);
    as_nobody(false);
    expect_failure(ERR_IO, "entry 'c': opening '@/u/f': Permission denied", NULL);
}

static void test_unreadable_folder_in_a_folder(void **state)
{
    const struct run_entry entry = local_dir("c", host("u"));

    assert_int_equal(chmod(top, 0755), 0);
    put_dir("u", 0755);
    put_dir("u/d", 0);
    as_nobody(true);
    fill_all(&entry, 1);
    as_nobody(false);
    put_dir("u/d", 0755);
    expect_failure(ERR_IO, "entry 'c': reading folder 'd': Permission denied", NULL);
}

static void unlink_big(void)
{
    (void) unlink(host("big")); /* the first time it is there */
}

static void test_file_removed_while_copied_is_copied(void **state)
{
    const struct run_entry entry = local_file("big", host("big"));
    char *bytes = calloc(1, 300000);

    put_bytes("big", bytes, 300000, 0644);
    free(bytes);
    guest.room = 1000;
    guest.on_turn = unlink_big;
    expect_done(&entry, 1);
    assert_string_equal(buf_text(&guest.made), "file big 644 300000 \n");
}

static void cut_big(void)
{
    assert_int_equal(truncate(host("big"), 70000), 0);
}

static void test_file_cut_while_copied_ends_early(void **state)
{
    const struct run_entry entry = local_file("big", host("big"));
    char *bytes = calloc(1, 300000);

    put_bytes("big", bytes, 300000, 0644);
    free(bytes);
    guest.room = 1000;
    guest.on_turn = cut_big;
    expect_done(&entry, 1);
    assert_string_equal(buf_text(&guest.made), "file big 644 70000 \n");
    expect_report(1, 0, 0, 70000);
}

/* ---- pressure ---- */

/* Bytes of which each tells where it stood. */
static char *pattern(size_t len)
{
    char *bytes = malloc(len);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char) (i * 31 + i / 251);
    return bytes;
}

static void expect_content(const struct channel_call *call, const char *want, size_t len)
{
    assert_int_equal(call->content.len, len);
    assert_memory_equal(call->content.data, want, len);
}

static void test_few_bytes_at_a_time(void **state)
{
    char *bytes = pattern(200000);
    const struct run_entry entries[] = {
        text("literal", bytes, 150000, -1),
        local_file("copy", host("src")),
        folder("hold", 0500),
    };

    put_bytes("src", bytes, 200000, 0644);
    guest.room = 777;
    expect_done(LIST(entries));
    assert_string_equal(buf_text(&guest.made),
                        "dir hold 700\nfile literal 644 150000 \nfile copy 644 200000 \ndir hold 500\n");
    expect_report(2, 1, 0, 350000);
    assert_int_equal(guest.writes, (150000 + 776) / 777 + (200000 + 776) / 777);
    free(bytes);
}

static void test_bytes_arrive_as_they_were(void **state)
{
    char *bytes = pattern(200000);
    const struct run_entry entries[] = {
        folder("x", -1),
        text("literal", bytes, 150000, -1),
        local_file("copy", host("src")),
    };

    put_bytes("src", bytes, 200000, 0644);
    guest.room = 50021; /* no divisor of anything */
    guest.silent_after = 1;
    start(LIST(entries));
    do
        assert_int_equal(loop_run(loop, &is_over, NULL), 0);
    while (!guest.calls->has_end);
    while (!guest.calls->next->has_end)
        give_room();
    expect_content(guest.calls, bytes, 150000);
    expect_content(guest.calls->next, bytes, 200000);
    free(bytes);
}

static size_t slices, most, writes_before;

static void count_slices(void *data)
{
    struct loop_source **source = data;

    slices += guest.writes != writes_before;
    if (guest.writes - writes_before > most)
        most = guest.writes - writes_before;
    writes_before = guest.writes;
    loop_source_free(*source);
    *source = NULL;
    if (!is_over)
        assert_int_equal(loop_defer(loop, count_slices, source, source, NULL), 0);
}

static void test_a_slice_is_one_mebibyte(void **state)
{
    const struct run_entry entry = local_file("big", host("big"));
    struct loop_source *source;
    char *bytes = pattern(5 * 1024 * 1024 + 1);

    put_bytes("big", bytes, 5 * 1024 * 1024 + 1, 0644);
    free(bytes);
    slices = most = writes_before = 0;
    start(&entry, 1);
    assert_int_equal(loop_defer(loop, count_slices, &source, &source, NULL), 0);
    assert_int_equal(loop_run(loop, &is_over, NULL), 0);
    loop_source_free(source);
    assert_int_equal(result, 0);
    assert_int_equal(slices, 6);
    assert_int_equal(most, 16); /* pieces of 64 KiB */
}

static void test_many_files(void **state)
{
    const struct run_entry entry = local_dir("m", host("m"));
    char name[64];

    put_dir("m", 0755);
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "m/%d", i / 100);
        if (i % 100 == 0)
            put_dir(name, 0755);
        snprintf(name, sizeof(name), "m/%d/%d", i / 100, i);
        put(name, "0123456789", 0644);
    }
    expect_done(&entry, 1);
    expect_report(5000, 51, 0, 50000);
    assert_int_equal(guest.open_max, 32);
    assert_int_equal(guest.asked, 5051);
    assert_int_equal(guest.answered, 5051);
}

/* ---- the guest says no ---- */

static struct run_entry few[3];

static void make_few(void)
{
    put_dir("few", 0755);
    put_link("few/l", "x");
    few[0] = folder("d", 0500);
    few[1] = text("d/f", "f", 1, -1);
    few[2] = local_dir("c", host("few"));
}

static const struct err no_room = { ERR_IO, ENOSPC, "No space left on device", "" };
static const struct err not_allowed = { ERR_IO, EACCES, "Permission denied", "" };
static const struct err bad_name = { ERR_INVALID, 0, "the guest refused the name", "" };

static void check_answer(const char *path, const struct err *answer, const char *text, const char *hint)
{
    set_up(NULL);
    make_few();
    guest.refused = path;
    guest.why = *answer;
    fill_all(LIST(few));
    expect_failure((int) answer->code, text, hint);
    assert_int_equal(why.errnum, answer->errnum);
    tear_down(NULL);
}

static void test_no_room_in_the_workspace(void **state)
{
    static const char hint[] =
        "raise workspace.size, or copy less: a local_dir with `mount: true` needs no room";

    check_answer("d", &no_room, "writing 'd' in the workspace: No space left on device", hint);
    check_answer("d/f", &no_room, "writing 'd/f' in the workspace: No space left on device", hint);
    check_answer("c/l", &no_room, "writing 'c/l' in the workspace: No space left on device", hint);
}

static void test_other_refusals_of_the_guest(void **state)
{
    check_answer("d", &bad_name, "writing 'd' in the workspace: the guest refused the name", NULL);
    check_answer("d/f", &not_allowed, "writing 'd/f' in the workspace: Permission denied", NULL);
    check_answer("d/f", &bad_name, "writing 'd/f' in the workspace: the guest refused the name", NULL);
    check_answer("c/l", &bad_name, "writing 'c/l' in the workspace: the guest refused the name", NULL);
}

static void refuse_second_time(void)
{
    guest.refused = guest.answered >= 4 ? "d" : NULL; /* d, d/f, c, c/l */
}

static void test_refusal_of_a_late_mode(void **state)
{
    make_few();
    guest.why = bad_name;
    guest.on_turn = refuse_second_time;
    fill_all(LIST(few));
    expect_failure(ERR_INVALID, "writing 'd' in the workspace: the guest refused the name", NULL);
}

static void test_the_first_failure_is_told(void **state)
{
    const struct run_entry entries[] = {
        folder("a", -1),
        folder("b", -1),
        local_file("e", "/nonexistent/file"),
    };

    guest.refused = "b";
    guest.why = bad_name;
    fill_all(LIST(entries));
    expect_failure(ERR_IO, "entry 'e': opening '/nonexistent/file': No such file or directory", NULL);
    run_dry(); /* the guest's answers come before the owner has freed anything */
    assert_int_equal(ends, 1);
    assert_int_equal(guest.answered, 2);
}

static void check_broken(const char *path, const char **where)
{
    static const struct err gone = { ERR_ENGINE, 0, "sandbox lost", "" };

    set_up(NULL);
    make_few();
    *where = path;
    guest.why = gone;
    fill_all(LIST(few));
    expect_failure(ERR_ENGINE, "sandbox lost", NULL);
    *where = NULL;
    tear_down(NULL);
}

static void test_requests_that_fail_on_the_spot(void **state)
{
    check_broken("d", &guest.broken);
    check_broken("d/f", &guest.broken);
    check_broken("c/l", &guest.broken);
    check_broken("d/f", &guest.broken_data);
    check_broken("d/f", &guest.broken_end);
}

static void test_late_mode_that_fails_on_the_spot(void **state)
{
    make_few();
    guest.why = bad_name;
    guest.broken = "d";
    guest.broken_after = 4; /* d, d/f, c, c/l */
    fill_all(LIST(few));
    expect_failure(ERR_INVALID, "the guest refused the name", NULL);
}

static void make_hundred(struct run_entry *entry)
{
    char name[16];

    put_dir("m", 0755);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "m/%d", i);
        put(name, "0123456789", 0644);
    }
    *entry = local_dir("m", host("m"));
}

static void test_sandbox_lost_in_the_middle(void **state)
{
    struct run_entry entry;

    make_hundred(&entry);
    guest.lost_after = 50;
    fill_all(&entry, 1);
    assert_int_equal(result, -ERR_ENGINE);
    assert_int_equal(ends, 1);
    assert_memory_equal(why.text, "writing 'm/", 11);
    assert_string_equal(strchr(why.text + 11, '\''), "' in the workspace: sandbox lost: the stream ended");
    assert_string_equal(why.hint, "");
    run_dry();
    assert_int_equal(ends, 1);
    assert_int_equal(guest.canceled, 0);
}

/* ---- cancel ---- */

static void test_cancel_before_the_first_turn(void **state)
{
    struct run_entry entry;

    make_hundred(&entry);
    start(&entry, 1);
    workspace_fill_free(fill);
    fill = NULL;
    run_dry();
    assert_int_equal(ends, 0);
    assert_int_equal(guest.asked, 0);
}

static void test_cancel_in_the_middle(void **state)
{
    struct run_entry entry;
    size_t open;

    make_hundred(&entry);
    guest.silent_after = 40;
    fill_all(&entry, 1);
    open = guest.open;
    assert_true(open > 0);
    workspace_fill_free(fill);
    fill = NULL;
    run_dry();
    assert_int_equal(ends, 0);
    assert_int_equal(guest.open, 0);
    assert_int_equal(guest.canceled, open);
}

static void test_cancel_inside_fn(void **state)
{
    struct run_entry entry;

    make_hundred(&entry);
    frees_inside = true;
    expect_done(&entry, 1);
    assert_null(fill);
    assert_int_equal(guest.canceled, 0);
    expect_report(100, 1, 0, 1000);
}

static void test_cancel_inside_fn_with_requests_open(void **state)
{
    struct run_entry entries[2];

    make_hundred(&entries[0]);
    entries[1] = entries[0];
    entries[1].src = "/nonexistent";
    guest.refused = "m";
    guest.why = no_room;
    frees_inside = true;
    fill_all(entries, 2);
    assert_int_equal(result, -ERR_IO);
    assert_null(fill);
    assert_true(guest.canceled > 0);
    assert_int_equal(guest.open, 0);
    run_dry();
    assert_int_equal(ends, 1);
}

/* ---- before anything starts ---- */

static void expect_unfit(const struct run_entry *entry, const char *want)
{
    struct err err = { 0 };
    char text[256];

    snprintf(text, sizeof(text), "entry 'e': '%s%s", entry->src, want);
    assert_int_equal(workspace_check(entry, 1, &err), -ERR_MANIFEST);
    assert_string_equal(err.text, text);
}

static void test_check_finds_what_is_missing(void **state)
{
    const struct run_entry no_file = local_file("e", host("none"));
    const struct run_entry no_dir = mounted(local_dir("e", host("none")));
    const struct run_entry below = local_dir("e", host("f/x"));
    const struct run_entry dangling = local_file("e", host("l"));

    put("f", "", 0644);
    put_link("l", "none");
    expect_unfit(&no_file, "': No such file or directory");
    expect_unfit(&no_dir, "': No such file or directory");
    expect_unfit(&below, "': Not a directory");
    expect_unfit(&dangling, "': No such file or directory");
}

static void test_check_looks_at_kinds(void **state)
{
    const struct run_entry file = local_file("e", host("d"));
    const struct run_entry dir = local_dir("e", host("f"));
    const struct run_entry pipe = local_file("e", host("p"));
    const struct run_entry bound = mounted(local_dir("e", host("p")));

    put_dir("d", 0755);
    put("f", "", 0644);
    put_pipe("p");
    expect_unfit(&file, "' is not a file");
    expect_unfit(&dir, "' is not a folder");
    expect_unfit(&pipe, "' is not a file");
    expect_unfit(&bound, "' is not a folder");
}

static void test_check_of_what_is_fine(void **state)
{
    const struct run_entry entries[] = {
        folder("a", -1),
        text("b", "x", 1, -1),
        local_dir("c", host("d")),
        mounted(local_dir("d", host("d"))),
        local_file("e", host("l")),
        local_file("e", host("none")),
    };
    struct err err = { 0 };

    put_dir("d", 0755);
    put("f", "", 0644);
    put_link("l", "f");
    assert_int_equal(workspace_check(NULL, 0, &err), 0);
    assert_int_equal(workspace_check(entries, 5, &err), 0);
    assert_string_equal(err.text, "");
    assert_int_equal(workspace_check(entries, 6, &err), -ERR_MANIFEST);
    assert_int_equal(err.errnum, ENOENT);
}

/* access() asks for the real user, so this one is asked in a child that has become somebody else. */
static void test_check_asks_whether_it_can_be_read(void **state)
{
    struct run_entry entry = local_file("e", host("f"));
    struct err err = { 0 };
    int bad = 0, status;
    char text[128];
    pid_t pid;

    assert_int_equal(chmod(top, 0755), 0);
    put("f", "", 0);
    put_dir("d", 0444);
    pid = fork();
    if (pid == 0) {
        bad += getuid() == 0 && setuid(65534) != 0;
        bad += workspace_check(&entry, 1, &err) != -ERR_MANIFEST;
        snprintf(text, sizeof(text), "entry 'e': '%s' cannot be read: Permission denied", entry.src);
        bad += strcmp(err.text, text) != 0;
        entry = local_dir("e", host("d"));
        bad += workspace_check(&entry, 1, &err) != -ERR_MANIFEST;
        snprintf(text, sizeof(text), "entry 'e': '%s' cannot be read: Permission denied", entry.src);
        bad += strcmp(err.text, text) != 0;
        entry.mount = true; /* the engine reads it, not we */
        bad += workspace_check(&entry, 1, &err) != 0;
        _exit(bad);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define FILL_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    FILL_TEST(test_no_entries),
    FILL_TEST(test_every_kind),
    FILL_TEST(test_copied_folder_keeps_modes),
    FILL_TEST(test_what_went_in_is_summed_up),
    FILL_TEST(test_mode_of_the_entry_wins),
    FILL_TEST(test_source_may_be_a_link),
    FILL_TEST(test_bytes_are_kept),
    FILL_TEST(test_mounts_are_skipped),
    FILL_TEST(test_only_mounts),
    FILL_TEST(test_read_only_folders_get_their_mode_last),
    FILL_TEST(test_links_inside_are_kept),
    cmocka_unit_test(test_links_out_are_refused),
    cmocka_unit_test(test_sockets_and_pipes_are_refused),
    FILL_TEST(test_vanished_sources),
    FILL_TEST(test_sources_of_another_kind),
    FILL_TEST(test_unreadable_file_in_a_folder),
    FILL_TEST(test_unreadable_folder_in_a_folder),
    FILL_TEST(test_file_removed_while_copied_is_copied),
    FILL_TEST(test_file_cut_while_copied_ends_early),
    FILL_TEST(test_few_bytes_at_a_time),
    FILL_TEST(test_bytes_arrive_as_they_were),
    FILL_TEST(test_a_slice_is_one_mebibyte),
    FILL_TEST(test_many_files),
    cmocka_unit_test(test_no_room_in_the_workspace),
    cmocka_unit_test(test_other_refusals_of_the_guest),
    FILL_TEST(test_refusal_of_a_late_mode),
    FILL_TEST(test_the_first_failure_is_told),
    cmocka_unit_test(test_requests_that_fail_on_the_spot),
    FILL_TEST(test_late_mode_that_fails_on_the_spot),
    FILL_TEST(test_sandbox_lost_in_the_middle),
    FILL_TEST(test_cancel_before_the_first_turn),
    FILL_TEST(test_cancel_in_the_middle),
    FILL_TEST(test_cancel_inside_fn),
    FILL_TEST(test_cancel_inside_fn_with_requests_open),
    FILL_TEST(test_check_finds_what_is_missing),
    FILL_TEST(test_check_looks_at_kinds),
    FILL_TEST(test_check_of_what_is_fine),
    FILL_TEST(test_check_asks_whether_it_can_be_read),
};

UNIT_MAIN(tests)
