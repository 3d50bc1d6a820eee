/* SPDX-License-Identifier: MIT */
/*
 * Workspaces that outlive their sandboxes: a checkpoint is taken out of one container
 * and put back into another, on a real engine, under the whole lock-down. What came back is compared
 * inside, by the tools of the image.
 */
#include "core/base/clock.h"
#include "core/run/checkpoint_restore.h"
#include "core/run/checkpoint_take.h"
#include "core/run/folder.h"
#include "tests/live/live.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char state_home[] = "/tmp/agentbox-live-XXXXXX";
static char shared[64]; /* a folder of the host that is mounted */
static struct run_folder *folder;
static struct checkpoint_store *store;

static int before_all(void **state)
{
    if (!mkdtemp(state_home) || setenv("XDG_STATE_HOME", state_home, 1) < 0)
        return -1;
    snprintf(shared, sizeof(shared), "%s/shared", state_home);
    return mkdir(shared, 0755) < 0 || chmod(state_home, 0755) < 0 ? -1 : 0;
}

static int after_all(void **state)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", state_home);
    return system(command) == 0 ? 0 : -1;
}

static int before_each(void **state)
{
    struct err err;

    return run_folder_create(&folder, &err) < 0 ? -1 : checkpoint_store_new(folder, &store, &err);
}

static int after_each(void **state)
{
    checkpoint_store_free(store);
    run_folder_free(folder);
    return 0;
}

/* ---- takes and restores ---- */

struct carry {
    struct fixture f;
    struct checkpoint_view view;
    struct checkpoint_take *take;
    struct checkpoint_restore *restore;
    bool is_done;
    int result;
    struct err err;
    struct record_checkpoint rec;
    char tree[DIGEST_HEX];
    struct checkpoint_restored restored;
    struct sandbox_mount mount;
};

/* `target` NULL: nothing is mounted. */
static void carry_start(struct carry *c, const char *what, const char *target, int64_t size)
{
    struct err err;

    memset(c, 0, sizeof(*c));
    setup(&c->f);
    c->mount = (struct sandbox_mount){ shared, target };
    c->f.spec.mounts = &c->mount;
    c->f.spec.mount_count = target ? 1 : 0;
    c->f.spec.size_bytes = size;
    c->f.spec.memory_bytes = 512 * MIB;
    checkpoint_view_init(&c->view);
    assert_int_equal(make_of(&c->f, what, 1, &err), 0);
    assert_int_equal(sandbox_start(c->f.sb, &live_events, &c->f, &err), 0);
    assert_int_equal(loop_run(c->f.loop, &c->f.is_ready, &err), 0);
    if (c->f.ready_result < 0)
        fail_msg("not ready: %s", c->f.err.text);
}

static void carry_end(struct carry *c)
{
    checkpoint_view_done(&c->view);
    finish(&c->f);
}

static void on_taken(void *data, int result, const struct record_checkpoint *rec, const struct err *err)
{
    struct carry *c = data;

    c->is_done = true;
    c->result = result;
    if (err)
        c->err = *err;
    if (rec) {
        assert_int_equal(checkpoint_store_told(store, rec, NULL), 0);
        c->rec = *rec;
        if (rec->tree)
            snprintf(c->tree, sizeof(c->tree), "%s", rec->tree);
    }
    checkpoint_take_free(c->take);
}

static void on_restored(void *data, int result, const struct checkpoint_restored *ret, const struct err *err)
{
    struct carry *c = data;

    c->is_done = true;
    c->result = result;
    if (err)
        c->err = *err;
    if (ret)
        c->restored = *ret;
    checkpoint_restore_free(c->restore);
}

static void take(struct carry *c, const char *what)
{
    const struct checkpoint_site site = { c->f.loop, sandbox_channel(c->f.sb), store, &c->view };
    int64_t began_us = clock_mono_us();
    struct err err;

    c->is_done = false;
    assert_int_equal(checkpoint_take_start(&site, 0, on_taken, c, &c->take, &err), 0);
    assert_int_equal(loop_run(c->f.loop, &c->is_done, &err), 0);
    if (c->result < 0)
        fail_msg("%s", c->err.text);
    print_message("# %s: %.1f ms\n", what, (double) (clock_mono_us() - began_us) / 1000);
}

static int restore(struct carry *c, int64_t number)
{
    const struct checkpoint_site site = { c->f.loop, sandbox_channel(c->f.sb), store, &c->view };
    int64_t began_us = clock_mono_us();
    struct err err;

    c->is_done = false;
    assert_int_equal(checkpoint_restore_start(&site, number, on_restored, c, &c->restore, &err), 0);
    assert_int_equal(loop_run(c->f.loop, &c->is_done, &err), 0);
    print_message("# restore: %.1f ms\n", (double) (clock_mono_us() - began_us) / 1000);
    return c->result;
}

/* ---- what is carried ---- */

static const char make_awkward[] =
    "set -e\n"
    "mkdir -p venv/bin venv/lib 'with blank' empty deep/a/b/c/d/e/f readonly\n"
    "ln -s /usr/bin/python3 venv/bin/python; ln -s python venv/bin/python3; ln -s ../nowhere "
    "venv/lib/dangling\n"
    "echo one >venv/lib/one; ln venv/lib/one venv/two; ln venv/lib/one three\n"
    "printf x >\"$(printf 'new\\nline')\"; printf y >\"$(printf 'bytes\\377\\376')\"; : >nothing\n"
    "printf x | dd of=sparse bs=1 seek=104857599 2>/dev/null\n"
    "head -c 5000000 /dev/urandom >noise; echo deep >deep/a/b/c/d/e/f/file\n"
    "echo kept >readonly/file; chmod 555 readonly; echo secret >secret; chmod 000 secret\n"
    "mkdir closed; echo inside >closed/file; chmod 000 closed\n"
    "echo run >program; chmod 711 program; mkfifo pipe\n"
    "touch -d '1970-01-01 00:00:01' nothing; touch -d '2037-12-31 23:59:59' program\n"
    "mkdir many; i=0; while [ $i -lt 3000 ]; do echo $i >many/$i; i=$((i+1)); done\n";

/* All that the image's tools can see. What is closed is opened for it, at the very end. */
static const char describe[] =
    "exec 2>&1; find . -path ./data -prune -o ! -name pipe ! -path . -print0 | sort -z | xargs -0 stat -c "
    "'%A %Y %s %n "
    "%N'\n"
    "stat -c %i venv/lib/one venv/two three | uniq | wc -l\n"
    "chmod 700 closed; chmod 600 secret\n"
    "find . -path ./data -prune -o -type f ! -name sparse -print0 | sort -z | xargs -0 sha256sum | "
    "sha256sum\n"
    "tail -c 1 sparse | od -c | head -1; du -k sparse | cut -f1; cat data/in/host\n";

static void write_shared(void)
{
    char path[96];
    FILE *file;

    snprintf(path, sizeof(path), "%s/host", shared);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("of the host\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void a_workspace_outlives_its_sandbox(void **state)
{
    struct carry a, b;
    char *text;

    write_shared();
    carry_start(&a, "a", "/workspace/data/in", 128 * MIB);
    assert_sh(&a.f, make_awkward, 0, "");
    take(&a, "first take");
    assert_int_equal(a.rec.unkept, 1);
    assert_int_equal(a.rec.number, 1);
    take(&a, "nothing changed");
    assert_true(a.rec.is_same);
    assert_int_equal(sh(&a.f, describe), 0);
    text = strdup(buf_text(&a.f.out));
    carry_end(&a);

    carry_start(&b, "b", "/workspace/data/in", 128 * MIB);
    if (restore(&b, 1) < 0)
        fail_msg("%s", b.err.text);
    assert_string_equal(b.restored.tree, a.tree);
    take(&b, "nothing changed");
    assert_true(b.rec.is_same);
    assert_int_equal(sh(&b.f, describe), 0);
    assert_string_equal(buf_text(&b.f.out), text);
    assert_non_null(strstr(text, "of the host"));
    free(text);
    assert_sh(&b.f, "echo more >>many/7; rm three", 0, "");
    take(&b, "one file changed");
    assert_int_equal(b.rec.number, 2);
    assert_int_equal(b.rec.new_files, 1);
    carry_end(&b);
}

/* What the host mounts is never written to, not by a restore either. */
static void nothing_goes_into_a_bind(void **state)
{
    struct carry a, b;
    struct stat before, after;

    write_shared();
    assert_int_equal(chmod(shared, 0777), 0);
    carry_start(&a, "a", NULL, 32 * MIB);
    assert_sh(&a.f, "mkdir -p data/in; echo ours >data/in/file", 0, "");
    take(&a, "first take");
    carry_end(&a);
    assert_int_equal(stat(shared, &before), 0);
    carry_start(&b, "b", "/workspace/data/in", 32 * MIB);
    assert_int_equal(restore(&b, 1), -ERR_IO);
    assert_string_equal(
        b.err.text, "'data/in' is a file or folder of the checkpoint, but now something is mounted there");
    carry_end(&b);
    assert_int_equal(stat(shared, &after), 0);
    assert_int_equal(before.st_mode, after.st_mode);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void a_small_workspace_is_said(void **state)
{
    struct carry a, b;

    carry_start(&a, "a", NULL, 64 * MIB);
    assert_sh(&a.f, "head -c 20000000 /dev/urandom >noise", 0, "");
    take(&a, "first take");
    carry_end(&a);
    carry_start(&b, "b", NULL, 16 * MIB);
    assert_int_equal(restore(&b, 1), -ERR_IO);
    assert_string_equal(b.err.hint, "the workspace is too small for what it held: raise workspace.size");
    carry_end(&b);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_workspace_outlives_its_sandbox, before_each, after_each),
    cmocka_unit_test_setup_teardown(nothing_goes_into_a_bind, before_each, after_each),
    cmocka_unit_test_setup_teardown(a_small_workspace_is_said, before_each, after_each),
};

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (!getenv("DOCKER_HOST"))
        return live_no_engine();
    return cmocka_run_group_tests(tests, before_all, after_all);
}
