/* SPDX-License-Identifier: MIT */
/* Who a container belongs to. */
#include "oci/owner.h"

#include "core/base/buf.h"
#include "core/base/file.h"
#include "core/base/units.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __APPLE__
#include <sys/sysctl.h>
#include <sys/time.h>
#endif

/* Only what cannot disturb the label's form. */
static void copy_word(char *ret, size_t size, struct span word)
{
    size_t n = 0;

    for (size_t i = 0; i < word.len && n + 1 < size; i++) {
        unsigned char c = (unsigned char) word.ptr[i];

        if (c > ' ' && c < 0x7f && c != '=')
            ret[n++] = (char) c;
    }
    if (n == 0)
        ret[n++] = '-';
    ret[n] = '\0';
}

static void read_boot(char *ret, size_t size)
{
#ifdef __APPLE__
    struct timeval at = { 0 };
    size_t len = sizeof(at);

    if (sysctlbyname("kern.boottime", &at, &len, NULL, 0) == 0)
        snprintf(ret, size, "%lld", (long long) at.tv_sec);
    else
        snprintf(ret, size, "-");
#else
    struct buf text = BUF_INIT(256);

    (void) file_read("/proc/sys/kernel/random/boot_id", &text, NULL); /* unknown is "-" */
    copy_word(ret, size, buf_span(&text));
    buf_done(&text);
#endif
}

/* When the process began; false when there is none. Field 22 of /proc/<pid>/stat; the name before it may hold
 * anything, so counting begins behind its last parenthesis. */
static bool read_start(int64_t pid, char *ret, size_t size)
{
    struct buf text = BUF_INIT(4096);
    char path[64];
    const char *at;

    snprintf(ret, size, "-");
    if (kill((pid_t) pid, 0) < 0 && errno == ESRCH)
        return false;
    snprintf(path, sizeof(path), "/proc/%lld/stat", (long long) pid);
    if (file_read(path, &text, NULL) >= 0 && text.data && (at = strrchr(text.data, ')'))) {
        for (int i = 0; i < 20 && at; i++)
            at = strchr(at + 1, ' ');
        if (at)
            copy_word(ret, size, span_make(at + 1, strcspn(at + 1, " \n")));
    }
    buf_done(&text);
    return true;
}

void owner_self(struct owner *ret)
{
    char host[256] = "";

    *ret = (struct owner){ .pid = getpid() };
    (void) gethostname(host, sizeof(host) - 1); /* unknown is "-" */
    copy_word(ret->host, sizeof(ret->host), span_of(host));
    read_boot(ret->boot, sizeof(ret->boot));
    (void) read_start(ret->pid, ret->start, sizeof(ret->start));
}

void owner_text(const struct owner *owner, char ret[OWNER_TEXT])
{
    snprintf(ret, OWNER_TEXT, "host=%s boot=%s pid=%lld start=%s", owner->host, owner->boot,
             (long long) owner->pid, owner->start);
}

/* The value of "name=value" among words parted by single spaces. */
static struct span word_value(const char *text, const char *name)
{
    const size_t len = strlen(name);

    for (const char *at = text; *at; at += strcspn(at, " "), at += *at == ' ')
        if (strncmp(at, name, len) == 0 && at[len] == '=')
            return span_make(at + len + 1, strcspn(at + len + 1, " "));
    return span_make(NULL, 0);
}

bool owner_parse(const char *text, struct owner *ret)
{
    struct span host = word_value(text, "host"), boot = word_value(text, "boot");
    struct span pid = word_value(text, "pid"), start = word_value(text, "start");

    *ret = (struct owner){ 0 };
    if (!host.len || !boot.len || !start.len || units_int(pid, 1, INT32_MAX, &ret->pid) < 0)
        return false;
    copy_word(ret->host, sizeof(ret->host), host);
    copy_word(ret->boot, sizeof(ret->boot), boot);
    copy_word(ret->start, sizeof(ret->start), start);
    return true;
}

static bool is_same(const char *a, const char *b)
{
    return strcmp(a, "-") == 0 || strcmp(b, "-") == 0 || strcmp(a, b) == 0;
}

enum owner_state owner_judge(const struct owner *owner, const struct owner *self, const char *start_now)
{
    if (strcmp(owner->host, self->host) != 0)
        return OWNER_ELSEWHERE;
    if (!is_same(owner->boot, self->boot) || !start_now)
        return OWNER_DEAD;
    return is_same(owner->start, start_now) ? OWNER_ALIVE : OWNER_DEAD;
}

enum owner_state owner_state(const struct owner *owner)
{
    struct owner self;
    char start[32];
    bool is_there;

    owner_self(&self);
    is_there = read_start(owner->pid, start, sizeof(start));
    return owner_judge(owner, &self, is_there ? start : NULL);
}
