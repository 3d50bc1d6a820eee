/* SPDX-License-Identifier: MIT */
/*
 * The host's end of the conversation with the guest: commands, files, scans,
 * statistics, connections, over one byte stream (frames: frame.h). Everything from inside is
 * hostile: the decoder is pure and fuzzed, every count and length has a ceiling,
 * and a guest that breaks the protocol ends the channel with ERR_PROTOCOL.
 *
 * The channel does no I/O. Its owner (a backend) pushes what arrives into
 * channel_feed() and takes what is to be sent through channel_ops. Answers come
 * by callback, from inside channel_feed() or from a deferred call; a request's
 * callback comes exactly once unless the request was canceled. When the channel breaks, every open
 * request ends with ERR_ENGINE ("sandbox lost") or, for commands, EXEC_LOST.
 */
#ifndef SANDBOX_CHANNEL_H
#define SANDBOX_CHANNEL_H

#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/base/span.h"

#include <stdint.h>
#include <sys/types.h>

struct channel;
struct channel_call; /* one open request */

struct channel_ops {
    /* There is something to send: call channel_pull() when the stream can take it. */
    void (*on_output)(void *data);
    /* HELLO was exchanged: the guest is there. info lines are in channel_guest(). */
    void (*on_hello)(void *data);
    /* Broken for good. */
    void (*on_broken)(void *data, const struct err *err);
};

struct channel_guest {
    uint32_t protocol; /* version of the frame protocol it speaks */
    uint64_t features;
    char build[65]; /* digest of the guest binary as it believes; for the record only */
    uint64_t boot;  /* random number of this guest process: another one = another sandbox */
};

int channel_new(struct loop *loop, const struct channel_ops *ops, void *data, struct channel **ret,
                struct err *err);
void channel_free(struct channel *ch);

void channel_feed(struct channel *ch, struct span bytes); /* guest's stdout, demultiplexed */
void channel_feed_log(struct channel *ch,
                      struct span bytes); /* guest's stderr: last words, kept bounded for errors */
void channel_eof(struct channel *ch, const struct err *why); /* the stream ended */
struct span channel_pending(struct channel *ch);   /* bytes to send now; valid until the next call */
void channel_sent(struct channel *ch, size_t len); /* that many of them were taken */
const struct channel_guest *channel_guest(const struct channel *ch); /* NULL before HELLO */

/* Ask the guest to end, and all of its sandbox with it. Nothing may be asked of it after that; the stream
 * ends when it has obeyed. Not before HELLO. */
void channel_quit(struct channel *ch);

/* ---- commands ----
 *
 * A call ends with its main process. What that leaves in the background goes on, for later calls to talk to,
 * and what it writes later is thrown away. Killing a call (deadline, exec_kill, cancel) kills all that came
 * of it. Deadlines do not count time in which the machine slept. */

enum exec_end {
    EXEC_EXITED,   /* code is the exit status */
    EXEC_SIGNALED, /* code is the signal */
    EXEC_TIMEOUT,  /* the deadline passed, the whole process tree was killed */
    EXEC_KILLED,   /* channel_cancel() or exec_kill(), the whole tree was killed */
    EXEC_FAILED,   /* could not be started: errnum is the guest's errno, text says what */
    EXEC_LOST,     /* the sandbox went away: what happened is unknown */
};

struct exec_request {
    uint64_t id; /* chosen by the owner, unique in the sandbox's life; the name to find it again */
    const char *const *argv; /* NULL-terminated; argv[0] looked up in PATH of the environment inside */
    const char *alternative; /* in the place of argv[0] when there is no such program; NULL = none */
    const char *const
        *env;           /* "NAME=value" added to the sandbox's environment; NULL-terminated; may be NULL */
    const char *cwd;    /* NULL = workspace root; relative = beneath it; absolute allowed */
    struct span input;  /* stdin, then end of file; empty = /dev/null */
    bool keep_input;    /* leave stdin open for exec_write() (sessions) */
    size_t input_max;   /* bytes of exec_write() that may wait for the command to read; 0 = 64 KiB */
    bool tty;           /* own pseudo terminal, stdout and stderr together */
    int rows, cols;     /* of it, up to CHANNEL_TTY_MAX; 0 = 24 and 80 */
    int64_t timeout_ms; /* 0 = none */
    bool takes_over; /* `instead` is let go of in the moment in which this one starts, which therefore needs
                        no room: an ended one of this channel */
    uint64_t instead;
    int64_t
        output_max; /* bytes of each stream passed on as they come; what follows is counted and dropped ... */
    int64_t tail_max; /* ... but for its last bytes (at most 64 KiB), delivered at the end */
};

enum exec_place { EXEC_WORKSPACE, EXEC_TMP, EXEC_SHM, EXEC_PLACES }; /* where a command may write */

struct exec_result {
    enum exec_end end;
    int code;
    int errnum;
    bool is_missing;                     /* EXEC_FAILED: there is no such program */
    const char *text;                    /* EXEC_FAILED, EXEC_LOST */
    uint64_t stdout_bytes, stderr_bytes; /* written by the command, dropped ones included */
    int64_t duration_us;                 /* measured by the guest */
    /* Limits of the sandbox that were met meanwhile, by this command or by what ran beside it. */
    bool memory_hit; /* something was killed for want of it */
    bool pids_hit;   /* a process could not be started */
    bool was_swept;  /* what was left running in the background was killed for that */
    bool cpu_hit;    /* EXEC_TIMEOUT: held back most of the time */
    /* It failed, and there is no room left ... */
    bool bytes_hit[EXEC_PLACES]; /* for contents */
    bool files_hit[EXEC_PLACES]; /* for one more name, */
    uint32_t files_max;          /* of which so many may be; */
    bool was_full[EXEC_PLACES];  /* nor was there when it began */
};

struct exec_ops {
    /* fd is 1 or 2. `gap` is the number of bytes dropped just before this chunk. */
    void (*on_output)(void *data, int fd, struct span chunk, uint64_t gap);
    void (*on_exit)(void *data, const struct exec_result *result);
};

int channel_exec(struct channel *ch, const struct exec_request *req, const struct exec_ops *ops, void *data,
                 struct channel_call **ret, struct err *err);
int channel_exec_write(struct channel_call *call, struct span input, bool eof, struct err *err);
/* The same with a number (not 0) that the guest remembers, so that after a crash it can be known whether the
 * input arrived: whole or not at all. What is too long for one frame goes as by channel_exec_write(). Ctrl-C
 * (the one byte 3) to a command that reads no input interrupts it, as a terminal would. */
int channel_exec_write_numbered(struct channel_call *call, uint64_t number, struct span input,
                                struct err *err);
/* Number of the last input that this command took; 0 = none that had one. */
uint64_t channel_exec_last_input(const struct channel *ch, uint64_t id);
/* Of a command with a terminal; its programs are told (SIGWINCH). Without one nothing happens. */
enum { CHANNEL_TTY_MAX = 4095 };
void channel_exec_resize(struct channel_call *call, int rows, int cols);
void channel_exec_kill(struct channel_call *call); /* whole tree; on_exit follows */

/* A command that has ended stays known to the guest, with what of its output is still held, until it is
 * released: whoever runs it does so once the result is durable. Releasing what is not known, or runs, is fine
 * and does nothing. A canceled call is released by the channel when it has ended. */
void channel_exec_release(struct channel *ch, uint64_t id);
/* Ids of commands that have ended (EXIT came to this host, or the guest's HELLO said so and nobody has
 * adopted it) and are not released, at most `max`; CHANNEL_EXECS is always enough. */
enum { CHANNEL_EXECS = 72 };
size_t channel_exec_ended(const struct channel *ch, uint64_t *ret_ids, size_t max);
/* All that the guest knows, running ones included. What nobody wants is got rid of by adopt and cancel. */
size_t channel_exec_list(const struct channel *ch, uint64_t *ret_ids, size_t max);
/* Does the guest know it: started by an earlier host or this one, and not released? */
bool channel_exec_is_known(const struct channel *ch, uint64_t id);
/* How many more commands the guest has room for; unreleased ones and those that wait here are counted. A
 * command that finds no room waits until there is some. */
int channel_exec_room(const struct channel *ch);

/* Was a command told of (memory_hit)? An engine says of a sandbox that died then that it ran out of memory,
 * whatever it died of. */
bool channel_had_memory_hit(const struct channel *ch);

/* After a re-attach: take up a command that an earlier host started. Its output so far that the guest still
 * holds and its end are delivered as if we had been there; ERR_NOT_FOUND through on_exit(EXEC_LOST). */
int channel_exec_adopt(struct channel *ch, uint64_t id, const struct exec_ops *ops, void *data,
                       struct channel_call **ret, struct err *err);

/* Forget an open request: no callback follows; a command is killed. NULL is fine. */
void channel_cancel(struct channel_call *call);

/* ---- files, all beneath the workspace root; paths relative to it, never leaving it, links never followed
 * out ---- */

enum guest_file_kind { GUEST_FILE, GUEST_DIR, GUEST_LINK, GUEST_OTHER, GUEST_DEEP /* see frame.h */ };

struct guest_stat {
    enum guest_file_kind kind;
    uint32_t mode; /* permission bits */
    uint32_t links;
    uint64_t size, inode;
    uint64_t stored; /* bytes that it takes on disk: less than `size` when it has holes */
    int64_t mtime_ns, ctime_ns;
};

/* result < 0: err says what the guest refused (ERR_NOT_FOUND, ERR_CONFLICT, ERR_INVALID, ERR_IO with errnum).
 */
typedef void channel_done_fn(void *data, int result, const struct err *err);
typedef void channel_stat_fn(void *data, int result, const struct guest_stat *st, struct span link_target,
                             const struct err *err);

struct file_read_ops {
    void (*on_chunk)(void *data, struct span chunk); /* credit is given back when it returns */
    /* That many zeros (64 KiB and more) which are stored nowhere; NULL: they come as chunks. */
    void (*on_hole)(void *data, uint64_t len);
    void (*on_done)(void *data, int result, const struct guest_stat *st, const struct err *err);
};

struct file_list_ops {
    /* One entry of a walk: path relative to the root, depth first, parents before children, names sorted by
     * bytes. */
    void (*on_entry)(void *data, struct span path, const struct guest_stat *st, struct span link_target);
    void (*on_done)(void *data, int result, const struct err *err);
};

int channel_stat(struct channel *ch, const char *path, channel_stat_fn *fn, void *data,
                 struct channel_call **ret, struct err *err);
int channel_list(struct channel *ch, const char *path, bool recursive, const struct file_list_ops *ops,
                 void *data, struct channel_call **ret, struct err *err);
/* Regular files only: a link at the end of the path is refused. What belongs to the sandbox's user is read
 * also when its mode denies it, folders on the way included. */
int channel_read(struct channel *ch, const char *path, const struct file_read_ops *ops, void *data,
                 struct channel_call **ret, struct err *err);
/* While held no credit is given back, so at most a window (FRAME_WINDOW) still comes; a hole can stand for
 * more than its reader can deal with at once. */
void channel_read_hold(struct channel_call *call, bool hold);

/* Write a file: created under a temporary name, renamed with its mode when complete; missing parents are made
 * (0755). Zeros in whole blocks become holes. Feed with channel_write_data() while it returns > 0 (bytes
 * taken; 0 = wait for on_room), and with channel_write_hole() for zeros that need not travel, close with
 * channel_write_end(). `fn` comes once, at the end. */
struct file_write_ops {
    void (*on_room)(void *data);
    void (*on_done)(void *data, int result, const struct err *err);
};
/* As channel_write(), but what is there gets the name `backup`, beside it, in the moment before. Either both
 * were done or neither. ERR_NOT_FOUND: nothing is there; ERR_CONFLICT: something has that name. */
int channel_replace(struct channel *ch, const char *path, const char *backup, uint32_t mode,
                    const struct file_write_ops *ops, void *data, struct channel_call **ret, struct err *err);
int channel_write(struct channel *ch, const char *path, uint32_t mode, const struct file_write_ops *ops,
                  void *data, struct channel_call **ret, struct err *err);
/* The same for what commands are to trust, outside of the workspace: SANDBOX_TRUST_DIR/name (spec.h). `name`
 * is one of ours. */
int channel_write_trust(struct channel *ch, const char *name, const struct file_write_ops *ops, void *data,
                        struct channel_call **ret, struct err *err);
ssize_t channel_write_data(struct channel_call *call, struct span bytes, struct err *err);
int channel_write_hole(struct channel_call *call, uint64_t len,
                       struct err *err); /* 1: taken; 0: wait for on_room */
int channel_write_end(struct channel_call *call, struct err *err);

int channel_mkdir(struct channel *ch, const char *path, uint32_t mode, channel_done_fn *fn, void *data,
                  struct channel_call **ret,
                  struct err *err); /* with parents; existing folder is fine, mode is set */
int channel_symlink(struct channel *ch, const char *path, const char *target, channel_done_fn *fn, void *data,
                    struct channel_call **ret, struct err *err);
/* Another name for a file or link (no parents are made). */
int channel_link(struct channel *ch, const char *path, const char *existing, channel_done_fn *fn, void *data,
                 struct channel_call **ret, struct err *err);
/* Mode with set-id bits (of links: none) and mtime of what is there; links are not followed. */
int channel_set(struct channel *ch, const char *path, uint32_t mode, int64_t mtime_ns, channel_done_fn *fn,
                void *data, struct channel_call **ret, struct err *err);
int channel_rename(struct channel *ch, const char *from, const char *to, channel_done_fn *fn, void *data,
                   struct channel_call **ret, struct err *err);
int channel_remove(struct channel *ch, const char *path, bool recursive, channel_done_fn *fn, void *data,
                   struct channel_call **ret, struct err *err);
enum { CHANNEL_REMOVE_MANY = 100 };
/* All of them that are there, none of which is a folder with something in it. CHANNEL_REMOVE_MANY at most. */
int channel_remove_all(struct channel *ch, const char *const *paths, size_t count, channel_done_fn *fn,
                       void *data, struct channel_call **ret, struct err *err);

/* ---- what is ---- */

/* A file of the sandbox's /proc or /sys/fs/cgroup, or "/etc/passwd"-like small file outside the workspace:
 * for the verification of the lock-down only. At most 64 KiB. */
typedef void channel_text_fn(void *data, int result, struct span text, const struct err *err);
/* Which of these files do not hold `what`? The text is one byte for each: 0 = so it is, and it is text; 1 =
 * read it and see (it does, or is large, or no text, or cannot be read). At most CHANNEL_FIND_MANY. */
enum { CHANNEL_FIND_MANY = 100 };
int channel_find(struct channel *ch, const char *what, const char *const *paths, size_t count,
                 channel_text_fn *fn, void *data, struct channel_call **ret, struct err *err);
int channel_probe(struct channel *ch, const char *path, channel_text_fn *fn, void *data,
                  struct channel_call **ret, struct err *err);

struct guest_stats {
    uint64_t memory_bytes, memory_peak_bytes, oom_kills, pids, cpu_us;
    uint64_t workspace_used, workspace_size; /* bytes */
};
typedef void channel_stats_fn(void *data, int result, const struct guest_stats *stats, const struct err *err);
int channel_stats(struct channel *ch, channel_stats_fn *fn, void *data, struct channel_call **ret,
                  struct err *err);

/* Round trip; also what keeps the guest from believing itself orphaned (sent by the channel itself when
 * idle). */
int channel_ping(struct channel *ch, channel_done_fn *fn, void *data, struct channel_call **ret,
                 struct err *err);

/* Paths whose (size, mtime, ctime, inode, mode, link target) differ from the guest's memory of the last scan
 * with SCAN_REMEMBER; deletions too. The first scan of a connection reports everything. What changed so
 * lately that the clock could hide another change is reported again by the next scan. Whatever is mounted in
 * the workspace (binds of folders and files) is left out. */
/* SCAN_ANEW: what was remembered is forgotten first, so everything is told. */
enum { SCAN_REMEMBER = 1, SCAN_SUMS = 2, SCAN_ANEW = 4 };
struct scan_ops {
    /* st NULL: gone. sum: SHA-256 of a regular file's content with SCAN_SUMS, computed inside, never to be
     * trusted as proof; NULL: it could not be read, was changing, or has more than 1 GiB of holes. */
    void (*on_change)(void *data, struct span path, const struct guest_stat *st, struct span link_target,
                      const uint8_t *sum);
    void (*on_done)(void *data, int result, uint64_t files_seen, const struct err *err);
};
int channel_scan(struct channel *ch, unsigned flags, const struct scan_ops *ops, void *data,
                 struct channel_call **ret, struct err *err);

/* SHA-256 of a file, computed inside: for finding known contents, never as proof. */
typedef void channel_sum_fn(void *data, int result, const uint8_t sum[32], const struct err *err);
int channel_checksum(struct channel *ch, const char *path, channel_sum_fn *fn, void *data,
                     struct channel_call **ret, struct err *err);

/* ---- connections ----
 *
 * What processes of the sandbox open to the guest's listener on 127.0.0.1, which is not there before
 * channel_listen(). Each is a struct channel_conn from on_open() until on_closed(), its owner's
 * channel_conn_cut(), or the end of the channel, before which on_closed() comes for all of them. Callbacks
 * come from inside channel_feed() or from the loop, and may call anything but channel_conn_accept(), which
 * belongs into on_open().
 *
 * Towards the process: ask channel_conn_grant() how much may be written, write at most that, ask again; when
 * it says 0, on_room() says when to ask again. Towards the owner: at most CHANNEL_CONN_WINDOW bytes come
 * before it gives back what it has dealt with; a quarter of that before it did so for the first time, and
 * from all but CHANNEL_CONNS_WIDE connections at once. */

struct channel_conn;
enum { CHANNEL_CONN_WINDOW = 256 * 1024, CHANNEL_CONNS = 1000, CHANNEL_CONNS_WIDE = 64 };
#define CHANNEL_COMMAND_UNKNOWN UINT64_MAX

struct conn_ops {
    void (*on_data)(void *data, struct span bytes);
    void (*on_end)(void *data); /* the process sends nothing more; it may still read */
    void (*on_room)(void *data);
    void (*on_closed)(void *data); /* over, also by a reset; it is gone when this returns */
};

struct listen_ops {
    /* Connections come from now on, or why not (ERR_CONFLICT: somebody inside has the port). */
    void (*on_listening)(void *data, int result, const struct err *err);
    /* `command`: the id of the command whose process it is, as far as the guest can tell and the sandbox
     * does not lie about it; CHANNEL_COMMAND_UNKNOWN. What is not accepted in here is cut. */
    void (*on_open)(void *data, struct channel_conn *conn, uint64_t command);
};

/* Once a channel. Nothing comes any more after channel_listen_stop(), which cuts all connections without a
 * word. */
int channel_listen(struct channel *ch, uint16_t port, const struct listen_ops *ops, void *data,
                   struct err *err);
void channel_listen_stop(struct channel *ch);

void channel_conn_accept(struct channel_conn *conn, const struct conn_ops *ops, void *data);
size_t channel_conn_grant(struct channel_conn *conn); /* so many bytes more than it said before */
void channel_conn_write(struct channel_conn *conn, struct span bytes); /* at most what was granted */
void channel_conn_end(struct channel_conn *conn);                      /* nothing more will be written */
void channel_conn_dealt(struct channel_conn *conn, size_t len); /* so much of on_data() has been dealt with */
void channel_conn_cut(struct channel_conn *conn); /* the process sees a reset; no callback follows */

#endif
