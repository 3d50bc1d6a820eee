/* SPDX-License-Identifier: MIT */
/* Listings in memory: a sorted array, its texts in an arena that is packed anew when most of it is waste. */
#include "core/run/listing.h"

#include "core/sandbox/frame.h"

#include <stdlib.h>
#include <string.h>

#define WASTE_MIN ((size_t) 256 * 1024)

void listing_init(struct listing *l)
{
    memset(l, 0, sizeof(*l));
    arena_init(&l->arena, LISTING_TEXT_MAX);
}

void listing_done(struct listing *l)
{
    free(l->entries);
    arena_done(&l->arena);
    listing_init(l);
}

static int no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, "no memory for the list of files");
}

static int too_large(struct err *err)
{
    return err_set(err, ERR_TOO_LARGE, "more files than a checkpoint can hold (%d)", LISTING_ENTRIES_MAX);
}

/* ---- texts ---- */

/* What a text takes in the arena. */
static size_t cost(const char *text)
{
    const size_t align = _Alignof(max_align_t);

    return text ? (strlen(text) + align) / align * align : 0;
}

static size_t cost_of(const struct listing_entry *e)
{
    return cost(e->path) + cost(e->link);
}

/* Give `e` texts of its own. */
static int own_texts(struct arena *arena, struct listing_entry *e)
{
    const char *path = arena_text(arena, e->path), *link = e->link ? arena_text(arena, e->link) : NULL;

    if (!path || (e->link && !link))
        return -1;
    e->path = path;
    e->link = link;
    return 0;
}

/* All texts into a new arena, when most of the old one is waste. Without memory everything stays as it is. */
static void pack_texts(struct listing *l)
{
    struct listing_entry *entries;
    struct arena fresh;

    if (l->arena.used < WASTE_MIN || l->arena.used / 3 < l->live)
        return;
    entries = calloc(l->cap, sizeof(*entries));
    if (!entries)
        return;
    arena_init(&fresh, LISTING_TEXT_MAX);
    for (size_t i = 0; i < l->count; i++) {
        entries[i] = l->entries[i];
        if (own_texts(&fresh, &entries[i]) < 0) {
            arena_done(&fresh);
            free(entries);
            return;
        }
    }
    free(l->entries);
    arena_done(&l->arena);
    l->entries = entries;
    l->arena = fresh;
}

/* ---- entries ---- */

static int check_entry(const struct listing_entry *e, struct err *err)
{
    bool has_link = e->kind == LISTING_LINK || e->kind == LISTING_HARD;

    if (!frame_path_ok(e->path, strlen(e->path)))
        return err_set(err, ERR_INVALID, "'%s' is no path in a workspace", e->path);
    if (has_link != (e->link != NULL))
        return err_set(err, ERR_INVALID, "'%s' must %shave a target", e->path, has_link ? "" : "not ");
    if (e->kind == LISTING_LINK && (!e->link[0] || strlen(e->link) >= FRAME_PATH_MAX))
        return err_set(err, ERR_INVALID, "link '%s' has no usable target", e->path);
    if (e->kind == LISTING_HARD &&
        (!frame_path_ok(e->link, strlen(e->link)) || strcmp(e->link, e->path) >= 0))
        return err_set(err, ERR_INVALID, "'%s' is no other name of '%s'", e->path, e->link);
    if (e->size < 0 || (e->kind == LISTING_FILE && strlen(e->sha256) != DIGEST_HEX - 1))
        return err_set(err, ERR_INVALID, "file '%s' has no size or no digest", e->path);
    return 0;
}

/* What does not belong to an entry of its kind is cleared, so that equal ones are equal. */
static struct listing_entry trimmed(const struct listing_entry *e)
{
    struct listing_entry own = *e;

    own.order = 0;
    own.mode = e->kind == LISTING_LINK ? 0 : e->mode & 07777;
    if (e->kind != LISTING_FILE) {
        own.size = 0;
        own.sha256[0] = '\0';
    }
    return own;
}

/* Room for one more. */
static int grow(struct listing *l, struct err *err)
{
    size_t cap = l->cap ? l->cap * 2 : 64;
    struct listing_entry *more;

    if (l->count == LISTING_ENTRIES_MAX)
        return too_large(err);
    if (l->count < l->cap)
        return 0;
    more = realloc(l->entries, cap * sizeof(*more));
    if (!more)
        return no_memory(err);
    l->entries = more;
    l->cap = cap;
    return 0;
}

/* The first entry whose path is not before `path`. */
static size_t place_of(const struct listing *l, const char *path)
{
    size_t from = 0, to = l->count;

    if (to > 0 && strcmp(l->entries[to - 1].path, path) < 0)
        return to; /* most come in order */
    while (from < to) {
        size_t at = from + (to - from) / 2;

        if (strcmp(l->entries[at].path, path) < 0)
            from = at + 1;
        else
            to = at;
    }
    return from;
}

static bool is_at(const struct listing *l, size_t at, const char *path)
{
    return at < l->count && strcmp(l->entries[at].path, path) == 0;
}

const struct listing_entry *listing_find(const struct listing *l, const char *path)
{
    size_t at = place_of(l, path);

    return is_at(l, at, path) ? &l->entries[at] : NULL;
}

static int replace(struct listing *l, struct listing_entry *old, const struct listing_entry *e,
                   struct err *err)
{
    struct listing_entry own = trimmed(e);

    own.path = old->path;
    if (e->link && old->link && strcmp(e->link, old->link) == 0)
        own.link = old->link;
    else if (e->link && !(own.link = arena_text(&l->arena, e->link)))
        return too_large(err);
    l->live = l->live - cost_of(old) + cost_of(&own);
    *old = own;
    return 0;
}

int listing_put(struct listing *l, const struct listing_entry *e, struct err *err)
{
    struct listing_entry own = trimmed(e);
    int r = check_entry(e, err);
    size_t at;

    if (r < 0)
        return r;
    at = place_of(l, e->path);
    if (is_at(l, at, e->path))
        return replace(l, &l->entries[at], e, err);
    r = grow(l, err);
    if (r < 0)
        return r;
    if (own_texts(&l->arena, &own) < 0)
        return too_large(err);
    memmove(&l->entries[at + 1], &l->entries[at], (l->count - at) * sizeof(own));
    l->entries[at] = own;
    l->count++;
    l->live += cost_of(&own);
    pack_texts(l);
    return 0;
}

void listing_remove(struct listing *l, const char *path)
{
    size_t at = place_of(l, path);

    if (!is_at(l, at, path))
        return;
    l->live -= cost_of(&l->entries[at]);
    l->count--;
    memmove(&l->entries[at], &l->entries[at + 1], (l->count - at) * sizeof(*l->entries));
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool listing_same_entry(const struct listing_entry *a, const struct listing_entry *b)
{
    return a->kind == b->kind && a->mode == b->mode && a->mtime_ns == b->mtime_ns && a->size == b->size &&
           strcmp(a->sha256, b->sha256) == 0 && same_text(a->link, b->link) && same_text(a->path, b->path);
}

/* ---- many at once ---- */

int listing_append(struct listing *l, const struct listing_entry *e, struct err *err)
{
    struct listing_entry own = trimmed(e);
    int r = check_entry(e, err);

    if (r == 0)
        r = grow(l, err);
    if (r < 0)
        return r;
    if (own_texts(&l->arena, &own) < 0)
        return too_large(err);
    own.order = (uint32_t) l->count;
    l->entries[l->count++] = own;
    l->live += cost_of(&own);
    return 0;
}

static int by_path(const void *a, const void *b)
{
    const struct listing_entry *x = a, *y = b;
    int r = strcmp(x->path, y->path);

    return r != 0 ? r : x->order < y->order ? -1 : 1;
}

static bool is_sorted(const struct listing *l)
{
    for (size_t i = 1; i < l->count; i++)
        if (strcmp(l->entries[i - 1].path, l->entries[i].path) >= 0)
            return false;
    return true;
}

void listing_sort(struct listing *l)
{
    size_t kept = 0;

    if (is_sorted(l))
        return;
    qsort(l->entries, l->count, sizeof(*l->entries), by_path);
    for (size_t i = 0; i < l->count; i++) {
        bool is_last = i + 1 == l->count || strcmp(l->entries[i].path, l->entries[i + 1].path) != 0;

        if (is_last)
            l->entries[kept++] = l->entries[i];
        else
            l->live -= cost_of(&l->entries[i]);
    }
    l->count = kept;
}

/* While merging, `order` says whose texts an entry has. */
enum { TEXTS_ARE_OURS, TEXTS_ARE_FOREIGN, LINK_IS_FOREIGN };

/* Both sorted into `out`, but for the entries of `l` that are marked; of two with one path that of `changes`.
 */
static size_t merge(const struct listing *l, const struct listing *changes, const char *is_gone,
                    struct listing_entry *out)
{
    size_t count = 0, i = 0, j = 0;

    while (i < l->count || j < changes->count) {
        int order = i == l->count         ? 1
                    : j == changes->count ? -1
                                          : strcmp(l->entries[i].path, changes->entries[j].path);

        if (order >= 0) {
            out[count] = changes->entries[j++];
            out[count].order = order == 0 ? LINK_IS_FOREIGN : TEXTS_ARE_FOREIGN;
            if (order == 0)
                out[count].path = l->entries[i++].path;
            count++;
        } else if (is_gone[i++] == 0) {
            out[count] = l->entries[i - 1];
            out[count++].order = TEXTS_ARE_OURS;
        }
    }
    return count;
}

static int adopt_texts(struct arena *arena, struct listing_entry *entries, size_t count, struct err *err)
{
    if (count > LISTING_ENTRIES_MAX)
        return too_large(err);
    for (size_t i = 0; i < count; i++) {
        struct listing_entry *e = &entries[i];

        if (e->order == TEXTS_ARE_FOREIGN && own_texts(arena, e) < 0)
            return too_large(err);
        if (e->order == LINK_IS_FOREIGN && e->link && !(e->link = arena_text(arena, e->link)))
            return too_large(err);
        e->order = 0;
    }
    return 0;
}

int listing_merge(struct listing *l, const struct listing *changes, const char *const *gone,
                  size_t gone_count, struct err *err)
{
    size_t cap = l->count + changes->count, count;
    struct listing_entry *out = calloc(cap ? cap : 1, sizeof(*out));
    char *is_gone = calloc(l->count ? l->count : 1, 1);
    int r = 0;

    if (!out || !is_gone) {
        free(out);
        free(is_gone);
        return no_memory(err);
    }
    for (size_t i = 0; i < gone_count; i++) {
        size_t at = place_of(l, gone[i]);

        if (is_at(l, at, gone[i]))
            is_gone[at] = 1;
    }
    count = merge(l, changes, is_gone, out);
    free(is_gone);
    r = adopt_texts(&l->arena, out, count, err);
    if (r < 0) {
        free(out);
        return r;
    }
    free(l->entries);
    l->entries = out;
    l->count = count;
    l->cap = cap ? cap : 1;
    l->live = 0;
    for (size_t i = 0; i < count; i++)
        l->live += cost_of(&out[i]);
    pack_texts(l);
    return 0;
}

int listing_copy(const struct listing *from, struct listing *ret, struct err *err)
{
    struct listing copy;
    int r;

    listing_init(&copy);
    r = listing_merge(&copy, from, NULL, 0, err);
    if (r < 0)
        listing_done(&copy);
    else
        *ret = copy;
    return r;
}

/* ---- sums ---- */

void listing_totals(const struct listing *l, struct listing_totals *ret)
{
    *ret = (struct listing_totals){ 0 };
    for (size_t i = 0; i < l->count; i++) {
        const struct listing_entry *e = &l->entries[i];

        ret->files += e->kind == LISTING_FILE;
        ret->folders += e->kind == LISTING_DIR;
        ret->links += e->kind == LISTING_LINK || e->kind == LISTING_HARD;
        if (__builtin_add_overflow(ret->bytes, e->size, &ret->bytes))
            ret->bytes = INT64_MAX;
    }
}

static char *put_number(char *at, uint64_t value, int bytes)
{
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        *at++ = (char) (value >> shift);
    return at;
}

/* What is hashed is gathered first: a call for each piece of each entry would cost more than the hashing. */
struct gathered {
    struct digest *digest;
    size_t used;
    char bytes[16 * 1024];
};

static void gather(struct gathered *g, const char *ptr, size_t len)
{
    if (len > sizeof(g->bytes) - g->used) {
        digest_add(g->digest, g->bytes, g->used);
        g->used = 0;
    }
    memcpy(g->bytes + g->used, ptr, len); /* a path is shorter than the buffer */
    g->used += len;
}

static void gather_entry(struct gathered *g, const struct listing_entry *e)
{
    char head[21], *at = head;

    *at++ = "FDLH"[e->kind];
    at = put_number(at, e->mode, 4);
    at = put_number(at, (uint64_t) e->mtime_ns, 8);
    (void) put_number(at, (uint64_t) e->size, 8);
    gather(g, head, sizeof(head));
    if (e->kind == LISTING_FILE)
        gather(g, e->sha256, DIGEST_HEX - 1);
    gather(g, e->path, strlen(e->path) + 1);
    if (e->link)
        gather(g, e->link, strlen(e->link) + 1);
}

void listing_digest(const struct listing *l, char ret[DIGEST_HEX])
{
    struct gathered g = { .digest = digest_new() };
    uint8_t sum[DIGEST_SIZE];

    ret[0] = '\0';
    if (!g.digest)
        return;
    for (size_t i = 0; i < l->count; i++)
        gather_entry(&g, &l->entries[i]);
    digest_add(g.digest, g.bytes, g.used);
    digest_end(g.digest, sum);
    digest_free(g.digest);
    digest_hex(sum, ret);
}
