/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/base/arena.h"

static void test_pieces_are_zeroed_and_aligned(void **state)
{
    struct arena a = ARENA_INIT(1 << 20);

    for (size_t size = 0; size < 300; size++) {
        char *p = arena_alloc(&a, size);

        assert_non_null(p);
        assert_int_equal((uintptr_t) p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 'x', size);
    }
    assert_non_null(arena_alloc(&a, 100000)); /* larger than a block */
    arena_done(&a);
    assert_int_equal(a.used, 0);
}

static void test_copies_are_terminated(void **state)
{
    struct arena a = ARENA_INIT(1 << 20);

    assert_string_equal(arena_copy(&a, "abcdef", 3), "abc");
    assert_string_equal(arena_copy(&a, NULL, 0), "");
    assert_string_equal(arena_text(&a, "text"), "text");
    assert_string_equal(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
    arena_done(&a);
}

static void test_refuses_to_pass_its_ceiling(void **state)
{
    struct arena a = ARENA_INIT(64);

    assert_null(arena_alloc(&a, 65));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_copy(&a, "", SIZE_MAX));
    assert_non_null(arena_alloc(&a, 48));
    assert_null(arena_alloc(&a, 17));
    assert_non_null(arena_alloc(&a, 16));
    assert_null(arena_text(&a, ""));
    assert_null(arena_printf(&a, "x"));
    arena_done(&a);
    assert_non_null(arena_alloc(&a, 64)); /* usable again */
    arena_done(&a);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_pieces_are_zeroed_and_aligned),
    cmocka_unit_test(test_copies_are_terminated),
    cmocka_unit_test(test_refuses_to_pass_its_ceiling),
};

UNIT_MAIN(tests)
