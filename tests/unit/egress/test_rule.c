/* SPDX-License-Identifier: MIT */
/* Rules from text: what they become, what they cover, what is refused and how that is said. */
#include "tests/unit/unit.h"

#include "core/egress/match.h"
#include "core/egress/rule.h"

static struct arena arena = ARENA_INIT(1 << 20);

static const struct {
    const char *text, *normal;
} good[] = {
    { "example.org", "example.org:443" },
    { "Example.ORG", "example.org:443" },
    { "example.org:80", "example.org:80" },
    { "a-1.example.org:8443", "a-1.example.org:8443" },
    { "*.example.org", "*.example.org:443" },
    { "*.example.co.uk:80", "*.example.co.uk:80" },
    { "github.io", "github.io:443" },
    { "xn--bcher-kva.example.org", "xn--bcher-kva.example.org:443" },
    { "93.184.216.34", "93.184.216.34:443" },
    { "93.184.216.34:80", "93.184.216.34:80" },
    { "93.184.216.0/24", "93.184.216.0/24:443" },
    { "93.184.216.0/24:8443", "93.184.216.0/24:8443" },
    { "10.0.0.0/8", "10.0.0.0/8:443" },
    { "192.168.1.7:5000", "192.168.1.7:5000" },
    { "2606:2800:220:1::1", "[2606:2800:220:1::1]:443" },
    { "[2606:2800:220:1:0:0:0:1]", "[2606:2800:220:1::1]:443" },
    { "[2606:2800:220:1::1]:80", "[2606:2800:220:1::1]:80" },
    { "2606:2800::/32", "[2606:2800::/32]:443" },
    { "[2606:2800::/32]:8443", "[2606:2800::/32]:8443" },
    { "fd12:3456::/32", "[fd12:3456::/32]:443" },
};

static void test_good_ones(void **state)
{
    struct egress_rule rule, again;
    struct err err;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (egress_rule_parse(span_of(good[i].text), &arena, &rule, &err) < 0)
            fail_msg("%s: %s", good[i].text, err.text);
        assert_string_equal(rule.text, good[i].normal);
        assert_int_equal(rule.methods, EGRESS_METHODS_ALL);
        assert_int_equal(egress_rule_parse(span_of(rule.text), &arena, &again, &err), 0);
        assert_string_equal(again.text, rule.text);
    }
}

static const struct {
    const char *text, *says, *hint;
} bad[] = {
    { "", "a rule is empty", "" },
    { "*", "'*': '*' stands for whole labels at the start of a name only",
      "\"*.example.org\" covers every name" },
    { "*:443", "'*:443': '*' stands for whole labels", "" },
    { "*.org", "'*.org': anybody can get a name beneath 'org'", "\"*.example.org\"" },
    { "*.co.uk", "'*.co.uk': anybody can get a name beneath 'co.uk'", "\"*.example.co.uk\"" },
    { "*.github.io:443", "'*.github.io:443': anybody can get a name beneath 'github.io'", "" },
    { "*.internal", "'*.internal': anybody can get a name beneath 'internal'", "" },
    { "a.*.example.org", "'a.*.example.org': '*' stands for whole labels", "" },
    { "*a.example.org", "'*a.example.org': '*' stands for whole labels", "" },
    { "*.*.example.org", "'*.*.example.org': '*' stands for whole labels", "" },
    { "example.*", "'example.*': '*' stands for whole labels", "" },
    { "localhost", "'localhost': a host name needs a domain", "" },
    { "org", "'org': a host name needs a domain", "" },
    { "https://example.org/", "'https://example.org/': a rule is a host, not a URL", "\"example.org:8443\"" },
    { "example.org/path", "'example.org/path': neither a host nor a network", "a rule has no path" },
    { "a b.example.org", "a rule holds blanks or bytes that are not printable ASCII", "xn--" },
    { "b\xc3\xbc"
      "cher.example.org",
      "a rule holds blanks or bytes", "xn--" },
    { "example.org.", "'example.org.': the host name ends with a dot", "" },
    { "exa_mple.org", "'exa_mple.org': a host name has no underscore", "" },
    { "example.org:0", "'example.org:0': a port is a number from 1 to 65535", "" },
    { "example.org:http", "'example.org:http': a port is a number", "" },
    { "user@example.org", "'user@example.org': user names and passwords do not belong", "" },
    { "127.1", "'127.1': an IPv4 address is written as four decimal numbers", "" },
    { "0x7f000001", "'0x7f000001': an IPv4 address is written", "" },
    { "0.0.0.0/0", "'0.0.0.0/0': a network that wide lets nearly everything out", "the widest are /8" },
    { "::/0", "'::/0': a network that wide lets nearly everything out", "" },
    { "2000::/3", "'2000::/3': a network that wide", "" },
    { "10.1.2.3/8", "'10.1.2.3/8': an address with a prefix length has zeros behind", "" },
    { "10.0.0.0/33", "'10.0.0.0/33': neither a host nor a network", "" },
    { "127.0.0.1", "'127.0.0.1': the address is loopback, which no rule can allow", "" },
    { "127.0.0.0/8", "'127.0.0.0/8': the address is loopback", "" },
    { "169.254.169.254:80", "'169.254.169.254:80': the address is a metadata service", "" },
    { "100.100.100.200", "'100.100.100.200': the address is a metadata service", "" },
    { "[::1]:443", "'[::1]:443': the address is loopback", "" },
    { "[::ffff:1.2.3.4]", "'[::ffff:1.2.3.4]': that is no IPv6 address", "" },
    { "[fe80::1]", "'[fe80::1]': the address is link-local", "" },
    { "[example.org]", "'[example.org]': that is no IPv6 address", "" },
    { "[2606::1", "'[2606::1': brackets enclose a whole IPv6 address", "" },
};

static void test_bad_ones(void **state)
{
    struct egress_rule rule;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err err = { .code = ERR_NONE };

        if (egress_rule_parse(span_of(bad[i].text), &arena, &rule, &err) != -ERR_INVALID ||
            strncmp(err.text, bad[i].says, strlen(bad[i].says)) != 0 || !strstr(err.hint, bad[i].hint))
            fail_msg("%s: %s (%s)", bad[i].text, err.text, err.hint);
    }
}

static const struct {
    const char *rule, *host;
    bool covers;
} pairs[] = {
    { "example.org", "example.org", true },         { "example.org", "a.example.org", false },
    { "example.org", "xexample.org", false },       { "*.example.org", "a.example.org", true },
    { "*.example.org", "a.b.example.org", true },   { "*.example.org", "example.org", false },
    { "*.example.org", "xexample.org", false },     { "*.example.org", "a.example.org.evil.org", false },
    { "10.0.0.0/8", "10.255.0.1", true },           { "10.0.0.0/8", "11.0.0.1", false },
    { "10.1.2.128/25", "10.1.2.127", false },       { "10.1.2.128/25", "10.1.2.200", true },
    { "2606:2800::/32", "[2606:2800:1::1]", true }, { "2606:2800::/32", "[2606:2801::1]", false },
    { "10.0.0.0/8", "a.example.org", false },       { "example.org", "93.184.216.34", false },
};

static void test_what_they_cover(void **state)
{
    struct egress_rule rule;
    struct egress_host host;
    const char *why;

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_int_equal(egress_rule_parse(span_of(pairs[i].rule), &arena, &rule, NULL), 0);
        assert_true(host_parse(span_of(pairs[i].host), &host, &why));
        if (rule_covers(&rule, &host) != pairs[i].covers)
            fail_msg("%s and %s", pairs[i].rule, pairs[i].host);
    }
}

static void check_methods(const char *text, uint32_t methods, const char *says)
{
    struct egress_rule rule;
    struct err err = { .code = ERR_NONE };

    assert_int_equal(egress_rule_parse(span_of(text), &arena, &rule, NULL), 0);
    rule.methods = methods;
    assert_int_equal(egress_rule_check(&rule, &err), says ? -ERR_INVALID : 0);
    assert_string_equal(err.text, says ? says : "");
}

static void test_methods(void **state)
{
    check_methods("example.org", EGRESS_METHODS_ALL, NULL);
    check_methods("example.org:80", EGRESS_GET | EGRESS_HEAD, NULL);
    check_methods("example.org", EGRESS_CONNECT, NULL);
    check_methods("example.org", EGRESS_GET, "'example.org:443': methods cannot be restricted inside of TLS");
    check_methods("example.org:80", EGRESS_CONNECT, "'example.org:80': no method of plain HTTP is allowed");
    assert_int_equal(egress_method(span_of("PATCH")), EGRESS_PATCH);
    assert_int_equal(egress_method(span_of("patch")), 0);
    assert_int_equal(egress_method(span_of("TRACE")), 0);
    assert_string_equal(egress_method_name(EGRESS_OPTIONS), "OPTIONS");
    assert_null(egress_method_name(EGRESS_GET | EGRESS_HEAD));
}

static int teardown(void **state)
{
    return 0;
}

/* One that allows is enough, whatever another one says; the first such is it. */
static void test_rules_add_up(void **state)
{
    static const struct egress_inject inject = { .header = "X-Key", .intercept = true };
    static const char *const texts[] = { "a.example.org:80", "*.example.org:80", "b.example.org",
                                         "*.example.org" };
    struct egress_rule rules[4];
    struct egress_spec spec = { .rules = rules, .rule_count = 4 };
    struct egress_host a = { .name = "a.example.org" }, b = { .name = "b.example.org" };
    struct match m;

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(egress_rule_parse(span_of(texts[i]), &arena, &rules[i], NULL), 0);
    rules[0].methods = EGRESS_GET;
    rules[1].methods = EGRESS_GET | EGRESS_POST;
    rules[2].methods = EGRESS_GET;
    rules[2].inject = &inject;
    assert_int_equal(egress_rule_check(&rules[2], NULL), 0);
    m = match_request(&spec, &a, 80, EGRESS_GET);
    assert_true(m.verdict == MATCH_ALLOWED && m.rule == &rules[0]);
    m = match_request(&spec, &a, 80, EGRESS_POST);
    assert_true(m.verdict == MATCH_ALLOWED && m.rule == &rules[1]);
    m = match_request(&spec, &a, 80, EGRESS_PUT);
    assert_int_equal(m.verdict, MATCH_OTHER_METHOD);
    m = match_request(&spec, &b, 443, EGRESS_CONNECT); /* it ends here, whatever its methods are */
    assert_true(m.verdict == MATCH_ALLOWED && m.rule == &rules[2]);
    m = match_request(&spec, &b, 443, EGRESS_GET); /* inside */
    assert_true(m.verdict == MATCH_ALLOWED && m.rule == &rules[2]);
    m = match_request(&spec, &b, 443, EGRESS_POST);
    assert_int_equal(m.verdict, MATCH_OTHER_METHOD);
    m = match_request(&spec, &a, 443, EGRESS_CONNECT);
    assert_true(m.verdict == MATCH_ALLOWED && m.rule == &rules[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_ones),       cmocka_unit_test(test_bad_ones),
        cmocka_unit_test(test_what_they_cover), cmocka_unit_test(test_methods),
        cmocka_unit_test(test_rules_add_up),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, teardown);
}
