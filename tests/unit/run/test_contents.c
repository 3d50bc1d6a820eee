/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/run/contents.h"

#include <stdio.h>

/* Content number `i`, which has `i` bytes. */
static struct listing_content content(int i)
{
    struct listing_content c = { .size = i };

    digest_of(span_make(&i, sizeof(i)), c.sha256);
    return c;
}

static void add(struct contents *c, int i, int64_t pack, int64_t member, bool replace)
{
    struct listing_content one = content(i);

    assert_int_equal(contents_add(c, &one, pack, member, replace, NULL), 0);
}

static const struct content_home *find(const struct contents *c, int i)
{
    struct listing_content one = content(i);

    return contents_find(c, one.sha256);
}

static void test_many(void **state)
{
    struct contents c;

    contents_init(&c);
    assert_null(find(&c, 1));
    assert_false(contents_has_size(&c, 1));
    for (int i = 1; i <= 20000; i++)
        add(&c, i, 1 + i % 7, i, false);
    for (int i = 1; i <= 20000; i++) {
        const struct content_home *home = find(&c, i);

        assert_non_null(home);
        assert_int_equal(home->size, i);
        assert_int_equal(home->pack, 1 + i % 7);
        assert_int_equal(home->member, i);
        assert_true(contents_has_size(&c, i));
    }
    assert_null(find(&c, 20001));
    assert_false(contents_has_size(&c, 20001));
    assert_false(contents_has_size(&c, -1));
    assert_null(contents_find(&c, "short"));
    contents_done(&c);
}

static void test_homes(void **state)
{
    struct contents c;

    contents_init(&c);
    add(&c, 0, 1, 1, false); /* the empty one has no home */
    assert_null(find(&c, 0));
    add(&c, 1, 1, 1, false);
    add(&c, 1, 2, 5, false);
    assert_int_equal(find(&c, 1)->pack, 1);
    add(&c, 1, 2, 5, true);
    assert_int_equal(find(&c, 1)->pack, 2);
    contents_forget(&c, 1);
    assert_int_equal(find(&c, 1)->member, 5);
    contents_forget(&c, 2);
    assert_null(find(&c, 1));
    add(&c, 1, 3, 1, false);
    assert_int_equal(find(&c, 1)->pack, 3);
    contents_done(&c);
}

static void test_use(void **state)
{
    struct listing_content one = content(1);
    struct listing_entry e = { .path = "f", .kind = LISTING_FILE, .size = 1 };
    struct contents c;
    struct listing l;

    contents_init(&c);
    listing_init(&l);
    add(&c, 1, 1, 1, false);
    add(&c, 2, 1, 2, false);
    memcpy(e.sha256, one.sha256, DIGEST_HEX);
    assert_int_equal(listing_put(&l, &e, NULL), 0);
    contents_use(&c, &l, 5);
    contents_use(&c, &l, 4);
    assert_int_equal(find(&c, 1)->used, 5);
    assert_int_equal(find(&c, 2)->used, 0);
    listing_done(&l);
    contents_done(&c);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_many),
    cmocka_unit_test(test_homes),
    cmocka_unit_test(test_use),
};

UNIT_MAIN(tests)
