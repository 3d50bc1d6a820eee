/* SPDX-License-Identifier: MIT */
#include "tests/unit/sandbox/guest_fixture.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the guest ---- */

static int run_quietly(const char *const *argv)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execvp(argv[0], (char *const *) (uintptr_t) argv);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* Words before the guest's that put it into namespaces of its own; none when that is not allowed. */
static const char *const *wrapper(void)
{
    static const char *const as_root[] = {
        "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", NULL
    };
    static const char *const as_user[] = { "unshare", "--user",       "--map-root-user", "--pid",
                                           "--fork",  "--kill-child", "--mount-proc",    NULL };
    static const char *const none[] = { NULL };
    static const char *const *chosen;
    const char *const *const all[] = { as_root, as_user };

    for (size_t i = 0; i < 2 && !chosen; i++) {
        const char *argv[10];
        size_t n = 0;

        for (; all[i][n]; n++)
            argv[n] = all[i][n];
        argv[n++] = "true";
        argv[n] = NULL;
        if (run_quietly(argv) == 0)
            chosen = all[i];
    }
    if (!chosen)
        chosen = none;
    return chosen;
}

static void guest_exec(const struct guest *g, const char *orphan_ms, const char *openat2)
{
    const char *argv[40];
    char uid[32], gid[32], processes[32];
    size_t n = 0;

    for (const char *const *w = wrapper(); *w; w++)
        argv[n++] = *w;
    if (g->is_user) {
        const char *const without_rights[] = {
            "setpriv", uid,      gid, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all",
            "prlimit", processes
        };

        (void) snprintf(uid, sizeof(uid), "--reuid=%s", g->uid);
        (void) snprintf(gid, sizeof(gid), "--regid=%s", g->uid);
        (void) snprintf(processes, sizeof(processes), "--nproc=%s", g->max_processes);
        for (size_t i = 0; i < sizeof(without_rights) / sizeof(without_rights[0]); i++)
            argv[n++] = without_rights[i];
        argv[n++] = "/proc/self/fd/9"; /* that user may have no way to the build folder */
        dup2(open(getenv("TEST_GUEST"), O_RDONLY), 9);
    } else
        argv[n++] = getenv("TEST_GUEST");
    argv[n++] = "--root";
    argv[n++] = g->root;
    argv[n++] = "--orphan-ms";
    argv[n++] = orphan_ms;
    if (g->cgroup[0]) {
        argv[n++] = "--cgroup";
        argv[n++] = g->cgroup;
    }
    if (strcmp(openat2, "no") == 0) {
        argv[n++] = "--openat2";
        argv[n++] = "no";
    }
    argv[n] = NULL;
    execvp(argv[0], (char *const *) (uintptr_t) argv);
    _exit(127);
}

static struct guest *start(struct guest *g, const char *orphan_ms, const char *openat2)
{
    struct err err;
    int in[2], out[2];

    (void) signal(SIGPIPE, SIG_IGN);
    (void) wrapper();
    assert_non_null(getenv("TEST_GUEST"));
    assert_int_equal(loop_new(&g->loop, &err), 0);
    (void) snprintf(g->root, sizeof(g->root), "%s/agentbox-guest-XXXXXX",
                    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(g->root));
    if (g->is_user)
        assert_int_equal(chown(g->root, (uid_t) atoi(g->uid), (gid_t) atoi(g->uid)), 0);
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    g->pid = fork();
    assert_true(g->pid >= 0);
    if (g->pid == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves nothing */
        dup2(in[0], 0);
        dup2(out[1], 1);
        (void) setenv("MARKER", "of the container", 1);
        guest_exec(g, orphan_ms, openat2);
    }
    close(in[0]);
    close(out[1]);
    g->to_fd = in[1];
    g->from_fd = out[0];
    (void) fcntl(g->to_fd, F_SETFL, O_NONBLOCK);
    (void) fcntl(g->from_fd, F_SETFL, O_NONBLOCK);
    host_attach(g);
    host_greet(g);
    return g;
}

struct guest *guest_start_user(void)
{
    struct guest *g = calloc(1, sizeof(*g));

    g->is_user = true;
    g->uid = "65533";
    g->max_processes = "1024";
    return start(g, "0", "yes");
}

struct guest *guest_start_crowded(void)
{
    static char uid[16];
    struct guest *g = calloc(1, sizeof(*g));

    /* whom nobody else is, nor the same test beside us: the kernel counts all processes of a user together */
    (void) snprintf(uid, sizeof(uid), "%d", 20000 + (int) getpid() % 40000);
    g->is_user = true;
    g->uid = uid;
    g->max_processes = "12";
    return start(g, "0", "yes");
}

struct guest *guest_start_limited(const char *files)
{
    struct guest *g = calloc(1, sizeof(*g));
    char script[512];
    const char *const sh[] = { "sh", "-c", script, NULL };

    (void) snprintf(g->cgroup, sizeof(g->cgroup), "/tmp/agentbox-cgroup-XXXXXX");
    assert_non_null(mkdtemp(g->cgroup));
    (void) snprintf(script, sizeof(script),
                    "cd %s && for f in %s; do mkdir -p ${f%%/*}; rmdir $f; : >$f; done", g->cgroup, files);
    assert_int_equal(run_quietly(sh), 0);
    return start(g, "0", "yes");
}

struct guest *guest_start(const char *orphan_ms, const char *openat2)
{
    return start(calloc(1, sizeof(struct guest)), orphan_ms, openat2);
}

int guest_wait(struct guest *g)
{
    int status;

    assert_int_equal(waitpid(g->pid, &status, 0), g->pid);
    g->pid = 0;
    return status;
}

/* A change of the user takes away what ties the guest's life to that of its parent: end it by its own number.
 */
static void kill_child(pid_t parent)
{
    char path[64], text[32] = "";
    int fd;

    (void) snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int) parent, (int) parent);
    fd = open(path, O_RDONLY);
    if (fd < 0)
        return;
    if (read(fd, text, sizeof(text) - 1) > 0 && atoi(text) > 1)
        kill(atoi(text), SIGKILL);
    close(fd);
}

void guest_end(struct guest *g)
{
    const char *const rm[] = { "rm", "-rf", g->root, g->cgroup[0] ? g->cgroup : NULL, NULL };

    host_drop(g);
    if (g->pid > 0) {
        if (g->is_user)
            kill_child(g->pid);
        kill(g->pid, SIGKILL);
        (void) guest_wait(g);
    }
    close(g->to_fd);
    close(g->from_fd);
    (void) run_quietly(rm);
    loop_free(g->loop);
    free(g);
}

/* ---- hosts ---- */

static void on_readable(void *data, unsigned events)
{
    static char buf[65536];
    struct host *h = data;
    ssize_t n = read(h->from_fd, buf, sizeof(buf));

    (void) events;
    if (n > 0)
        channel_feed(h->ch, span_make(buf, (size_t) n));
    else if (n == 0 || errno != EAGAIN) {
        assert_int_equal(loop_watch_events(h->in, 0, NULL), 0);
        channel_eof(h->ch, NULL);
    }
}

static void on_writable(void *data, unsigned events)
{
    struct host *h = data;
    struct span s = channel_pending(h->ch);
    ssize_t n = s.len > 0 ? write(h->to_fd, s.ptr, s.len) : 0;

    (void) events;
    if (n > 0)
        channel_sent(h->ch, (size_t) n);
    if (channel_pending(h->ch).len == 0 || (n < 0 && errno != EAGAIN))
        assert_int_equal(loop_watch_events(h->out, 0, NULL), 0);
}

static void on_output(void *data)
{
    struct host *h = data;

    assert_int_equal(loop_watch_events(h->out, LOOP_WRITE, NULL), 0);
    on_writable(h, LOOP_WRITE);
}

static void on_hello(void *data)
{
    ((struct host *) data)->is_greeted = true;
}

static void on_broken(void *data, const struct err *err)
{
    struct host *h = data;

    h->is_broken = true;
    h->why = *err;
    loop_quit(h->loop); /* whoever waits for something else has waited enough */
}

void host_attach(struct guest *g)
{
    static const struct channel_ops ops = { on_output, on_hello, on_broken };
    struct host *h = calloc(1, sizeof(*h));
    struct err err;

    h->loop = g->loop;
    h->to_fd = g->to_fd;
    h->from_fd = g->from_fd;
    assert_int_equal(loop_watch_fd(g->loop, g->from_fd, LOOP_READ, on_readable, h, &h->in, &err), 0);
    assert_int_equal(loop_watch_fd(g->loop, g->to_fd, 0, on_writable, h, &h->out, &err), 0);
    assert_int_equal(channel_new(g->loop, &ops, h, &h->ch, &err), 0);
    g->host = h;
}

void host_greet(struct guest *g)
{
    guest_run(g, &g->host->is_greeted);
}

void host_drop(struct guest *g)
{
    struct host *h = g->host;

    if (!h)
        return;
    loop_source_free(h->in);
    loop_source_free(h->out);
    channel_free(h->ch);
    free(h);
    g->host = NULL;
}

void host_send_raw(struct guest *g, const void *p, size_t len)
{
    const char *at = p;

    (void) fcntl(g->to_fd, F_SETFL, 0); /* the guest reads all the time */
    while (len > 0) {
        ssize_t n = write(g->to_fd, at, len);

        assert_true(n > 0);
        at += n;
        len -= (size_t) n;
    }
    (void) fcntl(g->to_fd, F_SETFL, O_NONBLOCK);
}

void guest_run(struct guest *g, const bool *done)
{
    struct err err;

    assert_int_equal(loop_run(g->loop, done, &err), 0);
    assert_true(*done);
}

/* ---- commands ---- */

static void command_output(void *data, int fd, struct span chunk, uint64_t gap)
{
    struct command *c = data;

    assert_true(fd == 1 || fd == 2);
    c->has_spoken = true;
    c->gap[fd - 1] += gap;
    c->bytes[fd - 1] += chunk.len;
    assert_int_equal(buf_add_span(&c->out[fd - 1], chunk), 0);
    if (c->on_output)
        c->on_output(c);
}

static void command_exit(void *data, const struct exec_result *result)
{
    struct command *c = data;

    assert_false(c->is_done);
    c->is_done = true;
    c->call = NULL;
    c->result = *result;
    (void) snprintf(c->text, sizeof(c->text), "%s", result->text ? result->text : "");
    c->result.text = c->text;
    if (c->g && !c->g->keeps)
        channel_exec_release(c->g->host->ch, c->id);
}

const struct exec_ops command_ops = { command_output, command_exit };

void command_init(struct command *c)
{
    memset(c, 0, sizeof(*c));
    buf_init(&c->out[0], 64 * 1024 * 1024);
    buf_init(&c->out[1], 64 * 1024 * 1024);
}

void command_done(struct command *c)
{
    buf_done(&c->out[0]);
    buf_done(&c->out[1]);
}

void command_start(struct guest *g, struct command *c, struct exec_request *req)
{
    struct err err;

    if (req->output_max == 0)
        req->output_max = 1024 * 1024;
    command_init(c);
    c->g = g;
    c->id = req->id;
    assert_int_equal(channel_exec(g->host->ch, req, &command_ops, c, &c->call, &err), 0);
}

void command_run(struct guest *g, struct command *c, struct exec_request *req)
{
    command_start(g, c, req);
    guest_run(g, &c->is_done);
}

void shell_start(struct guest *g, struct command *c, uint64_t id, const char *script)
{
    const char *argv[] = { "sh", "-c", script, NULL };
    struct exec_request req = { .id = id, .argv = argv };

    command_start(g, c, &req);
}

void shell_run(struct guest *g, struct command *c, uint64_t id, const char *script)
{
    shell_start(g, c, id, script);
    guest_run(g, &c->is_done);
}

/* ---- answers ---- */

void answer_init(struct answer *a)
{
    memset(a, 0, sizeof(*a));
    buf_init(&a->text, 64 * 1024 * 1024);
}

void answer_free(struct answer *a)
{
    buf_done(&a->text);
}

int answer_wait(struct guest *g, struct answer *a)
{
    guest_run(g, &a->is_done);
    return a->result;
}

void on_done(void *data, int result, const struct err *err)
{
    struct answer *a = data;

    assert_false(a->is_done);
    a->is_done = true;
    a->result = result;
    if (err)
        a->err = *err;
    assert_true((result < 0) == (err != NULL));
}

void on_stat(void *data, int result, const struct guest_stat *st, struct span link, const struct err *err)
{
    struct answer *a = data;

    if (st)
        a->st = *st;
    assert_true(link.len < sizeof(a->link));
    if (link.len > 0)
        memcpy(a->link, link.ptr, link.len);
    a->link[link.len] = 0;
    on_done(a, result, err);
}

void on_text(void *data, int result, struct span text, const struct err *err)
{
    struct answer *a = data;

    assert_int_equal(buf_add_span(&a->text, text), 0);
    on_done(a, result, err);
}

static void on_chunk(void *data, struct span chunk)
{
    assert_int_equal(buf_add_span(&((struct answer *) data)->text, chunk), 0);
}

static void on_read(void *data, int result, const struct guest_stat *st, const struct err *err)
{
    on_stat(data, result, st, span_make(NULL, 0), err);
}

static void on_hole(void *data, uint64_t len)
{
    struct answer *a = data;

    a->holes += len;
    a->hole_count++;
}

const struct file_read_ops read_ops = { on_chunk, NULL, on_read };
const struct file_read_ops sparse_read_ops = { on_chunk, on_hole, on_read };

static void on_entry(void *data, struct span path, const struct guest_stat *st, struct span link)
{
    struct answer *a = data;

    a->count++;
    assert_int_equal(buf_printf(&a->text, "%c %04o %llu " SPAN_FMT, "fdlo"[st->kind], st -> mode,
                                st -> kind == GUEST_FILE ? (unsigned long long) st -> size : 0ULL,
                                SPAN_ARG(path)),
                     0);
    if (link.len > 0)
        assert_int_equal(buf_printf(&a->text, " -> " SPAN_FMT, SPAN_ARG(link)), 0);
    assert_int_equal(buf_add_char(&a->text, '\n'), 0);
}

const struct file_list_ops list_ops = { on_entry, on_done };

static void on_change(void *data, struct span path, const struct guest_stat *st, struct span link,
                      const uint8_t *sum)
{
    struct answer *a = data;

    (void) link;
    assert_int_equal(buf_printf(&a->text, "%c" SPAN_FMT, st ? '+' : '-', SPAN_ARG(path)), 0);
    if (sum)
        assert_int_equal(buf_printf(&a->text, " %02x%02x%02x%02x", sum[0], sum[1], sum[30], sum[31]), 0);
    assert_int_equal(buf_add_char(&a->text, '\n'), 0);
}

static void on_scanned(void *data, int result, uint64_t seen, const struct err *err)
{
    ((struct answer *) data)->count = seen;
    on_done(data, result, err);
}

const struct scan_ops scan_ops = { on_change, on_scanned };

/* ---- files ---- */

struct writing {
    struct answer *answer;
    struct channel_call *call;
    struct span left;
};

static void push(struct writing *w)
{
    struct err err;
    ssize_t n = w->left.len > 0 ? channel_write_data(w->call, w->left, &err) : 0;

    assert_true(n >= 0);
    w->left.ptr += w->left.ptr ? n : 0;
    w->left.len -= (size_t) n;
    if (w->left.len == 0)
        assert_int_equal(channel_write_end(w->call, &err), 0);
}

static void on_room(void *data)
{
    push(data);
}

static void on_written(void *data, int result, const struct err *err)
{
    on_done(((struct writing *) data)->answer, result, err);
}

static const struct file_write_ops write_ops = { on_room, on_written };

int guest_replace(struct guest *g, const char *path, const char *backup, struct span contents,
                  struct answer *a)
{
    struct writing w = { .answer = a, .left = contents };
    struct err err;

    assert_int_equal(channel_replace(g->host->ch, path, backup, 0644, &write_ops, &w, &w.call, &err), 0);
    push(&w);
    return answer_wait(g, a);
}

int guest_write(struct guest *g, const char *path, uint32_t mode, struct span contents, struct answer *a)
{
    struct writing w = { .answer = a, .left = contents };
    struct err err;

    assert_int_equal(channel_write(g->host->ch, path, mode, &write_ops, &w, &w.call, &err), 0);
    push(&w);
    return answer_wait(g, a);
}

int guest_read(struct guest *g, const char *path, struct answer *a)
{
    struct channel_call *call;
    struct err err;

    assert_int_equal(channel_read(g->host->ch, path, &read_ops, a, &call, &err), 0);
    return answer_wait(g, a);
}
