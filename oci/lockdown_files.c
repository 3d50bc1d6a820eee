/* SPDX-License-Identifier: MIT */
/* Rows of the lock-down about what can be reached: file systems, kernel files, devices, the network. */
#include "core/base/units.h"
#include "oci/lockdown_gvisor.h"
#include "oci/lockdown_rows.h"
#include "oci/procfs.h"
#include "oci/spaces.h"

#include <stdio.h>
#include <string.h>

/* ---- which tmpfs there are ---- */

static int64_t inodes_for(int64_t bytes, int64_t bytes_each)
{
    int64_t n = bytes / bytes_each;

    return n < 1024 ? 1024 : n > LOCKDOWN_INODES_MAX ? LOCKDOWN_INODES_MAX : n;
}

static bool is_workspace_tmpfs(const struct lockdown *l)
{
    return l->spec->storage == SANDBOX_STORAGE_MEMORY;
}

/* A VOLUME of the image that something of ours covers already. */
static bool is_covered(const struct lockdown *l, const char *path)
{
    if (strcmp(path, "/tmp") == 0 || strcmp(path, l->spec->root) == 0 ||
        strcmp(path, LOCKDOWN_GUEST_DIR) == 0)
        return true;
    for (size_t i = 0; i < l->spec->mount_count; i++)
        if (strcmp(path, l->spec->mounts[i].target) == 0)
            return true;
    return false;
}

static bool volume_tmpfs_at(const struct lockdown *l, size_t index, struct row_tmpfs *ret)
{
    for (size_t i = 0; l->image && i < l->image->volume_count; i++) {
        if (is_covered(l, l->image->volumes[i]) || index-- > 0)
            continue;
        *ret = (struct row_tmpfs){ .path = l->image->volumes[i],
                                   .bytes = LOCKDOWN_COVER_BYTES,
                                   .inodes = 4096,
                                   .options = "mode=1777" };
        return true;
    }
    return false;
}

bool row_tmpfs_at(const struct lockdown *l, size_t index, struct row_tmpfs *ret)
{
    if (index == 0) {
        *ret = (struct row_tmpfs){ .path = "/tmp",
                                   .bytes = l->spec->tmp_bytes,
                                   .inodes = inodes_for(l->spec->tmp_bytes, 4096),
                                   .options = "mode=1777" };
        return true;
    }
    if (index == 1) {
        *ret = (struct row_tmpfs){
            .path = "/dev/shm", .bytes = LOCKDOWN_SHM_BYTES, .inodes = 4096, .options = "mode=1777"
        };
        return true;
    }
    if (is_workspace_tmpfs(l) && index == 2) {
        *ret = (struct row_tmpfs){ .path = l->spec->root,
                                   .bytes = l->spec->size_bytes,
                                   .inodes = inodes_for(l->spec->size_bytes, 2048),
                                   .options = "mode=0700",
                                   .is_exec = true,
                                   .is_workspace = true };
        return true;
    }
    return volume_tmpfs_at(l, index - (is_workspace_tmpfs(l) ? 3 : 2), ret);
}

/* uid and gid are given to all: runc takes over the mode of the image's folder instead of ours, and an image
 * without /tmp would get one that only root can write to. */
static void tmpfs_options(const struct lockdown *l, const struct row_tmpfs *t, char *ret, size_t size)
{
    snprintf(ret, size, "rw,nosuid,nodev,%s,size=%lld,nr_inodes=%lld,%s,uid=%lld,gid=%lld",
             t->is_exec ? "exec" : "noexec", (long long) t->bytes, (long long) t->inodes, t->options,
             (long long) l->spec->uid, (long long) l->spec->gid);
}

static void write_one_tmpfs(const struct lockdown *l, const struct row_tmpfs *t, struct json_writer *w)
{
    char options[256];

    tmpfs_options(l, t, options, sizeof(options));
    json_put_string(w, t->path, options);
}

static const struct tree *listed_at(const struct lockdown_evidence *e, const char *path)
{
    tree_each (mount, tree_get(e->inspect, "Mounts")) {
        if (tree_is_string(tree_get(mount, "Destination"), path))
            return mount;
    }
    return NULL;
}

/* The volume that stands for the tmpfs at `path`. */
static bool is_space(const struct lockdown *l, const struct tree *mount, const char *path)
{
    struct row_tmpfs t;
    char name[SPACE_NAME];

    for (size_t i = 0; l->kind->tmpfs_is_volume && row_tmpfs_at(l, i, &t); i++) {
        spaces_name(l, i, name);
        if (strcmp(t.path, path) == 0)
            return tree_is_string(tree_get(mount, "Type"), "volume") &&
                   tree_is_string(tree_get(mount, "Name"), name);
    }
    return false;
}

static bool is_tmpfs_told(const struct lockdown *l, const struct lockdown_evidence *e,
                          const struct row_tmpfs *t)
{
    char options[256];

    if (l->kind->tmpfs_is_volume)
        return is_space(l, listed_at(e, t->path), t->path);
    tmpfs_options(l, t, options, sizeof(options));
    return tree_is_string(tree_get(row_host(e, "Tmpfs"), t->path), options);
}

static bool verify_one_tmpfs(const struct lockdown *l, const struct lockdown_evidence *e,
                             const struct row_tmpfs *t, char found[ROW_TEXT])
{
    const bool is_gvisor = gvisor_is(l, e);
    struct procfs_mount m;
    uint64_t size = 0, inodes = 0;

    if (!is_tmpfs_told(l, e, t))
        return row_say(found, false, "%.60s: the engine says otherwise", t->path);
    if (!procfs_mount_at(e->files[LOCKDOWN_MOUNTS], t->path, &m) || !span_is(m.type, "tmpfs"))
        return row_say(found, false, "%.60s is no tmpfs; is it a link in the image?", t->path);
    if ((!is_gvisor && (!procfs_has_option(m.options, "nosuid") || !procfs_has_option(m.options, "nodev"))) ||
        (!t->is_exec && !procfs_has_option(m.options, "noexec")))
        return row_say(found, false, "%.40s is %.*s", t->path,
                       (int) (m.options.len > 60 ? 60 : m.options.len), m.options.ptr);
    if (!procfs_size_option(m.super, "size", &size) || size < (uint64_t) t->bytes ||
        size >= (uint64_t) t->bytes + 65536) /* rounded up to pages */
        return row_say(found, false, "%.60s has %s", t->path, size ? "another size" : "no size");
    if (!is_gvisor && (!procfs_size_option(m.super, "nr_inodes", &inodes) || inodes != (uint64_t) t->inodes))
        return row_say(found, false, "%.60s has another number of inodes", t->path);
    return true;
}

/* ---- tmpfs ---- */

void ask_tmpfs(const struct lockdown *l, char ret[ROW_TEXT])
{
    struct row_tmpfs t;
    size_t used = 0;
    char size[32];

    ret[0] = '\0';
    for (size_t i = 0; row_tmpfs_at(l, i, &t) && used < ROW_TEXT; i++)
        if (!t.is_workspace)
            used += (size_t) snprintf(ret + used, ROW_TEXT - used, "%s%.40s %s", used ? ", " : "", t.path,
                                      units_format_size(size, t.bytes));
}

void write_tmpfs(const struct lockdown *l, struct json_writer *w)
{
    struct row_tmpfs t;

    for (size_t i = 0; row_tmpfs_at(l, i, &t); i++)
        if (!t.is_workspace)
            write_one_tmpfs(l, &t, w);
}

bool verify_tmpfs(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    struct row_tmpfs t;

    for (size_t i = 0; row_tmpfs_at(l, i, &t); i++)
        if (!t.is_workspace && !verify_one_tmpfs(l, e, &t, found))
            return false;
    if (gvisor_is(l, e))
        return row_say(found, true, "bounded; programs run there");
    ask_tmpfs(l, found);
    return true;
}

/* ---- workspace ---- */

void ask_workspace(const struct lockdown *l, char ret[ROW_TEXT])
{
    char size[32];

    snprintf(ret, ROW_TEXT, "%.60s, %s, %s", l->spec->root, is_workspace_tmpfs(l) ? "tmpfs" : "volume",
             units_format_size(size, l->spec->size_bytes));
}

void write_workspace_tmpfs(const struct lockdown *l, struct json_writer *w)
{
    struct row_tmpfs t;

    if (is_workspace_tmpfs(l) && row_tmpfs_at(l, 2, &t))
        write_one_tmpfs(l, &t, w);
}

void write_workspace_mount(const struct lockdown *l, struct json_writer *w)
{
    if (is_workspace_tmpfs(l))
        return;
    json_object(w);
    json_put_string(w, "Type", "volume");
    json_put_string(w, "Source", l->workspace_volume);
    json_put_string(w, "Target", l->spec->root);
    json_put_bool(w, "ReadOnly", false);
    json_key(w, "VolumeOptions");
    json_object(w);
    json_put_bool(w, "NoCopy", true);
    write_labels(l, w);
    if (!lockdown_is_lowered(l, "workspace")) {
        char size[32];

        snprintf(size, sizeof(size), "%lld", (long long) l->spec->size_bytes);
        json_key(w, "DriverConfig");
        json_object(w);
        json_put_string(w, "Name", "local");
        json_key(w, "Options");
        json_object(w);
        json_put_string(w, "size", size);
        json_object_end(w);
        json_object_end(w);
    }
    json_object_end(w);
    json_object_end(w);
}

bool verify_workspace(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    struct procfs_mount m;
    struct row_tmpfs t;

    if (is_workspace_tmpfs(l)) {
        (void) row_tmpfs_at(l, 2, &t); /* it is one */
        if (!verify_one_tmpfs(l, e, &t, found))
            return false;
    } else {
        if (!procfs_mount_at(e->files[LOCKDOWN_MOUNTS], l->spec->root, &m))
            return row_say(found, false, "nothing is mounted at %.60s", l->spec->root);
        if (e->workspace_bytes == 0 || e->workspace_bytes > (uint64_t) l->spec->size_bytes + 1024 * 1024)
            return row_say(found, false, "no limit at %.60s", l->spec->root);
    }
    ask_workspace(l, found);
    return true;
}

/* ---- read_only_root ---- */

void ask_read_only_root(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "on");
}

void write_read_only_root(const struct lockdown *l, struct json_writer *w)
{
    json_put_bool(w, "ReadonlyRootfs", true);
}

bool verify_read_only_root(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    struct procfs_mount m;

    if (!tree_bool(row_host(e, "ReadonlyRootfs"), false))
        return row_say(found, false, "off");
    if (!procfs_mount_at(e->files[LOCKDOWN_MOUNTS], "/", &m) || !procfs_has_option(m.options, "ro"))
        return row_say(found, false, "writable inside");
    return row_say(found, true, "on");
}

/* ---- mounts ---- */

void ask_mounts(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "the guest, %zu declared; read-only", l->spec->mount_count);
}

static void write_bind(struct json_writer *w, const struct sandbox_mount *mount)
{
    json_object(w);
    json_put_string(w, "Type", "bind");
    json_put_string(w, "Source", mount->source);
    json_put_string(w, "Target", mount->target);
    json_put_bool(w, "ReadOnly", true);
    json_key(w, "BindOptions");
    json_object(w);
    json_put_string(w, "Propagation", "rprivate");
    json_object_end(w);
    json_object_end(w);
}

void write_mounts(const struct lockdown *l, struct json_writer *w)
{
    json_object(w);
    json_put_string(w, "Type", "volume");
    json_put_string(w, "Source", l->guest_volume);
    json_put_string(w, "Target", LOCKDOWN_GUEST_DIR);
    json_put_bool(w, "ReadOnly", true);
    json_key(w, "VolumeOptions");
    json_object(w);
    json_put_bool(w, "NoCopy", true);
    json_object_end(w);
    json_object_end(w);
    for (size_t i = 0; i < l->spec->mount_count; i++)
        write_bind(w, &l->spec->mounts[i]);
}

/* The declared mount that `point` is, or lies beneath; NULL: none. */
static const struct sandbox_mount *declared_at(const struct lockdown *l, const char *point, bool is_beneath)
{
    for (size_t i = 0; i < l->spec->mount_count; i++) {
        const char *target = l->spec->mounts[i].target;
        size_t len = strlen(target);

        if (strcmp(target, point) == 0 ||
            (is_beneath && strncmp(target, point, len) == 0 && point[len] == '/'))
            return &l->spec->mounts[i];
    }
    return NULL;
}

static bool is_tmpfs_of_ours(const struct lockdown *l, const char *point)
{
    struct row_tmpfs t;

    for (size_t i = 0; row_tmpfs_at(l, i, &t); i++)
        if (strcmp(t.path, point) == 0)
            return true;
    return false;
}

static bool is_kernels(const char *point)
{
    static const char *const trees[] = { "/proc", "/sys", "/dev", NULL };

    for (size_t i = 0; trees[i]; i++) {
        size_t len = strlen(trees[i]);

        if (strncmp(point, trees[i], len) == 0 && (point[len] == '\0' || point[len] == '/'))
            return true;
    }
    return false;
}

/* Files that an engine mounts by itself. */
static bool is_engines(const struct lockdown *l, const char *point)
{
    const char *const *file = l->kind->files;

    while (*file && strcmp(point, *file) != 0)
        file++;
    return *file != NULL;
}

/* What the engine says. */
static bool verify_listed(const struct lockdown *l, const struct tree *mount, char found[ROW_TEXT])
{
    const char *target = tree_string(tree_get(mount, "Destination"), "");
    const char *type = tree_string(tree_get(mount, "Type"), "");
    const char *name = tree_string(tree_get(mount, "Name"), "");
    const struct sandbox_mount *declared = declared_at(l, target, false);
    bool is_writable = tree_bool(tree_get(mount, "RW"), true);

    if ((strcmp(type, "tmpfs") == 0 && is_tmpfs_of_ours(l, target)) || is_space(l, mount, target))
        return true;
    if (strcmp(type, "volume") == 0 && l->workspace_volume && strcmp(name, l->workspace_volume) == 0 &&
        strcmp(target, l->spec->root) == 0)
        return true;
    if (strcmp(type, "volume") == 0 && strcmp(name, l->guest_volume) == 0 &&
        strcmp(target, LOCKDOWN_GUEST_DIR) == 0)
        return !is_writable || row_say(found, false, "the guest is writable");
    if (strcmp(type, "bind") != 0 || !declared)
        return row_say(found, false, "a %.20s at '%.80s' nobody asked for", type, target);
    if (!tree_is_string(tree_get(mount, "Source"), declared->source))
        return row_say(found, false, "another source at '%.80s'", target);
    return !is_writable || row_say(found, false, "'%.80s' is writable", target);
}

/* What the kernel says. A declared folder may bring mounts of its own beneath it: they must be read-only too.
 */
static bool verify_seen(const struct lockdown *l, const struct procfs_mount *m, char found[ROW_TEXT])
{
    bool is_read_only = procfs_has_option(m->options, "ro");

    if (strcmp(m->point, "/") == 0 || is_kernels(m->point) || is_engines(l, m->point) ||
        is_tmpfs_of_ours(l, m->point))
        return true;
    if (l->workspace_volume && strcmp(m->point, l->spec->root) == 0)
        return true;
    if (strcmp(m->point, LOCKDOWN_GUEST_DIR) == 0 || declared_at(l, m->point, true))
        return is_read_only || row_say(found, false, "'%.80s' is writable", m->point);
    return row_say(found, false, "a mount at '%.80s' nobody asked for", m->point);
}

bool verify_mounts(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    struct span rest = e->files[LOCKDOWN_MOUNTS];
    const struct tree *listed = tree_get(e->inspect, "Mounts");
    struct procfs_mount m;

    if ((!row_is_empty(row_host(e, "Binds")) && !l->kind->tells_mounts_as_binds) ||
        !row_is_empty(row_host(e, "VolumesFrom")))
        return row_say(found, false, "binds nobody asked for");
    tree_each (mount, listed) {
        if (!verify_listed(l, mount, found))
            return false;
    }
    while (procfs_next_mount(&rest, &m))
        if (!verify_seen(l, &m, found))
            return false;
    for (size_t i = 0; i < l->spec->mount_count; i++)
        if (!procfs_mount_at(e->files[LOCKDOWN_MOUNTS], l->spec->mounts[i].target, &m))
            return row_say(found, false, "nothing is mounted at '%.80s'", l->spec->mounts[i].target);
    if (!procfs_mount_at(e->files[LOCKDOWN_MOUNTS], LOCKDOWN_GUEST_DIR, &m))
        return row_say(found, false, "the guest is not mounted");
    ask_mounts(l, found);
    return true;
}

/* ---- masked_paths, readonly_paths ---- */

/* These replace the engine's own lists, so they hold those too. /sys/fs/cgroup and /sys/devices/system/cpu
 * stay readable: language runtimes size themselves from them. */
static const char *const masked[] = {
    "/proc/acpi",
    "/proc/asound",
    "/proc/buddyinfo",
    "/proc/bus",
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/consoles",
    "/proc/diskstats",
    "/proc/dma",
    "/proc/driver",
    "/proc/fb",
    "/proc/fs",
    "/proc/interrupts",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/irq",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/locks",
    "/proc/mdstat",
    "/proc/misc",
    "/proc/modules",
    "/proc/mtrr",
    "/proc/pagetypeinfo",
    "/proc/partitions",
    "/proc/pressure",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/slabinfo",
    "/proc/softirqs",
    "/proc/swaps",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/vmallocinfo",
    "/proc/zoneinfo",
    "/sys/block",
    "/sys/bus",
    "/sys/class",
    "/sys/dev",
    "/sys/firmware",
    "/sys/fs/bpf",
    "/sys/hypervisor",
    "/sys/kernel",
    "/sys/module",
    "/sys/power",
    "/sys/devices/LNXSYSTM:00",
    "/sys/devices/pnp0",
    "/sys/devices/virtual",
    "/sys/devices/pci0000:00",
    "/sys/devices/platform",
};

static const char *const read_only[] = { "/proc/sys" };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool lists_all(const struct tree *list, const char *const *paths, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool is_there = false;

        tree_each (item, list) {
            is_there = is_there || tree_is_string(item, paths[i]);
        }
        if (!is_there)
            return false;
    }
    return true;
}

static void write_paths(struct json_writer *w, const char *name, const char *const *paths, size_t count)
{
    json_key(w, name);
    json_array(w);
    for (size_t i = 0; i < count; i++)
        json_string(w, paths[i]);
    json_array_end(w);
}

size_t lockdown_uncovered(const struct lockdown *l, struct span mountinfo, const char **ret, size_t max)
{
    struct procfs_mount m;
    size_t n = 0;

    if (lockdown_is_lowered(l, "masked_paths"))
        return 0;
    for (size_t i = 0; i < COUNT(masked) && n < max; i++) {
        bool is_covered_by = procfs_mount_at(mountinfo, masked[i], &m);

        if (!is_covered_by || span_is(m.type, "proc") || span_is(m.type, "sysfs")) /* itself, read-only */
            ret[n++] = masked[i];
    }
    return n;
}

void ask_masked_paths(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "%zu paths", COUNT(masked));
}

void write_masked_paths(const struct lockdown *l, struct json_writer *w)
{
    write_paths(w, "MaskedPaths", masked, COUNT(masked));
}

bool verify_masked_paths(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    if (l->kind->tells_masks && !lists_all(row_host(e, "MaskedPaths"), masked, COUNT(masked)))
        return row_say(found, false, "the engine says otherwise");
    if (gvisor_is(l, e))
        return row_say(found, true, "gVisor's own files");
    if (e->exposed)
        return row_say(found, false, "%.100s can be seen", e->exposed);
    if (!e->files[LOCKDOWN_MOUNTS].ptr)
        return row_say(found, false, "unknown");
    return row_say(found, true, "%zu paths", COUNT(masked));
}

void ask_readonly_paths(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "/proc/sys");
}

void write_readonly_paths(const struct lockdown *l, struct json_writer *w)
{
    write_paths(w, "ReadonlyPaths", read_only, COUNT(read_only));
}

bool verify_readonly_paths(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    struct procfs_mount m;

    if (l->kind->tells_masks && !lists_all(row_host(e, "ReadonlyPaths"), read_only, COUNT(read_only)))
        return row_say(found, false, "the engine says otherwise");
    if (gvisor_is(l, e))
        return row_say(found, true, "gVisor's own settings");
    for (size_t i = 0; i < COUNT(read_only); i++)
        if (!procfs_mount_at(e->files[LOCKDOWN_MOUNTS], read_only[i], &m) ||
            !procfs_has_option(m.options, "ro"))
            return row_say(found, false, "%s is writable", read_only[i]);
    return row_say(found, true, "/proc/sys");
}

/* ---- devices ---- */

void ask_devices(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "none beside null, zero, full, random, urandom, tty");
}

static void put_empty_array(struct json_writer *w, const char *name)
{
    json_key(w, name);
    json_array(w);
    json_array_end(w);
}

void write_devices(const struct lockdown *l, struct json_writer *w)
{
    put_empty_array(w, "Devices");
    put_empty_array(w, "DeviceCgroupRules");
}

/* Engines of ordinary users cannot make device nodes and bind those of the host: one mount each. */
static bool is_common_device(const char *point)
{
    static const char *const names[] = { "null", "zero", "full", "random", "urandom", "tty", NULL };
    size_t i = 0;

    while (names[i] && strcmp(point + strlen("/dev/"), names[i]) != 0)
        i++;
    return names[i] != NULL;
}

static bool verify_nodes(const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    struct span rest = e->files[LOCKDOWN_MOUNTS];
    struct procfs_mount m;

    while (procfs_next_mount(&rest, &m))
        if (strncmp(m.point, "/dev/", 5) == 0 && span_is(m.type, "devtmpfs") && !is_common_device(m.point))
            return row_say(found, false, "the host's %.80s", m.point);
    return true;
}

/* A user namespace needs no list of devices: nobody can make a node in one, nor open one that somebody made
 * there. */
bool verify_devices(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    struct span rest = e->files[LOCKDOWN_V1_DEVICES], line;
    const bool is_mapped = row_is_mapped(e);
    struct procfs_mount m;

    if (!row_is_empty(row_host(e, "Devices")) || !row_is_empty(row_host(e, "DeviceCgroupRules")) ||
        !row_is_empty(row_host(e, "DeviceRequests")))
        return row_say(found, false, "the engine added some");
    while (!is_mapped && procfs_line(&rest, &line)) /* v1 only: v2 has a program where this was a list */
        if (span_starts(line, "a ") || span_starts(line, "b *:* rw"))
            return row_say(found, false, "all: '%.*s'", (int) (line.len > 40 ? 40 : line.len), line.ptr);
    if (!procfs_mount_at(e->files[LOCKDOWN_MOUNTS], "/dev", &m) || !span_is(m.type, "tmpfs"))
        return row_say(found, false, "/dev is the host's");
    if (!verify_nodes(e, found))
        return false;
    ask_devices(l, found);
    return true;
}

/* ---- network ---- */

void ask_network(const struct lockdown *l, char ret[ROW_TEXT])
{
    snprintf(ret, ROW_TEXT, "none");
}

/* NetworkMode 'none' alone makes the engine set up a sandbox for it all the same, which costs 130 ms. */
void write_network_config(const struct lockdown *l, struct json_writer *w)
{
    json_put_bool(w, "NetworkDisabled", true);
}

void write_network(const struct lockdown *l, struct json_writer *w)
{
    json_put_string(w, "NetworkMode", "none");
    put_empty_array(w, "Dns");
    put_empty_array(w, "ExtraHosts");
    json_put_bool(w, "PublishAllPorts", false);
}

/* Two lines of heading, then "  lo: 0 0 ..." */
bool verify_network(const struct lockdown *l, const struct lockdown_evidence *e, char found[ROW_TEXT])
{
    struct span rest = e->files[LOCKDOWN_NET], line, word;
    int count = 0;

    if (!tree_is_string(row_host(e, "NetworkMode"), "none"))
        return row_say(found, false, "mode '%.60s'", tree_string(row_host(e, "NetworkMode"), ""));
    if (!rest.ptr || !procfs_line(&rest, &line) || !procfs_line(&rest, &line))
        return row_say(found, false, "unknown");
    while (procfs_line(&rest, &line)) {
        if (!procfs_word(&line, &word))
            continue;
        count++;
        if (!span_starts(word, "lo:"))
            return row_say(found, false, "interface '%.*s'", (int) (word.len > 40 ? 40 : word.len), word.ptr);
    }
    return row_say(found, count <= 1, "none");
}
