/* SPDX-License-Identifier: MIT */
/*
 * HTTP calls on libcurl's multi interface, driven by the loop.
 *
 * libcurl forbids to add or remove a handle from inside its own callbacks, and
 * owners do both. So new calls wait in http->starting until the timer of the
 * client fires, and calls freed inside a callback wait in http->dying until
 * libcurl has returned. The end of a call is told from the timer of that call.
 */
#include "core/base/http_call.h"

#include "core/base/clock.h"
#include "core/base/http_fault.h"
#include "core/base/http_request.h"
#include "core/base/http_sockets.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_MS_DEFAULT  10000
#define CONNECTIONS_KEPT    8
#define UPLOAD_BUFFER_BYTES 16384
#define HTTP_URL_MAX        65536
#define HTTP_ADDRESS_MAX    64

enum call_state {
    CALL_NEW,
    CALL_STARTING, /* in http->starting */
    CALL_RUNNING,  /* in the multi handle */
    CALL_ENDED,    /* its timer will tell the owner */
    CALL_TOLD,
};

struct http_call {
    struct http *http;
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist *places; /* where to connect to, if that is given */
    struct loop_source *timer;
    struct http_call_ops ops;
    void *owner;
    struct http_call *next; /* in starting or dying */
    enum call_state state;
    bool is_in_multi, is_canceled, is_tls;
    bool is_connect_only, owns_fd;
    int refused;      /* negative: the owner broke it off, with this code */
    curl_socket_t fd; /* connect_only: of the connection that stands */
    CURLcode code;
    int64_t started_ms, connect_ms, total_ms;
    char *target, *host, *resource;
    char *tls_ca; /* NULL: the system's */
    char trouble[CURL_ERROR_SIZE];
};

struct http {
    struct loop *loop;
    CURLM *multi;
    struct loop_source *timer;
    struct http_sockets sockets;
    struct http_call *starting, *dying;
    size_t calls;
    bool is_in_curl;
    char *ca_file, *ca_dir; /* see http_request_authorities() */
};

/* ---- the multi handle on the loop ---- */

static void wake(struct http *http)
{
    (void) loop_timer_set(http->timer, 0, NULL); /* fails only for a timer being closed */
}

static void call_release(struct http_call *call)
{
    struct http *http = call->http;

    if (call->is_in_multi)
        (void) curl_multi_remove_handle(http->multi, call->easy);
    if (call->owns_fd)
        (void) close(call->fd);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->places);
    free(call->target);
    free(call->host);
    free(call->resource);
    free(call->tls_ca);
    free(call);
    http->calls--;
}

static void call_end(struct http_call *call, CURLcode code)
{
    call->code = code;
    call->state = CALL_ENDED;
    (void) loop_timer_set(call->timer, 0, NULL);
}

static void collect_ends(struct http *http)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(http->multi, &left)) != NULL) {
        char *private = NULL;
        struct http_call *call;

        (void) curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
        call = (struct http_call *) (void *) private;
        if (!call->is_canceled)
            call_end(call, msg->data.result);
    }
}

static void start_waiting(struct http *http)
{
    while (http->starting) {
        struct http_call *call = http->starting;

        http->starting = call->next;
        call->next = NULL;
        call->state = CALL_RUNNING;
        if (curl_multi_add_handle(http->multi, call->easy) == CURLM_OK)
            call->is_in_multi = true;
        else
            call_end(call, CURLE_OUT_OF_MEMORY); /* the only failure there is for a fresh handle */
    }
}

static void drive(struct http *http, curl_socket_t fd, int mask)
{
    int running;

    http->is_in_curl = true;
    (void) curl_multi_socket_action(http->multi, fd, mask, &running); /* ends are told by messages */
    http->is_in_curl = false;
    collect_ends(http);
    while (http->dying) {
        struct http_call *call = http->dying;

        http->dying = call->next;
        call_release(call);
    }
    if (http->starting)
        wake(http);
}

static void on_http_timer(void *data)
{
    struct http *http = data;
    long after_ms = -1;

    start_waiting(http);
    drive(http, CURL_SOCKET_TIMEOUT, 0);
    /* libcurl does not repeat a time it has told before, so a timer that fired early would be the last */
    if (!http->starting && curl_multi_timeout(http->multi, &after_ms) == CURLM_OK && after_ms >= 0)
        (void) loop_timer_set(http->timer, after_ms > 0 ? after_ms : 1, NULL);
}

static int on_curl_timer(CURLM *multi, long after_ms, void *data)
{
    struct http *http = data;

    if (http->starting)
        after_ms = 0;
    return loop_timer_set(http->timer, after_ms, NULL) < 0 ? -1 : 0;
}

static void on_socket(void *data, int fd, unsigned events)
{
    int mask = 0;

    if (events & LOOP_READ)
        mask |= CURL_CSELECT_IN;
    if (events & LOOP_WRITE)
        mask |= CURL_CSELECT_OUT;
    if (events & LOOP_HANGUP)
        mask |= CURL_CSELECT_ERR;
    drive(data, fd, mask);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *known)
{
    struct http *http = data;
    struct http_socket *watched = known;
    unsigned events = 0;

    if (what == CURL_POLL_REMOVE) {
        http_sockets_forget(&http->sockets, fd);
        return 0;
    }
    if (what & CURL_POLL_IN)
        events |= LOOP_READ;
    if (what & CURL_POLL_OUT)
        events |= LOOP_WRITE;
    if (watched)
        return http_socket_change(watched, events) < 0 ? -1 : 0;
    watched = http_sockets_add(&http->sockets, fd, events);
    return watched && curl_multi_assign(http->multi, fd, watched) == CURLM_OK ? 0 : -1;
}

/* ---- the client ---- */

static bool set_multi(struct http *http)
{
    CURLM *m = http->multi;

    return curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_curl_socket) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_SOCKETDATA, http) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_curl_timer) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_TIMERDATA, http) == CURLM_OK &&
           curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, (long) CONNECTIONS_KEPT) == CURLM_OK;
}

int http_new(struct loop *loop, struct http **ret, struct err *err)
{
    struct http *http = calloc(1, sizeof(*http));
    int r;

    if (!http)
        return err_set(err, ERR_INTERNAL, "no memory for the HTTP client");
    http->loop = loop;
    http_sockets_init(&http->sockets, loop, on_socket, http);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(http);
        return err_set(err, ERR_INTERNAL, "libcurl does not start");
    }
    r = loop_timer(loop, -1, on_http_timer, http, &http->timer, err);
    if (r == 0) {
        http->multi = curl_multi_init();
        if (!http->multi || !set_multi(http))
            r = err_set(err, ERR_INTERNAL, "no memory for the HTTP client");
        else
            r = http_request_authorities(&http->ca_file, &http->ca_dir, err);
    }
    if (r < 0) {
        http_free(http);
        return r;
    }
    *ret = http;
    return 0;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    assert(http->calls == 0 && !http->is_in_curl);
    (void) curl_multi_cleanup(http->multi); /* NULL is fine; takes its sockets off the loop */
    http_sockets_done(&http->sockets);
    loop_source_free(http->timer);
    free(http->ca_file);
    free(http->ca_dir);
    curl_global_cleanup();
    free(http);
}

struct loop *http_loop(const struct http *http)
{
    return http->loop;
}

/* ---- libcurl's callbacks of one call ---- */

static size_t pass(struct http_call *call, int (*fn)(void *owner, struct span bytes), struct span bytes)
{
    int r;

    if (call->is_canceled || call->refused < 0)
        return 0;
    r = fn(call->owner, bytes);
    if (r < 0 && !call->is_canceled)
        call->refused = r;
    return r < 0 || call->is_canceled ? 0 : bytes.len;
}

static size_t on_curl_header(char *ptr, size_t size, size_t count, void *data)
{
    struct http_call *call = data;

    return pass(call, call->ops.on_line, span_make(ptr, size * count));
}

static size_t on_curl_body(char *ptr, size_t size, size_t count, void *data)
{
    struct http_call *call = data;

    return size * count == 0 ? 0 : pass(call, call->ops.on_body, span_make(ptr, size * count));
}

static enum http_fault_kind fault_kind(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return HTTP_FAULT_HOST;
    case CURLE_COULDNT_CONNECT:
        return HTTP_FAULT_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_FAULT_TIMEOUT;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return HTTP_FAULT_BROKEN;
    case CURLE_OUT_OF_MEMORY:
        return HTTP_FAULT_MEMORY;
    case CURLE_URL_MALFORMAT:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return HTTP_FAULT_INPUT;
    case CURLE_PEER_FAILED_VERIFICATION:
        return HTTP_FAULT_CERTIFICATE;
    default:
        return HTTP_FAULT_PROTOCOL;
    }
}

static void fail_call(struct http_call *call, struct err *err)
{
    struct http_fault fault = {
        .kind = call->refused < 0 ? HTTP_FAULT_REFUSED : fault_kind(call->code),
        .refused = call->refused,
        .target = call->target,
        .words = call->trouble,
        .general = curl_easy_strerror(call->code),
        .tls_ca = call->tls_ca,
        .elapsed_ms = clock_mono_ms() - call->started_ms,
        .connect_ms = call->connect_ms,
        .total_ms = call->total_ms,
    };

    (void) curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &fault.errnum); /* 0 stays: none known */
    (void) curl_easy_getinfo(call->easy, CURLINFO_SSL_VERIFYRESULT, &fault.verdict);
    (void) http_fault_tell(&fault, err);
}

/* A connection that merely stands is idle to libcurl: it stays in the pool and is closed there when it is two
 * minutes old, with newer versions also when bytes wait in it while another one is made. So it is taken out,
 * and is ours alone from here on. With TLS all bytes go through libcurl, which knows from the first of them
 * that it is in use. */
static void take_socket(struct http_call *call, struct err *err)
{
    (void) curl_easy_getinfo(call->easy, CURLINFO_ACTIVESOCKET, &call->fd); /* stays bad when there is none */
    if (call->is_tls || call->fd == CURL_SOCKET_BAD)
        return;
    call->fd = fcntl(call->fd, F_DUPFD_CLOEXEC, 0);
    if (call->fd < 0) {
        (void) err_errno(err, ERR_IO, "connecting to '%s'", call->target);
        return;
    }
    call->owns_fd = true;
    call->is_in_multi = false;
    (void) curl_multi_remove_handle(call->http->multi, call->easy); /* closes its own */
}

static void on_call_timer(void *data)
{
    struct http_call *call = data;
    struct err err = { 0 };

    if (call->state != CALL_ENDED)
        return;
    call->state = CALL_TOLD;
    if (call->code != CURLE_OK)
        fail_call(call, &err);
    else if (call->is_connect_only)
        take_socket(call, &err);
    call->ops.on_end(call->owner, err.code ? &err : NULL);
}

/* ---- what is asked ---- */

static void free_url(CURLU **url)
{
    curl_url_cleanup(*url);
}

static void free_part(char **part)
{
    curl_free(*part);
}

#define URL_PART(name) __attribute__((cleanup(free_part))) char *name = NULL

static char *join(const char *a, const char *between, const char *b)
{
    struct buf out = BUF_INIT(HTTP_URL_MAX);

    if (buf_printf(&out, "%s%s%s", a, b ? between : "", b ? b : "") < 0)
        buf_done(&out);
    return out.data;
}

/* Take the URL apart: error texts name the target, an upgrade writes its own request line. */
static int read_url(struct http_call *call, const struct http_request *req, struct err *err)
{
    __attribute__((cleanup(free_url))) CURLU *url = curl_url();
    URL_PART(scheme);
    URL_PART(host);
    URL_PART(port);
    URL_PART(path);
    URL_PART(query);

    if (!url || curl_url_set(url, CURLUPART_URL, req->url, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK ||
        (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        return err_set(err, ERR_INVALID, "not an http:// or https:// URL");
    (void) curl_url_get(url, CURLUPART_PORT, &port, 0); /* both may be absent */
    (void) curl_url_get(url, CURLUPART_QUERY, &query, 0);
    call->is_tls = strcmp(scheme, "https") == 0;
    call->host = join(host, ":", port);
    call->resource = join(path, "?", query);
    if (call->host)
        call->target = req->unix_path ? join("unix", "://", req->unix_path) : join(scheme, "://", call->host);
    if (!call->target || !call->resource)
        return err_set(err, ERR_INVALID, "a URL is longer than %d bytes", HTTP_URL_MAX);
    return 0;
}

static const struct {
    CURLoption option;
    long value;
} easy_numbers[] = {
    { CURLOPT_NOSIGNAL, 1 },
    { CURLOPT_NOPROGRESS, 1 },
    { CURLOPT_FOLLOWLOCATION, 0 },
    { CURLOPT_NETRC, CURL_NETRC_IGNORED },
    { CURLOPT_TCP_KEEPALIVE, 1 },
    { CURLOPT_TCP_NODELAY, 1 },
    { CURLOPT_SUPPRESS_CONNECT_HEADERS, 1 },
    { CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES },
    { CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
};

static bool set_number(CURL *easy, CURLoption option, int64_t value)
{
    return (curl_easy_setopt) (easy, option, (long) value) == CURLE_OK;
}

static bool set_pointer(CURL *easy, CURLoption option, const void *value)
{
    return (curl_easy_setopt) (easy, option, value) == CURLE_OK;
}

static bool set_tls(struct http_call *call, const struct http_request *req)
{
    const struct http *http = call->http;
    CURL *easy = call->easy;

    if (req->tls_ca) {
        call->tls_ca = strdup(req->tls_ca);
        if (!call->tls_ca)
            return false;
        (void) set_pointer(easy, CURLOPT_CAPATH, NULL); /* not every TLS library has it */
        return set_pointer(easy, CURLOPT_CAINFO, req->tls_ca);
    }
    if (http->ca_file)
        return set_pointer(easy, CURLOPT_CAINFO, http->ca_file) &&
               (!http->ca_dir || set_pointer(easy, CURLOPT_CAPATH, http->ca_dir));
    if (http->ca_dir && set_pointer(easy, CURLOPT_CAPATH, http->ca_dir))
        return set_pointer(easy, CURLOPT_CAINFO, NULL);
    return true;
}

/* For one connection: nothing of it stays in libcurl's own memory of names. */
static bool set_address(struct http_call *call, const char *address)
{
    char text[HTTP_ADDRESS_MAX];

    if (!address)
        return true;
    (void) snprintf(text, sizeof(text), strchr(address, ':') ? "::[%s]:" : "::%s:", address);
    call->places = curl_slist_append(NULL, text);
    return call->places && set_pointer(call->easy, CURLOPT_CONNECT_TO, call->places) &&
           set_pointer(call->easy, CURLOPT_PROXY, "");
}

static bool set_common(struct http_call *call, const struct http_request *req)
{
    CURL *easy = call->easy;

    for (size_t i = 0; i < sizeof(easy_numbers) / sizeof(easy_numbers[0]); i++)
        if (!set_number(easy, easy_numbers[i].option, easy_numbers[i].value))
            return false;
    return set_pointer(easy, CURLOPT_PROTOCOLS_STR, "http,https") &&
           set_pointer(easy, CURLOPT_PRIVATE, call) &&
           set_pointer(easy, CURLOPT_ERRORBUFFER, call->trouble) &&
           set_pointer(easy, CURLOPT_URL, req->url) &&
           set_number(easy, CURLOPT_CONNECTTIMEOUT_MS, call->connect_ms) && set_tls(call, req) &&
           set_address(call, req->address) &&
           (!req->tls_cert || set_pointer(easy, CURLOPT_SSLCERT, req->tls_cert)) &&
           (!req->tls_key || set_pointer(easy, CURLOPT_SSLKEY, req->tls_key)) &&
           (!req->unix_path || (set_pointer(easy, CURLOPT_UNIX_SOCKET_PATH, req->unix_path) &&
                                set_pointer(easy, CURLOPT_PROXY, "")));
}

static bool add_header(struct http_call *call, const char *line)
{
    struct curl_slist *list = curl_slist_append(call->headers, line);

    if (list)
        call->headers = list;
    return list != NULL;
}

static bool set_headers(struct http_call *call, const struct http_request *req)
{
    bool has_type = false;

    for (const char *const *h = req->headers; h && *h; h++) {
        has_type = has_type || strncasecmp(*h, "Content-Type:", 13) == 0;
        if (!add_header(call, *h))
            return false;
    }
    /* a name without value takes out what libcurl would add by itself */
    return add_header(call, "Expect:") && (has_type || add_header(call, "Content-Type:")) &&
           set_pointer(call->easy, CURLOPT_HTTPHEADER, call->headers);
}

static bool set_method(CURL *easy, const struct http_request *req)
{
    const char *method = http_request_method(req);

    if (strcmp(method, "GET") == 0 && !req->body.ptr)
        return true;
    if (strcmp(method, "HEAD") == 0)
        return set_number(easy, CURLOPT_NOBODY, 1);
    if (strcmp(method, "POST") != 0 && !set_pointer(easy, CURLOPT_CUSTOMREQUEST, method))
        return false;
    if (!req->body.ptr && strcmp(method, "POST") != 0 && strcmp(method, "PUT") != 0)
        return true;
    return set_number(easy, CURLOPT_POST, 1) &&
           (curl_easy_setopt) (easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) req->body.len) == CURLE_OK &&
           set_pointer(easy, CURLOPT_COPYPOSTFIELDS, req->body.len > 0 ? req->body.ptr : "");
}

static bool set_exchange(struct http_call *call, const struct http_request *req)
{
    CURL *easy = call->easy;

    return set_headers(call, req) && set_method(easy, req) &&
           set_number(easy, CURLOPT_HTTP_VERSION,
                      call->is_tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1) &&
           set_number(easy, CURLOPT_TIMEOUT_MS, call->total_ms) &&
           curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_curl_header) == CURLE_OK &&
           set_pointer(easy, CURLOPT_HEADERDATA, call) &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_curl_body) == CURLE_OK &&
           set_pointer(easy, CURLOPT_WRITEDATA, call);
}

/* HTTP/1.1 keeps ALPN from choosing another; through a proxy the bytes need a tunnel. */
static bool set_connect_only(CURL *easy)
{
    return set_number(easy, CURLOPT_CONNECT_ONLY, 1) && set_number(easy, CURLOPT_FRESH_CONNECT, 1) &&
           set_number(easy, CURLOPT_HTTPPROXYTUNNEL, 1) &&
           set_number(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
}

/* ---- life of a call ---- */

static int call_init(struct http_call *call, const struct http_request *req, bool connect_only,
                     struct err *err)
{
    int r = http_request_check(req, err);

    if (r == 0)
        r = read_url(call, req, err);
    if (r == 0)
        r = loop_timer(call->http->loop, -1, on_call_timer, call, &call->timer, err);
    if (r < 0)
        return r;
    call->easy = curl_easy_init();
    if (!call->easy || !set_common(call, req) ||
        !(connect_only ? set_connect_only(call->easy) : set_exchange(call, req)))
        return err_set(err, ERR_INTERNAL, "libcurl does not take a request for '%s'", call->target);
    return 0;
}

static void call_start(struct http_call *call)
{
    struct http_call **at = &call->http->starting;

    while (*at)
        at = &(*at)->next;
    *at = call;
    call->state = CALL_STARTING;
    call->started_ms = clock_mono_ms();
    wake(call->http);
}

int http_call_new(struct http *http, const struct http_request *req, bool connect_only,
                  const struct http_call_ops *ops, void *owner, struct http_call **ret, struct err *err)
{
    struct http_call *call = calloc(1, sizeof(*call));
    int r;

    if (!call)
        return err_set(err, ERR_INTERNAL, "no memory for a request");
    http->calls++;
    *call = (struct http_call){
        .http = http,
        .ops = *ops,
        .owner = owner,
        .fd = CURL_SOCKET_BAD,
        .is_connect_only = connect_only,
        .connect_ms = req->connect_ms > 0 ? req->connect_ms : CONNECT_MS_DEFAULT,
        .total_ms = req->total_ms,
    };
    r = call_init(call, req, connect_only, err);
    if (r < 0) {
        http_call_free(call);
        return r;
    }
    call_start(call);
    *ret = call;
    return 0;
}

static void unlink_starting(struct http_call *call)
{
    struct http_call **at = &call->http->starting;

    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
}

void http_call_free(struct http_call *call)
{
    struct http *http;

    if (!call)
        return;
    http = call->http;
    loop_source_free(call->timer);
    call->is_canceled = true;
    if (call->state == CALL_STARTING)
        unlink_starting(call);
    if (!http->is_in_curl) {
        call_release(call);
        return;
    }
    call->next = http->dying;
    http->dying = call;
}

const char *http_call_target(const struct http_call *call)
{
    return call->target;
}

const char *http_call_host(const struct http_call *call)
{
    return call->host;
}

const char *http_call_resource(const struct http_call *call)
{
    return call->resource;
}

int http_call_status(const struct http_call *call)
{
    long status = 0;

    (void) curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status); /* 0 stays: none yet */
    return (int) status;
}

int64_t http_call_uploaded(const struct http_call *call)
{
    curl_off_t bytes = 0;

    (void) curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &bytes); /* 0 stays: none yet */
    return bytes;
}

/* ---- a connection as bytes ---- */

int http_call_fd(const struct http_call *call)
{
    return call->fd;
}

bool http_call_is_tls(const struct http_call *call)
{
    return call->is_tls;
}

static ssize_t fail_bytes(const struct http_call *call, const char *what, CURLcode code, struct err *err)
{
    if (code != CURLE_OK)
        return err_set(err, ERR_IO, "%s '%s': %s", what, call->target, curl_easy_strerror(code));
    return err_errno(err, ERR_IO, "%s '%s'", what, call->target);
}

ssize_t http_call_recv(struct http_call *call, void *ptr, size_t size, struct err *err)
{
    CURLcode code = CURLE_OK;
    size_t got = 0;
    ssize_t n;

    if (call->is_tls) {
        code = curl_easy_recv(call->easy, ptr, size, &got);
        if (code == CURLE_AGAIN)
            return -ERR_TIMEOUT;
        return code == CURLE_OK ? (ssize_t) got : fail_bytes(call, "reading from", code, err);
    }
    do
        n = recv(call->fd, ptr, size, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return -ERR_TIMEOUT;
    return n < 0 ? fail_bytes(call, "reading from", code, err) : n;
}

ssize_t http_call_send(struct http_call *call, const void *ptr, size_t len, struct err *err)
{
    CURLcode code = CURLE_OK;
    size_t sent = 0;
    ssize_t n;

    if (call->is_tls) {
        code = curl_easy_send(call->easy, ptr, len, &sent);
        if (code == CURLE_OK || code == CURLE_AGAIN)
            return (ssize_t) sent;
        return fail_bytes(call, "writing to", code, err);
    }
    do
        n = send(call->fd, ptr, len, 0); /* SIGPIPE is ignored, see loop_new() */
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    return n < 0 ? fail_bytes(call, "writing to", code, err) : n;
}
