/* SPDX-License-Identifier: MIT */
/* SHA-256 on libcrypto; base64, whose decoder there skips blanks and takes wrong padding; and random bytes of
 * the kernel, since a generator of our own would have to be started first. */
#include "core/base/digest.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#if __has_include(<sys/random.h>)
#include <sys/random.h>
#endif

#include <openssl/evp.h>

#define READ_STEP   65536
#define ENTROPY_MAX 256 /* of one getentropy(3) */

/* EVP_sha256() only names it: who uses that has it looked up anew for each digest, which takes longer than
 * hashing a line of a journal. Never freed. */
static const EVP_MD *sha256;

static void find_sha256(void)
{
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
#endif
    if (!sha256)
        sha256 = EVP_sha256();
}

static const EVP_MD *algorithm(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void) pthread_once(&once, find_sha256);
    return sha256;
}

struct digest {
    EVP_MD_CTX *ctx;
};

struct digest *digest_new(void)
{
    struct digest *d = calloc(1, sizeof(*d));

    if (!d)
        return NULL;
    d->ctx = EVP_MD_CTX_new();
    if (!d->ctx || EVP_DigestInit_ex(d->ctx, algorithm(), NULL) != 1) {
        digest_free(d);
        return NULL;
    }
    return d;
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->ctx);
    free(d);
}

/* Hashing memory cannot fail, so a failure is a broken libcrypto: a digest made up from it would be worse
 * than an end. */
static void must(int result)
{
    assert(result == 1);
    (void) result;
}

void digest_add(struct digest *d, const void *ptr, size_t len)
{
    if (len > 0)
        must(EVP_DigestUpdate(d->ctx, ptr, len));
}

void digest_end(struct digest *d, uint8_t ret[DIGEST_SIZE])
{
    unsigned len = 0;

    must(EVP_DigestFinal_ex(d->ctx, ret, &len));
    assert(len == DIGEST_SIZE);
}

void digest_hex(const uint8_t sum[DIGEST_SIZE], char ret[DIGEST_HEX])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        ret[2 * i] = digits[sum[i] >> 4];
        ret[2 * i + 1] = digits[sum[i] & 15];
    }
    ret[2 * DIGEST_SIZE] = '\0';
}

void digest_of(struct span s, char ret[DIGEST_HEX])
{
    uint8_t sum[DIGEST_SIZE];

    must(EVP_Digest(s.len > 0 ? s.ptr : "", s.len, sum, NULL, algorithm(), NULL));
    digest_hex(sum, ret);
}

int digest_fd(int fd, char ret[DIGEST_HEX], int64_t *ret_size, struct err *err)
{
    struct digest *digest = digest_new();
    uint8_t sum[DIGEST_SIZE];
    char bytes[READ_STEP];
    ssize_t n;

    *ret_size = 0;
    if (!digest)
        return err_set(err, ERR_INTERNAL, "no memory for a digest");
    while ((n = read(fd, bytes, sizeof(bytes))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0) {
            digest_add(digest, bytes, (size_t) n);
            *ret_size += n;
        }
    if (n < 0)
        (void) err_errno(err, ERR_IO, "reading it"); /* before anything else sets errno */
    digest_end(digest, sum);
    digest_free(digest);
    digest_hex(sum, ret);
    return n < 0 ? -ERR_IO : 0;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode_group(const uint8_t *in, size_t len, char out[4])
{
    unsigned bits = (unsigned) in[0] << 16;

    if (len > 1)
        bits |= (unsigned) in[1] << 8;
    if (len > 2)
        bits |= in[2];
    out[0] = alphabet[bits >> 18];
    out[1] = alphabet[bits >> 12 & 63];
    out[2] = len > 1 ? alphabet[bits >> 6 & 63] : '=';
    out[3] = len > 2 ? alphabet[bits & 63] : '=';
}

int base64_encode(struct buf *out, struct span s)
{
    const uint8_t *in = (const uint8_t *) s.ptr;
    char *at;

    if (s.len > SIZE_MAX / 2)
        return -ERR_TOO_LARGE;
    if (s.len == 0)
        return 0;
    at = buf_reserve(out, (s.len + 2) / 3 * 4);
    if (!at)
        return -ERR_TOO_LARGE;
    for (size_t i = 0; i < s.len; i += 3, at += 4)
        encode_group(in + i, s.len - i, at);
    buf_commit(out, (s.len + 2) / 3 * 4);
    return 0;
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters, of which `kept` are not padding, to kept - 1 bytes. The bits that fall away must be 0. */
static bool decode_group(const char *in, size_t kept, char *out)
{
    unsigned bits = 0;

    for (size_t i = 0; i < kept; i++) {
        int value = value_of(in[i]);

        if (value < 0)
            return false;
        bits |= (unsigned) value << (18 - 6 * i);
    }
    for (size_t i = 0; i + 1 < kept; i++)
        out[i] = (char) (bits >> (16 - 8 * i));
    return kept == 4 || (bits & (kept == 2 ? 0xFFFFu : 0xFFu)) == 0;
}

int base64_decode(struct buf *out, struct span s)
{
    size_t padding = 0, len;
    char *at;

    if (s.len % 4 != 0)
        return -ERR_INVALID;
    if (s.len == 0)
        return 0;
    while (padding < 2 && s.ptr[s.len - 1 - padding] == '=')
        padding++;
    len = s.len / 4 * 3 - padding;
    at = buf_reserve(out, len);
    if (!at)
        return -ERR_TOO_LARGE;
    for (size_t i = 0; i < s.len; i += 4, at += 3) {
        if (!decode_group(s.ptr + i, i + 4 == s.len ? 4 - padding : 4, at))
            return -ERR_INVALID;
    }
    buf_commit(out, len);
    return 0;
}

void random_bytes(void *ptr, size_t len)
{
    uint8_t *at = ptr;

    while (len > 0) {
        size_t n = len < ENTROPY_MAX ? len : ENTROPY_MAX;

        must(getentropy(at, n) == 0);
        at += n;
        len -= n;
    }
}
