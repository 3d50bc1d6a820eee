/* SPDX-License-Identifier: MIT */
/*
 * Every tests/cases/manifests/NAME.yaml is loaded; what is said about it must be exactly NAME.expect ($DIR
 * stands for the folder). An empty one means that it is fine; then loading its resolved form must give the
 * same again. Those called untrusted-... are loaded as --untrusted does. With UPDATE_EXPECT=1 the .expect
 * files are written instead: look at the diff.
 */
#include "core/base/file.h"
#include "manifest/load.h"
#include "tests/unit/manifest/cases.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#define TEXT_MAX (1024 * 1024)

static char folder[PATH_MAX];

/* The absolute folder differs from machine to machine. */
static void put_without_folder(struct buf *out, const char *text)
{
    const char *hit;

    while ((hit = strstr(text, folder)) != NULL) {
        assert_int_equal(0, buf_add(out, text, (size_t) (hit - text)));
        assert_int_equal(0, buf_add_text(out, "$DIR"));
        text = hit + strlen(folder);
    }
    assert_int_equal(0, buf_add_text(out, text));
}

static void assert_round_trip(const char *name, const struct run_spec *spec)
{
    char path[] = "/tmp/resolved-XXXXXX";
    int fd = mkstemp(path);
    struct manifest_options opt = { .path = path, .env = (const char *const[]){ NULL } };
    struct run_spec *again = NULL;
    struct diags *diags = calloc(1, sizeof(*diags));
    struct buf said = BUF_INIT(TEXT_MAX);
    struct err err;

    assert_non_null(diags);
    diags_init(diags);
    assert_true(fd >= 0);
    assert_int_equal(0, file_write_all(fd, spec->resolved, strlen(spec->resolved), &err));
    assert_int_equal(0, close(fd));
    if (manifest_load(&opt, &again, diags, &err) < 0) {
        diags_render(diags, &said);
        fail_msg("the resolved form of %s is not accepted:\n%s", name, buf_text(&said));
    }
    assert_string_equal(spec->resolved, again->resolved);
    assert_int_equal(0, unlink(opt.path));
    run_spec_free(again);
    diags_done(diags);
    free(diags);
    buf_done(&said);
}

/* Without its ".yaml"; the expectation is compared or, on request, written. */
static void compare(const char *name, const struct buf *got)
{
    struct buf want = BUF_INIT(TEXT_MAX);
    char path[300];
    struct err err;

    (void) snprintf(path, sizeof(path), "%s.expect", name);
    if (getenv("UPDATE_EXPECT")) {
        assert_int_equal(0, file_write_atomic(path, buf_span(got), 0644, &err));
        return;
    }
    if (file_read(path, &want, &err) < 0)
        fail_msg("%s", err.text);
    if (strcmp(buf_text(&want), buf_text(got)) != 0)
        fail_msg("%s.yaml gives\n%s\ninstead of\n%s", name, buf_text(got), buf_text(&want));
    buf_done(&want);
}

static void run_case(const char *name)
{
    struct diags *diags = calloc(1, sizeof(*diags));
    struct buf said = BUF_INIT(TEXT_MAX), tidy = BUF_INIT(TEXT_MAX);
    struct run_spec *spec = NULL;
    struct err err = { .code = ERR_NONE };
    char path[300];
    struct manifest_options opt = {
        .path = path,
        .env = cases_env,
        .is_untrusted = strncmp(name, "untrusted-", 10) == 0,
    };
    int r;

    assert_non_null(diags);
    diags_init(diags);
    (void) snprintf(path, sizeof(path), "%s.yaml", name);
    r = manifest_load(&opt, &spec, diags, &err);
    diags_render(diags, &said);
    put_without_folder(&tidy, buf_text(&said));
    compare(name, &tidy);
    assert_int_equal(r, diags->count > 0 ? -ERR_MANIFEST : 0);
    if (r == 0)
        assert_round_trip(name, spec);
    run_spec_free(spec);
    diags_done(diags);
    free(diags);
    buf_done(&said);
    buf_done(&tidy);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_manifest(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

static void all_cases(void **state)
{
    struct dirent **names = NULL;
    int count;

    cases_enter();
    assert_int_equal(0, chmod("data", 0755)); /* mounted: what a strict umask took away is given back */
    assert_int_equal(0, chmod("data/sales.csv", 0644));
    assert_non_null(getcwd(folder, sizeof(folder)));
    count = scandir(".", &names, is_manifest, by_name);
    assert_true(count >= 60);
    for (int i = 0; i < count; i++) {
        names[i]->d_name[strlen(names[i]->d_name) - 5] = '\0';
        run_case(names[i]->d_name);
        free(names[i]);
    }
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(all_cases) };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
