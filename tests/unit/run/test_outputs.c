/* SPDX-License-Identifier: MIT */
/*
 * Collecting outputs from a sandbox that lies: the channel is played by the test,
 * the host's files are real.
 */
#include "tests/unit/unit.h"

#include "core/base/file.h"
#include "core/run/outputs.h"
#include "core/sandbox/channel.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* ---- what the sandbox says ---- */

struct inside {
    const char *path;
    enum guest_file_kind kind;
    const char *content; /* what comes when it is read */
    uint64_t size;       /* what it claims; 0 = the content's */
};

static const struct inside *files;
static size_t file_count;
static struct loop *loop;

struct channel_call {
    struct loop_source *soon;
    const char *path;
    channel_stat_fn *stat_fn;
    struct file_list_ops list;
    struct file_read_ops read;
    void *data;
};

static struct guest_stat stat_of(const struct inside *f)
{
    return (struct guest_stat){ .kind = f->kind,
                                .mode = 0644,
                                .size = f->size      ? f->size
                                        : f->content ? strlen(f->content)
                                                     : 0 };
}

static const struct inside *find(const char *path)
{
    for (size_t i = 0; i < file_count; i++)
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
    return NULL;
}

static struct err not_found = { .code = ERR_NOT_FOUND, .text = "no such file" };

static void say_stat(void *data)
{
    struct channel_call *call = data;
    const struct inside *f = find(call->path);
    struct guest_stat st = f ? stat_of(f) : (struct guest_stat){ 0 };

    loop_source_free(call->soon);
    call->stat_fn(call->data, f ? 0 : -ERR_NOT_FOUND, &st, (struct span){ 0 }, f ? NULL : &not_found);
    free(call);
}

static void say_list(void *data)
{
    struct channel_call *call = data;
    struct guest_stat st;

    loop_source_free(call->soon);
    for (size_t i = 0; i < file_count; i++) {
        if (strncmp(files[i].path, call->path, strlen(call->path)) != 0 ||
            strcmp(files[i].path, call->path) == 0)
            continue;
        st = stat_of(&files[i]);
        call->list.on_entry(call->data, span_of(files[i].path), &st, (struct span){ 0 });
    }
    call->list.on_done(call->data, 0, NULL);
    free(call);
}

static void say_read(void *data)
{
    struct channel_call *call = data;
    const struct inside *f = find(call->path);
    struct guest_stat st = stat_of(f);

    loop_source_free(call->soon);
    call->read.on_chunk(call->data, span_of(f->content));
    call->read.on_done(call->data, 0, &st, NULL);
    free(call);
}

static struct channel_call *later(const char *path, loop_fn *fn, void *data, struct channel_call **ret)
{
    struct channel_call *call = calloc(1, sizeof(*call));

    call->path = path;
    call->data = data;
    assert_int_equal(loop_defer(loop, fn, call, &call->soon, NULL), 0);
    *ret = call;
    return call;
}

int channel_stat(struct channel *ch, const char *path, channel_stat_fn *fn, void *data,
                 struct channel_call **ret, struct err *err)
{
    later(path, say_stat, data, ret)->stat_fn = fn;
    return 0;
}

int channel_list(struct channel *ch, const char *path, bool recursive, const struct file_list_ops *ops,
                 void *data, struct channel_call **ret, struct err *err)
{
    later(path, say_list, data, ret)->list = *ops;
    return 0;
}

int channel_read(struct channel *ch, const char *path, const struct file_read_ops *ops, void *data,
                 struct channel_call **ret, struct err *err)
{
    later(path, say_read, data, ret)->read = *ops;
    return 0;
}

void channel_cancel(struct channel_call *call)
{
    if (!call)
        return;
    loop_source_free(call->soon);
    free(call);
}

/* ---- the run's part ---- */

static char top[64];
static struct outputs *outputs;
static struct output_report reports[8];
static size_t report_count;
static int result;
static bool is_done;

static int set_up(void **state)
{
    snprintf(top, sizeof(top), "/tmp/agentbox-outputs-XXXXXX");
    assert_non_null(mkdtemp(top));
    assert_int_equal(loop_new(&loop, NULL), 0);
    report_count = 0;
    is_done = false;
    return 0;
}

static int tear_down(void **state)
{
    outputs_free(outputs);
    outputs = NULL;
    loop_free(loop);
    assert_int_equal(file_remove_tree(AT_FDCWD, top, NULL), 0);
    return 0;
}

static void on_output(void *data, const struct output_report *report)
{
    reports[report_count++] = *report;
}

static void on_done(void *data, int r, const struct err *err)
{
    is_done = true;
    result = r;
}

static void collect(const struct inside *what, size_t count, const struct run_output *list, size_t list_count)
{
    static const struct outputs_ops ops = { on_output, on_done };

    files = what;
    file_count = count;
    assert_int_equal(outputs_start(loop, NULL, list, list_count, &ops, NULL, &outputs, NULL), 0);
    outputs_set_max(outputs, 64);
    assert_int_equal(loop_run(loop, &is_done, NULL), 0);
    assert_true(is_done);
}

static const char *target(const char *name)
{
    static char paths[4][128];
    static size_t next;
    char *path = paths[next++ % 4];

    snprintf(path, 128, "%s/%s", top, name);
    return path;
}

static void expect_text(const char *path, const char *want)
{
    struct buf text = BUF_INIT(1024);

    assert_int_equal(file_read(path, &text, NULL), 0);
    assert_string_equal(buf_text(&text), want);
    buf_done(&text);
}

#define LIST(x) x, sizeof(x) / sizeof((x)[0])

static void test_files_and_folders(void **state)
{
    const struct inside what[] = { { "out", GUEST_DIR, NULL, 0 },
                                   { "out/a.txt", GUEST_FILE, "hello\n", 0 },
                                   { "out/sub", GUEST_DIR, NULL, 0 },
                                   { "out/sub/b.txt", GUEST_FILE, "b", 0 } };
    const struct run_output list[] = { { .path = "out/a.txt", .to = target("one") },
                                       { .path = "out", .to = target("all") },
                                       { .path = "none", .to = target("none") } };

    collect(LIST(what), LIST(list));
    assert_int_equal(result, 0);
    assert_int_equal(report_count, 3);
    assert_string_equal(reports[0].sha256,
                        "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
    assert_true(reports[1].is_folder);
    assert_int_equal(reports[1].files, 2);
    assert_int_equal(reports[1].size, 7);
    assert_true(reports[2].is_missing);
    expect_text(target("one"), "hello\n");
    expect_text(target("all/sub/b.txt"), "b");
    assert_int_equal(access(target("none"), F_OK), -1);
}

/* `bad` beside a good output: nothing at all is replaced. */
static void expect_refused(const struct inside *what, size_t count, const char *path, const char *text)
{
    const struct run_output list[] = { { .path = "good", .to = target("good") },
                                       { .path = path, .to = target("bad") } };

    assert_int_equal(file_write_atomic(target("good"), span_of("old"), 0644, NULL), 0);
    collect(what, count, LIST(list));
    assert_int_equal(result, -ERR_OUTPUT);
    assert_int_equal(report_count, 1);
    assert_string_equal(reports[0].output->path, path);
    if (strcmp(reports[0].err.text, text) != 0)
        print_message("# got: %s\n", reports[0].err.text);
    assert_string_equal(reports[0].err.text, text);
    expect_text(target("good"), "old");
    assert_int_equal(access(target("bad"), F_OK), -1);
}

static void test_listed_paths_cannot_climb(void **state)
{
    const struct inside what[] = { { "good", GUEST_FILE, "new", 0 },
                                   { "out", GUEST_DIR, NULL, 0 },
                                   { "out/../../evil", GUEST_FILE, "x", 0 } };

    expect_refused(LIST(what), "out", "output 'out': the sandbox listed a path that is not beneath it");
}

static void test_links_are_refused(void **state)
{
    const struct inside what[] = { { "good", GUEST_FILE, "new", 0 },
                                   { "out", GUEST_DIR, NULL, 0 },
                                   { "out/l", GUEST_LINK, NULL, 0 } };

    expect_refused(LIST(what), "out", "output 'out': 'out/l' is a link, which is not collected");
}

static void test_link_itself_is_refused(void **state)
{
    const struct inside what[] = { { "good", GUEST_FILE, "new", 0 }, { "out", GUEST_LINK, NULL, 0 } };

    expect_refused(LIST(what), "out", "output 'out': it is a link, which is not collected");
}

static void test_more_than_was_said_is_refused(void **state)
{
    const struct inside what[] = { { "good", GUEST_FILE, "new", 0 }, { "big", GUEST_FILE, "0123456789", 4 } };

    expect_refused(LIST(what), "big", "output 'big': 'big' changed while it was read");
}

static void test_less_than_was_said_is_refused(void **state)
{
    const struct inside what[] = { { "good", GUEST_FILE, "new", 0 }, { "cut", GUEST_FILE, "0123", 10 } };

    expect_refused(LIST(what), "cut", "output 'cut': 'cut' changed while it was read");
}

/* Each says 40 bytes, as the names of one large file would. */
static void test_more_than_the_workspace_is_refused(void **state)
{
    const struct inside what[] = { { "good", GUEST_FILE, "new", 0 },
                                   { "out", GUEST_DIR, NULL, 0 },
                                   { "out/a", GUEST_FILE, "a", 40 },
                                   { "out/b", GUEST_FILE, "b", 40 } };

    expect_refused(LIST(what), "out",
                   "output 'out': its files add up to more than the workspace can hold, 64 B");
}

static void test_required_and_missing(void **state)
{
    const struct inside what[] = { { "good", GUEST_FILE, "new", 0 } };
    const struct run_output list[] = { { .path = "good", .to = target("good") },
                                       { .path = "report", .to = target("report"), .required = true } };

    collect(LIST(what), LIST(list));
    assert_int_equal(result, -ERR_OUTPUT);
    assert_string_equal(reports[0].err.text, "output 'report': it is required and not there");
    assert_int_equal(access(target("good"), F_OK), -1);
}

#define OUTPUT_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    OUTPUT_TEST(test_files_and_folders),
    OUTPUT_TEST(test_listed_paths_cannot_climb),
    OUTPUT_TEST(test_links_are_refused),
    OUTPUT_TEST(test_link_itself_is_refused),
    OUTPUT_TEST(test_more_than_was_said_is_refused),
    OUTPUT_TEST(test_less_than_was_said_is_refused),
    OUTPUT_TEST(test_more_than_the_workspace_is_refused),
    OUTPUT_TEST(test_required_and_missing),
};

UNIT_MAIN(tests)
