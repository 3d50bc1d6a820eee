/* SPDX-License-Identifier: MIT */
/*
 * The lock-down for Podman: every word of Docker's request has one of libpod's, what has none is an error,
 * and each writable place is a volume.
 */
#include "oci/libpod.h"

#include "core/base/json.h"
#include "oci/spaces.h"
#include "tests/unit/unit.h"

#include <stdio.h>

#define MIB (1024 * 1024)

static const char *const argv[] = { LOCKDOWN_GUEST, "--root", "/workspace", NULL };
static const struct lockdown_label labels[] = { { "agentbox.run", "r1" } };
static const struct sandbox_mount mounts[] = { { "/home/u/data", "/workspace/data" } };
static const struct sandbox_env env[] = { { "TZ", "UTC=0" } };
static const struct image image = { .id = "sha256:1",
                                    .env = { "LD_PRELOAD=/x.so" },
                                    .env_count = 1,
                                    .volumes = { "/var/lib/x" },
                                    .volume_count = 1 };

struct fixture {
    struct sandbox_spec spec;
    struct lockdown l;
    struct buf out;
    struct arena arena;
    struct err err;
};

static void prepare(struct fixture *f)
{
    *f = (struct fixture){
        .spec = { .image = "x",
                  .uid = 65532,
                  .gid = 65532,
                  .memory_bytes = 128 * MIB,
                  .nano_cpus = 500000000,
                  .pids = 64,
                  .tmp_bytes = 16 * MIB,
                  .runtime = "default",
                  .seccomp = "strict",
                  .root = "/workspace",
                  .size_bytes = 32 * MIB + 1,
                  .env = env,
                  .env_count = 1,
                  .mounts = mounts,
                  .mount_count = 1 },
        .out = BUF_INIT(LOCKDOWN_BODY_MAX),
        .arena = ARENA_INIT(16 * MIB),
    };
    f->l = (struct lockdown){ .spec = &f->spec,
                              .kind = &engine_kind_podman,
                              .image = &image,
                              .image_ref = image.id,
                              .guest_argv = argv,
                              .guest_volume = "agentbox-guest-1",
                              .container_name = "agentbox-r1-1",
                              .labels = labels,
                              .label_count = 1,
                              .seccomp = "{}",
                              .seccomp_path = "/v/guest/seccomp-1.json" };
    assert_int_equal(lockdown_prepare(&f->l, &f->err), 0);
}

static void done(struct fixture *f)
{
    buf_done(&f->out);
    arena_done(&f->arena);
}

static void every_word_is_translated(void **state)
{
    static const char *const parts[] = {
        "{\"name\":\"agentbox-r1-1\",\"image\":\"sha256:1\",\"user\":\"65532:65532\",",
        "\"entrypoint\":[\"/.agentbox/guest\",\"--root\",\"/workspace\"]",
        "\"stdin\":true",
        "\"stop_signal\":9,\"stop_timeout\":1",
        "\"healthconfig\":{\"Test\":[\"NONE\"]}",
        "\"TZ\":\"UTC=0\"},\"unsetenv\":[\"LD_PRELOAD\"]",
        "\"labels\":{\"agentbox.run\":\"r1\"}",
        "\"cap_drop\":[\"ALL\"],\"cap_add\":[]",
        "\"privileged\":false",
        "\"read_only_filesystem\":true",
        "\"netns\":{\"nsmode\":\"none\"}",
        "{\"type\":\"core\",\"soft\":0,\"hard\":0}",
        "\"oom_score_adj\":500",
        "\"mask\":[\"/proc/acpi\",",
        "\"ipcns\":{\"nsmode\":\"none\"}",
        "\"pidns\":{\"nsmode\":\"private\"},\"utsns\":{\"nsmode\":\"private\"},\"cgroupns\":{\"nsmode\":"
        "\"private\"}",
        "\"log_configuration\":{\"driver\":\"none\"}",
        "\"restart_policy\":\"no\",\"remove\":false,\"init\":false",
        "\"no_new_privileges\":true",
        "\"seccomp_profile_path\":\"/v/guest/seccomp-1.json\"",
        "\"mounts\":[{\"type\":\"bind\",\"source\":\"/home/u/data\",\"destination\":\"/workspace/data\","
        "\"options\":[\"ro\",\"nosuid\",\"nodev\",\"rbind\",\"rprivate\"]}]",
        "{\"Name\":\"agentbox-guest-1\",\"Dest\":\"/.agentbox\",\"Options\":[\"ro\",",
        "{\"Name\":\"agentbox-r1-1-tmpfs-0\",\"Dest\":\"/"
        "tmp\",\"Options\":[\"rw\",\"nosuid\",\"nodev\",\"nocopy\","
        "\"noexec\"]}",
        "{\"Name\":\"agentbox-r1-1-tmpfs-2\",\"Dest\":\"/"
        "workspace\",\"Options\":[\"rw\",\"nosuid\",\"nodev\","
        "\"nocopy\",\"exec\"]}",
        "{\"Name\":\"agentbox-r1-1-tmpfs-3\",\"Dest\":\"/var/lib/x\"",
        "\"resource_limits\":{\"memory\":{\"limit\":218103809,\"swap\":218103809},\"cpu\":{\"quota\":50000,"
        "\"period\":100000,\"shares\":256},\"pids\":{\"limit\":64}}",
        "\"systemd\":\"false\",\"httpproxy\":false,\"env_host\":false,\"image_volume_mode\":\"ignore\"}",
    };
    struct fixture f;

    prepare(&f);
    if (libpod_write(&f.l, "agentbox-r1-1", &f.out, &f.err) < 0)
        fail_msg("%s", f.err.text);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (!strstr(buf_text(&f.out), parts[i]))
            fail_msg("no %s in %s", parts[i], buf_text(&f.out));
    assert_null(strstr(buf_text(&f.out), "oci_runtime"));
    done(&f);
}

static void what_is_lowered_is_not_asked_for(void **state)
{
    static const char *const lower[] = { "memory", "cpus", "pids", "seccomp", "masked_paths" };
    static const char *const parts[] = {
        "\"limit\"", "\"quota\"", "\"shares\"", "\"pids\"", "seccomp_profile_path", "\"mask\""
    };
    struct fixture f;

    prepare(&f);
    f.spec.lower = lower;
    f.spec.lower_count = 5;
    assert_int_equal(lockdown_prepare(&f.l, &f.err), 0);
    assert_int_equal(libpod_write(&f.l, "x", &f.out, &f.err), 0);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        assert_null(strstr(buf_text(&f.out), parts[i]));
    done(&f);
}

static void what_has_no_word_is_an_error(void **state)
{
    static const struct {
        const char *body, *text;
    } bad[] = {
        { "{\"Surprise\":1}", "Surprise" },
        { "{\"Cmd\":[\"x\"]}", "Cmd" },
        { "{\"StdinOnce\":true}", "StdinOnce" },
        { "{\"HostConfig\":{\"BlkioWeight\":10}}", "BlkioWeight" },
        { "{\"HostConfig\":{\"UsernsMode\":\"host\"}}", "UsernsMode" },
        { "{\"HostConfig\":{\"Devices\":[{}]}}", "Devices" },
        { "{\"HostConfig\":{\"SecurityOpt\":[\"apparmor=x\"]}}", "SecurityOpt" },
        { "{\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\"}]}}", "Mounts" },
        { "{\"HostConfig\":{\"Mounts\":[{\"Type\":\"npipe\",\"ReadOnly\":true}]}}", "Mounts" },
    };
    char text[128];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct tree *tree;
        struct fixture f;

        prepare(&f);
        assert_int_equal(json_parse(span_of(bad[i].body), &f.arena, &tree, &f.err), 0);
        assert_int_equal(libpod_translate(&f.l, tree, "x", &f.out, &f.err), -ERR_INTERNAL);
        snprintf(text, sizeof(text), "the lock-down has no words for Podman: '%s'", bad[i].text);
        assert_string_equal(f.err.text, text);
        done(&f);
    }
}

/* Without its path the profile would be left out. */
static void a_profile_without_a_path_is_an_error(void **state)
{
    struct fixture f;

    prepare(&f);
    f.l.seccomp_path = NULL;
    assert_int_equal(libpod_write(&f.l, "x", &f.out, &f.err), -ERR_INTERNAL);
    done(&f);
}

static void a_place_is_a_volume_with_size_inodes_and_owner(void **state)
{
    struct fixture f;

    prepare(&f);
    assert_int_equal(spaces_count(&f.l), 4);
    assert_int_equal(spaces_write(&f.l, 2, &f.out, &f.err), 0);
    assert_string_equal(
        buf_text(&f.out),
        "{\"Name\":\"agentbox-r1-1-tmpfs-2\",\"Driver\":\"local\",\"DriverOpts\":{\"type\":"
        "\"tmpfs\",\"device\":\"tmpfs\",\"o\":\"nosuid,nodev,exec,nr_blocks=8193,"
        "nr_inodes=16384,mode=0700,uid=65532,gid=65532\"},\"Labels\":{\"agentbox.run\":\"r1\"}}");
    assert_int_equal(spaces_write(&f.l, 4, &f.out, &f.err), -ERR_INTERNAL);
    f.l.kind = &engine_kind_docker;
    assert_int_equal(spaces_count(&f.l), 0);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_is_translated),
        cmocka_unit_test(what_is_lowered_is_not_asked_for),
        cmocka_unit_test(what_has_no_word_is_an_error),
        cmocka_unit_test(a_profile_without_a_path_is_an_error),
        cmocka_unit_test(a_place_is_a_volume_with_size_inodes_and_owner),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
