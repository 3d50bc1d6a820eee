/* SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "core/model/client.h"
#include "core/model/retry.h"

#define NOW 784111777000 /* Sun, 06 Nov 1994 08:49:37 GMT */

static int64_t headers(const char *after_ms, const char *after)
{
    return retry_after_headers(span_of(after_ms), span_of(after), NOW);
}

static void test_headers(void **state)
{
    assert_int_equal(headers(NULL, NULL), -1);
    assert_int_equal(headers("1760", "2"), 1760);
    assert_int_equal(headers(NULL, "2"), 2000);
    assert_int_equal(headers(NULL, " 1.5 "), 1500);
    assert_int_equal(headers("x", "0"), 0);
    assert_int_equal(headers(NULL, "-1"), -1);
    assert_int_equal(headers(NULL, "2 s"), -1);
    assert_int_equal(headers(NULL, "1e3"), -1);
    assert_int_equal(headers(NULL, "999999999999999999999999"), -1);
    assert_int_equal(headers(NULL, "99999999999"), (int64_t) 366 * 24 * 3600 * 1000);
}

static void test_dates(void **state)
{
    assert_int_equal(headers(NULL, "Sun, 06 Nov 1994 08:50:07 GMT"), 30000);
    assert_int_equal(headers(NULL, "Sun, 06 Nov 1994 08:49:00 GMT"), 0);
    assert_int_equal(headers(NULL, "Sun, 06 Xyz 1994 08:50:07 GMT"), -1);
    assert_int_equal(headers(NULL, "Sun, 06 Nov 1994 08:50:07 CET"), -1);
    assert_int_equal(headers(NULL, "tomorrow"), -1);
}

static void test_words(void **state)
{
    assert_int_equal(retry_after_text(span_of("Limit 3. Please try again in 1.76s. Visit")), 1760);
    assert_int_equal(retry_after_text(span_of("Try again in 350ms")), 350);
    assert_int_equal(retry_after_text(span_of("try again in 6m0s.")), 360000);
    assert_int_equal(retry_after_text(span_of("try again in 1h2m3.5s")), 3723500);
    assert_int_equal(retry_after_text(span_of("try again in 20 seconds.")), 20000);
    assert_int_equal(retry_after_text(span_of("try again in a while")), -1);
    assert_int_equal(retry_after_text(span_of("try again in 5 sheep")), -1);
    assert_int_equal(retry_after_text(span_of("try again in ")), -1);
    assert_int_equal(retry_after_text(span_of("please wait")), -1);
    assert_int_equal(retry_after_text(span_make(NULL, 0)), -1);
}

static struct model_end failure(int status, int64_t after)
{
    return (struct model_end){
        .kind = MODEL_FAILED, .http_status = status, .can_retry = true, .retry_after_ms = after
    };
}

static void test_backoff(void **state)
{
    struct model_end end = failure(500, -1);

    assert_int_equal(model_retry_ms(&end, 1, 5, 0), 500);
    assert_int_equal(model_retry_ms(&end, 1, 5, 1), 375);
    assert_int_equal(model_retry_ms(&end, 2, 5, 0), 1000);
    assert_int_equal(model_retry_ms(&end, 5, 5, 0), 8000);
    assert_int_equal(model_retry_ms(&end, 9, 100, 0), 8000);
    assert_int_equal(model_retry_ms(&end, 2000000000, INT64_MAX, 0), 8000);
    assert_int_equal(model_retry_ms(&end, 6, 5, 0), -1);
    assert_int_equal(model_retry_ms(&end, 1, 0, 0), -1);
    end.can_retry = false;
    assert_int_equal(model_retry_ms(&end, 1, 5, 0), -1);
}

static void test_the_servers_wish(void **state)
{
    struct model_end end = failure(429, 1760);

    assert_int_equal(model_retry_ms(&end, 1, 5, 0.5), 1760);
    assert_int_equal(model_retry_ms(&end, 4, 5, 0.5), 1760);
    end.retry_after_ms = 120000;
    assert_int_equal(model_retry_ms(&end, 1, 5, 0.5), 120000);
    end.retry_after_ms = 120001;
    assert_int_equal(model_retry_ms(&end, 1, 5, 0.5), -1);
    end.retry_after_ms = 0;
    assert_int_equal(model_retry_ms(&end, 1, 5, 0.5), 0);
}

static void test_overload(void **state)
{
    struct model_end end = failure(503, -1);

    assert_int_equal(model_retry_ms(&end, 1, 5, 0), 15000);
    assert_int_equal(model_retry_ms(&end, 1, 5, 1), 18750);
    assert_int_equal(model_retry_ms(&end, 2, 5, 0), 30000);
    assert_int_equal(model_retry_ms(&end, 9, 9, 0), 60000);
    end.retry_after_ms = 1000;
    assert_int_equal(model_retry_ms(&end, 1, 5, 0), 15000);
    end.retry_after_ms = 20000;
    assert_int_equal(model_retry_ms(&end, 1, 5, 0), 20000);
    end = failure(200, -1);
    strcpy(end.reason, "slow_down");
    assert_int_equal(model_retry_ms(&end, 1, 5, 0), 15000);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_headers), cmocka_unit_test(test_dates),    cmocka_unit_test(test_words),
    cmocka_unit_test(test_backoff), cmocka_unit_test(test_overload), cmocka_unit_test(test_the_servers_wish),
};

UNIT_MAIN(tests)
