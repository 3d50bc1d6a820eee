/* SPDX-License-Identifier: MIT */
#include "core/base/http_fault.h"

#include "tests/unit/unit.h"

#include <errno.h>

/* What `fault` says of the target "https://h:1", with `words` of the library. */
static void check(struct http_fault fault, const char *words, enum err_code code, int errnum,
                  const char *text, const char *hint)
{
    struct err err = { 0 };
    char own[64] = "";

    strncpy(own, words, sizeof(own) - 1);
    fault.target = "https://h:1";
    fault.words = own;
    fault.general = "in general";
    assert_int_equal(http_fault_tell(&fault, &err), -(int) code);
    assert_int_equal(err.code, code);
    assert_int_equal(err.errnum, errnum);
    assert_string_equal(err.text, text);
    assert_string_equal(err.hint, hint);
}

#define FAULT(...) ((struct http_fault){ __VA_ARGS__ })

static void test_refused_by_its_reader(void **state)
{
    check(FAULT(.kind = HTTP_FAULT_REFUSED, .refused = -ERR_TOO_LARGE), "", ERR_TOO_LARGE, 0,
          "the answer of 'https://h:1' was given up by its reader", "");
}

static void test_no_connection(void **state)
{
    check(FAULT(.kind = HTTP_FAULT_HOST), "no such host", ERR_NOT_FOUND, 0,
          "connecting to 'https://h:1': no such host", "");
    check(FAULT(.kind = HTTP_FAULT_CONNECT), "no way", ERR_IO, 0, "connecting to 'https://h:1': no way", "");
    check(FAULT(.kind = HTTP_FAULT_CONNECT, .errnum = ECONNREFUSED), "no way", ERR_IO, ECONNREFUSED,
          "connecting to 'https://h:1': Connection refused", "");
    check(FAULT(.kind = HTTP_FAULT_CONNECT, .errnum = ENOENT), "no way", ERR_NOT_FOUND, ENOENT,
          "connecting to 'https://h:1': No such file or directory", "");
}

static void test_too_late(void **state)
{
    check(FAULT(.kind = HTTP_FAULT_TIMEOUT, .elapsed_ms = 2500, .connect_ms = 2500), "", ERR_TIMEOUT, 0,
          "connecting to 'https://h:1' took longer than 2.5 s", "");
    check(FAULT(.kind = HTTP_FAULT_TIMEOUT, .elapsed_ms = 2500, .connect_ms = 2500, .total_ms = 9000), "",
          ERR_TIMEOUT, 0, "connecting to 'https://h:1' took longer than 2.5 s", "");
    check(FAULT(.kind = HTTP_FAULT_TIMEOUT, .elapsed_ms = 8995, .connect_ms = 2500, .total_ms = 9000), "",
          ERR_TIMEOUT, 0, "the exchange with 'https://h:1' took longer than 9 s", "");
}

static void test_broken_connection(void **state)
{
    check(FAULT(.kind = HTTP_FAULT_BROKEN, .errnum = ECONNRESET), "cut", ERR_IO, ECONNRESET,
          "talking to 'https://h:1': Connection reset by peer", "");
    check(FAULT(.kind = HTTP_FAULT_BROKEN), "cut", ERR_PROTOCOL, 0, "talking to 'https://h:1': cut", "");
    /* left over from an address tried earlier */
    check(FAULT(.kind = HTTP_FAULT_BROKEN, .errnum = ECONNREFUSED), "cut", ERR_PROTOCOL, 0,
          "talking to 'https://h:1': cut", "");
}

static void test_other_kinds(void **state)
{
    check(FAULT(.kind = HTTP_FAULT_MEMORY), "", ERR_INTERNAL, 0, "talking to 'https://h:1': in general", "");
    check(FAULT(.kind = HTTP_FAULT_INPUT), "bad file", ERR_INVALID, 0, "talking to 'https://h:1': bad file",
          "");
    check(FAULT(.kind = HTTP_FAULT_PROTOCOL), "", ERR_PROTOCOL, 0, "talking to 'https://h:1': in general",
          "");
}

static void test_control_bytes_of_the_server_are_blanked(void **state)
{
    check(FAULT(.kind = HTTP_FAULT_PROTOCOL), "a\x1b[2Jb\nc\x7f", ERR_PROTOCOL, 0,
          "talking to 'https://h:1': a [2Jb c ", "");
}

static void test_certificate(void **state)
{
    const char *text = "talking to 'https://h:1': not believed";

    check(FAULT(.kind = HTTP_FAULT_CERTIFICATE, .verdict = 1, .tls_ca = "ca.pem"), "not believed",
          ERR_PROTOCOL, 0, text, "the certificate is for another host: use the name that it was made for");
    check(FAULT(.kind = HTTP_FAULT_CERTIFICATE, .verdict = 20, .tls_ca = "ca.pem"), "not believed",
          ERR_PROTOCOL, 0, text, "the authorities in 'ca.pem' are the only ones believed");
    check(FAULT(.kind = HTTP_FAULT_CERTIFICATE, .verdict = 20), "not believed", ERR_PROTOCOL, 0, text,
          "if the server has a certificate of your own authority, name its file in SSL_CERT_FILE");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_refused_by_its_reader),
    cmocka_unit_test(test_no_connection),
    cmocka_unit_test(test_too_late),
    cmocka_unit_test(test_broken_connection),
    cmocka_unit_test(test_other_kinds),
    cmocka_unit_test(test_control_bytes_of_the_server_are_blanked),
    cmocka_unit_test(test_certificate),
};

UNIT_MAIN(tests)
