/* SPDX-License-Identifier: MIT */
/* Open addressing, at most half full. Slots are never freed one by one. */
#include "core/run/contents.h"

#include <stdlib.h>
#include <string.h>

#define CAP_FIRST 256

void contents_init(struct contents *c)
{
    memset(c, 0, sizeof(*c));
    random_bytes(&c->seed, sizeof(c->seed));
}

void contents_done(struct contents *c)
{
    free(c->homes);
    free(c->sizes);
    memset(c, 0, sizeof(*c));
}

/* Without a branch: a letter has bit 6 set, and its low bits begin at 1. */
static unsigned value_of(char digit)
{
    unsigned c = (unsigned char) digit;

    return (c & 15) + 9 * (c >> 6);
}

/* A digest in text form was checked by whoever decoded it. */
static void key_of(const char *sha256, uint8_t ret[DIGEST_SIZE])
{
    for (size_t i = 0; i < DIGEST_SIZE; i++)
        ret[i] = (uint8_t) (value_of(sha256[2 * i]) << 4 | value_of(sha256[2 * i + 1]));
}

static size_t slot_of(uint64_t seed, uint64_t value, size_t cap)
{
    uint64_t mixed = (value ^ seed) * UINT64_C(0x9E3779B97F4A7C15);

    return (size_t) (mixed >> 20) & (cap - 1);
}

static size_t home_slot(const struct contents *c, const struct content_home *homes, size_t cap,
                        const uint8_t *key)
{
    uint64_t value;
    size_t at;

    memcpy(&value, key, sizeof(value));
    for (at = slot_of(c->seed, value, cap); homes[at].member; at = (at + 1) & (cap - 1))
        if (memcmp(homes[at].key, key, DIGEST_SIZE) == 0)
            break;
    return at;
}

static size_t size_slot(const struct contents *c, const int64_t *sizes, size_t cap, int64_t size)
{
    size_t at = slot_of(c->seed, (uint64_t) size, cap);

    while (sizes[at] >= 0 && sizes[at] != size)
        at = (at + 1) & (cap - 1);
    return at;
}

struct content_home *contents_find(const struct contents *c, const char *sha256)
{
    uint8_t key[DIGEST_SIZE];
    struct content_home *home;

    if (!c->cap || strlen(sha256) != DIGEST_HEX - 1)
        return NULL;
    key_of(sha256, key);
    home = &c->homes[home_slot(c, c->homes, c->cap, key)];
    return home->member && home->pack ? home : NULL;
}

bool contents_has_size(const struct contents *c, int64_t size)
{
    return c->size_cap && size >= 0 && c->sizes[size_slot(c, c->sizes, c->size_cap, size)] == size;
}

static int no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, "no memory for the list of contents");
}

static int grow_homes(struct contents *c, struct err *err)
{
    size_t cap = c->cap ? c->cap * 2 : CAP_FIRST;
    struct content_home *homes;

    if (c->count < c->cap / 2)
        return 0;
    homes = calloc(cap, sizeof(*homes));
    if (!homes)
        return no_memory(err);
    for (size_t i = 0; i < c->cap; i++)
        if (c->homes[i].member)
            homes[home_slot(c, homes, cap, c->homes[i].key)] = c->homes[i];
    free(c->homes);
    c->homes = homes;
    c->cap = cap;
    return 0;
}

static int grow_sizes(struct contents *c, struct err *err)
{
    size_t cap = c->size_cap ? c->size_cap * 2 : CAP_FIRST;
    int64_t *sizes;

    if (c->size_count < c->size_cap / 2)
        return 0;
    sizes = malloc(cap * sizeof(*sizes));
    if (!sizes)
        return no_memory(err);
    memset(sizes, 0xFF, cap * sizeof(*sizes)); /* -1 each */
    for (size_t i = 0; i < c->size_cap; i++)
        if (c->sizes[i] >= 0)
            sizes[size_slot(c, sizes, cap, c->sizes[i])] = c->sizes[i];
    free(c->sizes);
    c->sizes = sizes;
    c->size_cap = cap;
    return 0;
}

int contents_add(struct contents *c, const struct listing_content *content, int64_t pack, int64_t member,
                 bool replace, struct err *err)
{
    struct content_home *home;
    uint8_t key[DIGEST_SIZE];
    size_t at;
    int r = content->size > 0 ? grow_homes(c, err) : 0;

    if (r == 0 && content->size > 0)
        r = grow_sizes(c, err);
    if (r < 0 || content->size == 0)
        return r;
    key_of(content->sha256, key);
    home = &c->homes[home_slot(c, c->homes, c->cap, key)];
    c->count += home->member == 0;
    if (home->pack == 0 || replace) {
        memcpy(home->key, key, sizeof(key));
        home->size = content->size;
        home->pack = pack;
        home->member = member;
    }
    at = size_slot(c, c->sizes, c->size_cap, content->size);
    c->size_count += c->sizes[at] < 0;
    c->sizes[at] = content->size;
    return 0;
}

void contents_forget(struct contents *c, int64_t pack)
{
    for (size_t i = 0; i < c->cap; i++)
        if (c->homes[i].pack == pack)
            c->homes[i].pack = 0;
}

void contents_use(struct contents *c, const struct listing *listing, int64_t number)
{
    for (size_t i = 0; i < listing->count; i++) {
        const struct listing_entry *e = &listing->entries[i];
        struct content_home *home = e->kind == LISTING_FILE ? contents_find(c, e->sha256) : NULL;

        if (home && home->used < number)
            home->used = number;
    }
}
