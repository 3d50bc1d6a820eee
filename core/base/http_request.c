/* SPDX-License-Identifier: MIT */
/* Checks and bytes of a request. */
#include "core/base/http_request.h"

#include "core/base/cleanup.h"

#include <dirent.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CA_DIR_DEFAULT "/etc/ssl/certs"

static bool has_control(const char *text)
{
    for (; *text; text++)
        if (((unsigned char) *text < 0x20 && *text != '\t') || *text == 0x7f)
            return true;
    return false;
}

int http_request_check(const struct http_request *req, struct err *err)
{
    if (has_control(req->url) || (req->method && has_control(req->method)))
        return err_set(err, ERR_INVALID, "the URL or method of a request holds control bytes");
    for (const char *const *h = req->headers; h && *h; h++)
        if (has_control(*h) || !strchr(*h, ':'))
            return err_set(err, ERR_INVALID, "header '%.*s' of a request is malformed",
                           (int) strcspn(*h, ": \t\r\n"), *h);
    if (req->unix_path && strlen(req->unix_path) >= sizeof(((struct sockaddr_un *) NULL)->sun_path))
        return err_set(err, ERR_INVALID, "socket path '%s' is too long for the system", req->unix_path);
    return 0;
}

const char *http_request_method(const struct http_request *req)
{
    if (req->method)
        return req->method;
    return req->body.ptr ? "POST" : "GET";
}

int http_request_write_upgrade(const struct http_request *req, const char *host, const char *resource,
                               struct buf *out, struct err *err)
{
    int r = buf_printf(out, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n",
                       http_request_method(req), resource, host);

    for (const char *const *h = req->headers; h && *h && r == 0; h++)
        r = buf_printf(out, "%s\r\n", *h);
    if (r == 0)
        r = buf_printf(out, "Content-Length: %zu\r\n\r\n", req->body.len);
    if (r == 0)
        r = buf_add_span(out, req->body);
    return r == 0 ? 0 : err_set(err, ERR_TOO_LARGE, "the request for an upgrade is too large");
}

static bool is_hash_name(const char *name)
{
    return strlen(name) == 10 && strspn(name, "0123456789abcdef") == 8 && strcmp(name + 8, ".0") == 0;
}

/* Some systems have the folder, but with the bundle alone in it. */
static bool is_hashed_folder(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool is_found = false;

    if (!dir)
        return false;
    while (!is_found && (entry = readdir(dir)) != NULL)
        is_found = is_hash_name(entry->d_name);
    (void) closedir(dir);
    return is_found;
}

static char *copy_or_null(const char *text)
{
    return text && *text ? strdup(text) : NULL;
}

int http_request_authorities(char **ret_file, char **ret_dir, struct err *err)
{
    const char *file = getenv("SSL_CERT_FILE"), *dir = getenv("SSL_CERT_DIR");

    if (!(file && *file) && !(dir && *dir) && is_hashed_folder(CA_DIR_DEFAULT))
        dir = CA_DIR_DEFAULT;
    *ret_file = copy_or_null(file);
    *ret_dir = copy_or_null(dir);
    if ((file && *file && !*ret_file) || (dir && *dir && !*ret_dir))
        return err_set(err, ERR_INTERNAL, "no memory for the HTTP client");
    return 0;
}
