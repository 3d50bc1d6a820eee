/* SPDX-License-Identifier: MIT */
/* Hosts and rules: whatever is accepted has one normal form, which is accepted as the same again. */
#include "core/egress/match.h"
#include "core/egress/rule.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

static void check_name(const char *name)
{
    size_t len = strlen(name);

    assert(len > 2 && len <= HOST_NAME_MAX && strchr(name, '.') && name[0] != '.' && name[len - 1] != '.');
    assert(name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.")] == '\0' && !strstr(name, ".."));
    assert(strspn(strrchr(name, '.') + 1, "0123456789") < strlen(strrchr(name, '.') + 1));
}

static void check_host(struct span text)
{
    struct egress_host host, again;
    char shown[HOST_TEXT];
    const char *why = NULL;

    if (!host_parse(text, &host, &why)) {
        assert(why);
        return;
    }
    if (!host.is_address)
        check_name(host.name);
    (void) host_text(&host, host.port, shown);
    assert(host_parse(span_of(shown), &again, &why));
    assert(host_equal(&host, &again) && host.port == again.port);
}

static void check_rule(struct span text)
{
    struct arena arena = ARENA_INIT(1 << 16);
    struct egress_rule rule, again;
    struct egress_host host;
    struct err err = { .code = ERR_NONE };
    const char *why;

    if (egress_rule_parse(text, &arena, &rule, &err) < 0) {
        assert(err.code != ERR_NONE && err.text[0] != '\0');
        arena_done(&arena);
        return;
    }
    assert(egress_rule_parse(span_of(rule.text), &arena, &again, &err) == 0);
    assert(strcmp(rule.text, again.text) == 0 && rule.match == again.match && rule.port == again.port);
    if (rule.match == EGRESS_NAME) {
        check_name(rule.host);
        assert(host_parse(span_of(rule.host), &host, &why) && rule_covers(&rule, &host));
    } else if (rule.match == EGRESS_SUFFIX) {
        check_name(rule.host);
        assert(host_parse(span_of(rule.host), &host, &why) && !rule_covers(&rule, &host));
    } else {
        assert(address_kind(&rule.network, NULL) != ADDRESS_BARRED && rule.network_bits <= 128);
    }
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_make(data, size < 512 ? size : 512);

    check_host(text);
    check_rule(text);
    return 0;
}
