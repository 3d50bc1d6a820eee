/* SPDX-License-Identifier: MIT */
/* The request for a container, from Docker's words into libpod's. */
#include "oci/libpod.h"

#include "core/base/arena.h"
#include "oci/lockdown_rows.h"
#include "oci/spaces.h"

#include <string.h>

#define CPU_PERIOD_US 100000

typedef void put_fn(struct json_writer *w, const char *name, const struct tree *value);

/* ---- how a member is said ---- */

static void put_same(struct json_writer *w, const char *name, const struct tree *value)
{
    json_key(w, name);
    json_tree(w, value);
}

/* "" is the engine's default there, which is not the same everywhere. */
static void put_namespace(struct json_writer *w, const char *name, const struct tree *value)
{
    const char *mode = tree_string(value, "");

    json_key(w, name);
    json_object(w);
    json_put_string(w, "nsmode", *mode ? mode : "private");
    json_object_end(w);
}

static void put_signal(struct json_writer *w, const char *name, const struct tree *value)
{
    if (tree_is_string(value, "SIGKILL"))
        json_put_int(w, name, 9);
    else
        w->failed = -ERR_INVALID;
}

static void put_member(struct json_writer *w, const char *name, const struct tree *value, const char *member)
{
    json_put_string(w, name, tree_string(tree_get(value, member), ""));
}

static void put_restart(struct json_writer *w, const char *name, const struct tree *value)
{
    put_member(w, name, value, "Name");
}

static void put_log(struct json_writer *w, const char *name, const struct tree *value)
{
    json_key(w, name);
    json_object(w);
    put_member(w, "driver", value, "Type");
    json_object_end(w);
}

static void put_limits(struct json_writer *w, const char *name, const struct tree *value)
{
    json_key(w, name);
    json_array(w);
    tree_each (limit, value) {
        json_object(w);
        put_member(w, "type", limit, "Name");
        json_put_int(w, "soft", tree_int(tree_get(limit, "Soft"), 0));
        json_put_int(w, "hard", tree_int(tree_get(limit, "Hard"), 0));
        json_object_end(w);
    }
    json_array_end(w);
}

/* "NAME=value" is set; a name alone takes the image's away. */
static void put_variables(struct json_writer *w, const char *name, const struct tree *value)
{
    json_key(w, name);
    json_object(w);
    tree_each (entry, value) {
        const char *text = tree_string(entry, "");
        const char *equals = strchr(text, '=');
        char key[256];

        if (equals && (size_t) (equals - text) < sizeof(key)) {
            memcpy(key, text, (size_t) (equals - text));
            key[equals - text] = '\0';
            json_put_string(w, key, equals + 1);
        } else if (equals) {
            w->failed = -ERR_TOO_LARGE;
        }
    }
    json_object_end(w);
    json_key(w, "unsetenv");
    json_array(w);
    tree_each (entry, value) {
        if (!strchr(tree_string(entry, ""), '='))
            json_string(w, tree_string(entry, ""));
    }
    json_array_end(w);
}

/* ---- which ---- */

/* A member with neither function nor note must say nothing: absent, empty, false. */
struct member {
    const char *docker, *libpod;
    put_fn *put;
    bool is_elsewhere; /* said by other members, or true there in any case; verified like all */
};

static const struct member config_members[] = {
    { "Image", "image", put_same, false },
    { "User", "user", put_same, false },
    { "Hostname", "hostname", put_same, false },
    { "Entrypoint", "entrypoint", put_same, false },
    { "Cmd", NULL, NULL, false },
    { "WorkingDir", "work_dir", put_same, false },
    { "Tty", "terminal", put_same, false },
    { "OpenStdin", "stdin", put_same, false },
    { "StdinOnce", NULL, NULL, false },
    { "AttachStdin", NULL, NULL, true },
    { "AttachStdout", NULL, NULL, true },
    { "AttachStderr", NULL, NULL, true },
    { "StopSignal", "stop_signal", put_signal, false },
    { "StopTimeout", "stop_timeout", put_same, false },
    { "Healthcheck", "healthconfig", put_same, false },
    { "Env", "env", put_variables, false },
    { "Labels", "labels", put_same, false },
    { "NetworkDisabled", NULL, NULL, true }, /* by the namespace */
    { "HostConfig", NULL, NULL, true },
};

static const struct member host_members[] = {
    { "CapDrop", "cap_drop", put_same, false },
    { "CapAdd", "cap_add", put_same, false },
    { "Privileged", "privileged", put_same, false },
    { "ReadonlyRootfs", "read_only_filesystem", put_same, false },
    { "NetworkMode", "netns", put_namespace, false },
    { "Dns", NULL, NULL, false },
    { "ExtraHosts", NULL, NULL, false },
    { "PublishAllPorts", NULL, NULL, false },
    { "Memory", NULL, NULL, true }, /* these five: resource_limits */
    { "MemorySwap", NULL, NULL, true },
    { "NanoCpus", NULL, NULL, true },
    { "CpuShares", NULL, NULL, true },
    { "PidsLimit", NULL, NULL, true },
    { "Ulimits", "r_limits", put_limits, false },
    { "OomKillDisable", NULL, NULL, false },
    { "OomScoreAdj", "oom_score_adj", put_same, false },
    { "Devices", NULL, NULL, false },
    { "DeviceCgroupRules", NULL, NULL, false },
    { "MaskedPaths", "mask", put_same, false },
    { "ReadonlyPaths", NULL, NULL, true }, /* it has a list of its own */
    { "IpcMode", "ipcns", put_namespace, false },
    { "PidMode", "pidns", put_namespace, false },
    { "UTSMode", "utsns", put_namespace, false },
    { "CgroupnsMode", "cgroupns", put_namespace, false },
    { "CgroupParent", NULL, NULL, false },
    { "UsernsMode", NULL, NULL, false },
    { "Sysctls", "sysctl", put_same, false },
    { "Runtime", "oci_runtime", put_same, false },
    { "LogConfig", "log_configuration", put_log, false },
    { "RestartPolicy", "restart_policy", put_restart, false },
    { "AutoRemove", "remove", put_same, false },
    { "Init", "init", put_same, false },
    { "SecurityOpt", NULL, NULL, true },
    { "Tmpfs", NULL, NULL, true }, /* volumes */
    { "Mounts", NULL, NULL, true },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int untranslated(const char *what, struct err *err)
{
    return err_set(err, ERR_INTERNAL, "the lock-down has no words for Podman: '%.60s'", what);
}

static int put_members(struct json_writer *w, const struct tree *docker, const struct member *members,
                       size_t count, struct err *err)
{
    tree_each (value, docker) {
        const struct member *m = members;

        while (m < members + count && !span_is(value->key, m->docker))
            m++;
        if (m == members + count)
            return untranslated(value->key.ptr, err);
        if (m->put)
            m->put(w, m->libpod, value);
        else if (!m->is_elsewhere && !row_is_empty(value) && tree_bool(value, true))
            return untranslated(m->docker, err);
    }
    return 0;
}

/* ---- what has another shape ---- */

static void put_number(struct json_writer *w, const char *name, const struct tree *value)
{
    if (value)
        json_put_int(w, name, tree_int(value, 0));
}

static void put_resources(struct json_writer *w, const struct tree *host)
{
    const struct tree *nano = tree_get(host, "NanoCpus");

    json_key(w, "resource_limits");
    json_object(w);
    json_key(w, "memory");
    json_object(w);
    put_number(w, "limit", tree_get(host, "Memory"));
    put_number(w, "swap", tree_get(host, "MemorySwap"));
    json_object_end(w);
    json_key(w, "cpu");
    json_object(w);
    if (nano) {
        json_put_int(w, "quota", tree_int(nano, 0) / (1000000000 / CPU_PERIOD_US));
        json_put_int(w, "period", CPU_PERIOD_US);
    }
    put_number(w, "shares", tree_get(host, "CpuShares"));
    json_object_end(w);
    if (tree_get(host, "PidsLimit")) {
        json_key(w, "pids");
        json_object(w);
        put_number(w, "limit", tree_get(host, "PidsLimit"));
        json_object_end(w);
    }
    json_object_end(w);
}

static int put_security(const struct lockdown *l, struct json_writer *w, const struct tree *options,
                        struct err *err)
{
    tree_each (option, options) {
        struct span text = tree_span(option);

        if (span_is(text, "no-new-privileges:true"))
            json_put_bool(w, "no_new_privileges", true);
        else if (span_starts(text, "seccomp=") && l->seccomp_path)
            json_put_string(w, "seccomp_profile_path", l->seccomp_path);
        else
            return untranslated("SecurityOpt", err);
    }
    return 0;
}

static void put_volume(struct json_writer *w, const char *name, const char *target,
                       const char *const *options)
{
    json_object(w);
    json_put_string(w, "Name", name);
    json_put_string(w, "Dest", target);
    json_key(w, "Options");
    json_array(w);
    for (; *options; options++)
        json_string(w, *options);
    json_array_end(w);
    json_object_end(w);
}

static void put_volumes(const struct lockdown *l, struct json_writer *w, const struct tree *mounts)
{
    static const char *const read_only[] = { "ro", "nosuid", "nodev", "nocopy", NULL };
    static const char *const writable[] = { "rw", "nosuid", "nodev", "nocopy", "exec", NULL };
    static const char *const data[] = { "rw", "nosuid", "nodev", "nocopy", "noexec", NULL };
    struct row_tmpfs t;
    char name[SPACE_NAME];

    json_key(w, "volumes");
    json_array(w);
    tree_each (mount, mounts) {
        if (tree_is_string(tree_get(mount, "Type"), "volume"))
            put_volume(w, tree_string(tree_get(mount, "Source"), ""),
                       tree_string(tree_get(mount, "Target"), ""),
                       tree_bool(tree_get(mount, "ReadOnly"), true) ? read_only : writable);
    }
    for (size_t i = 0; row_tmpfs_at(l, i, &t); i++) {
        spaces_name(l, i, name);
        put_volume(w, name, t.path, t.is_exec ? writable : data);
    }
    json_array_end(w);
}

static int put_binds(struct json_writer *w, const struct tree *mounts, struct err *err)
{
    static const char *const options[] = { "ro", "nosuid", "nodev", "rbind", "rprivate", NULL };

    json_key(w, "mounts");
    json_array(w);
    tree_each (mount, mounts) {
        if (tree_is_string(tree_get(mount, "Type"), "volume"))
            continue;
        if (!tree_is_string(tree_get(mount, "Type"), "bind") ||
            !tree_bool(tree_get(mount, "ReadOnly"), false))
            return untranslated("Mounts", err);
        json_object(w);
        json_put_string(w, "type", "bind");
        json_put_string(w, "source", tree_string(tree_get(mount, "Source"), ""));
        json_put_string(w, "destination", tree_string(tree_get(mount, "Target"), ""));
        json_key(w, "options");
        json_array(w);
        for (size_t i = 0; options[i]; i++)
            json_string(w, options[i]);
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
    return 0;
}

/* What its command line would add, or its server's settings: systemd's way of starting, variables of the
 * host, volumes of the image (they are covered like elsewhere). */
static void put_own(struct json_writer *w)
{
    json_put_string(w, "systemd", "false");
    json_put_bool(w, "httpproxy", false);
    json_put_bool(w, "env_host", false);
    json_put_string(w, "image_volume_mode", "ignore");
}

int libpod_translate(const struct lockdown *l, const struct tree *docker, const char *name, struct buf *out,
                     struct err *err)
{
    const struct tree *host = tree_get(docker, "HostConfig");
    const struct tree *mounts = tree_get(host, "Mounts");
    struct json_writer w;
    int r;

    json_begin(&w, out);
    json_object(&w);
    json_put_string(&w, "name", name);
    r = put_members(&w, docker, config_members, COUNT(config_members), err);
    if (r >= 0)
        r = put_members(&w, host, host_members, COUNT(host_members), err);
    if (r >= 0)
        r = put_security(l, &w, tree_get(host, "SecurityOpt"), err);
    if (r >= 0)
        r = put_binds(&w, mounts, err);
    if (r < 0)
        return r;
    put_volumes(l, &w, mounts);
    put_resources(&w, host);
    put_own(&w);
    json_object_end(&w);
    return json_end(&w, err);
}

int libpod_write(const struct lockdown *l, const char *name, struct buf *out, struct err *err)
{
    struct buf docker = BUF_INIT(LOCKDOWN_BODY_MAX);
    struct arena arena = ARENA_INIT(32 * LOCKDOWN_BODY_MAX);
    const struct tree *tree = NULL;
    int r = lockdown_write(l, &docker, err);

    if (r >= 0)
        r = json_parse(buf_span(&docker), &arena, &tree, err);
    if (r >= 0)
        r = libpod_translate(l, tree, name, out, err);
    arena_done(&arena);
    buf_done(&docker);
    return r;
}
