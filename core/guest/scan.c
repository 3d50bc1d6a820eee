/* SPDX-License-Identifier: MIT */
#include "core/guest/scan.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* Paths are kept as a tree: an entry has its own name and the number of its parent's entry. Entry 0 is the
 * root. A link's target cannot change without its inode or ctime, so it need not be kept. */
struct seen {
    uint32_t parent, chain; /* chain: next with the same hash, or next free one */
    uint32_t name_at;
    uint16_t name_len;
    uint8_t kind;
    bool is_used;
    bool is_racy;   /* it may have changed after we looked without looking different */
    bool is_ours;   /* its ctime is of our own making and tells nothing */
    uint32_t round; /* the scan that saw it last */
    uint32_t mode;
    uint64_t size, inode;
    int64_t mtime_ns, ctime_ns;
};

enum { BUCKETS = SCAN_ENTRIES };

static struct seen entries[SCAN_ENTRIES];
static uint32_t buckets[BUCKETS];
static char names[SCAN_BYTES];
static uint32_t names_len, names_waste;
static uint32_t entry_count = 1, free_chain;
static uint32_t round_now;
static bool is_remembering;
static uint32_t gone_at;
static uint32_t folder[WALK_DEPTH + 1]; /* entries of the folders down to the present one */

void scan_forget(void)
{
    memset(buckets, 0, sizeof(buckets));
    entry_count = 1;
    free_chain = 0;
    names_len = names_waste = 0;
}

static uint32_t hash(uint32_t parent, const char *name, size_t len)
{
    uint32_t h = parent * 2654435761u + 2166136261u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t) name[i]) * 16777619u;
    return (h ^ h >> 15) % BUCKETS;
}

/* Names of entries that are gone leave holes; close them. Each name is preceded by the number of its entry
 * and its length, so one pass over them finds who is to be told about the new place. */
static void names_compact(void)
{
    uint32_t from = 0, to = 0;

    while (from < names_len) {
        uint32_t n;
        uint16_t len;

        memcpy(&n, names + from, sizeof(n));
        memcpy(&len, names + from + sizeof(n), sizeof(len));
        uint32_t size = (uint32_t) (sizeof(n) + sizeof(len)) + len;

        if (entries[n].is_used && entries[n].name_at == from + sizeof(n) + sizeof(len)) {
            memmove(names + to, names + from, size);
            entries[n].name_at = to + (uint32_t) (sizeof(n) + sizeof(len));
            to += size;
        }
        from += size;
    }
    names_len = to;
    names_waste = 0;
}

static bool name_store(uint32_t n, const char *name, uint16_t len)
{
    uint32_t size = (uint32_t) (sizeof(n) + sizeof(len)) + len;

    if (size > SCAN_BYTES - names_len && names_waste > 0)
        names_compact();
    if (size > SCAN_BYTES - names_len)
        return false;
    memcpy(names + names_len, &n, sizeof(n));
    memcpy(names + names_len + sizeof(n), &len, sizeof(len));
    memcpy(names + names_len + sizeof(n) + sizeof(len), name, len);
    entries[n].name_at = names_len + (uint32_t) (sizeof(n) + sizeof(len));
    entries[n].name_len = len;
    names_len += size;
    return true;
}

static uint32_t find(uint32_t parent, const char *name, size_t len)
{
    uint32_t n = buckets[hash(parent, name, len)];

    while (n && !(entries[n].parent == parent && entries[n].name_len == len &&
                  memcmp(names + entries[n].name_at, name, len) == 0))
        n = entries[n].chain;
    return n;
}

/* 0: full. */
static uint32_t add(uint32_t parent, const char *name, size_t len)
{
    uint32_t n = free_chain ? free_chain : entry_count, *bucket = &buckets[hash(parent, name, len)];

    if (n == SCAN_ENTRIES)
        return 0;
    uint32_t next_free = free_chain ? entries[n].chain : 0;

    entries[n] = (struct seen){ .parent = parent, .chain = *bucket };
    if (!name_store(n, name, (uint16_t) len)) {
        entries[n].chain = next_free;
        return 0;
    }
    entries[n].is_used = true;
    if (free_chain)
        free_chain = next_free;
    else
        entry_count++;
    *bucket = n;
    return n;
}

static void drop(uint32_t n)
{
    struct seen *e = &entries[n];
    uint32_t *at = &buckets[hash(e->parent, names + e->name_at, e->name_len)];

    while (*at != n)
        at = &entries[*at].chain;
    *at = e->chain;
    e->is_used = false;
    e->chain = free_chain;
    free_chain = n;
    names_waste += e->name_len;
}

void scan_begin(bool remember)
{
    is_remembering = remember;
    round_now++;
    gone_at = 0;
    folder[0] = 0;
}

static int level_of(const char *path)
{
    int n = 0;

    for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/'))
        n++;
    return n;
}

/* A time in the future (somebody set the clock, or the mtime) says nothing. */
static bool is_recent(const struct frame_stat *st)
{
    struct timespec ts;

    (void) clock_gettime(CLOCK_REALTIME, &ts);
    int64_t now = (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;

    return (st->ctime_ns >= now - SCAN_RACY_NS && st->ctime_ns <= now + SCAN_RACY_NS) ||
           (st->mtime_ns >= now - SCAN_RACY_NS && st->mtime_ns <= now + SCAN_RACY_NS);
}

static bool state_take(struct seen *e, const struct frame_stat *st, bool store)
{
    bool looks_same = e->kind == st->kind && e->mode == st->mode && e->size == st->size &&
                      e->inode == st->inode && e->mtime_ns == st->mtime_ns && e->ctime_ns == st->ctime_ns;
    bool is_same = looks_same && !e->is_racy;

    if (store) {
        e->is_ours &= looks_same;
        e->is_racy = !e->is_ours && is_recent(st);
        e->kind = st->kind;
        e->mode = st->mode;
        e->size = st->size;
        e->inode = st->inode;
        e->mtime_ns = st->mtime_ns;
        e->ctime_ns = st->ctime_ns;
    }
    return is_same;
}

int scan_see(const struct walk_item *item)
{
    int level = level_of(item->path);
    uint32_t parent = folder[level];
    size_t len = strlen(item->name);
    /* beneath a folder that the memory does not have (and shall not get) nothing is known either */
    uint32_t n = level > 0 && parent == 0 ? 0 : find(parent, item->name, len);
    bool is_new = n == 0;

    if (is_new && is_remembering) {
        n = add(parent, item->name, len);
        if (n == 0)
            return -EOVERFLOW;
    }
    folder[level + 1] = n;
    if (n == 0)
        return 1;
    entries[n].round = round_now;
    return !state_take(&entries[n], &item->st, is_remembering) || is_new;
}

void scan_settle(const char *path, size_t len, uint64_t inode, int64_t before, int64_t after)
{
    uint32_t n = 0;

    while (len > 0) {
        const char *slash = memchr(path, '/', len);
        size_t part = slash ? (size_t) (slash - path) : len;

        n = find(n, path, part);
        if (n == 0)
            return;
        path += part + (slash != NULL);
        len -= part + (slash != NULL);
    }
    if (n > 0 && entries[n].inode == inode && entries[n].ctime_ns == before) {
        entries[n].ctime_ns = after;
        entries[n].is_ours = true;
    }
}

static size_t path_of(uint32_t n, char ret[FRAME_PATH_MAX])
{
    uint32_t chain[WALK_DEPTH + 1];
    int depth = 0;
    size_t len = 0;

    for (; n && depth <= WALK_DEPTH; n = entries[n].parent)
        chain[depth++] = n;
    while (depth-- > 0) {
        const struct seen *e = &entries[chain[depth]];

        if (len > 0)
            ret[len++] = '/';
        memcpy(ret + len, names + e->name_at, e->name_len); /* it was a path of the walk, so it fits */
        len += e->name_len;
    }
    return len;
}

/* A folder may be dropped before its content: its number and name are not used again before the next scan,
 * and by then all of its content, which was not seen either, is dropped too. */
size_t scan_gone(char ret[FRAME_PATH_MAX])
{
    if (gone_at == 0)
        gone_at = entry_count;
    while (--gone_at > 0) {
        if (entries[gone_at].is_used && entries[gone_at].round != round_now) {
            size_t len = path_of(gone_at, ret);

            if (is_remembering)
                drop(gone_at);
            return len;
        }
    }
    return 0;
}
