/* SPDX-License-Identifier: MIT */
/* Everything a Docker sandbox is asked to be. */
#include "oci/blueprint.h"

#include "core/base/digest.h"
#include "core/sandbox/guest_image.h"
#include "oci/mount_check.h"
#include "oci/owner.h"
#include "oci/seccomp.h"
#include "oci/spaces.h"

#include <stdio.h>
#include <string.h>

struct docker_guest docker_guest_carried(void)
{
    return (struct docker_guest){ guest_image, guest_image_digest(), guest_image_arch() };
}

static void add_label(struct blueprint *b, const char *name, const char *value)
{
    b->labels[b->label_count++] = (struct lockdown_label){ name, value };
}

static int no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, "no memory to plan a sandbox");
}

static int check_name(const char *what, const char *name, struct err *err)
{
    size_t len = strlen(name);

    if (len == 0 || len > 64 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != len ||
        name[0] == '-')
        return err_set(err, ERR_INVALID, "%s '%.80s' cannot be part of a container's name", what, name);
    return 0;
}

static int make_labels(struct blueprint *b, const struct docker_identity *id, struct err *err)
{
    struct owner self;
    const char *run = arena_text(&b->arena, id->run_id);
    const char *name = arena_text(&b->arena, id->name ? id->name : "");
    const char *version = arena_text(&b->arena, id->version ? id->version : "");
    const char *part = arena_text(&b->arena, id->part ? id->part : "");

    b->container_name = arena_printf(&b->arena, "agentbox-%s-%d%s%s", id->run_id, id->attempt,
                                     id->part ? "-" : "", part ? part : "");
    if (b->container_name && b->spec->storage == SANDBOX_STORAGE_VOLUME)
        b->workspace_volume = arena_printf(&b->arena, "%s-workspace", b->container_name);
    if (!run || !name || !version || !part || !b->container_name ||
        (b->spec->storage == SANDBOX_STORAGE_VOLUME && !b->workspace_volume))
        return no_memory(err);
    owner_self(&self);
    owner_text(&self, b->owner);
    b->attempt_number = id->attempt;
    b->part = part;
    snprintf(b->attempt, sizeof(b->attempt), "%d", id->attempt);
    snprintf(b->deadline, sizeof(b->deadline), "%lld", (long long) id->deadline_s);
    add_label(b, "agentbox.run", run);
    add_label(b, "agentbox.attempt", b->attempt);
    add_label(b, "agentbox.name", name);
    add_label(b, "agentbox.owner", b->owner);
    add_label(b, "agentbox.version", version);
    add_label(b, "agentbox.deadline", b->deadline); /* always: else one of the image would count */
    add_label(b, "agentbox.policy.sha256", b->policy);
    add_label(b, "agentbox.part", part);
    return 0;
}

/* By its contents: a volume that has the name has the profile. */
static int name_seccomp(struct blueprint *b, struct span profile, struct err *err)
{
    struct digest *d = digest_new();
    uint8_t sum[DIGEST_SIZE];
    char hex[DIGEST_HEX];

    if (!d)
        return no_memory(err);
    digest_add(d, profile.ptr, profile.len);
    digest_end(d, sum);
    digest_free(d);
    digest_hex(sum, hex);
    snprintf(b->seccomp_file, sizeof(b->seccomp_file), "seccomp-%.16s.json", hex);
    return 0;
}

static int make_seccomp(struct blueprint *b, struct err *err)
{
    struct buf text = BUF_INIT(SECCOMP_MAX);
    enum seccomp_arch arch;
    int r = 0;

    if (strcmp(b->spec->seccomp, "default") == 0)
        return 0;
    if (strcmp(b->spec->seccomp, "strict") == 0) {
        r = seccomp_arch_parse(b->guest.arch, &arch, err);
        if (r >= 0)
            r = seccomp_write(arch, &text, err);
    } else {
        r = seccomp_load(b->spec->seccomp, &text, err);
    }
    if (r >= 0) {
        b->lockdown.seccomp = arena_copy(&b->arena, text.data, text.len);
        r = b->lockdown.seccomp ? name_seccomp(b, buf_span(&text), err) : no_memory(err);
    }
    buf_done(&text);
    return r;
}

static void make_argv(struct blueprint *b)
{
    size_t n = 0;

    snprintf(b->orphan, sizeof(b->orphan), "%lld", (long long) b->spec->orphan_ms);
    b->argv[n++] = LOCKDOWN_GUEST;
    b->argv[n++] = "--root";
    b->argv[n++] = b->spec->root;
    b->argv[n++] = "--orphan-ms";
    b->argv[n++] = b->orphan;
    b->argv[n++] = "--build";
    b->argv[n++] = b->guest.digest;
    b->argv[n] = NULL;
}

int blueprint_init(struct blueprint *b, const struct sandbox_spec *spec, const struct docker_identity *id,
                   const struct docker_guest *guest, struct err *err)
{
    int r;

    *b = (struct blueprint){ .arena = ARENA_INIT(2 * 1024 * 1024), .spec = spec, .guest = *guest };
    snprintf(b->guest_volume, sizeof(b->guest_volume), "agentbox-guest-%.64s", guest->digest);
    make_argv(b);
    b->lockdown = (struct lockdown){
        .spec = spec,
        .kind = &engine_kind_docker,
        .image_ref = spec->image,
        .guest_argv = b->argv,
        .guest_volume = b->guest_volume,
        .labels = b->labels,
    };
    r = check_name("run id", id->run_id, err);
    if (r >= 0 && id->part)
        r = check_name("part", id->part, err);
    if (r >= 0)
        r = make_labels(b, id, err);
    b->lockdown.workspace_volume = b->workspace_volume;
    b->lockdown.container_name = b->container_name;
    b->lockdown.label_count = b->label_count;
    if (r >= 0)
        r = make_seccomp(b, err);
    if (r >= 0)
        r = lockdown_prepare(&b->lockdown, err);
    if (r >= 0)
        r = lockdown_digest(&b->lockdown, b->policy, err);
    if (r < 0)
        blueprint_done(b);
    return r;
}

void blueprint_done(struct blueprint *b)
{
    arena_done(&b->arena);
}

void blueprint_set_kind(struct blueprint *b, const struct engine_kind *kind)
{
    b->lockdown.kind = kind;
}

int blueprint_set_mountpoint(struct blueprint *b, const char *mountpoint, struct err *err)
{
    const size_t len = strlen(mountpoint);

    if (mountpoint[0] != '/' || len + sizeof(b->seccomp_file) + 1 > sizeof(b->seccomp_path))
        return err_set(err, ERR_PROTOCOL, "the engine does not say where the volume '%s' is",
                       b->guest_volume);
    snprintf(b->seccomp_path, sizeof(b->seccomp_path), "%s/%s", mountpoint, b->seccomp_file);
    b->lockdown.seccomp_path = b->seccomp_path;
    return 0;
}

bool blueprint_volume_at(const struct blueprint *b, size_t index, char ret[BLUEPRINT_VOLUME])
{
    const size_t spaces = spaces_count(&b->lockdown);

    if (index < spaces)
        spaces_name(&b->lockdown, index, ret);
    else if (index == spaces && b->workspace_volume)
        snprintf(ret, BLUEPRINT_VOLUME, "%s", b->workspace_volume);
    else
        return false;
    return true;
}

int blueprint_set_image(struct blueprint *b, const struct image *image, struct err *err)
{
    if (strcmp(image->os, "linux") != 0 || strcmp(image->arch, b->guest.arch) != 0) {
        err_set(err, ERR_ENGINE, "image '%s' is for %s/%s; the guest of this program is for linux/%s",
                b->spec->image, image->os, image->arch, b->guest.arch);
        return err_hint(err, "take an image for linux/%s", b->guest.arch);
    }
    if (image_check_volumes(image, b->spec->root, LOCKDOWN_GUEST_DIR, err) < 0)
        return err_wrap(err, "image '%s'", b->spec->image);
    b->lockdown.image = image;
    b->lockdown.image_ref = image->id;
    return lockdown_digest(&b->lockdown, b->policy, err);
}

int blueprint_check_mounts(const struct blueprint *b, const struct endpoint *at, struct err *err)
{
    for (size_t i = 0; i < b->spec->mount_count; i++) {
        int r = mount_check(&b->spec->mounts[i], b->spec->uid, b->spec->gid, at, err);

        if (r < 0)
            return r;
    }
    return 0;
}

bool blueprint_is_ours(const struct blueprint *b, const struct tree *inspect)
{
    const struct tree *labels = tree_path(inspect, "Config", "Labels", NULL);

    return tree_is_string(tree_get(labels, "agentbox.run"), b->labels[0].value) &&
           tree_is_string(tree_get(labels, "agentbox.attempt"), b->attempt) &&
           strcmp(tree_string(tree_get(labels, "agentbox.part"), ""), b->part) == 0;
}

static const struct tree *label_of(const struct tree *inspect, const char *name)
{
    return tree_get(tree_path(inspect, "Config", "Labels", NULL), name);
}

static bool has_guest(const struct blueprint *b, const struct tree *inspect)
{
    tree_each (mount, tree_get(inspect, "Mounts")) {
        if (tree_is_string(tree_get(mount, "Name"), b->guest_volume) &&
            tree_is_string(tree_get(mount, "Destination"), LOCKDOWN_GUEST_DIR))
            return true;
    }
    return false;
}

/* The request named it by its id; so did the manifest, if it did. */
static bool has_image(const struct blueprint *b, const struct tree *inspect)
{
    const char *id = tree_string(tree_get(inspect, "Image"), "");
    const char *asked = tree_string(tree_path(inspect, "Config", "Image", NULL), "");

    if (strncmp(id, "sha256:", 7) != 0 || (strncmp(asked, "sha256:", 7) == 0 && strcmp(asked, id) != 0))
        return false;
    return strncmp(b->spec->image, "sha256:", 7) != 0 || strcmp(b->spec->image, id) == 0;
}

static int check_whose(const struct blueprint *b, const struct tree *inspect, struct err *err)
{
    if (!tree_is_string(label_of(inspect, "agentbox.run"), b->labels[0].value))
        return err_set(err, ERR_CONFLICT, "the container that was left is of another run: '%.64s'",
                       tree_string(label_of(inspect, "agentbox.run"), ""));
    if (!tree_is_string(label_of(inspect, "agentbox.attempt"), b->attempt))
        return err_set(err, ERR_CONFLICT, "the container that was left is of attempt '%.20s', not %s",
                       tree_string(label_of(inspect, "agentbox.attempt"), ""), b->attempt);
    return 0;
}

int blueprint_check_left(const struct blueprint *b, const struct tree *inspect, const char *id,
                         struct err *err)
{
    const struct tree *state = tree_get(inspect, "State");
    int r;

    if (!tree_is_string(tree_get(inspect, "Id"), id) || !state || !tree_get(inspect, "Config"))
        return err_set(err, ERR_ENGINE, "the engine does not describe the sandbox that was left");
    r = check_whose(b, inspect, err);
    if (r < 0)
        return r;
    if (!tree_bool(tree_get(state, "Running"), false))
        return err_set(err, ERR_NOT_FOUND,
                       "the sandbox that was left, '%s', no longer runs: %.20s, status %lld",
                       b->container_name, tree_string(tree_get(state, "Status"), "ended"),
                       (long long) tree_int(tree_get(state, "ExitCode"), -1));
    if (tree_bool(tree_get(state, "Paused"), false))
        return err_set(err, ERR_NOT_FOUND,
                       "the sandbox that was left, '%s', no longer runs: somebody paused it",
                       b->container_name);
    if (!has_guest(b, inspect))
        return err_set(err, ERR_CONFLICT, "the sandbox that was left runs another guest than this program's");
    if (!has_image(b, inspect))
        return err_set(err, ERR_CONFLICT, "the sandbox that was left is of another image");
    return 0;
}

int blueprint_adopt(struct blueprint *b, const struct tree *inspect, struct err *err)
{
    const char *version = arena_text(&b->arena, tree_string(label_of(inspect, "agentbox.version"), ""));

    if (!version)
        return no_memory(err);
    snprintf(b->owner, sizeof(b->owner), "%s", tree_string(label_of(inspect, "agentbox.owner"), ""));
    snprintf(b->deadline, sizeof(b->deadline), "%s", tree_string(label_of(inspect, "agentbox.deadline"), ""));
    for (size_t i = 0; i < b->label_count; i++)
        if (strcmp(b->labels[i].name, "agentbox.version") == 0)
            b->labels[i].value = version;
    return 0;
}

static const char *state_name(enum sandbox_row_state state)
{
    static const char *const names[] = { "asked", "verified", "lowered", "failed" };

    return names[state];
}

int blueprint_write(const struct blueprint *b, struct json_writer *w, struct err *err)
{
    struct sandbox_row rows[LOCKDOWN_ROWS];
    struct buf body = BUF_INIT(LOCKDOWN_BODY_MAX);
    int r = lockdown_write(&b->lockdown, &body, err);

    if (r < 0) {
        buf_done(&body);
        return r;
    }
    lockdown_ask(&b->lockdown, rows);
    json_object(w);
    json_put_string(w, "image", b->spec->image);
    json_put_bool(w, "image_known", b->lockdown.image != NULL);
    json_put_string(w, "container", b->container_name);
    json_put_string(w, "guest_volume", b->guest_volume);
    json_put_string(w, "policy_sha256", b->policy);
    json_key(w, "rows");
    json_array(w);
    for (size_t i = 0; i < lockdown_row_count(); i++) {
        json_object(w);
        json_put_string(w, "name", rows[i].name);
        json_put_string(w, "title", rows[i].title);
        json_put_string(w, "state", state_name(rows[i].state));
        json_put_string(w, "asked", rows[i].asked);
        json_object_end(w);
    }
    json_array_end(w);
    json_put_raw(w, "request", buf_span(&body));
    json_object_end(w);
    buf_done(&body);
    return 0;
}
