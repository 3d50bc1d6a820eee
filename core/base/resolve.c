/* SPDX-License-Identifier: MIT */
/*
 * A lookup is shared by two owners, its thread and whoever asked; the last one
 * frees it. The thread tells its end by closing its end of a pipe.
 */
#include "core/base/resolve.h"

#include "core/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#ifdef __GLIBC__
#include <resolv.h>
#endif

#define NAME_BYTES  256
#define THREADS_MAX 64
#define STACK_BYTES ((size_t) 512 << 10) /* the default of 8 MiB is for programs, not for one call */

struct lookup {
    atomic_int owners;
    char name[NAME_BYTES];
    int done_fd; /* the thread's end of the pipe */
    struct resolve_answer answer;
    struct err err;
    int result;
};

struct resolve {
    struct lookup *lookup;
    struct loop_source *watch;
    int fd; /* our end */
    resolve_fn *fn;
    void *data;
};

static atomic_int threads; /* given-up ones that have not come back included */

static void lookup_release(struct lookup *l)
{
    if (atomic_fetch_sub(&l->owners, 1) == 1)
        free(l);
}

static bool to_mapped(const struct sockaddr *sa, uint8_t ret[16])
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    if (sa->sa_family == AF_INET6) {
        memcpy(ret, &((const struct sockaddr_in6 *) (const void *) sa)->sin6_addr, 16);
        return true;
    }
    if (sa->sa_family != AF_INET)
        return false;
    memcpy(ret, mapped, sizeof(mapped));
    memcpy(ret + sizeof(mapped), &((const struct sockaddr_in *) (const void *) sa)->sin_addr, 4);
    return true;
}

static int collect(struct lookup *l, const struct addrinfo *list)
{
    struct resolve_answer *a = &l->answer;
    uint8_t address[16];

    for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
        if (!to_mapped(ai->ai_addr, address))
            continue;
        if (a->count == RESOLVE_MAX)
            return err_set(&l->err, ERR_TOO_LARGE, "'%s' has more than %d addresses", l->name, RESOLVE_MAX);
        memcpy(a->addresses[a->count++], address, sizeof(address));
    }
    if (a->count == 0)
        return err_set(&l->err, ERR_NOT_FOUND, "'%s' has no address", l->name);
    return 0;
}

static int fail_lookup(struct lookup *l, int code, int errnum)
{
    if (code == EAI_SYSTEM)
        return err_set(&l->err, ERR_IO, "looking up '%s': %s", l->name, strerror(errnum));
    if (code == EAI_AGAIN)
        return err_set(&l->err, ERR_IO, "looking up '%s': the name server does not answer", l->name);
    return err_set(&l->err, code == EAI_NONAME ? ERR_NOT_FOUND : ERR_IO, "looking up '%s': %s", l->name,
                   gai_strerror(code));
}

static int look_up(struct lookup *l)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC }, *list = NULL;
    int r;

#ifdef __GLIBC__ /* the state is the thread's own; a dot at the end would do the same, but not for \
                    /etc/hosts */
    if (res_init() == 0)
        _res.options &= ~(unsigned long) (RES_DNSRCH | RES_DEFNAMES);
#endif
    r = getaddrinfo(l->name, NULL, &hints, &list);
    if (r != 0)
        return fail_lookup(l, r, errno);
    r = collect(l, list);
    freeaddrinfo(list);
    return r;
}

static void *run(void *data)
{
    struct lookup *l = data;
    int fd = l->done_fd;

    l->result = look_up(l);
    lookup_release(l);
    atomic_fetch_sub(&threads, 1);
    (void) close(fd); /* the other side sees the end of file: that is all it says */
    return NULL;
}

/* Signals are the loop's: a thread must not be the one that gets them. */
static int start_thread(struct lookup *l)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    int r = pthread_attr_init(&attr);

    if (r != 0)
        return r;
    (void) pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED); /* fails for wrong arguments only */
    (void) pthread_attr_setstacksize(&attr, STACK_BYTES);
    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_fetch_add(&threads, 1);
    r = pthread_create(&thread, &attr, run, l);
    if (r != 0)
        atomic_fetch_sub(&threads, 1);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void) pthread_attr_destroy(&attr);
    return r;
}

static void on_end(void *data, unsigned events)
{
    struct resolve *r = data;
    const struct lookup *l = r->lookup;

    loop_source_free(TAKE_PTR(r->watch));
    (void) atomic_load(&r->lookup->owners); /* pairs with the thread's release: its answer is whole */
    r->fn(r->data, l->result < 0 ? NULL : &l->answer, l->result < 0 ? &l->err : NULL);
}

static int open_pipe(struct resolve *r, struct err *err)
{
    int fds[2];

    if (pipe(fds) < 0)
        return err_errno(err, ERR_IO, "looking up '%s': making a pipe", r->lookup->name);
    (void) fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    (void) fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    r->fd = fds[0];
    r->lookup->done_fd = fds[1];
    return 0;
}

static int launch(struct resolve *r, struct loop *loop, struct err *err)
{
    int code = open_pipe(r, err);

    if (code < 0)
        return code;
    code = loop_watch_fd(loop, r->fd, LOOP_READ, on_end, r, &r->watch, err);
    if (code < 0) {
        (void) close(r->lookup->done_fd);
        return code;
    }
    atomic_store(&r->lookup->owners, 2);
    code = start_thread(r->lookup);
    if (code == 0)
        return 0;
    atomic_store(&r->lookup->owners, 1);
    (void) close(r->lookup->done_fd);
    errno = code;
    return err_errno(err, ERR_IO, "looking up '%s': starting a thread", r->lookup->name);
}

int resolve_start(struct loop *loop, const char *name, resolve_fn *fn, void *data, struct resolve **ret,
                  struct err *err)
{
    struct resolve *r;
    int code;

    if (atomic_load(&threads) >= THREADS_MAX)
        return err_set(err, ERR_LIMIT, "looking up '%s': %d lookups hang already", name, THREADS_MAX);
    if (strlen(name) >= NAME_BYTES)
        return err_set(err, ERR_INVALID, "a name of %zu bytes cannot be looked up", strlen(name));
    r = calloc(1, sizeof(*r));
    if (r)
        r->lookup = calloc(1, sizeof(*r->lookup));
    if (!r || !r->lookup) {
        free(r);
        return err_set(err, ERR_INTERNAL, "no memory for looking up '%s'", name);
    }
    r->fd = -1;
    r->fn = fn;
    r->data = data;
    atomic_init(&r->lookup->owners, 1);
    memcpy(r->lookup->name, name, strlen(name) + 1);
    code = launch(r, loop, err);
    if (code < 0) {
        resolve_free(r);
        return code;
    }
    *ret = r;
    return 0;
}

void resolve_free(struct resolve *r)
{
    if (!r)
        return;
    loop_source_free(r->watch);
    if (r->fd >= 0)
        (void) close(r->fd); /* only ever read */
    lookup_release(r->lookup);
    free(r);
}
