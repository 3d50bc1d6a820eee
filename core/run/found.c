/* SPDX-License-Identifier: MIT */
#include "core/run/found.h"

#include "core/base/units.h"
#include "core/sandbox/frame.h"

#include <stdlib.h>
#include <string.h>

#define TEXTS_MAX  ((size_t) 256 * 1024 * 1024)
#define HOLLOW_MIN ((uint64_t) 4 << 30) /* a file that is nearly all hole is kept up to here */
#define FILE_MAX   ((uint64_t) 4 << 40) /* a million of them still add up to a number */
#define NOBODY     SIZE_MAX

struct found_name {
    uint64_t inode;
    const char *path;
    size_t at; /* of its item */
};

struct found_memory {
    struct found_name *names;      /* by inode and path */
    struct listing_unkept *unkept; /* by path */
    size_t name_count, unkept_count;
    struct arena arena;
};

static int no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, "no memory for what a scan of the workspace found");
}

/* ---- life ---- */

void found_init(struct found *f)
{
    *f = (struct found){ 0 };
    arena_init(&f->arena, TEXTS_MAX);
}

void found_done(struct found *f)
{
    free(f->items);
    free(f->by_inode);
    arena_done(&f->arena);
    found_init(f);
}

void found_memory_free(struct found_memory *m)
{
    if (!m)
        return;
    free(m->names);
    free(m->unkept);
    arena_done(&m->arena);
    free(m);
}

const struct listing_unkept *found_memory_unkept(const struct found_memory *m, size_t *ret_count)
{
    *ret_count = m ? m->unkept_count : 0;
    return m ? m->unkept : NULL;
}

/* ---- taking what the guest tells ---- */

/* A zeroed item at the end; NULL: err is set. */
static struct found_item *item_add(struct found *f, struct err *err)
{
    size_t cap = f->cap ? f->cap * 2 : 16;
    struct found_item *items = f->items;

    if (f->count == LISTING_ENTRIES_MAX) {
        err_set(err, ERR_TOO_LARGE, "more than %d changes in the workspace", LISTING_ENTRIES_MAX);
        return NULL;
    }
    if (f->count == f->cap) {
        items = realloc(f->items, cap * sizeof(*items));
        if (!items) {
            no_memory(err);
            return NULL;
        }
        f->items = items;
        f->cap = cap;
    }
    items[f->count] = (struct found_item){ 0 };
    return &items[f->count++];
}

static char *text_add(struct found *f, struct span text, struct err *err)
{
    char *copy = arena_copy(&f->arena, text.ptr, text.len);

    if (!copy)
        err_set(err, ERR_TOO_LARGE, "the paths in the workspace take more than %zu bytes", TEXTS_MAX);
    return copy;
}

/* Why a file cannot be kept; NULL: it can. */
static const char *why_not(struct found *f, const struct guest_stat *st)
{
    char size[32];

    if (st->kind == GUEST_OTHER)
        return "a socket, pipe or device";
    if (st->kind == GUEST_DEEP)
        return "a folder nested too deeply";
    if (st->kind != GUEST_FILE)
        return NULL;
    if (st->size > FILE_MAX)
        return "a file of more than 4 TiB";
    if (st->size <= HOLLOW_MIN || st->stored >= st->size / 2 || f->keeps_hollow)
        return NULL;
    const char *why = arena_printf(&f->arena, "a file of %s that is nearly all hole",
                                   units_format_size(size, (int64_t) st->size));

    return why ? why : "a file that is nearly all hole";
}

static int item_fill(struct found *f, struct found_item *item, const struct guest_stat *st, struct span link,
                     const uint8_t *sum, struct err *err)
{
    static const enum found_kind kinds[] = { [GUEST_FILE] = FOUND_FILE,
                                             [GUEST_DIR] = FOUND_DIR,
                                             [GUEST_LINK] = FOUND_LINK,
                                             [GUEST_OTHER] = FOUND_UNKEPT,
                                             [GUEST_DEEP] = FOUND_UNKEPT };
    const char *why = why_not(f, st);

    item->kind = why ? FOUND_UNKEPT : kinds[st->kind];
    item->link = why;
    item->mtime_ns = st->mtime_ns;
    if (item->kind == FOUND_LINK) {
        item->link = text_add(f, link, err);
        return item->link ? 0 : -ERR_TOO_LARGE;
    }
    item->mode = st->mode & 07777;
    if (item->kind != FOUND_FILE)
        return 0;
    item->inode = st->links > 1 ? st->inode : 0;
    item->size = (int64_t) st->size;
    if (item->size == 0)
        digest_of(span_make(NULL, 0), item->sha256);
    else if (sum)
        digest_hex(sum, item->sha256);
    return 0;
}

int found_add(struct found *f, struct span path, const struct guest_stat *st, struct span link,
              const uint8_t *sum, struct err *err)
{
    struct found_item *item;

    if (!frame_path_ok(path.ptr, path.len) || memchr(path.ptr, 0, path.len))
        return err_set(err, ERR_ENGINE, "the sandbox told of a path that cannot be");
    item = item_add(f, err);
    if (!item)
        return -(int) (f->count == LISTING_ENTRIES_MAX ? ERR_TOO_LARGE : ERR_INTERNAL);
    item->path = text_add(f, path, err);
    if (!item->path)
        return -ERR_TOO_LARGE;
    return st ? item_fill(f, item, st, link, sum, err) : 0;
}

/* ---- order ---- */

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct found_item *) a)->path, ((const struct found_item *) b)->path);
}

static void sort(struct found *f)
{
    size_t kept = 0;

    if (f->count > 0)
        qsort(f->items, f->count, sizeof(*f->items), by_path);
    for (size_t i = 0; i < f->count; i++)
        if (kept == 0 || strcmp(f->items[kept - 1].path, f->items[i].path) != 0)
            f->items[kept++] = f->items[i];
    f->count = kept;
}

/* Where `path` is, or would be. */
static size_t place_of(const struct found *f, const char *path)
{
    size_t low = 0, high = f->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (strcmp(f->items[mid].path, path) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct found_item *found_find(const struct found *f, const char *path)
{
    size_t at = place_of(f, path);

    return at < f->count && strcmp(f->items[at].path, path) == 0 ? &f->items[at] : NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct found_name *x = a, *y = b;

    if (x->inode != y->inode)
        return x->inode < y->inode ? -1 : 1;
    return strcmp(x->path, y->path);
}

/* ---- one file, several names ---- */

/* The file that an entry is a name of; NULL: none. */
static const struct listing_entry *file_of(const struct listing *l, const char *path)
{
    const struct listing_entry *e = listing_find(l, path);

    if (e && e->kind == LISTING_HARD)
        e = listing_find(l, e->link);
    return e && e->kind == LISTING_FILE ? e : NULL;
}

static void item_take(struct found_item *item, const struct listing_entry *content)
{
    item->kind = FOUND_FILE;
    item->mode = content->mode;
    item->size = content->size;
    item->mtime_ns = content->mtime_ns;
    item->is_known = true;
    memcpy(item->sha256, content->sha256, DIGEST_HEX);
}

/* All names of one file. */
struct group {
    struct found *found;
    size_t sorted; /* items that were reported; what is added comes behind them */
    const struct listing *before;
    const char *first;
    const struct listing_entry *content; /* NULL: every name was reported */
};

/* The item of a name; SIZE_MAX: it was not reported. */
static size_t group_item(const struct group *g, const char *path)
{
    const struct found reported = { .items = g->found->items, .count = g->sorted };
    size_t at = place_of(&reported, path);

    return at < g->sorted && strcmp(reported.items[at].path, path) == 0 ? at : NOBODY;
}

/* A name that was not reported gets another part to play. */
static int name_turn(struct group *g, const struct found_name *name, bool is_first, struct err *err)
{
    struct found_item *item = item_add(g->found, err);

    if (!item)
        return -(int) err->code;
    item->inode = name->inode;
    item->path = text_add(g->found, span_of(name->path), err);
    if (!item->path)
        return -ERR_TOO_LARGE;
    item->kind = FOUND_HARD;
    item->link = g->first;
    if (is_first)
        item_take(item, g->content);
    return 0;
}

static int name_settle(struct group *g, const struct found_name *name, bool is_first, struct err *err)
{
    size_t at = group_item(g, name->path);
    const struct listing_entry *e;

    if (at == NOBODY) {
        e = listing_find(g->before, name->path);
        if (is_first ? e->kind == LISTING_FILE : e->kind == LISTING_HARD && strcmp(e->link, g->first) == 0)
            return 0;
        return name_turn(g, name, is_first, err);
    }
    if (!is_first) {
        g->found->items[at].kind = FOUND_HARD;
        g->found->items[at].link = g->first;
    } else if (g->content)
        item_take(&g->found->items[at], g->content);
    return 0;
}

static int group_settle(struct group *g, const struct found_name *names, size_t count, struct err *err)
{
    int r = 0;

    g->content = NULL;
    for (size_t i = 0; i < count && !g->content; i++)
        if (group_item(g, names[i].path) == NOBODY)
            g->content = file_of(g->before, names[i].path);
    g->first = text_add(g->found, span_of(names[0].path), err);
    if (!g->first)
        return -ERR_TOO_LARGE;
    for (size_t i = 0; i < count && r == 0; i++)
        r = name_settle(g, &names[i], i == 0, err);
    return r;
}

/* Names that were remembered and not reported, and those that were. */
static size_t names_collect(const struct found *f, const struct listing *before, const struct found_memory *m,
                            struct found_name *ret)
{
    size_t n = 0;

    for (size_t i = 0; m && i < m->name_count; i++)
        if (!found_find(f, m->names[i].path) && file_of(before, m->names[i].path))
            ret[n++] = m->names[i];
    for (size_t i = 0; i < f->count; i++)
        if (f->items[i].kind == FOUND_FILE && f->items[i].inode)
            ret[n++] = (struct found_name){ f->items[i].inode, f->items[i].path, i };
    if (n > 0)
        qsort(ret, n, sizeof(*ret), by_name);
    return n;
}

static int groups_settle(struct found *f, const struct listing *before, const struct found_memory *m,
                         struct err *err)
{
    struct group g = { .found = f, .sorted = f->count, .before = before };
    struct found_name *names = calloc(f->count + (m ? m->name_count : 0) + 1, sizeof(*names));
    size_t count;
    int r = 0;

    if (!names)
        return no_memory(err);
    count = names_collect(f, before, m, names);
    for (size_t i = 0, n; i < count && r == 0; i += n) {
        n = 1;
        while (i + n < count && names[i + n].inode == names[i].inode)
            n++;
        r = group_settle(&g, names + i, n, err);
    }
    free(names);
    return r;
}

/* The places of the names, now that they do not move any more. */
static int inodes_index(struct found *f, struct err *err)
{
    for (size_t i = 0; i < f->count; i++)
        f->inode_count += f->items[i].inode != 0;
    if (f->inode_count == 0)
        return 0;
    f->by_inode = calloc(f->inode_count, sizeof(*f->by_inode));
    if (!f->by_inode)
        return no_memory(err);
    for (size_t i = 0, n = 0; i < f->count; i++)
        if (f->items[i].inode)
            f->by_inode[n++] = (struct found_name){ f->items[i].inode, f->items[i].path, i };
    qsort(f->by_inode, f->inode_count, sizeof(*f->by_inode), by_name);
    return 0;
}

int found_settle(struct found *f, const struct listing *before, const struct found_memory *memory,
                 struct err *err)
{
    size_t count;
    int r;

    sort(f);
    count = f->count;
    r = groups_settle(f, before, memory, err);
    if (r < 0)
        return r;
    if (f->count > count)
        sort(f);
    return inodes_index(f, err);
}

/* The first of the names of an item's file, in `by_inode`. */
static size_t first_name(const struct found *f, uint64_t inode)
{
    size_t low = 0, high = f->inode_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (f->by_inode[mid].inode < inode)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Other names of the same file that follow `at`: SIZE_MAX, or the place of one. `*next` begins at 0. */
static size_t other_name(const struct found *f, size_t at, size_t *next)
{
    const struct found_item *item = &f->items[at];

    if (!item->inode)
        return NOBODY;
    if (*next == 0)
        *next = first_name(f, item->inode) + 1;
    for (; *next <= f->inode_count && f->by_inode[*next - 1].inode == item->inode; (*next)++) {
        size_t other = f->by_inode[*next - 1].at;

        if (other != at && f->items[other].kind == FOUND_HARD &&
            strcmp(f->items[other].link, item->path) == 0) {
            (*next)++;
            return other;
        }
    }
    return NOBODY;
}

size_t found_lose(struct found *f, size_t at)
{
    size_t next = 0, first = other_name(f, at, &next), other;

    f->items[at].kind = FOUND_GONE;
    if (first == NOBODY)
        return NOBODY;
    while ((other = other_name(f, at, &next)) != NOBODY)
        f->items[other].link = f->items[first].path;
    f->items[first].kind = FOUND_FILE;
    f->items[first].link = NULL;
    return first;
}

void found_refuse(struct found *f, size_t at, const char *why)
{
    size_t next = 0, other;

    while ((other = other_name(f, at, &next)) != NOBODY) {
        f->items[other].kind = FOUND_UNKEPT;
        f->items[other].link = why;
    }
    f->items[at].kind = FOUND_UNKEPT;
    f->items[at].link = why;
}

/* ---- what follows ---- */

/* False: nothing is to be kept of it. */
static bool entry_of(const struct found_item *item, struct listing_entry *ret)
{
    static const enum listing_kind kinds[] = { [FOUND_FILE] = LISTING_FILE,
                                               [FOUND_DIR] = LISTING_DIR,
                                               [FOUND_LINK] = LISTING_LINK,
                                               [FOUND_HARD] = LISTING_HARD };

    if (item->kind == FOUND_GONE || item->kind == FOUND_UNKEPT)
        return false;
    *ret = (struct listing_entry){ .path = item->path, .kind = kinds[item->kind] };
    if (item->kind == FOUND_HARD) {
        ret->link = item->link;
        return true;
    }
    ret->mode = item->mode;
    ret->mtime_ns = item->mtime_ns;
    if (item->kind == FOUND_LINK)
        ret->link = item->link;
    if (item->kind == FOUND_FILE) {
        ret->size = item->size;
        memcpy(ret->sha256, item->sha256, DIGEST_HEX);
    }
    return true;
}

bool found_differs(const struct found *f, const struct listing *before)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct listing_entry *old = listing_find(before, f->items[i].path);
        struct listing_entry e;

        if (entry_of(&f->items[i], &e) ? !old || !listing_same_entry(old, &e) : old != NULL)
            return true;
    }
    return false;
}

/* A listing that is made in the order of its paths. */
struct making {
    struct listing *listing;
    size_t folder_len; /* the folder that was there when it was asked for last */
    char folder[FRAME_PATH_MAX];
};

/* Is the folder there that an entry is in? Folders sort before what is in them. */
static bool has_folder(struct making *m, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t) (slash - path) : 0;
    const struct listing_entry *e;

    if (!slash || (len == m->folder_len && memcmp(m->folder, path, len) == 0))
        return true;
    if (len >= sizeof(m->folder))
        return false;
    memcpy(m->folder, path, len);
    m->folder[len] = 0;
    e = listing_find(m->listing, m->folder);
    m->folder_len = e && e->kind == LISTING_DIR ? len : 0;
    return m->folder_len > 0;
}

static int put(struct making *m, const struct listing_entry *e, struct err *err)
{
    const struct listing_entry *first = e->kind == LISTING_HARD ? listing_find(m->listing, e->link) : NULL;

    if (e->kind == LISTING_HARD && (!first || first->kind != LISTING_FILE))
        return 0;
    return has_folder(m, e->path) ? listing_put(m->listing, e, err) : 0;
}

int found_apply(const struct found *f, const struct listing *before, struct listing *ret, struct err *err)
{
    struct making m = { .listing = ret };
    size_t i = 0, k = 0;
    struct listing_entry e;
    int r = 0;

    while (r == 0 && (i < f->count || k < before->count)) {
        int order = i == f->count        ? 1
                    : k == before->count ? -1
                                         : strcmp(f->items[i].path, before->entries[k].path);

        if (order > 0) {
            r = put(&m, &before->entries[k++], err);
            continue;
        }
        k += order == 0;
        if (entry_of(&f->items[i++], &e))
            r = put(&m, &e, err);
    }
    return r;
}

/* ---- the memory ---- */

static int memory_name(struct found_memory *m, uint64_t inode, const char *path)
{
    char *copy = arena_text(&m->arena, path);

    m->names[m->name_count++] = (struct found_name){ .inode = inode, .path = copy };
    return copy ? 0 : -1;
}

static int memory_unkept(struct found_memory *m, const char *path, const char *why)
{
    char *copy = arena_text(&m->arena, path), *reason = arena_text(&m->arena, why);

    m->unkept[m->unkept_count++] = (struct listing_unkept){ .path = copy, .why = reason };
    return copy && reason ? 0 : -1;
}

static int by_unkept_path(const void *a, const void *b)
{
    return strcmp(((const struct listing_unkept *) a)->path, ((const struct listing_unkept *) b)->path);
}

static int memory_fill(struct found_memory *m, const struct found *f, const struct found_memory *before)
{
    int r = 0;

    for (size_t i = 0; before && i < before->name_count && r == 0; i++)
        if (!found_find(f, before->names[i].path))
            r = memory_name(m, before->names[i].inode, before->names[i].path);
    for (size_t i = 0; before && i < before->unkept_count && r == 0; i++)
        if (!found_find(f, before->unkept[i].path))
            r = memory_unkept(m, before->unkept[i].path, before->unkept[i].why);
    for (size_t i = 0; i < f->count && r == 0; i++) {
        const struct found_item *item = &f->items[i];

        if (item->inode && (item->kind == FOUND_FILE || item->kind == FOUND_HARD))
            r = memory_name(m, item->inode, item->path);
        else if (item->kind == FOUND_UNKEPT)
            r = memory_unkept(m, item->path, item->link);
    }
    if (r == 0 && m->name_count > 0)
        qsort(m->names, m->name_count, sizeof(*m->names), by_name);
    if (r == 0 && m->unkept_count > 0)
        qsort(m->unkept, m->unkept_count, sizeof(*m->unkept), by_unkept_path);
    return r;
}

int found_remember(const struct found *f, const struct found_memory *before, struct found_memory **ret,
                   struct err *err)
{
    struct found_memory *m = calloc(1, sizeof(*m));

    if (!m)
        return no_memory(err);
    arena_init(&m->arena, TEXTS_MAX);
    m->names = calloc(f->count + (before ? before->name_count : 0) + 1, sizeof(*m->names));
    m->unkept = calloc(f->count + (before ? before->unkept_count : 0) + 1, sizeof(*m->unkept));
    if (!m->names || !m->unkept || memory_fill(m, f, before) < 0) {
        found_memory_free(m);
        return no_memory(err);
    }
    *ret = m;
    return 0;
}
