/* SPDX-License-Identifier: MIT */
#include "oci/mount_check.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char dir[64];
static struct err err;

static void refused(const char *path, const char *why)
{
    const char *is = mount_refusal(path, "/home/u/.docker/run/docker.sock");

    if (!is || strcmp(is, why) != 0)
        fail_msg("%s: %s", path, is ? is : "allowed");
}

static void what_belongs_to_host_kernel_or_engine_is_refused(void **state)
{
    static const char socket[] = "it holds the engine's socket, and who can speak to that owns the host";

    refused("/", "it is the whole host");
    refused("/etc", "it holds the host's settings and password hashes");
    refused("/proc", "it is the kernel's");
    refused("/proc/1/root", "it is the kernel's");
    refused("/sys/fs", "it is the kernel's");
    refused("/dev/sda", "it is the kernel's");
    refused("/var", "it holds an engine's data");
    refused("/var/lib", "it holds an engine's data");
    refused("/var/lib/docker/volumes/x", "it holds an engine's data");
    refused("/run", socket);
    refused("/var/run/docker.sock", socket);
    refused("/run/containerd", socket);
    refused("/home/u/.docker/run", socket);
    refused("/home/u", socket);
    refused("/home/u/.docker/run/docker.sock", socket);
    assert_null(mount_refusal("/home/u/data", "/home/u/.docker/run/docker.sock"));
    assert_null(mount_refusal("/home/u/.docker/running", "/home/u/.docker/run/docker.sock"));
    assert_null(mount_refusal("/etc/ssl", NULL));
    assert_null(mount_refusal("/devel", NULL));
}

static int check(const char *name, int64_t uid)
{
    char path[200];
    struct sandbox_mount mount = { path, "/workspace/x" };
    char socket[100];
    struct endpoint at = { .url = "unix://x", .unix_path = socket, .is_local = true };

    snprintf(path, sizeof(path), "%s%s%s", dir, *name ? "/" : "", name);
    snprintf(socket, sizeof(socket), "%s/engine/s", dir);
    return mount_check(&mount, uid, 65532, &at, &err);
}

static void the_disk_is_asked(void **state)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char text[300];

    assert_int_equal(check("data", 65532), 0);
    assert_int_equal(check("data/f", 65532), 0);
    assert_int_equal(check("none", 65532), -ERR_NOT_FOUND);
    snprintf(text, sizeof(text), "%s/data/f", dir);
    assert_int_equal(chmod(text, 0600), 0);
    assert_int_equal(check("data", 65532), -ERR_POLICY);
    snprintf(text, sizeof(text), "'%s/data/f' cannot be read by user 65532:65532 of the sandbox", dir);
    assert_string_equal(err.text, text);
    assert_int_equal(check("data", getuid()), 0);
    /* a link to what may not be mounted is no way in */
    snprintf(text, sizeof(text), "%s/link", dir);
    assert_int_equal(symlink("/proc", text), 0);
    assert_int_equal(check("link", 65532), -ERR_POLICY);
    assert_non_null(strstr(err.text, "cannot be mounted into a sandbox: it is the kernel's"));
    assert_int_equal(unlink(text), 0);
    /* the folder of the engine in use, and sockets at all */
    assert_int_equal(check("engine", 65532), -ERR_POLICY);
    assert_int_equal(check("", 65532), -ERR_POLICY);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/data/sock", dir);
    assert_int_equal(bind(fd, (struct sockaddr *) &a, sizeof(a)), 0);
    assert_int_equal(chmod(a.sun_path, 0777), 0);
    assert_int_equal(check("data/sock", 65532), -ERR_POLICY);
    assert_non_null(strstr(err.text, "it is neither a file nor a folder"));
    assert_int_equal(unlink(a.sun_path), 0);
    assert_int_equal(close(fd), 0);
}

static void a_remote_engine_has_no_files_of_ours(void **state)
{
    struct sandbox_mount mount = { dir, "/workspace/x" };
    struct endpoint at = { .url = "tcp://far:2376" };

    assert_int_equal(mount_check(&mount, 65532, 65532, &at, &err), -ERR_ENGINE);
    assert_non_null(strstr(err.text, "the engine at tcp://far:2376 runs on another host"));
    assert_string_equal(err.hint, "say mount: false to have it copied");
}

static void make_dir(const char *name)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(chmod(path, 0755), 0);
}

static int setup(void **state)
{
    char path[200];
    FILE *f;

    strcpy(dir, "/tmp/agentbox-mount-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chmod(dir, 0755), 0);
    make_dir("data");
    make_dir("engine");
    snprintf(path, sizeof(path), "%s/data/f", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    return chmod(path, 0644);
}

static int done(void **state)
{
    static const char *const names[] = { "data/f", "data", "engine", "" };
    char path[200];

    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        (void) remove(path);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_belongs_to_host_kernel_or_engine_is_refused),
        cmocka_unit_test(the_disk_is_asked),
        cmocka_unit_test(a_remote_engine_has_no_files_of_ours),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, done);
}
