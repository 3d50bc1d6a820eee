/* SPDX-License-Identifier: MIT */
/*
 * A guest that says whatever it likes, while outputs are collected and checkpoints are taken: whatever that
 * is, nothing is written but to the targets and the run folder, a failure leaves the targets as they were, a
 * success is what its report says, and a checkpoint that was taken can be read.
 *
 * The first byte says what goes on (MODE_ below), then frames follow:
 *   type and flags   type in the low six bits; TYPE_ below for what is no frame
 *   which            of the requests that are open, the oldest being 0, this one answers
 *   length           two bytes, little endian
 *   payload
 */
#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/base/walk.h"
#include "core/run/checkpoint_take.h"
#include "core/run/folder.h"
#include "core/run/outputs.h"
#include "core/sandbox/channel.h"
#include "core/sandbox/frame.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MODE_OUTPUTS = 1,
    MODE_TAKE = 2,
    MODE_TARGETS = 4 /* stand there already */,
    MODE_STEP = 3 /* >>: bytes fed at once */
};
enum { TYPE_RAW = 0, TYPE_CANCEL = 60, TYPE_TAKE = 61 /* one more checkpoint */ };
enum { OPEN_MAX = 256, FRAMES_MAX = 200, TURNS_MAX = 64, OUTPUT = 1024 /* bytes that one may have */ };

#define OLD    "as it was\n"
#define CANARY "nobody touches this\n"

static struct guest {
    struct loop *loop;
    struct channel *channel;
    struct run_folder *folder;
    struct checkpoint_store *store;
    struct checkpoint_view view;
    struct checkpoint_take *take;
    struct outputs *outputs;
    uint64_t open[OPEN_MAX]; /* streams of requests without an answer */
    size_t open_count;
    bool is_woken, is_broken;
    bool had_targets, were_placed;
} g;

static int home_fd = -1; /* of where we were started */
static char top[64];     /* a folder of our own; `in/` is where all happens, `canary` beside it */

static void must(bool holds)
{
    if (!holds)
        abort();
}

static const char *in_top(const char *name)
{
    static char paths[4][256];
    static unsigned at;
    char *ret = paths[at++ % 4];

    snprintf(ret, sizeof(paths[0]), "%s/%s", top, name);
    return ret;
}

/* ---- the host's side of the disk ---- */

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

    must(fd >= 0 && file_write_all(fd, text, strlen(text), NULL) == 0);
    close(fd);
}

static bool holds(const char *path, const char *text)
{
    struct buf is = BUF_INIT(1 << 16);
    struct stat st;
    bool ret = lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0640 &&
               st.st_nlink == 1 && file_read(path, &is, NULL) == 0 && strcmp(buf_text(&is), text) == 0;

    buf_done(&is);
    return ret;
}

static void tidy(void)
{
    if (top[0])
        (void) file_remove_tree(AT_FDCWD, top, NULL);
}

static void top_make(void)
{
    snprintf(top, sizeof(top), "%s/agentbox-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    home_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(home_fd >= 0 && mkdtemp(top) != NULL && atexit(tidy) == 0);
}

/* What may be led astray: links where targets are to be, a folder that is replaced, one that we stand in. */
static void disk_make(void)
{
    must(mkdir(in_top("in"), 0755) == 0 && mkdir(in_top("in/out"), 0755) == 0 &&
         mkdir(in_top("in/here"), 0755) == 0);
    put(in_top("canary"), CANARY);
    put(in_top("in/canary"), CANARY);
    put(in_top("in/out/canary"), CANARY);
    must(chdir(in_top("in/here")) == 0 && setenv("XDG_STATE_HOME", in_top("in/state"), 1) == 0);
    if (!g.had_targets)
        return;
    put(in_top("in/out/file"), OLD);
    must(mkdir(in_top("in/out/dir"), 0755) == 0 && symlink("../canary", in_top("in/out/link")) == 0);
    put(in_top("in/out/dir/old"), OLD);
    must(symlink("../canary", in_top("in/out/dir/link")) == 0);
}

/* Names that a folder may hold. */
static void only(const char *name, const char *const *allowed)
{
    CLEANUP(free) char *path = strdup(in_top(name));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct walk_entry e;
    struct walk *w = NULL;

    must(fd >= 0 && walk_new(fd, &w, NULL) == 0);
    while (walk_next(w, &e, NULL) == 1) {
        size_t len = strcspn(e.path, "/");
        bool is_allowed = false;

        for (size_t i = 0; allowed[i]; i++)
            is_allowed = is_allowed || (strlen(allowed[i]) == len && strncmp(allowed[i], e.path, len) == 0);
        must(is_allowed);
    }
    walk_free(w);
    close(fd);
}

static void disk_check(void)
{
    static const char *const above[] = { "in", "canary", NULL };
    static const char *const inside[] = { "out", "here", "state", "canary", NULL };
    static const char *const targets[] = { "file", "dir", "link", "canary", NULL };
    static const char *const nothing[] = { NULL };
    char link[32] = "";

    only("", above);
    only("in", inside);
    only("in/out", targets);
    only("in/here", nothing);
    must(holds(in_top("canary"), CANARY) && holds(in_top("in/canary"), CANARY) &&
         holds(in_top("in/out/canary"), CANARY));
    if (g.were_placed)
        return;
    if (g.had_targets)
        must(holds(in_top("in/out/file"), OLD) && holds(in_top("in/out/dir/old"), OLD) &&
             readlink(in_top("in/out/link"), link, sizeof(link)) > 0 && strncmp(link, "../canary", 9) == 0);
    else
        must(access(in_top("in/out/file"), F_OK) < 0 && access(in_top("in/out/dir"), F_OK) < 0 &&
             access(in_top("in/out/link"), F_OK) < 0);
}

/* ---- outputs ---- */

static void file_check(const char *path, const char *sha256, int64_t size)
{
    struct buf is = BUF_INIT(OUTPUT);
    char sum[DIGEST_HEX];
    struct stat st;

    must(lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & ~0777U) == S_IFREG &&
         st.st_size == size);
    must(file_read(path, &is, NULL) == 0);
    digest_of(buf_span(&is), sum);
    must(strcmp(sum, sha256) == 0);
    buf_done(&is);
}

static void folder_check(const struct output_report *report)
{
    int fd = open(report->output->to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int64_t files = 0, size = 0;
    struct walk_entry e;
    struct walk *w = NULL;
    int r;

    must(fd >= 0 && walk_new(fd, &w, NULL) == 0);
    while ((r = walk_next(w, &e, NULL)) == 1) {
        must(S_ISDIR(e.st.st_mode) ||
             (S_ISREG(e.st.st_mode) && e.st.st_nlink == 1 && !(e.st.st_mode & 07000)));
        files += S_ISREG(e.st.st_mode);
        size += S_ISREG(e.st.st_mode) ? e.st.st_size : 0;
    }
    must(r == 0 && files == report->files && size == report->size && size <= OUTPUT);
    walk_free(w);
    close(fd);
}

static void on_output(void *data, const struct output_report *report)
{
    (void) data;
    must((report->result < 0) == (report->err.text[0] != '\0'));
    if (report->result < 0 || report->is_missing)
        return;
    g.were_placed = true;
    if (report->is_folder)
        folder_check(report);
    else
        file_check(report->output->to, report->sha256, report->size);
}

static void on_collected(void *data, int result, const struct err *err)
{
    (void) data;
    must((result < 0) == (err != NULL) && (result == 0 || !g.were_placed));
    outputs_free(g.outputs);
    g.outputs = NULL;
    g.is_woken = true;
}

static void outputs_begin(void)
{
    static const struct outputs_ops ops = { on_output, on_collected };
    static char targets[3][128];
    static struct run_output list[3] = { { .path = "f", .required = true },
                                         { .path = "d", .required = false },
                                         { .path = "e/l", .required = false } };
    static const char *const names[] = { "in/out/file", "in/out/dir", "in/out/link" };

    for (size_t i = 0; i < 3; i++) {
        snprintf(targets[i], sizeof(targets[i]), "%s", in_top(names[i]));
        list[i].to = list[i].to_as_given = targets[i];
    }
    must(outputs_start(g.loop, g.channel, list, 3, &ops, NULL, &g.outputs, NULL) == 0);
    outputs_set_max(g.outputs, OUTPUT);
}

/* ---- checkpoints ---- */

static void listing_check(const struct listing *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct listing_entry *e = &l->entries[i], *folder;
        CLEANUP(free) char *above = strdup(e->path);
        char *slash = strrchr(above, '/');

        must(frame_path_ok(e->path, strlen(e->path)) &&
             (i == 0 || strcmp(l->entries[i - 1].path, e->path) < 0));
        if (!slash)
            continue;
        *slash = '\0';
        folder = listing_find(l, above);
        must(folder && folder->kind == LISTING_DIR);
    }
}

/* All that it needs is there, and whole. */
static void contents_check(const struct listing *l)
{
    static char piece[65536];
    struct checkpoint_reader *reader;
    struct listing_content content;
    int r;

    must(checkpoint_reader_new(g.store, l, &reader, NULL) == 0);
    while ((r = checkpoint_reader_next(reader, &content, NULL)) == 1) {
        int64_t size = 0;
        ssize_t n;

        while ((n = checkpoint_reader_read(reader, piece, sizeof(piece), NULL)) > 0)
            size += n;
        must(n == 0 && size == content.size);
    }
    must(r == 0);
    checkpoint_reader_free(reader);
}

static void on_taken(void *data, int result, const struct record_checkpoint *rec, const struct err *err)
{
    struct listing l;

    (void) data;
    must((result < 0) == (err != NULL) && (result < 0) == (rec == NULL));
    if (result == 0 && !rec->is_same) {
        listing_init(&l);
        must(checkpoint_store_told(g.store, rec, NULL) == 0);
        must(checkpoint_load(g.store, rec->number, &l, NULL) == 0);
        listing_check(&l);
        contents_check(&l);
        listing_done(&l);
    }
    checkpoint_take_free(g.take);
    g.take = NULL;
    g.is_woken = true;
}

static void take_begin(void)
{
    const struct checkpoint_site site = { g.loop, g.channel, g.store, &g.view };

    if (!g.take)
        must(checkpoint_take_start(&site, 2, on_taken, NULL, &g.take, NULL) == 0);
}

static void take_prepare(void)
{
    must(run_folder_create(&g.folder, NULL) == 0 && checkpoint_store_new(g.folder, &g.store, NULL) == 0);
    take_begin();
}

/* ---- the guest ---- */

static void wake(void *data)
{
    (void) data;
    g.is_woken = true;
}

static void on_nothing(void *data)
{
    (void) data;
}

static void on_broken(void *data, const struct err *err)
{
    (void) data;
    must(err->text[0] != '\0');
    g.is_broken = g.is_woken = true;
}

/* Remember what the host asks for. */
static void hear(void)
{
    struct span all = channel_pending(g.channel);
    struct frame_in in = { (const uint8_t *) all.ptr, all.len, false };

    while (in.len > 0) {
        uint64_t type = frame_get(&in, 1), len, stream;

        (void) frame_get(&in, 3);
        len = frame_get(&in, 4);
        stream = frame_get(&in, 8);
        (void) frame_get_bytes(&in, (size_t) len);
        must(!in.is_bad);
        if (type >= FRAME_STAT && type <= FRAME_SET && g.open_count < OPEN_MAX)
            g.open[g.open_count++] = stream;
    }
    channel_sent(g.channel, all.len);
}

static void run_until_woken(int64_t ms)
{
    struct loop_source *timer;

    g.is_woken = false;
    must(loop_timer(g.loop, ms, wake, NULL, &timer, NULL) == 0 && loop_run(g.loop, &g.is_woken, NULL) == 0);
    loop_source_free(timer);
    hear();
}

/* Let the host act on what it heard. While it asks nothing it works, on a thread of its own: until it is
 * done. */
static void turn(void)
{
    for (int i = 0; i < 3; i++)
        run_until_woken(0);
    for (int i = 0; i < TURNS_MAX && g.open_count == 0 && (g.take || g.outputs) && !g.is_broken; i++)
        run_until_woken(10);
}

static void greet(void)
{
    struct frame_hello h = { .version = FRAME_VERSION };
    uint8_t bytes[FRAME_HEADER + FRAME_HELLO_MAX];
    struct frame_out out = { bytes + FRAME_HEADER, 0, FRAME_HELLO_MAX, false };

    memset(h.build, 'a', FRAME_BUILD);
    frame_hello_encode(&out, true, &h);
    frame_header(bytes, FRAME_HELLO, 0, 0, (uint32_t) out.len);
    channel_feed(g.channel, span_make(channel_pending(g.channel).ptr, FRAME_PREAMBLE));
    channel_sent(g.channel, FRAME_PREAMBLE);
    hear();
    channel_feed(g.channel, span_make(bytes, FRAME_HEADER + out.len));
}

static void feed(struct span bytes, size_t step)
{
    for (size_t at = 0, n; at < bytes.len; at += n) {
        n = step && bytes.len - at > step ? step : bytes.len - at;
        channel_feed(g.channel, span_make(bytes.ptr + at, n));
    }
}

static void cancel(void)
{
    outputs_free(g.outputs);
    checkpoint_take_free(g.take);
    g.outputs = NULL;
    g.take = NULL;
}

static void say(uint8_t kind, uint8_t which, struct span payload, size_t step)
{
    uint8_t type = kind & 63, header[FRAME_HEADER];
    size_t at = g.open_count > 0 ? which % g.open_count : 0;
    uint64_t stream = g.open_count > 0 ? g.open[at] : FRAME_STREAM_FILES + which;

    if (type == TYPE_CANCEL) {
        cancel();
    } else if (type == TYPE_TAKE) {
        if (g.store)
            take_begin();
    } else {
        frame_header(header, type, kind >> 6, stream, (uint32_t) payload.len);
        if (type != TYPE_RAW)
            feed(span_make(header, sizeof(header)), step);
        feed(payload, step);
    }
    if (type == FRAME_DONE && g.open_count > 0)
        memmove(&g.open[at], &g.open[at + 1], (--g.open_count - at) * sizeof(g.open[0]));
}

static void talk(struct span in, size_t step)
{
    for (int i = 0; i < FRAMES_MAX && in.len >= 4 && !g.is_broken; i++) {
        const uint8_t *p = (const uint8_t *) in.ptr;
        size_t len = p[2] | (size_t) p[3] << 8;

        in = span_make(in.ptr + 4, in.len - 4);
        if (len > in.len)
            len = in.len;
        say(p[0], p[1], span_make(in.ptr, len), step);
        in = span_make(in.ptr + len, in.len - len);
        turn();
    }
}

/* The sandbox is lost: everything ends, and soon; else it is canceled. */
static void end(void)
{
    channel_eof(g.channel, NULL);
    for (int i = 0; i < TURNS_MAX && (g.take || g.outputs || !g.is_broken); i++)
        run_until_woken(10);
    cancel();
    channel_free(g.channel);
    checkpoint_view_done(&g.view);
    checkpoint_store_free(g.store);
    run_folder_free(g.folder);
    disk_check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct channel_ops ops = { wake, on_nothing, on_broken };
    struct loop *loop = g.loop;

    if (size == 0)
        return 0;
    g = (struct guest){ .loop = loop, .had_targets = data[0] & MODE_TARGETS };
    if (!g.loop)
        must(loop_new(&g.loop, NULL) == 0);
    if (!top[0])
        top_make();
    disk_make();
    checkpoint_view_init(&g.view);
    must(channel_new(g.loop, &ops, NULL, &g.channel, NULL) == 0);
    greet();
    if (data[0] & MODE_OUTPUTS)
        outputs_begin();
    if (data[0] & MODE_TAKE)
        take_prepare();
    turn();
    talk(span_make(data + 1, size - 1), data[0] >> MODE_STEP);
    end();
    must(fchdir(home_fd) == 0 && file_remove_tree(AT_FDCWD, in_top("in"), NULL) == 0 &&
         unlink(in_top("canary")) == 0);
    return 0;
}
