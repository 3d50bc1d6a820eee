/* SPDX-License-Identifier: MIT */
/* The seccomp profile as data, and its JSON. */
#include "oci/seccomp.h"

#include "core/base/file.h"
#include "core/base/json.h"

#include <string.h>

enum { ON_X86_64 = 1, ON_ARM64 = 2, ON_BOTH = 3 };

/* Allowed whatever the arguments are. Words parted by blanks. */
static const char allowed[] =
    "accept accept4 bind brk cachestat capget capset chdir clock_getres clock_gettime clock_nanosleep "
    "close close_range connect copy_file_range dup dup3 epoll_create1 epoll_ctl epoll_pwait "
    "epoll_pwait2 eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fallocate "
    "fchdir fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fremovexattr fstat fstatfs "
    "fsync ftruncate futex futex_requeue futex_wait futex_waitv futex_wake get_robust_list getcpu "
    "getcwd getdents64 getegid geteuid getgid getgroups getitimer getpeername getpgid getpid getppid "
    "getpriority getrandom getresgid getresuid getrlimit getrusage getsid getsockname getsockopt "
    "gettid gettimeofday getuid getxattr inotify_add_watch inotify_init1 inotify_rm_watch ioctl "
    "ioprio_get kill landlock_add_rule landlock_create_ruleset landlock_restrict_self "
    "lgetxattr linkat listen listxattr llistxattr lremovexattr lseek madvise map_shadow_stack "
    "membarrier mincore mkdirat mlock mlock2 mlockall mmap mprotect mq_getsetattr mq_notify mq_open "
    "mq_timedreceive mq_timedsend mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock "
    "munlockall munmap nanosleep newfstatat pidfd_open pidfd_send_signal pipe2 pkey_alloc "
    "pkey_free pkey_mprotect ppoll prctl pread64 preadv preadv2 pselect6 pwrite64 pwritev "
    "pwritev2 read readahead readlinkat readv recvfrom recvmmsg recvmsg removexattr renameat "
    "renameat2 restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo "
    "rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max "
    "sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler "
    "sched_rr_get_interval sched_setaffinity "
    "sched_yield seccomp semctl semget semop semtimedop sendfile sendmmsg sendmsg sendto "
    "set_robust_list set_tid_address setfsgid setfsuid setgid setgroups setitimer setpgid "
    "setregid setresgid setresuid setreuid setrlimit setsid setsockopt setuid shmat shmctl shmdt "
    "shmget shutdown sigaltstack signalfd4 splice statfs statx symlinkat sync_file_range syncfs "
    "sysinfo tee tgkill timer_create timer_delete timer_getoverrun timer_gettime timer_settime "
    "timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask uname unlinkat "
    "utimensat wait4 waitid write writev";

/* The same for calls that only older architectures have; arm64 began with their ...at() forms. */
static const char allowed_x86_64[] =
    "access alarm arch_prctl chown dup2 epoll_create epoll_wait eventfd fork futimesat "
    "get_thread_area getdents getpgrp inotify_init lchown link lstat mkdir pause pipe poll readlink "
    "rename rmdir select set_thread_area signalfd stat symlink time unlink utime utimes vfork";

enum op { OP_EQ, OP_MASKED_EQ };

struct condition {
    unsigned index; /* of the argument */
    enum op op;
    uint64_t value; /* OP_MASKED_EQ: the mask */
    uint64_t other; /* OP_MASKED_EQ: what must remain */
};

struct rule {
    const char *name;
    unsigned arches;
    struct condition conditions[3]; /* all must hold; ended by an empty one after the first */
    unsigned count;
};

#define SET_ID_BITS   06000
#define NAMESPACES    0x7E020000 /* every CLONE_NEW* that clone() takes */
#define TYPE_MASK     0xf        /* of socket(): the rest are SOCK_NONBLOCK and SOCK_CLOEXEC */
#define NO_SET_ID(at) { { (at), OP_MASKED_EQ, SET_ID_BITS, 0 } }, 1
#define EQUALS(at, v) { { (at), OP_EQ, (v), 0 } }, 1

/* Domain (2 = IPv4, 10 = IPv6), type (1 = stream, 2 = datagram), protocol. Written out, because another type
 * or protocol makes the kernel load the module for it. */
#define SOCKET(domain, type, protocol)                \
    {                                                 \
        "socket", ON_BOTH,                            \
            { { 0, OP_EQ, (domain), 0 },              \
              { 1, OP_MASKED_EQ, TYPE_MASK, (type) }, \
              { 2, OP_EQ, (protocol), 0 } },          \
            3                                         \
    }

static const struct rule rules[] = {
    { "chmod", ON_X86_64, NO_SET_ID(1) },
    { "fchmod", ON_BOTH, NO_SET_ID(1) },
    { "fchmodat", ON_BOTH, NO_SET_ID(2) },
    { "creat", ON_X86_64, NO_SET_ID(1) },
    { "open", ON_X86_64, NO_SET_ID(2) },
    { "openat", ON_BOTH, NO_SET_ID(3) },
    { "mknod", ON_X86_64, NO_SET_ID(1) },
    { "mknodat", ON_BOTH, NO_SET_ID(2) },
    { "clone", ON_BOTH, { { 0, OP_MASKED_EQ, NAMESPACES, 0 } }, 1 },
    { "socket", ON_BOTH, EQUALS(0, 1) }, /* unix */
    SOCKET(2, 1, 0),
    SOCKET(2, 1, 6),
    SOCKET(2, 2, 0),
    SOCKET(2, 2, 17),
    SOCKET(10, 1, 0),
    SOCKET(10, 1, 6),
    SOCKET(10, 2, 0),
    SOCKET(10, 2, 17),
    /* NETLINK_ROUTE, which getifaddrs() reads the addresses from */
    { "socket", ON_BOTH, { { 0, OP_EQ, 16, 0 }, { 2, OP_EQ, 0, 0 } }, 2 },
    { "socketpair", ON_BOTH, EQUALS(0, 1) },
    /* Of itself only: the guest has the same user, and who lowers its limit of processor time or of
     * descriptors ends it, who makes it idle starves it. */
    { "prlimit64", ON_BOTH, EQUALS(0, 0) },
    { "sched_setattr", ON_BOTH, EQUALS(0, 0) },
    { "sched_setparam", ON_BOTH, EQUALS(0, 0) },
    { "sched_setscheduler", ON_BOTH, EQUALS(0, 0) },
    { "setpriority", ON_BOTH, { { 0, OP_EQ, 0, 0 }, { 1, OP_EQ, 0, 0 } }, 2 },
    { "ioprio_set", ON_BOTH, { { 0, OP_EQ, 1, 0 }, { 1, OP_EQ, 0, 0 } }, 2 },
    { "personality", ON_BOTH, EQUALS(0, 0) },          /* ordinary Linux */
    { "personality", ON_BOTH, EQUALS(0, 0xffffffff) }, /* asks only */
};

/* Answered with an errno of their own. */
static const struct refusal {
    int errnum;
    const char *names;
} refusals[] = {
    /* ENOSYS: struct arguments that no filter sees, or new; libc falls back to what is filtered. */
    { 38, "clone3 openat2 fchmodat2 vmsplice getxattrat listxattrat removexattrat file_getattr file_setattr "
          "open_tree_attr" },
    /* EOPNOTSUPP: tar, cp -a and git take it for a file system without attributes. */
    { 95, "setxattr lsetxattr fsetxattr setxattrat" },
    /* Nothing here needs flushing, and sync() would flush every disk of the host: success, and nothing is
       done. */
    { 0, "sync" },
};

int seccomp_arch_parse(const char *name, enum seccomp_arch *ret, struct err *err)
{
    if (strcmp(name, "amd64") == 0 || strcmp(name, "x86_64") == 0) {
        *ret = SECCOMP_X86_64;
        return 0;
    }
    if (strcmp(name, "arm64") == 0 || strcmp(name, "aarch64") == 0) {
        *ret = SECCOMP_ARM64;
        return 0;
    }
    err_set(err, ERR_ENGINE, "there is no seccomp profile for the architecture '%s'", name);
    return err_hint(err, "sandbox.seccomp: default takes the engine's own profile");
}

static void write_words(struct json_writer *w, const char *words)
{
    while (*words) {
        size_t len = strcspn(words, " ");

        json_span(w, span_make(words, len));
        words += len + (words[len] == ' ');
    }
}

static void write_allowed(struct json_writer *w, enum seccomp_arch arch)
{
    json_object(w);
    json_key(w, "names");
    json_array(w);
    write_words(w, allowed);
    if (arch == SECCOMP_X86_64)
        write_words(w, allowed_x86_64);
    json_array_end(w);
    json_put_string(w, "action", "SCMP_ACT_ALLOW");
    json_object_end(w);
}

static void write_condition(struct json_writer *w, const struct condition *c)
{
    json_object(w);
    json_put_int(w, "index", c->index);
    json_put_int(w, "value", (int64_t) c->value);
    if (c->op == OP_MASKED_EQ)
        json_put_int(w, "valueTwo", (int64_t) c->other);
    json_put_string(w, "op", c->op == OP_EQ ? "SCMP_CMP_EQ" : "SCMP_CMP_MASKED_EQ");
    json_object_end(w);
}

static void write_rule(struct json_writer *w, const struct rule *rule)
{
    json_object(w);
    json_key(w, "names");
    json_array(w);
    json_string(w, rule->name);
    json_array_end(w);
    json_put_string(w, "action", "SCMP_ACT_ALLOW");
    json_key(w, "args");
    json_array(w);
    for (unsigned i = 0; i < rule->count; i++)
        write_condition(w, &rule->conditions[i]);
    json_array_end(w);
    json_object_end(w);
}

static void write_refusal(struct json_writer *w, const struct refusal *refusal)
{
    json_object(w);
    json_key(w, "names");
    json_array(w);
    write_words(w, refusal->names);
    json_array_end(w);
    json_put_string(w, "action", "SCMP_ACT_ERRNO");
    json_put_int(w, "errnoRet", refusal->errnum);
    json_object_end(w);
}

int seccomp_write(enum seccomp_arch arch, struct buf *out, struct err *err)
{
    const unsigned bit = arch == SECCOMP_X86_64 ? ON_X86_64 : ON_ARM64;
    struct json_writer w;

    json_begin(&w, out);
    json_object(&w);
    json_put_string(&w, "defaultAction", "SCMP_ACT_ERRNO");
    json_key(&w, "architectures");
    json_array(&w);
    json_string(&w, arch == SECCOMP_X86_64 ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64");
    json_array_end(&w);
    json_key(&w, "syscalls");
    json_array(&w);
    write_allowed(&w, arch);
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i].arches & bit)
            write_rule(&w, &rules[i]);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        write_refusal(&w, &refusals[i]);
    json_array_end(&w);
    json_object_end(&w);
    return json_end(&w, err);
}

int seccomp_load(const char *path, struct buf *out, struct err *err)
{
    struct buf text = BUF_INIT(SECCOMP_MAX);
    struct arena arena = ARENA_INIT(32 * SECCOMP_MAX);
    const struct tree *tree = NULL;
    struct json_writer w;
    int r;

    r = file_read(path, &text, err);
    if (r >= 0)
        r = json_parse(buf_span(&text), &arena, &tree, err);
    if (r >= 0 && (tree->kind != TREE_OBJECT || !tree_get(tree, "defaultAction")))
        r = err_set(err, ERR_INVALID, "it is no seccomp profile: 'defaultAction' is missing");
    if (r >= 0) {
        json_begin(&w, out);
        json_tree(&w, tree);
        r = json_end(&w, err);
    }
    arena_done(&arena);
    buf_done(&text);
    return r < 0 ? err_wrap(err, "seccomp profile '%s'", path) : 0;
}
