/* SPDX-License-Identifier: MIT */
/*
 * The conversation between the harness (the "host") and the static PID 1 of a
 * sandbox (the "guest"). Shared by both ends, so it needs libc only. Everything
 * here is pure: bytes in, structs out, no I/O, no allocation.
 *
 * THE STREAM
 *
 *     preamble   mark (16 bytes) nonce (16 bytes, each below 0x80)
 *     frame      header (16 bytes) payload (0 ... 64 KiB)
 *
 *     header     0  u8   type      below 0x80
 *                1  u8   flags
 *                2  u16  reserved  0
 *                4  u32  length of the payload
 *                8  u64  stream    below 2^63
 *
 * Integers are little-endian. Each direction is one preamble, one HELLO frame,
 * then frames. The guest says nothing before it was spoken to: its preamble
 * repeats the host's nonce, so that a host which attaches to a stream with a
 * past can throw away everything before it. The nonce is random; no file whose
 * contents are in flight can contain it.
 *
 * A NEW HOST ON AN OLD STREAM
 *
 * The host may vanish at any byte, and the next one continues the same stream,
 * perhaps in what the guest takes for the middle of a payload. So the guest
 * looks for the mark in every byte it receives, and starts again where it finds
 * one: frames that are not complete are forgotten, requests about files are
 * dropped (temporary files with them), commands go on.
 * That must not be possible by accident or by an attacker who gets the host to
 * send a file with the mark in it. Therefore a host never sends the mark other
 * than as a preamble:
 *   - All bytes of the mark are 0x80 or more, while the first and the last byte
 *     of every header are below; no run of 16 bytes that touches a header can be
 *     the mark, only one that lies inside one payload.
 *   - A payload that contains the mark is cut in the middle of it, into two
 *     frames (frame_cut()). Data may be cut anywhere, requests too (FRAME_MORE).
 *   - The guest holds back bytes that may be the beginning of the mark. A
 *     payload that ends like that is followed by an empty PAD frame.
 *   - The mark's first byte does not come again in it, so that a half mark before
 *     a whole one hides nothing.
 * Nobody but the harness can write to the guest's stdin, and commands have pipes
 * of their own, so that is the whole attack surface.
 * When the guest meets a header that cannot be, it ignores everything up to the
 * next mark. When the host does, the channel is broken for good: a guest has no
 * excuse.
 *
 * REQUESTS
 *
 * The host chooses the stream number of each request. Commands have the number
 * their owner gave them (below FRAME_STREAM_FILES), unique in the life of the
 * sandbox, known across hosts; everything else has a number of its own from
 * FRAME_STREAM_FILES up (and below FRAME_STREAM_CONNS), unique for one host.
 * A request is one frame, or several in a row with FRAME_MORE on all but the
 * last, together at most FRAME_REQUEST_MAX. At most FRAME_REQUESTS of
 * them and FRAME_EXECS commands may be open; a host that ignores this is not answered.
 * Requests that are open at the same time may be carried out in any order.
 * Each ends with exactly one DONE (also after CANCEL), a command with one EXIT.
 *
 *   host                          guest
 *   HELLO version features        HELLO version features boot orphan build commands
 *   PING                          PONG              (one at a time, stream repeated)
 *   EXEC ...                      OUTPUT* EXIT      (and it stays known until RELEASE)
 *   ADOPT (empty)                 OUTPUT* EXIT      (what is still held, from its beginning)
 *   KILL (empty)                  EXIT              (whole process tree)
 *   RELEASE (empty)                                 (of a command that has ended)
 *   DATA ... FRAME_END            CREDIT            (stdin of a command)
 *   INPUT number bytes            CREDIT            (the same, in one piece and with a number)
 *   RESIZE rows columns                             (the terminal of a command; u16 each)
 *   STAT path                     DONE stat
 *   LIST recursive path           ENTRIES* DONE
 *   READ holes path               DATA* HOLE* DONE stat
 *   WRITE mode path, DATA* HOLE*, END   CREDIT* DONE
 *   MKDIR SYMLINK LINK RENAME REMOVE SET   DONE
 *   PROBE path                    DATA* DONE
 *   STATS                         DONE stats
 *   SCAN flags                    ENTRIES* DONE count
 *   CHECKSUM path                 DONE sum
 *   FIND text path...             DONE u8 for each path
 *   LISTEN port                   DONE port
 *   QUIT (empty)                                    (and there is no guest any more)
 *   (a connection, see below)     OPEN command window
 *   DATA* FRAME_END, CREDIT       DATA* FRAME_END, CREDIT, DONE
 *
 * Strings end with NUL and come last; numbers are u32 for modes, u64 for times and lengths, else u8.
 *   LINK path existing            another name for a file
 *   SET mode mtime path           nothing is followed; a link has no mode, so that is ignored
 *   WRITE                         with FRAME_WRITE_KEEP in its mode, a name follows
 *                                 the path: what is there gets it beside, before
 *                                 it is replaced; nothing is there: NOT_FOUND
 *   REMOVE flag path              FRAME_REMOVE_TREE: with what is beneath;
 *                                 FRAME_REMOVE_ALL: further paths follow. What
 *                                 is not there is none of its failures
 *   WRITE                         with FRAME_WRITE_TRUST in its mode, path is a
 *                                 name in FRAME_TRUST_DIR, made when it is not
 *                                 there: what commands shall trust, no part of
 *                                 the workspace
 *   READ                          with `holes` 1, stretches of FRAME_HOLE_MIN and
 *                                 more that are stored nowhere come as HOLE,
 *                                 else as zeros
 *   FIND                          0: a file that is text, small, and does not
 *                                 hold it; whatever else it may be: 1
 *   HOLE length                   so many zeros, 1 ... 2^63-1
 *   SCAN                          SCAN_REMEMBER: what is told is not told again
 *                                 before it changes; SCAN_SUMS: entries of files
 *                                 carry their SHA-256; SCAN_ANEW: as if nothing
 *                                 had been told before
 *
 * COMMANDS
 *
 * A command keeps one of the FRAME_EXECS slots from its EXEC to its RELEASE, also when it has ended, so that
 * a host that vanishes before the result was stored finds it again. A host that wants to start more lets go
 * of older ones. EXEC may name one command that has ended and whose slot it takes over (`instead`): it is let
 * go of in the moment in which the new one starts, not earlier, so that of a row of commands the latest one
 * is always known. A program that is not there can have an alternative, tried in its place. INPUT is taken
 * whole or not at all, and its number is in later HELLOs (`input` of the command): a host that does not know
 * whether its predecessor's input arrived sees it there. To a command that reads no input it may be Ctrl-C,
 * the one byte 3: then the process group of the command is interrupted, as a terminal would do it. EXIT says
 * which limits of the sandbox were met while the command ran (FRAME_HIT_*), by what the kernel counted for
 * all of the sandbox from its begin to its end; that there is no room left in a place is looked at only when
 * a command failed. When leftovers of earlier commands hold most of the processes that may be, and the limit
 * is met, they are killed, so that there is always room for a command (FRAME_HIT_SWEPT).
 *
 * CONNECTIONS
 *
 * Nothing listens in a sandbox before LISTEN. Then the guest accepts connections on 127.0.0.1, of whatever
 * runs inside, at most FRAME_CONNS at once: others wait in the kernel's queue. Each is a stream of its own,
 * whose number the guest chooses: FRAME_STREAM_CONNS + n * FRAME_CONNS + place. A place is taken again only
 * after DONE, with a greater n. OPEN says which command the process at the other end belongs to
 * (FRAME_COMMAND_UNKNOWN when that cannot be told, and never to be relied on: processes can hand
 * descriptors on), and how much the host may send before it gets credit. It comes with the first bytes of the
 * process, for which it waits a moment: alone it would be a way through the engine for nothing.
 *
 * Both sides send DATA, and say with FRAME_END that no more will come (half close); when both have, and all
 * is delivered, the guest says DONE. It says so at once when the process resets its connection (FRAME_IO), or
 * the host CANCELs (FRAME_CANCELED, and the process sees a reset). There is exactly one DONE for each OPEN;
 * what the host sent before it came is thrown away.
 *
 * A new host finds no connection: those of the old one are reset when it comes, and new ones wait until it
 * says LISTEN. The port stays ours meanwhile.
 *
 * CREDIT
 *
 * The payloads of DATA, INPUT (without its number), HOLE, OUTPUT and ENTRIES count against a window of their
 * stream (stdout and stderr each have their own): FRAME_WINDOW payload bytes, FRAME_WINDOW_OUTPUT from a
 * command, FRAME_WINDOW_STDIN towards one, FRAME_WINDOW_CONN from a connection, and towards it what its OPEN
 * says. The receiver gives back what it has dealt with, from a connection also once more than that, up to
 * FRAME_WINDOW_CONN_WIDE: those few that send much. Nobody sends more than the window, so each side's
 * memory is bounded, one noisy command cannot starve the rest, and a command whose output nobody takes blocks
 * in its own write(2).
 *
 * LIFE
 *
 * The guest ends its container when no complete frame arrived for `orphan_ms`
 * (HELLO says how long), or when it is told QUIT: whatever still runs is killed. The host sends PING when it
 * has nothing else to say.
 */
#ifndef SANDBOX_FRAME_H
#define SANDBOX_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_VERSION = 3,
    FRAME_HEADER = 16,
    FRAME_MARK = 16,
    FRAME_NONCE = 16,
    FRAME_PREAMBLE = FRAME_MARK + FRAME_NONCE,
    FRAME_PAYLOAD_MAX = 64 * 1024,
    FRAME_REQUEST_MAX = 512 * 1024,
    FRAME_REQUESTS = 64, /* open at once, commands not counted */
    FRAME_EXECS = 72,
    FRAME_WINDOW =
        1024 * 1024, /* contents and entries: a credit takes its time, and data shall flow meanwhile */
    FRAME_WINDOW_OUTPUT = 256 * 1024,
    FRAME_WINDOW_STDIN = 64 * 1024,
    FRAME_TAIL_MAX = 64 * 1024,
    FRAME_PATH_MAX = 4096, /* the NUL counted */
    FRAME_ARGS_MAX = 4096, /* argv, and the same again for the environment */
    FRAME_PROBE_MAX = 64 * 1024,
    FRAME_FIND_BYTES = 64 * 1024, /* that is small */
    FRAME_FIND_MAX = 100,         /* paths */
    FRAME_TEXT_LOOK = 8 * 1024,   /* a NUL in the first bytes: no text */
    FRAME_TEXT_MAX = 255,
    FRAME_BUILD = 64, /* hex digits */
    FRAME_SUM = 32,   /* SHA-256 */
    FRAME_HOLE_MIN = 64 * 1024,
    FRAME_CONNS = 1000,
    FRAME_WINDOW_CONN = 64 * 1024,
    FRAME_WINDOW_CONN_WIDE = 256 * 1024,
    FRAME_WINDOW_CONN_MIN = 4 * 1024, /* of an OPEN */
    FRAME_WINDOW_CONN_MAX = 256 * 1024,
};

#define FRAME_TRUST_DIR       "/tmp/.agentbox"
#define FRAME_WRITE_TRUST     0x10000u
#define FRAME_WRITE_KEEP      0x20000u
#define FRAME_REMOVE_TREE     1
#define FRAME_REMOVE_ALL      2
#define FRAME_PROBE_CALLS     "/calls" /* PROBE of this tells what calls are answered that a filter may close */
#define FRAME_PROBE_KERNEL    "/kernel" /* and of this which kernel answers; see guest/kernel.h */
#define FRAME_STREAM_FILES    (UINT64_C(1) << 62)
#define FRAME_STREAM_CONNS    (UINT64_C(3) << 61)
#define FRAME_STREAM_END      (UINT64_C(1) << 63)

#define FRAME_COMMAND_UNKNOWN UINT64_MAX

extern const uint8_t frame_mark[FRAME_MARK];

enum frame_type {
    FRAME_PAD = 1,
    FRAME_HELLO,
    FRAME_PING,
    FRAME_PONG,
    FRAME_CREDIT,
    FRAME_CANCEL,
    FRAME_DATA,
    FRAME_DONE,
    FRAME_ENTRIES,
    FRAME_EXEC,
    FRAME_ADOPT,
    FRAME_KILL,
    FRAME_RELEASE,
    FRAME_OUTPUT,
    FRAME_EXIT,
    FRAME_STAT,
    FRAME_LIST,
    FRAME_READ,
    FRAME_WRITE,
    FRAME_MKDIR,
    FRAME_SYMLINK,
    FRAME_RENAME,
    FRAME_REMOVE,
    FRAME_PROBE,
    FRAME_STATS,
    FRAME_SCAN,
    FRAME_CHECKSUM,
    FRAME_LINK,
    FRAME_SET, /* the last request */
    FRAME_HOLE,
    FRAME_INPUT,
    FRAME_LISTEN,
    FRAME_OPEN,
    FRAME_QUIT,
    FRAME_RESIZE,
    FRAME_FIND, /* a request, too */
    FRAME_TYPES
};

enum { FRAME_MORE = 1, FRAME_END = 2, FRAME_FLAGS = 3 };

/* Features: bits of HELLO. LISTEN: knows it, and its connections. */
#define FRAME_FEATURE_LISTEN UINT64_C(1)

struct frame {
    uint8_t type;
    uint8_t flags;
    uint32_t len;
    uint64_t stream;
    const uint8_t *payload; /* borrowed */
};

/* ---- taking frames out of bytes ---- */

enum frame_got {
    FRAME_GOT_MORE,  /* nothing complete yet; *consumed bytes were garbage or nothing */
    FRAME_GOT_FRAME, /* *ret is set, its payload points into the bytes */
    FRAME_GOT_RESET, /* a preamble; ret->payload are the 16 bytes of its nonce */
    FRAME_GOT_BAD,   /* a header that cannot be: host only */
};

/* What a reader remembers between calls. Zeroed: nothing received yet. */
struct frame_reader {
    bool is_synced; /* after a preamble, frames are being read */
    size_t scanned; /* unconsumed bytes that are known not to begin a mark */
};

/* Look at all bytes not consumed so far. The caller removes *consumed of them from the front and calls again
 * until FRAME_GOT_MORE; then it adds bytes. FRAME_HEADER + FRAME_PAYLOAD_MAX + FRAME_PREAMBLE bytes are
 * always enough to get on. */
enum frame_got frame_take_guest(struct frame_reader *r, const uint8_t *p, size_t len, size_t *consumed,
                                struct frame *ret);

/* The same for the host: looks for a preamble with this nonce once, then takes frames strictly. */
enum frame_got frame_take_host(struct frame_reader *r, const uint8_t nonce[FRAME_NONCE], const uint8_t *p,
                               size_t len, size_t *consumed, struct frame *ret);

void frame_header(uint8_t ret[FRAME_HEADER], uint8_t type, uint8_t flags, uint64_t stream, uint32_t len);

/* How many of `len` payload bytes may go into one frame of a host (<= FRAME_PAYLOAD_MAX), so that no mark is
 * sent. *ret_needs_pad: the frame must be followed by a PAD frame. */
size_t frame_cut(const uint8_t *p, size_t len, bool *ret_needs_pad);

/* ---- payloads: reading and writing values ---- */

/* Reading past the end gives zeros and sets is_bad, so that a decoder checks once, at its end. */
struct frame_in {
    const uint8_t *p;
    size_t len;
    bool is_bad;
};

struct frame_out {
    uint8_t *p;
    size_t len, cap;
    bool is_full;
};

uint64_t frame_get(struct frame_in *in, int bytes);              /* 1, 2, 4 or 8 */
const uint8_t *frame_get_bytes(struct frame_in *in, size_t len); /* NULL past the end */
const char *frame_get_text(struct frame_in *in, size_t max); /* up to and with a NUL; at most max with it */

void frame_put(struct frame_out *out, uint64_t value, int bytes);
void frame_put_bytes(struct frame_out *out, const void *p, size_t len);

/* ---- payloads: structs ---- */

/* INPUT: stdin is a pipe, DATA follows until FRAME_END. INSTEAD: `instead` counts. Of a terminal its size, 12
 * bits each: rows from bit 8, columns from bit 20; 0 = 24 and 80. */
enum { FRAME_EXEC_TTY = 1, FRAME_EXEC_INPUT = 2, FRAME_EXEC_INSTEAD = 4 };
enum { FRAME_EXEC_ROWS = 8, FRAME_EXEC_COLS = 20, FRAME_TTY_MAX = 4095, FRAME_ROWS = 24, FRAME_COLS = 80 };

/* Strings lie one after the other in the payload: cwd, alternative, argv, env. */
struct frame_exec {
    uint32_t flags;
    uint64_t instead; /* takes over the slot of this command, which has ended */
    int64_t timeout_ms;
    uint64_t output_max;
    uint32_t tail_max;
    uint32_t argc, envc;
    const char *cwd;         /* "" = root */
    const char *alternative; /* in the place of argv[0] when that is not there; "" = none */
    const char *strings;     /* argc + envc of them */
    size_t strings_len;
};

bool frame_exec_decode(struct frame_in in, struct frame_exec *ret);
void frame_exec_encode(struct frame_out *out, const struct frame_exec *exec); /* without the strings */

enum { FRAME_EXIT_EXITED, FRAME_EXIT_SIGNALED, FRAME_EXIT_TIMEOUT, FRAME_EXIT_KILLED, FRAME_EXIT_FAILED };
enum {
    FRAME_STEP_NONE,
    FRAME_STEP_PIPE,
    FRAME_STEP_FORK,
    FRAME_STEP_TTY,
    FRAME_STEP_CHDIR,
    FRAME_STEP_EXEC,
    FRAME_STEP_TABLE,
    FRAME_STEP_REQUEST,
    FRAME_STEPS
};

/* Places a command may fill up, and the bits of `hits`. */
enum { FRAME_PLACE_ROOT, FRAME_PLACE_TMP, FRAME_PLACE_SHM, FRAME_PLACES };
enum {
    FRAME_HIT_MEMORY = 1,    /* something was killed for want of it */
    FRAME_HIT_PIDS = 2,      /* something could not be started */
    FRAME_HIT_SWEPT = 4,     /* what was left running in the background was killed for it */
    FRAME_HIT_CPU = 8,       /* held back most of the time; of commands that timed out */
    FRAME_HIT_BYTES = 16,    /* << place: no room left there */
    FRAME_HIT_FILES = 128,   /* << place: no file can be added there, `files` may be */
    FRAME_HIT_BEFORE = 1024, /* << place: that was so when the command began */
    FRAME_HITS = (1024 << FRAME_PLACES) - 1,
};

struct frame_exit {
    uint8_t end, step;
    uint16_t hits;
    uint32_t files;
    uint32_t code, errnum;
    uint64_t written[2]; /* stdout, stderr */
    uint64_t duration_us;
};

bool frame_exit_decode(struct frame_in in, struct frame_exit *ret);
void frame_exit_encode(struct frame_out *out, const struct frame_exit *x);

/* GONE, DEEP: of SCAN only. DEEP is a folder that is nested too deeply to be looked into. */
enum {
    FRAME_KIND_FILE,
    FRAME_KIND_DIR,
    FRAME_KIND_LINK,
    FRAME_KIND_OTHER,
    FRAME_KIND_GONE,
    FRAME_KIND_DEEP,
    FRAME_KINDS
};

struct frame_stat {
    uint8_t kind;
    uint32_t mode, links;
    uint64_t size, inode;
    uint64_t stored; /* bytes on disk */
    int64_t mtime_ns, ctime_ns;
};

bool frame_stat_decode(struct frame_in *in, struct frame_stat *ret);
void frame_stat_encode(struct frame_out *out, const struct frame_stat *st);

/* An entry of ENTRIES: stat, then u16, u16 and u8 lengths, path, link target, sum. */
struct frame_entry {
    struct frame_stat st;
    const char *path, *link; /* not terminated */
    uint16_t path_len, link_len;
    const uint8_t *sum; /* FRAME_SUM bytes, for files only; NULL: none */
};

enum { FRAME_ENTRY_MAX = 49 + 5 + 2 * FRAME_PATH_MAX + FRAME_SUM };
enum { FRAME_SCAN_REMEMBER = 1, FRAME_SCAN_SUMS = 2, FRAME_SCAN_ANEW = 4 };

bool frame_entry_decode(struct frame_in *in, struct frame_entry *ret);
void frame_entry_encode(struct frame_out *out, const struct frame_entry *e);

/* A path beneath the root as both ends demand it: relative, no empty, "." or ".." component, no NUL, shorter
 * than FRAME_PATH_MAX. */
bool frame_path_ok(const char *path, size_t len);

enum frame_code {
    FRAME_OK,
    FRAME_NOT_FOUND,
    FRAME_CONFLICT,
    FRAME_INVALID,
    FRAME_IO,
    FRAME_TOO_LARGE,
    FRAME_CANCELED,
    FRAME_CODES
};

/* DONE: code, errno of the guest, text; then the result, which depends on the request. */
struct frame_done {
    uint8_t code;
    uint32_t errnum;
    const char *text; /* not terminated, not to be trusted as text */
    uint8_t text_len;
};

bool frame_done_decode(struct frame_in *in, struct frame_done *ret); /* the rest of `in` is the result */
void frame_done_encode(struct frame_out *out, const struct frame_done *d);

/* OPEN */
struct frame_open {
    uint64_t command; /* FRAME_COMMAND_UNKNOWN: nobody knows whose it is */
    uint32_t window;  /* FRAME_WINDOW_CONN_MIN ... FRAME_WINDOW_CONN_MAX */
};

bool frame_open_decode(struct frame_in in, struct frame_open *ret);
void frame_open_encode(struct frame_out *out, const struct frame_open *o);

/* State of a command in HELLO: bits. */
enum { FRAME_EXEC_RUNNING = 0, FRAME_EXEC_ENDED = 1, FRAME_EXEC_READS = 2 /* its input is not closed */ };

enum { FRAME_HELLO_MAX = 4 + 8 + 8 + 4 + FRAME_BUILD + 2 + FRAME_EXECS * (8 + 1 + 8) };

struct frame_hello {
    uint32_t version;
    uint64_t features;
    /* from the guest only */
    uint64_t boot;
    uint32_t orphan_ms;
    char build[FRAME_BUILD + 1];
    uint16_t execs; /* commands known to the guest: running, or ended and not released */
    uint64_t exec_id[FRAME_EXECS];
    uint8_t exec_state[FRAME_EXECS];
    uint64_t exec_input[FRAME_EXECS]; /* number of the last INPUT it took; 0 = none */
};

bool frame_hello_decode(struct frame_in in, bool from_guest, struct frame_hello *ret);
void frame_hello_encode(struct frame_out *out, bool from_guest, const struct frame_hello *h);

/* STATS: u64 each, in this order. */
enum frame_stats_value {
    FRAME_STATS_MEMORY,
    FRAME_STATS_MEMORY_PEAK,
    FRAME_STATS_OOM_KILLS,
    FRAME_STATS_PIDS,
    FRAME_STATS_CPU_US,
    FRAME_STATS_USED,
    FRAME_STATS_SIZE,
    FRAME_STATS_VALUES
};

#endif
