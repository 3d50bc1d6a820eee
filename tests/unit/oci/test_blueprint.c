/* SPDX-License-Identifier: MIT */
#include "oci/blueprint.h"

#include "core/base/json.h"
#include "oci/guest_volume.h"
#include "oci/owner.h"
#include "tests/unit/unit.h"

static struct err err;
static struct sandbox_spec spec;
static const struct docker_identity id = { "20261122-abc", "report", "1.0", 2, 1800000000 };
static const struct docker_guest guest = { NULL, "d1", "amd64" };

static int setup(void **state)
{
    spec = (struct sandbox_spec){ .image = "x:1",
                                  .uid = 7,
                                  .gid = 8,
                                  .memory_bytes = 1 << 28,
                                  .nano_cpus = 5,
                                  .pids = 9,
                                  .tmp_bytes = 1 << 20,
                                  .runtime = "default",
                                  .seccomp = "strict",
                                  .root = "/workspace",
                                  .size_bytes = 1 << 20,
                                  .orphan_ms = 4500 };
    return 0;
}

static const char *label(const struct blueprint *b, const char *name)
{
    for (size_t i = 0; i < b->label_count; i++)
        if (strcmp(b->labels[i].name, name) == 0)
            return b->labels[i].value;
    return "";
}

static void names_and_labels_say_whose_it_is(void **state)
{
    struct blueprint b;
    struct owner owner;

    assert_int_equal(blueprint_init(&b, &spec, &id, &guest, &err), 0);
    assert_string_equal(b.container_name, "agentbox-20261122-abc-2");
    assert_null(b.workspace_volume);
    assert_string_equal(b.guest_volume, "agentbox-guest-d1");
    assert_string_equal(label(&b, "agentbox.run"), "20261122-abc");
    assert_string_equal(label(&b, "agentbox.attempt"), "2");
    assert_string_equal(label(&b, "agentbox.name"), "report");
    assert_string_equal(label(&b, "agentbox.version"), "1.0");
    assert_string_equal(label(&b, "agentbox.deadline"), "1800000000");
    assert_int_equal(strlen(label(&b, "agentbox.policy.sha256")), 64);
    assert_true(owner_parse(label(&b, "agentbox.owner"), &owner));
    assert_int_equal(owner_state(&owner), OWNER_ALIVE);
    assert_string_equal(b.argv[0], "/.agentbox/guest");
    assert_string_equal(b.argv[4], "4500");
    assert_string_equal(label(&b, "agentbox.part"), "");
    blueprint_done(&b);
    spec.storage = SANDBOX_STORAGE_VOLUME;
    assert_int_equal(blueprint_init(&b, &spec, &id, &guest, &err), 0);
    assert_string_equal(b.workspace_volume, "agentbox-20261122-abc-2-workspace");
    blueprint_done(&b);
}

static void a_run_id_must_fit_a_name(void **state)
{
    static const char *const bad[] = { "", "-a", "a/b", "A", "a?force=1" };
    struct docker_identity other = id;
    struct blueprint b;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        other.run_id = bad[i];
        assert_int_equal(blueprint_init(&b, &spec, &other, &guest, &err), -ERR_INVALID);
    }
}

static void the_image_must_be_for_the_guests_machine(void **state)
{
    const struct image arm = { .id = "sha256:1", .os = "linux", .arch = "arm64" };
    const struct image fine = { .id = "sha256:1", .os = "linux", .arch = "amd64" };
    struct blueprint b;

    assert_int_equal(blueprint_init(&b, &spec, &id, &guest, &err), 0);
    assert_int_equal(blueprint_set_image(&b, &arm, &err), -ERR_ENGINE);
    assert_string_equal(err.text,
                        "image 'x:1' is for linux/arm64; the guest of this program is for linux/amd64");
    assert_int_equal(blueprint_set_image(&b, &fine, &err), 0);
    assert_string_equal(b.lockdown.image_ref, "sha256:1");
    blueprint_done(&b);
}

static void a_plan_is_one_json_object(void **state)
{
    struct arena arena = ARENA_INIT(1 << 24);
    struct buf out = BUF_INIT(1 << 20);
    const struct tree *t;
    struct json_writer w;
    struct blueprint b;

    assert_int_equal(blueprint_init(&b, &spec, &id, &guest, &err), 0);
    json_begin(&w, &out);
    assert_int_equal(blueprint_write(&b, &w, &err), 0);
    assert_int_equal(json_end(&w, &err), 0);
    assert_int_equal(json_parse(buf_span(&out), &arena, &t, &err), 0);
    assert_true(tree_is_string(tree_get(t, "image"), "x:1"));
    assert_false(tree_bool(tree_get(t, "image_known"), true));
    assert_int_equal(tree_get(t, "rows")->count, lockdown_row_count());
    assert_true(tree_is_string(tree_get(tree_at(tree_get(t, "rows"), 0), "name"), "capabilities"));
    assert_true(tree_is_string(tree_get(tree_at(tree_get(t, "rows"), 0), "state"), "asked"));
    assert_true(tree_is_string(tree_path(t, "request", "User", NULL), "7:8"));
    blueprint_done(&b);
    buf_done(&out);
    arena_done(&arena);
}

static void a_workspace_archive_is_a_tar_with_one_folder(void **state)
{
    char tar[WORKSPACE_ARCHIVE];
    unsigned sum = 0;

    assert_int_equal(workspace_archive("workspace", 65532, 8, tar), 0);
    assert_string_equal(tar, "workspace/");
    assert_string_equal(tar + 100, "0000700");
    assert_string_equal(tar + 108, "0177774");
    assert_string_equal(tar + 116, "0000010");
    assert_int_equal(tar[156], '5');
    assert_memory_equal(tar + 257, "ustar\00000", 8);
    for (size_t i = 0; i < 512; i++)
        sum += i >= 148 && i < 156 ? ' ' : (unsigned char) tar[i];
    assert_int_equal(strtoul(tar + 148, NULL, 8), sum);
    assert_int_equal(workspace_archive("workspace", 1 << 30, 8, tar), -ERR_INVALID);
}

static void a_further_sandbox_has_a_name_of_its_own(void **state)
{
    struct docker_identity beside = id;
    struct blueprint b;

    beside.part = "docs-1";
    spec.storage = SANDBOX_STORAGE_VOLUME;
    assert_int_equal(blueprint_init(&b, &spec, &beside, &guest, &err), 0);
    assert_string_equal(b.container_name, "agentbox-20261122-abc-2-docs-1");
    assert_string_equal(b.workspace_volume, "agentbox-20261122-abc-2-docs-1-workspace");
    assert_string_equal(label(&b, "agentbox.part"), "docs-1");
    blueprint_done(&b);
    beside.part = "../docs";
    assert_int_equal(blueprint_init(&b, &spec, &beside, &guest, &err), -ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(names_and_labels_say_whose_it_is, setup),
        cmocka_unit_test_setup(a_further_sandbox_has_a_name_of_its_own, setup),
        cmocka_unit_test_setup(a_run_id_must_fit_a_name, setup),
        cmocka_unit_test_setup(the_image_must_be_for_the_guests_machine, setup),
        cmocka_unit_test_setup(a_plan_is_one_json_object, setup),
        cmocka_unit_test(a_workspace_archive_is_a_tar_with_one_folder),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
