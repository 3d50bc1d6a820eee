/* SPDX-License-Identifier: MIT */
/*
 * Scans as a hostile guest may tell them, one after the other. Whatever they say, what follows is a listing
 * that can be put back: sorted, every entry in a folder, every hard link with its file before it.
 *
 * Three bytes an entry: what it is, which path, which inode. Bytes from 0xf0 on end a scan; what could not be
 * read follows from them.
 */
#include "core/run/found.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Up to three of four names. */
static void path_of(uint8_t n, char ret[16])
{
    static const char *const names[] = { "a", "a-", "b", "c\n" };

    snprintf(ret, 16, "%s%s%s%s%s", names[n & 3], n & 16 ? "/" : "", n & 16 ? names[n >> 2 & 3] : "",
             n >= 128 ? "/" : "", n >= 128 ? names[n >> 5 & 3] : "");
}

static void tell(struct found *f, const uint8_t at[3])
{
    struct guest_stat st = { .kind = at[0] & 3,
                             .mode = 0644,
                             .links = 1 + (at[2] & 7),
                             .inode = at[2] & 15,
                             .size = at[2] >> 4,
                             .mtime_ns = at[2] };
    uint8_t sum[DIGEST_SIZE] = { at[2] };
    char path[16];

    path_of(at[1], path);
    must(found_add(f, span_of(path), at[0] & 8 ? NULL : &st, span_of(st.kind == GUEST_LINK ? "target" : ""),
                   at[0] & 16 ? sum : NULL, NULL) == 0);
}

static void check(const struct listing *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct listing_entry *e = &l->entries[i], *other;
        char folder[16];

        must(i == 0 || strcmp(l->entries[i - 1].path, e->path) < 0);
        snprintf(folder, sizeof(folder), "%s", e->path);
        if (strrchr(folder, '/')) {
            *strrchr(folder, '/') = '\0';
            other = listing_find(l, folder);
            must(other && other->kind == LISTING_DIR);
        }
        if (e->kind == LISTING_HARD) {
            other = listing_find(l, e->link);
            must(other && other->kind == LISTING_FILE && strcmp(e->link, e->path) < 0);
        }
    }
}

/* What the owner does with contents: some files vanish, some cannot be read. */
static void fetch(struct found *f, uint8_t luck)
{
    for (size_t i = 0; i < f->count; i++) {
        struct found_item *item = &f->items[i];

        if (item->kind != FOUND_FILE)
            continue;
        luck = (uint8_t) (luck * 5 + 3);
        if (luck % 16 == 0)
            found_refuse(f, i, "no");
        else if (luck % 16 == 1)
            must(found_lose(f, i) > i);
        else if (!item->sha256[0])
            snprintf(item->sha256, DIGEST_HEX, "%064x", (unsigned) item->size);
    }
    for (size_t i = 0; i < f->count; i++) /* those that came to be files */
        if (f->items[i].kind == FOUND_FILE && !f->items[i].sha256[0])
            found_refuse(f, i, "no");
}

static void scan_end(struct found *f, struct listing *now, struct found_memory **memory, uint8_t luck)
{
    struct found_memory *next;
    struct listing l;
    bool differs;

    listing_init(&l);
    must(found_settle(f, now, *memory, NULL) == 0);
    fetch(f, luck);
    differs = found_differs(f, now);
    must(found_apply(f, now, &l, NULL) == 0);
    must(found_remember(f, *memory, &next, NULL) == 0);
    check(&l);
    for (size_t i = 0; !differs && i < l.count; i++)
        must(l.count == now->count && listing_same_entry(&l.entries[i], &now->entries[i]));
    found_memory_free(*memory);
    listing_done(now);
    *memory = next;
    *now = l;
    found_done(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct found_memory *memory = NULL;
    struct listing now;
    struct found f;

    listing_init(&now);
    found_init(&f);
    while (size >= 3) {
        if (data[0] >= 0xf0)
            scan_end(&f, &now, &memory, data[1]);
        else
            tell(&f, data);
        data += 3;
        size -= 3;
    }
    scan_end(&f, &now, &memory, 7);
    found_memory_free(memory);
    listing_done(&now);
    return 0;
}
