/* SPDX-License-Identifier: MIT */
/* Folders of runs: made, found, locked, listed, removed. */
#include "core/run/folder.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/run/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

#define LOCK_FILE    "lock"
#define OBJECTS_DIR  "objects"
#define ID_TEXT_LEN  RUN_ROOT_ID
#define CREATE_TRIES 16

static const char id_letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";

void boot_id(char *out, size_t size)
{
    out[0] = '\0';
#ifdef __APPLE__
    if (sysctlbyname("kern.bootsessionuuid", out, &size, NULL, 0) < 0)
        out[0] = '\0';
#else
    struct buf text = BUF_INIT(256);

    if (file_read("/proc/sys/kernel/random/boot_id", &text, NULL) == 0)
        snprintf(out, size, "%.*s", (int) strcspn(buf_text(&text), "\n"), buf_text(&text));
    buf_done(&text);
#endif
}

/* ---- the root of all runs ---- */

int run_folder_root(char **ret, struct err *err)
{
    return run_folder_beside("runs", ret, err);
}

int run_folder_beside(const char *name, char **ret, struct err *err)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    CLEANUP(free) char *top = NULL;
    char *path;

    if (state && state[0] == '/') /* the XDG rules: a relative one is ignored */
        top = file_join(state, "agentbox");
    else if (home && home[0] == '/')
        top = file_join(home, ".local/state/agentbox");
    else {
        (void) err_set(err, ERR_IO,
                       "no place for the run folder: neither XDG_STATE_HOME nor HOME is an absolute path");
        return err_hint(err, "set XDG_STATE_HOME to an absolute path");
    }
    path = top ? file_join(top, name) : NULL;
    if (!path)
        return err_set(err, ERR_INTERNAL, "no memory");
    *ret = path;
    return 0;
}

static int hint_state(struct err *err)
{
    return err_hint(err, "set XDG_STATE_HOME to a folder that is yours and can be written");
}

/* Ours, closed to others, writable: checked here, before anything has started. */
static int check_root(int fd, const char *path, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_errno(err, ERR_IO, "state folder '%s'", path);
    if (st.st_uid != geteuid()) {
        (void) err_set(err, ERR_IO, "state folder '%s' belongs to another user (uid %lu, we are %lu)", path,
                       (unsigned long) st.st_uid, (unsigned long) geteuid());
        return hint_state(err);
    }
    if ((st.st_mode & 077) && fchmod(fd, 0700) < 0) {
        (void) err_errno(err, ERR_IO, "closing state folder '%s' to others", path);
        return hint_state(err);
    }
    return 0;
}

static int open_root(bool create, char **ret_path, int *ret_fd, struct err *err)
{
    CLEANUP(free) char *path = NULL;
    CLEANUP(fd) int fd = -1;
    int r = run_folder_root(&path, err);

    if (r < 0)
        return r;
    if (create && file_make_dirs(path, 0700, err) < 0) {
        errno = err ? err->errnum : 0;
        (void) err_errno(err, ERR_IO, "the state folder '%s' cannot be made", path);
        return hint_state(err);
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        (void) err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "state folder '%s'", path);
        return hint_state(err);
    }
    if (create && (r = check_root(fd, path, err)) < 0)
        return r;
    *ret_path = TAKE_PTR(path);
    *ret_fd = take_fd(&fd);
    return 0;
}

/* ---- ids ---- */

static bool is_id(const char *name)
{
    static const char shape[] = "dddddddd-dddddd-xxxxxx";

    if (strlen(name) != ID_TEXT_LEN)
        return false;
    for (size_t i = 0; i < ID_TEXT_LEN; i++) {
        char c = name[i];
        bool is_digit = c >= '0' && c <= '9';

        if (shape[i] == '-' ? c != '-' : shape[i] == 'd' ? !is_digit : !is_digit && !(c >= 'a' && c <= 'z'))
            return false;
    }
    return true;
}

/* The first two of the six letters are the part of the second, so that ids of one second sort by time too. */
static void make_id(char id[RUN_ID_SIZE])
{
    int64_t now = clock_wall_ms();
    time_t seconds = (time_t) (now / 1000);
    int64_t part = now % 1000 * 36 * 36 / 1000;
    uint8_t noise[4];
    struct tm tm;

    random_bytes(noise, sizeof(noise));
    (void) gmtime_r(&seconds, &tm); /* fails only beyond year 2^31 */
    (void) strftime(id, RUN_ID_SIZE, "%Y%m%d-%H%M%S-", &tm);
    id[16] = id_letters[part / 36];
    id[17] = id_letters[part % 36];
    for (int i = 0; i < 4; i++)
        id[18 + i] = id_letters[noise[i] % 36];
    id[ID_TEXT_LEN] = '\0';
}

/* ---- the lock ---- */

#ifdef F_OFD_SETLK
/* An open-file-description lock: it can be asked for without being taken. */
static int lock_op(int fd, bool take, bool *ret_is_held)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(fd, take ? F_OFD_SETLK : F_OFD_GETLK, &lock) < 0) {
        *ret_is_held = errno == EAGAIN || errno == EACCES;
        return *ret_is_held ? 0 : -1;
    }
    *ret_is_held = !take && lock.l_type != F_UNLCK;
    return 0;
}
#else
static int lock_op(int fd, bool take, bool *ret_is_held)
{
    *ret_is_held = false;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        *ret_is_held = errno == EWOULDBLOCK;
        return *ret_is_held ? 0 : -1;
    }
    if (!take)
        (void) flock(fd, LOCK_UN); /* was only asked for */
    return 0;
}
#endif

static bool is_alive(int64_t pid, const char *its_boot, const char *our_boot)
{
    bool is_other_boot = its_boot && its_boot[0] && our_boot[0] && strcmp(its_boot, our_boot) != 0;

    return pid > 0 && pid <= INT32_MAX && !is_other_boot && (kill((pid_t) pid, 0) == 0 || errno == EPERM);
}

/* Who runs it: the last one that said so. For the message only. */
static void find_owner(struct run_folder *folder, int64_t *ret_pid, int64_t *ret_since_ms)
{
    char boot[64];
    struct journal_reader reader;
    struct record rec;
    int r = journal_open(folder, &reader, NULL);

    *ret_pid = 0;
    *ret_since_ms = 0;
    boot_id(boot, sizeof(boot));
    while (r >= 0 && (r = journal_next(&reader, &rec, NULL)) > 0) {
        bool is_resume = rec.type == RECORD_RUN_RESUME;

        if (rec.type != RECORD_RUN_BEGIN && !is_resume)
            continue;
        *ret_pid = is_resume ? rec.run_resume.pid : rec.run_begin.pid;
        *ret_since_ms = rec.time_ms;
        if (!is_alive(*ret_pid, is_resume ? rec.run_resume.boot : rec.run_begin.boot, boot))
            *ret_pid = 0; /* one before: who has the lock has not said so yet */
    }
    journal_close(&reader);
}

static int refuse_locked(struct run_folder *folder, struct err *err)
{
    char since[CLOCK_TEXT];
    int64_t pid, since_ms;

    find_owner(folder, &pid, &since_ms);
    clock_text(since_ms, since);
    if (pid)
        (void) err_set(err, ERR_CONFLICT, "run '%s' is running: process %lld, since %s", folder->id,
                       (long long) pid, since);
    else
        (void) err_set(err, ERR_CONFLICT, "run '%s' is running: another process has just begun", folder->id);
    (void) err_hint(err, "wait for it, or stop that process");
    return -ERR_CONFLICT;
}

int run_folder_lock(struct run_folder *folder, struct err *err)
{
    CLEANUP(fd) int fd = openat(folder->fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool is_held;

    if (fd < 0 || lock_op(fd, true, &is_held) < 0) {
        (void) err_errno(err, ERR_IO, "locking run '%s'", folder->id);
        return hint_state(err);
    }
    if (is_held)
        return refuse_locked(folder, err);
    folder->lock_fd = take_fd(&fd);
    return 0;
}

bool run_folder_is_locked(const struct run_folder *folder)
{
    CLEANUP(fd) int fd = openat(folder->fd, LOCK_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool is_held = false;

    return fd >= 0 && lock_op(fd, false, &is_held) == 0 && is_held;
}

/* ---- one folder ---- */

void run_folder_free(struct run_folder *folder)
{
    if (!folder)
        return;
    if (folder->lock_fd >= 0)
        (void) close(folder->lock_fd);
    if (folder->objects_fd >= 0)
        (void) close(folder->objects_fd);
    if (folder->fd >= 0)
        (void) close(folder->fd);
    free(folder->path);
    free(folder);
}

/* Of an id: the name of its folder. */
static const char *path_last(const char *id)
{
    const char *slash = strrchr(id, '/');

    return slash ? slash + 1 : id;
}

static int open_dirs(struct run_folder *folder, int root_fd, struct err *err)
{
    folder->fd = openat(root_fd, path_last(folder->id), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder->fd < 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "run folder '%s'", folder->path);
    folder->objects_fd = openat(folder->fd, OBJECTS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder->objects_fd < 0 && errno != ENOENT) /* a crash at creation may leave none */
        return err_errno(err, ERR_IO, "objects of run '%s'", folder->id);
    return 0;
}

static int folder_new(const char *root, int root_fd, const char *id, struct run_folder **ret, struct err *err)
{
    struct run_folder *folder = calloc(1, sizeof(*folder));
    int r;

    if (!folder)
        return err_set(err, ERR_INTERNAL, "no memory for a run folder");
    folder->fd = folder->objects_fd = folder->lock_fd = -1;
    snprintf(folder->id, sizeof(folder->id), "%s", id);
    folder->path = file_join(root, path_last(id));
    if (!folder->path)
        r = err_set(err, ERR_INTERNAL, "no memory for a run folder");
    else
        r = open_dirs(folder, root_fd, err);
    if (r < 0)
        run_folder_free(folder);
    else
        *ret = folder;
    return r;
}

/* A folder under a name that nobody has. */
static int make_dir(int root_fd, const char *root, char id[RUN_ID_SIZE], struct err *err)
{
    for (int i = 0; i < CREATE_TRIES; i++) {
        make_id(id);
        if (mkdirat(root_fd, id, 0700) == 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    (void) err_errno(err, ERR_IO, "making a run folder in '%s'", root);
    return hint_state(err);
}

static int fill_new(struct run_folder *folder, int root_fd, struct err *err)
{
    int r;

    if (mkdirat(folder->fd, OBJECTS_DIR, 0700) < 0)
        return err_errno(err, ERR_IO, "making folder '%s' of run '%s'", OBJECTS_DIR, folder->id);
    folder->objects_fd = openat(folder->fd, OBJECTS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder->objects_fd < 0)
        return err_errno(err, ERR_IO, "objects of run '%s'", folder->id);
    r = run_folder_lock(folder, err); /* what is in the folder is synced when its first file is saved */
    return r < 0 ? r : file_sync_dir(root_fd, err);
}

/* Whoever can write to what another user owns (root) would leave files there that this user cannot go on
 * with. */
static int check_owner(const struct run_folder *folder, struct err *err)
{
    struct stat st;

    if (fstat(folder->fd, &st) < 0)
        return err_errno(err, ERR_IO, "run folder '%s'", folder->path);
    if (st.st_uid == geteuid())
        return 0;
    (void) err_set(err, ERR_IO, "run folder '%s' belongs to another user (uid %lu, we are %lu)", folder->path,
                   (unsigned long) st.st_uid, (unsigned long) geteuid());
    (void) err_hint(err, "resume it as that user");
    return -ERR_IO;
}

int run_folder_complete(struct run_folder *folder, struct err *err)
{
    int r = check_owner(folder, err);

    if (r < 0)
        return r;
    if (folder->objects_fd >= 0)
        return 0;
    if (mkdirat(folder->fd, OBJECTS_DIR, 0700) < 0 && errno != EEXIST)
        return err_errno(err, ERR_IO, "making folder '%s' of run '%s'", OBJECTS_DIR, folder->id);
    folder->objects_fd = openat(folder->fd, OBJECTS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder->objects_fd < 0)
        return err_errno(err, ERR_IO, "objects of run '%s'", folder->id);
    return file_sync_dir(folder->fd, err);
}

int run_folder_create(struct run_folder **ret, struct err *err)
{
    CLEANUP(free) char *root = NULL;
    CLEANUP(fd) int root_fd = -1;
    struct run_folder *folder = NULL;
    char id[RUN_ID_SIZE];
    int r = open_root(true, &root, &root_fd, err);

    if (r == 0)
        r = make_dir(root_fd, root, id, err);
    if (r == 0)
        r = folder_new(root, root_fd, id, &folder, err);
    if (r == 0)
        r = fill_new(folder, root_fd, err);
    if (r < 0 && folder)
        (void) file_remove_tree(root_fd, id, NULL); /* an empty one is no harm */
    if (r < 0)
        run_folder_free(folder);
    else
        *ret = folder;
    return r;
}

int run_folder_unwritable(const struct run_folder *folder, struct err *err)
{
    if (!err || !err->errnum)
        return err_wrap(err, "run '%s'", folder->id);
    errno = err->errnum;
    (void) err_errno(err, ERR_IO, "the run's folder '%s' cannot be written", folder->path);
    if (errno == ENOSPC || errno == EDQUOT)
        (void) err_hint(err, "make room on its disk, or set XDG_STATE_HOME to a folder elsewhere");
    return -ERR_IO;
}

int run_folder_save(struct run_folder *folder, const char *name, struct span content, struct err *err)
{
    if (file_write_atomic_at(folder->fd, name, content, 0600, err) < 0)
        return run_folder_unwritable(folder, err);
    return 0;
}

int run_folder_load(const struct run_folder *folder, const char *name, struct buf *out, struct err *err)
{
    if (file_read_at(folder->fd, name, out, err) < 0)
        return err_wrap(err, "run '%s'", folder->id);
    return 0;
}

int run_folder_remove(struct run_folder *folder, struct err *err)
{
    CLEANUP(free) char *root = NULL;
    CLEANUP(fd) int root_fd = -1;
    int r = 0;

    if (run_folder_is_child(folder))
        return err_set(err, ERR_USAGE, "'%s' is part of run '%.*s'", folder->id, RUN_ROOT_ID, folder->id);
    if (folder->lock_fd < 0)
        r = run_folder_lock(folder, err); /* nobody may begin to run it meanwhile */
    if (r == 0)
        r = open_root(false, &root, &root_fd, err);
    if (r == 0)
        r = file_remove_tree(root_fd, folder->id, err);
    return r;
}

/* ---- of subagents ---- */

#define KEY_MAX 15

/* "12", or "12-2" */
static bool is_key(const char *key)
{
    size_t len = strspn(key, "0123456789");

    if (len > 0 && len < 10 && key[len] == '-' && key[len + 1])
        len += 1 + strspn(key + len + 1, "0123456789");
    return len > 0 && len <= KEY_MAX && key[len] == '\0' && key[0] != '0';
}

/* agents/ of the parent, with `key` as an id in it. */
static int open_agents(const struct run_folder *parent, const char *key, char **ret_path, int *ret_fd,
                       char id[RUN_ID_SIZE], struct err *err)
{
    int fd = openat(parent->fd, RUN_AGENTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "subagents of run '%s'", parent->id);
    *ret_fd = fd;
    *ret_path = file_join(parent->path, RUN_AGENTS);
    if (!*ret_path)
        return err_set(err, ERR_INTERNAL, "no memory for a run folder");
    if (!is_key(key) || snprintf(id, RUN_ID_SIZE, "%s/%s", parent->id, key) >= RUN_ID_SIZE)
        return err_set(err, ERR_NOT_FOUND, "run '%s' has no subagent '%.80s'", parent->id, key);
    return 0;
}

int run_folder_open_child(const struct run_folder *parent, const char *key, struct run_folder **ret,
                          struct err *err)
{
    CLEANUP(free) char *path = NULL;
    CLEANUP(fd) int fd = -1;
    char id[RUN_ID_SIZE];
    int r = open_agents(parent, key, &path, &fd, id, err);

    return r < 0 ? r : folder_new(path, fd, id, ret, err);
}

int run_folder_create_child(struct run_folder *parent, const char *key, struct run_folder **ret,
                            struct err *err)
{
    CLEANUP(free) char *path = NULL;
    CLEANUP(fd) int fd = -1;
    struct run_folder *folder = NULL;
    char id[RUN_ID_SIZE];
    int r;

    if (mkdirat(parent->fd, RUN_AGENTS, 0700) < 0 && errno != EEXIST)
        return err_errno(err, ERR_IO, "making folder '%s' of run '%s'", RUN_AGENTS, parent->id);
    r = open_agents(parent, key, &path, &fd, id, err);
    if (r == 0 && mkdirat(fd, key, 0700) < 0)
        r = err_errno(err, errno == EEXIST ? ERR_CONFLICT : ERR_IO, "making the folder of run '%s'", id);
    if (r == 0)
        r = folder_new(path, fd, id, &folder, err);
    if (r == 0)
        r = fill_new(folder, fd, err);
    if (r == 0)
        r = file_sync_dir(parent->fd, err);
    if (r < 0)
        run_folder_free(folder);
    else
        *ret = folder;
    return r;
}

void run_folder_discard_child(const struct run_folder *parent, const char *key)
{
    CLEANUP(fd) int fd = openat(parent->fd, RUN_AGENTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (fd >= 0 && is_key(key))
        (void) file_remove_tree(fd, key, NULL); /* what stays is in the way, and says so */
}

/* ---- all folders ---- */

static int newest_first(const void *a, const void *b)
{
    return strcmp(*(char *const *) b, *(char *const *) a);
}

void run_folder_list_free(char **ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(ids[i]);
    free(ids);
}

static int list_add(char ***ids, size_t *count, const char *id)
{
    char **more = realloc(*ids, (*count + 1) * sizeof(*more));

    if (!more)
        return -1;
    *ids = more;
    more[*count] = strdup(id);
    if (!more[*count])
        return -1;
    (*count)++;
    return 0;
}

static int list_dir(DIR *dir, bool (*is_wanted)(const char *), char ***ret_ids, size_t *ret_count,
                    struct err *err)
{
    struct dirent *entry;
    char **ids = NULL;
    size_t count = 0;

    while ((entry = readdir(dir)) != NULL) {
        if (is_wanted(entry->d_name) && list_add(&ids, &count, entry->d_name) < 0) {
            run_folder_list_free(ids, count);
            return err_set(err, ERR_INTERNAL, "no memory for the list of runs");
        }
    }
    if (count)
        qsort(ids, count, sizeof(*ids), newest_first);
    *ret_ids = ids;
    *ret_count = count;
    return 0;
}

int run_folder_list(char ***ret_ids, size_t *ret_count, struct err *err)
{
    CLEANUP(free) char *root = NULL;
    CLEANUP(fd) int fd = -1;
    struct err why = { 0 };
    int r = open_root(false, &root, &fd, &why);
    DIR *dir;

    if (r == -ERR_NOT_FOUND) {
        *ret_ids = NULL;
        *ret_count = 0;
        return 0;
    }
    if (r < 0) {
        if (err)
            *err = why;
        return r;
    }
    dir = fdopendir(fd);
    if (!dir)
        return err_errno(err, ERR_IO, "reading '%s'", root);
    (void) take_fd(&fd); /* the DIR's now */
    r = list_dir(dir, is_id, ret_ids, ret_count, err);
    (void) closedir(dir);
    return r;
}

/* Numbers without zeros before them: a longer one is larger. */
static int by_call(const void *a, const void *b)
{
    const char *x = *(char *const *) a, *y = *(char *const *) b;
    size_t p = strspn(x, "0123456789"), q = strspn(y, "0123456789");

    return p != q ? (p < q ? -1 : 1) : strcmp(x, y);
}

int run_folder_children(const struct run_folder *parent, char ***ret_keys, size_t *ret_count, struct err *err)
{
    CLEANUP(fd) int fd = openat(parent->fd, RUN_AGENTS, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir;
    int r;

    *ret_keys = NULL;
    *ret_count = 0;
    if (fd < 0 && errno == ENOENT)
        return 0;
    dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return err_errno(err, ERR_IO, "subagents of run '%s'", parent->id);
    (void) take_fd(&fd); /* the DIR's now */
    r = list_dir(dir, is_key, ret_keys, ret_count, err);
    (void) closedir(dir);
    if (r == 0 && *ret_count)
        qsort(*ret_keys, *ret_count, sizeof(**ret_keys), by_call);
    return r;
}

static int not_found(const char *name, struct err *err)
{
    (void) err_set(err, ERR_NOT_FOUND, "no run '%s'", name);
    return err_hint(err, "'agentbox ls' shows the runs there are");
}

static int find(const char *name, char **ids, size_t count, char ret[RUN_ID_SIZE], struct err *err)
{
    size_t found = 0;

    if (strcmp(name, "last") == 0) {
        if (!count)
            return err_set(err, ERR_NOT_FOUND, "there is no run yet");
        snprintf(ret, RUN_ID_SIZE, "%s", ids[0]);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (!name[0] || strncmp(ids[i], name, strlen(name)) != 0)
            continue;
        found++;
        snprintf(ret, RUN_ID_SIZE, "%s", ids[i]);
    }
    if (found == 1)
        return 0;
    if (!found)
        return not_found(name, err);
    (void) err_set(err, ERR_USAGE, "'%s' is the beginning of %zu run ids", name, found);
    return err_hint(err, "'agentbox ls' shows the runs there are");
}

static int find_in_list(const char *name, char ret[RUN_ID_SIZE], struct err *err)
{
    char **ids;
    size_t count;
    int r = run_folder_list(&ids, &count, err);

    if (r < 0)
        return r;
    r = find(name, ids, count, ret, err);
    run_folder_list_free(ids, count);
    return r;
}

/* Which subagent of the run: is it the one with that key? 1 = yes. */
static int is_called(const struct run_folder *parent, const char *key, const char *name, struct err *err)
{
    struct run_folder *child = NULL;
    struct journal_reader reader;
    struct record rec;
    int r = run_folder_open_child(parent, key, &child, err), found = 0;

    if (r == 0)
        r = journal_open(child, &reader, err);
    if (r == 0) {
        if (journal_next(&reader, &rec, NULL) == 1)
            found = rec.run_begin.agent && strcmp(rec.run_begin.agent, name) == 0;
        journal_close(&reader);
    }
    run_folder_free(child);
    return found;
}

/* By name, which only one call may have. */
static int open_called(const struct run_folder *parent, const char *name, struct run_folder **ret,
                       struct err *err)
{
    char **keys, *found = NULL;
    size_t count, hits = 0;
    int r = run_folder_children(parent, &keys, &count, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++)
        if (is_called(parent, keys[i], name, NULL)) {
            found = keys[i];
            hits++;
        }
    if (hits == 1)
        r = run_folder_open_child(parent, found, ret, err);
    else if (hits == 0)
        r = err_set(err, ERR_NOT_FOUND, "run '%s' has no subagent '%.80s'", parent->id, name);
    else
        r = err_set(err, ERR_USAGE, "'%.80s' was called %zu times by run '%s'", name, hits, parent->id);
    if (hits != 1)
        (void) err_hint(err, "`agentbox show %s` lists its subagents", parent->id);
    run_folder_list_free(keys, count);
    return r;
}

/* Down from `folder`, which is freed, by the rest of a name. */
static int open_below(struct run_folder *folder, const char *rest, struct run_folder **ret, struct err *err)
{
    int r = 0;

    while (r == 0 && *rest) {
        struct run_folder *child = NULL;
        char name[80];
        size_t len = strcspn(rest, "/");

        snprintf(name, sizeof(name), "%.*s", (int) (len < sizeof(name) ? len : sizeof(name) - 1), rest);
        r = is_key(name) ? run_folder_open_child(folder, name, &child, err)
                         : open_called(folder, name, &child, err);
        if (r == -ERR_NOT_FOUND && is_key(name))
            r = err_set(err, ERR_NOT_FOUND, "run '%s' has no subagent '%s'", folder->id, name);
        run_folder_free(folder);
        folder = child;
        rest += len;
        rest += *rest == '/';
    }
    if (r == 0)
        *ret = folder;
    return r;
}

static int open_root_run(const char *name, struct run_folder **ret, struct err *err)
{
    CLEANUP(free) char *root = NULL;
    CLEANUP(fd) int root_fd = -1;
    char id[RUN_ID_SIZE];
    int r = 0;

    if (is_id(name))
        snprintf(id, sizeof(id), "%s", name);
    else
        r = find_in_list(name, id, err);
    if (r == 0)
        r = open_root(false, &root, &root_fd, err);
    if (r == 0)
        r = folder_new(root, root_fd, id, ret, err);
    return r == -ERR_NOT_FOUND && is_id(name) ? not_found(name, err) : r;
}

int run_folder_open(const char *name, struct run_folder **ret, struct err *err)
{
    CLEANUP(free) char *head = strndup(name, strcspn(name, "/"));
    const char *slash = strchr(name, '/');
    struct run_folder *folder = NULL;
    int r =
        head ? open_root_run(head, &folder, err) : err_set(err, ERR_INTERNAL, "no memory for a run folder");

    if (r < 0)
        return r;
    if (slash)
        return open_below(folder, slash + 1, ret, err);
    *ret = folder;
    return 0;
}
