/* SPDX-License-Identifier: MIT */
/* Rows of the lock-down about what the processes are: rights, identity, namespaces, program, variables. */
#include "core/base/units.h"
#include "oci/lockdown_gvisor.h"
#include "oci/lockdown_rows.h"
#include "oci/procfs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- shared ---- */

const struct tree *row_host(const struct lockdown_evidence *e, const char *name)
{
    return tree_path(e->inspect, "HostConfig", name, NULL);
}

const struct tree *row_config(const struct lockdown_evidence *e, const char *name)
{
    return tree_path(e->inspect, "Config", name, NULL);
}

bool row_is_empty(const struct tree *t)
{
    if (!t || t->kind == TREE_NULL)
        return true;
    if (t->kind == TREE_STRING)
        return t->text.len == 0;
    return (t->kind == TREE_ARRAY || t->kind == TREE_OBJECT) && t->count == 0;
}

bool row_say(char found[ROW_TEXT], bool is_fine, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(found, ROW_TEXT, format, ap);
    va_end(ap);
    return is_fine;
}

static void say(char ret[ROW_TEXT], const char *text)
{
    snprintf(ret, ROW_TEXT, "%s", text);
}

static void put_empty_array(struct json_writer *w, const char *name)
{
    json_key(w, name);
    json_array(w);
    json_array_end(w);
}

static void put_strings(struct json_writer *w, const char *name, const char *const *items)
{
    json_key(w, name);
    json_array(w);
    for (; *items; items++)
        json_string(w, *items);
    json_array_end(w);
}

static struct span status_of(const struct lockdown_evidence *e, const char *field)
{
    return procfs_field(e->files[LOCKDOWN_STATUS], field);
}

static bool is_one_of(const struct tree *t, const char *a, const char *b)
{
    return row_is_empty(t) ? *a == '\0' || *b == '\0' : tree_is_string(t, a) || tree_is_string(t, b);
}

/* ---- capabilities ---- */

void ask_capabilities(const struct lockdown *l, char ret[ROW_TEXT])
{
    say(ret, "none");
}

void write_capabilities(const struct lockdown *l, struct json_writer *w)
{
    json_key(w, "CapDrop");
    json_array(w);
    json_string(w, "ALL");
    json_array_end(w);
    put_empty_array(w, "CapAdd");
}

bool verify_capabilities(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", NULL };

    for (size_t i = 0; sets[i]; i++) {
        struct span value = status_of(e, sets[i]);

        if (!value.ptr && strcmp(sets[i], "CapAmb") == 0 && gvisor_is(l, e))
            continue;
        if (!span_is(value, "0000000000000000"))
            return row_say(found, false, "%s is %.*s", sets[i], value.len > 40 ? 40 : (int) value.len,
                           value.len ? value.ptr : "");
    }
    if (!row_is_empty(row_host(e, "CapAdd")))
        return row_say(found, false, "the engine added some");
    return row_say(found, true, "none");
}

/* ---- no_new_privileges ---- */

void ask_no_new_privileges(const struct lockdown *l, char ret[ROW_TEXT])
{
    say(ret, "on");
}

void write_no_new_privileges(const struct lockdown *l, struct json_writer *w)
{
    json_string(w, "no-new-privileges:true");
}

bool verify_no_new_privileges(const struct lockdown *l, const struct lockdown_evidence *e,
                              char found[ROW_TEXT])
{
    struct span told = status_of(e, "NoNewPrivs");
    bool is_on = told.ptr || !gvisor_is(l, e) ? span_is(told, "1") : gvisor_has_no_new_privileges(e);

    return row_say(found, is_on, is_on ? "on" : "off");
}

/* ---- user ---- */

void ask_user(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "%lld:%lld", (long long) l->spec->uid, (long long) l->spec->gid);
}

void write_user(const struct lockdown *l, struct json_writer *w)
{
    char text[ROW_TEXT];

    ask_user(l, text);
    json_put_string(w, "User", text);
}

/* Real, effective, saved and file system id: all the same one. */
static bool are_ids(struct span ids, int64_t id)
{
    struct span word;
    int64_t n;
    int count = 0;

    while (procfs_word(&ids, &word)) {
        if (units_int(word, 0, INT64_MAX, &n) < 0 || n != id)
            return false;
        count++;
    }
    return count == 4;
}

/* The image's /etc/group may put the user into further groups; only its own is asked for. */
static bool are_groups(struct span groups, int64_t gid)
{
    struct span word;
    int64_t n;

    while (procfs_word(&groups, &word))
        if (units_int(word, 0, INT64_MAX, &n) < 0 || n != gid)
            return false;
    return groups.ptr != NULL;
}

bool verify_user(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    struct span uid = status_of(e, "Uid"), gid = status_of(e, "Gid"), groups = status_of(e, "Groups");
    char asked[ROW_TEXT];

    ask_user(l, asked);
    if (!are_ids(uid, l->spec->uid) || !are_ids(gid, l->spec->gid) || !are_groups(groups, l->spec->gid))
        return row_say(found, false, "uid %.*s, gid %.*s, groups %.*s", (int) (uid.len > 24 ? 24 : uid.len),
                       uid.len ? uid.ptr : "", (int) (gid.len > 24 ? 24 : gid.len), gid.len ? gid.ptr : "",
                       (int) (groups.len > 32 ? 32 : groups.len), groups.len ? groups.ptr : "");
    if (!tree_is_string(row_config(e, "User"), asked))
        return row_say(found, false, "the engine says '%.60s'", tree_string(row_config(e, "User"), ""));
    return row_say(found, true, "%s", asked);
}

/* ---- seccomp ---- */

void ask_seccomp(const struct lockdown *l, char ret[ROW_TEXT])
{
    if (!l->seccomp)
        say(ret, "the engine's default profile");
    else if (strcmp(l->spec->seccomp, "strict") == 0)
        say(ret, "strict profile");
    else
        snprintf(ret, ROW_TEXT, "profile '%.100s'", l->spec->seccomp);
}

void write_seccomp(const struct lockdown *l, struct json_writer *w)
{
    struct buf option = BUF_INIT(2 * LOCKDOWN_BODY_MAX);

    if (!l->seccomp)
        return;
    if (buf_printf(&option, "seccomp=%s", l->seccomp) >= 0)
        json_string(w, buf_text(&option));
    else
        w->failed = -ERR_TOO_LARGE;
    buf_done(&option);
}

static bool has_security_option(const struct lockdown_evidence *e, const char *start, const char *rest)
{
    tree_each (item, row_host(e, "SecurityOpt")) {
        struct span s = tree_span(item);

        if (span_starts(s, start) &&
            (!rest || span_is(span_make(s.ptr + strlen(start), s.len - strlen(start)), rest)))
            return true;
    }
    return false;
}

bool lockdown_is_strict(const struct lockdown *l)
{
    return l->seccomp && strcmp(l->spec->seccomp, "strict") == 0;
}

/* What the kernel answers to calls of the guest that the strict profile closes; each would fail otherwise
 * too, with another number. */
static bool are_closed(struct span answers)
{
    return span_is(answers, "io_uring_setup 1\nptrace 1\nmemfd_create 1\nprocess_vm_readv 1\nopenat2 38\n"
                            "vmsplice 38\nsetxattr 95\n");
}

/* Engines that take the path of a profile do not say which they took; they fail when there is none. */
static bool is_profile_told(const struct lockdown *l, const struct lockdown_evidence *e)
{
    if (!l->seccomp)
        return !has_security_option(e, "seccomp=", NULL);
    if (!l->kind->seccomp_is_path)
        return has_security_option(e, "seccomp=", l->seccomp);
    return !has_security_option(e, "seccomp=", NULL) || has_security_option(e, "seccomp=", l->seccomp_path);
}

bool verify_seccomp(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    char asked[ROW_TEXT];

    const bool is_gvisor = gvisor_is(l, e);

    if (!span_is(status_of(e, "Seccomp"), "2"))
        return row_say(found, false, "%s", is_gvisor ? "no filter: runsc wants --oci-seccomp" : "no filter");
    if (!is_profile_told(l, e))
        return row_say(found, false, "the engine uses another profile");
    if (lockdown_is_strict(l) && !(is_gvisor ? gvisor_are_closed(e) : are_closed(e->files[LOCKDOWN_CALLS])))
        return row_say(found, false, "calls that it closes are open");
    ask_seccomp(l, asked);
    return row_say(found, true, "%s", asked);
}

/* ---- apparmor ---- */

void ask_apparmor(const struct lockdown *l, char ret[ROW_TEXT])
{
    say(ret, "never unconfined");
}

/* Nothing is written: an engine whose host has AppArmor uses its own profile when none is named, while naming
 * one that is not loaded would keep the container from starting. */
bool verify_apparmor(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    const char *profile = tree_string(tree_get(e->inspect, "AppArmorProfile"), "");
    struct span inside = e->files[LOCKDOWN_APPARMOR], line = { NULL, 0 };

    (void) procfs_line(&inside, &line); /* empty on a host without it */
    if (strcmp(profile, "unconfined") == 0 || has_security_option(e, "apparmor=unconfined", NULL))
        return row_say(found, false, "unconfined");
    if (*profile && span_starts(line, "unconfined"))
        return row_say(found, false, "unconfined inside");
    return row_say(found, true, "%.100s", *profile ? profile : "not on this host");
}

/* ---- privileged ---- */

void ask_privileged(const struct lockdown *l, char ret[ROW_TEXT])
{
    say(ret, "no");
}

void write_privileged(const struct lockdown *l, struct json_writer *w)
{
    json_put_bool(w, "Privileged", false);
}

bool verify_privileged(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    struct procfs_mount sys;
    const struct tree *flag = row_host(e, "Privileged");

    if (!flag || tree_bool(flag, true))
        return row_say(found, false, "privileged");
    if (procfs_mount_at(e->files[LOCKDOWN_MOUNTS], "/sys", &sys) && !procfs_has_option(sys.options, "ro"))
        return row_say(found, false, "/sys is writable");
    return row_say(found, true, "no");
}

/* ---- namespaces ---- */

void ask_ipc(const struct lockdown *l, char ret[ROW_TEXT])
{
    say(ret, "own");
}

/* 'none' rather than 'private': /dev/shm is a tmpfs of ours, whose inodes are bounded too. Segments of System
 * V end with their users, where the engine may say so to its kernel (see docker_launch.c). */
void write_ipc(const struct lockdown *l, struct json_writer *w)
{
    json_put_string(w, "IpcMode", "none");
    if (l->leaves_shm)
        return;
    json_key(w, "Sysctls");
    json_object(w);
    json_put_string(w, LOCKDOWN_SYSCTL, "1");
    json_object_end(w);
}

static bool is_ipc_mode(const struct lockdown *l, const struct tree *mode)
{
    const char *const *known = l->kind->ipc_modes;

    while (*known && !tree_is_string(mode, *known))
        known++;
    return *known != NULL;
}

/* The segments are bounded by the container's memory in any case, and end with it: no reason to refuse. */
bool verify_ipc(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    struct span inside = procfs_single(e->files[LOCKDOWN_SHM_RMID]);

    if (!is_ipc_mode(l, row_host(e, "IpcMode")))
        return row_say(found, false, "'%.60s'", tree_string(row_host(e, "IpcMode"), ""));
    tree_each (item, row_host(e, "Sysctls")) {
        if (!span_is(item->key, LOCKDOWN_SYSCTL))
            return row_say(found, false, "own, with '%.60s' set", item->key.ptr);
    }
    return row_say(found, true, span_is(inside, "1") ? "own" : "own; shared memory outlives its users");
}

void ask_pid(const struct lockdown *l, char ret[ROW_TEXT])
{
    say(ret, "own");
}

void write_pid(const struct lockdown *l, struct json_writer *w)
{
    json_put_string(w, "PidMode", "");
}

bool verify_pid(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    if (!is_one_of(row_host(e, "PidMode"), "", "private"))
        return row_say(found, false, "'%.60s'", tree_string(row_host(e, "PidMode"), ""));
    if (!span_is(status_of(e, "Pid"), "1"))
        return row_say(found, false, "the guest is not process 1");
    return row_say(found, true, "own");
}

void ask_uts(const struct lockdown *l, char ret[ROW_TEXT])
{
    say(ret, LOCKDOWN_HOSTNAME);
}

void write_uts(const struct lockdown *l, struct json_writer *w)
{
    json_put_string(w, "UTSMode", "");
}

void write_hostname(const struct lockdown *l, struct json_writer *w)
{
    json_put_string(w, "Hostname", LOCKDOWN_HOSTNAME);
}

bool verify_uts(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    struct span name = procfs_single(e->files[LOCKDOWN_HOSTNAME_FILE]);

    if (!is_one_of(row_host(e, "UTSMode"), "", "private"))
        return row_say(found, false, "'%.60s'", tree_string(row_host(e, "UTSMode"), ""));
    if (!span_is(name, LOCKDOWN_HOSTNAME))
        return row_say(found, false, "%.*s", (int) (name.len > 64 ? 64 : name.len), name.len ? name.ptr : "");
    return row_say(found, true, LOCKDOWN_HOSTNAME);
}

void ask_cgroup(const struct lockdown *l, char ret[ROW_TEXT])
{
    say(ret, "own");
}

void write_cgroup(const struct lockdown *l, struct json_writer *w)
{
    json_put_string(w, "CgroupnsMode", "private");
    json_put_string(w, "CgroupParent", "");
}

/* In a namespace of its own every line of /proc/self/cgroup ends in ":/". */
bool verify_cgroup(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    struct span rest = e->files[LOCKDOWN_CGROUP], line;
    bool is_any = false;

    const struct tree *mode = row_host(e, l->kind->cgroup_member);

    if (!tree_is_string(mode, "private"))
        return row_say(found, false, "'%.60s'", tree_string(mode, ""));
    while (procfs_line(&rest, &line)) {
        is_any = true;
        if (line.len < 2 || line.ptr[line.len - 1] != '/' || line.ptr[line.len - 2] != ':')
            return row_say(found, false, "the host's");
    }
    if (!is_any && e->files[LOCKDOWN_CGROUP].ptr && gvisor_is(l, e))
        return row_say(found, true, "none inside gVisor");
    return row_say(found, is_any, is_any ? "own" : "unknown");
}

void ask_userns(const struct lockdown *l, char ret[ROW_TEXT])
{
    say(ret, "as the engine is set up");
}

/* The first line of uid_map is "0 0 4294967295" where the host's own user ids count. */
bool row_is_mapped(const struct lockdown_evidence *e)
{
    struct span map = e->files[LOCKDOWN_UID_MAP], inside, outside;

    return procfs_word(&map, &inside) && procfs_word(&map, &outside) &&
           !(span_is(inside, "0") && span_is(outside, "0"));
}

void write_userns(const struct lockdown *l, struct json_writer *w)
{
    json_put_string(w, "UsernsMode", "");
}

bool verify_userns(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    if (!row_is_empty(row_host(e, "UsernsMode")))
        return row_say(found, false, "'%.60s'", tree_string(row_host(e, "UsernsMode"), ""));
    return row_say(found, true, row_is_mapped(e) ? "user ids are mapped" : "user ids are the host's");
}

void ask_runtime(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "%.100s", l->spec->runtime);
}

void write_runtime(const struct lockdown *l, struct json_writer *w)
{
    if (lockdown_is_runtime_asked(l))
        json_put_string(w, "Runtime", l->spec->runtime);
}

/* Podman ignores it; 'OCIRuntime' of its inspect is what really runs. */
bool verify_runtime(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    const char *name =
        tree_string(tree_get(e->inspect, "OCIRuntime"), tree_string(row_host(e, "Runtime"), ""));

    return row_say(found, !lockdown_is_runtime_asked(l) || strcmp(name, l->spec->runtime) == 0, "%.60s%s",
                   name, gvisor_is(l, e) ? " (gVisor)" : "");
}

/* ---- program and variables ---- */

void ask_guest(const struct lockdown *l, char ret[ROW_TEXT])
{
    say(ret, LOCKDOWN_GUEST);
}

void write_guest(const struct lockdown *l, struct json_writer *w)
{
    static const char *const none[] = { "NONE", NULL };

    put_strings(w, "Entrypoint", l->guest_argv);
    put_empty_array(w, "Cmd");
    json_put_string(w, "WorkingDir", l->spec->root);
    json_put_bool(w, "Tty", false);
    json_put_bool(w, "OpenStdin", true);
    json_put_bool(w, "StdinOnce", false); /* a new attach goes on with the same guest */
    json_put_bool(w, "AttachStdin", true);
    json_put_bool(w, "AttachStdout", true);
    json_put_bool(w, "AttachStderr", true);
    json_put_string(w, "StopSignal", "SIGKILL");
    json_put_int(w, "StopTimeout", 1);
    json_key(w, "Healthcheck");
    json_object(w);
    put_strings(w, "Test", none);
    json_object_end(w);
}

bool verify_guest(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    const struct tree *args = tree_get(e->inspect, "Args");
    size_t n = 0;

    if (!tree_is_string(tree_get(e->inspect, "Path"), l->guest_argv[0]))
        return row_say(found, false, "'%.100s'", tree_string(tree_get(e->inspect, "Path"), ""));
    tree_each (arg, args) {
        n++;
        if (!l->guest_argv[n] || !tree_is_string(arg, l->guest_argv[n]))
            return row_say(found, false, "other arguments");
    }
    if (l->guest_argv[n + 1])
        return row_say(found, false, "arguments are missing");
    if (tree_bool(row_host(e, "Init"), false))
        return row_say(found, false, "the engine's own init before it");
    return row_say(found, true, LOCKDOWN_GUEST);
}

static bool is_name(const char *entry, const char *name)
{
    size_t len = strlen(name);

    return strncmp(entry, name, len) == 0 && (entry[len] == '=' || entry[len] == '\0');
}

static bool spec_sets(const struct lockdown *l, const char *entry)
{
    for (size_t i = 0; i < l->spec->env_count; i++)
        if (is_name(entry, l->spec->env[i].name))
            return true;
    return false;
}

/* A variable of the image stays when each of its entries is one that may: engines take the last. */
static bool image_keeps(const struct lockdown *l, const char *name)
{
    bool is_there = false;

    for (size_t i = 0; l->image && i < l->image->env_count; i++) {
        if (!is_name(l->image->env[i], name))
            continue;
        if (!image_keeps_env(l->image->env[i]))
            return false;
        is_there = true;
    }
    return is_there;
}

/* What is set unless the manifest or, where it may, the image does. */
struct own_variable {
    const char *name, *value;
};

static bool own_at(const struct lockdown *l, size_t index, struct own_variable *ret)
{
    const struct own_variable own[] = {
        { "PATH",
          image_keeps(l, "PATH") ? NULL : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
        { "LANG", image_keeps(l, "LANG") || image_keeps(l, "LC_ALL") ? NULL : "C.UTF-8" },
        { "HOME", l->spec->root },
        { "TMPDIR", "/tmp" },
    };

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (!own[i].value || spec_sets(l, own[i].name) || index-- > 0)
            continue;
        *ret = own[i];
        return true;
    }
    return false;
}

static bool is_own(const struct lockdown *l, const char *entry)
{
    struct own_variable own;

    for (size_t i = 0; own_at(l, i, &own); i++)
        if (is_name(entry, own.name))
            return true;
    return false;
}

/* Each variable of the image that is removed: a name without '='. */
static const char *removed_at(const struct lockdown *l, size_t *index)
{
    while (l->image && *index < l->image->env_count) {
        const char *entry = l->image->env[(*index)++];

        if (!image_keeps_env(entry) && !spec_sets(l, entry) && !is_own(l, entry))
            return entry;
    }
    return NULL;
}

void ask_environment(const struct lockdown *l, char ret[ROW_TEXT])
{
    size_t removed = 0, at = 0;

    while (removed_at(l, &at))
        removed++;
    snprintf(ret, ROW_TEXT, "%zu of the manifest, %zu of the image removed", l->spec->env_count, removed);
}

static void write_variable(struct json_writer *w, const char *name, const char *value)
{
    struct buf text = BUF_INIT(256 * 1024);

    if (buf_printf(&text, "%s=%s", name, value) >= 0)
        json_string(w, buf_text(&text));
    else
        w->failed = -ERR_TOO_LARGE;
    buf_done(&text);
}

void write_environment(const struct lockdown *l, struct json_writer *w)
{
    struct own_variable own;
    const char *entry;
    size_t at = 0;

    json_key(w, "Env");
    json_array(w);
    for (size_t i = 0; own_at(l, i, &own); i++)
        write_variable(w, own.name, own.value);
    for (size_t i = 0; i < l->spec->env_count; i++)
        write_variable(w, l->spec->env[i].name, l->spec->env[i].value);
    while ((entry = removed_at(l, &at)) != NULL)
        json_span(w, span_make(entry, strcspn(entry, "=")));
    json_array_end(w);
}

static bool is_variable(struct span entry, const char *name, const char *value)
{
    const size_t len = strlen(name);

    return span_starts(entry, name) && entry.len > len && entry.ptr[len] == '=' &&
           span_is(span_make(entry.ptr + len + 1, entry.len - len - 1), value);
}

/* Those that engines set by themselves. */
static bool is_engines(struct span entry)
{
    static const char *const starts[] = { "HOSTNAME=", "TERM=", "container=" };

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (span_starts(entry, starts[i]))
            return true;
    return false;
}

/* Podman does not take a variable of the image away, it empties it. */
static bool is_emptied(const struct lockdown *l, struct span entry)
{
    const char *removed;
    size_t at = 0;

    while (entry.ptr[entry.len - 1] == '=' && (removed = removed_at(l, &at)) != NULL)
        if (strcspn(removed, "=") == entry.len - 1 && memcmp(removed, entry.ptr, entry.len - 1) == 0)
            return true;
    return false;
}

static bool may_be(const struct lockdown *l, struct span entry)
{
    struct own_variable own;

    if (!entry.len || !memchr(entry.ptr, '=', entry.len) || is_engines(entry))
        return true; /* a name without '=' takes one away */
    for (size_t i = 0; own_at(l, i, &own); i++)
        if (is_variable(entry, own.name, own.value))
            return true;
    for (size_t i = 0; i < l->spec->env_count; i++)
        if (is_variable(entry, l->spec->env[i].name, l->spec->env[i].value))
            return true;
    for (size_t i = 0; l->image && i < l->image->env_count; i++)
        if (span_is(entry, l->image->env[i]))
            return image_keeps_env(l->image->env[i]);
    return is_emptied(l, entry);
}

static bool is_in_env(const struct tree *env, const char *name, const char *value)
{
    tree_each (item, env)
        if (is_variable(tree_span(item), name, value))
            return true;
    return false;
}

bool verify_environment(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    const struct tree *env = row_config(e, "Env");

    for (size_t i = 0; i < l->spec->env_count; i++)
        if (!is_in_env(env, l->spec->env[i].name, l->spec->env[i].value))
            return row_say(found, false, "'%.60s' is not as asked", l->spec->env[i].name);
    tree_each (item, env) {
        struct span entry = tree_span(item);
        const char *end = entry.len ? memchr(entry.ptr, '=', entry.len) : NULL;

        if (!may_be(l, entry))
            return row_say(found, false, "'%.*s', which nobody asked for",
                           (int) (end - entry.ptr > 60 ? 60 : end - entry.ptr), entry.ptr);
    }
    ask_environment(l, found);
    return true;
}

/* ---- labels ---- */

void ask_labels(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "%zu labels", l->label_count);
}

void write_labels(const struct lockdown *l, struct json_writer *w)
{
    json_key(w, "Labels");
    json_object(w);
    for (size_t i = 0; i < l->label_count; i++)
        json_put_string(w, l->labels[i].name, l->labels[i].value);
    json_object_end(w);
}

bool verify_labels(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    const struct tree *labels = row_config(e, "Labels");

    for (size_t i = 0; i < l->label_count; i++)
        if (!tree_is_string(tree_get(labels, l->labels[i].name), l->labels[i].value))
            return row_say(found, false, "'%.60s' is not as asked", l->labels[i].name);
    return row_say(found, true, "%zu labels", l->label_count);
}
