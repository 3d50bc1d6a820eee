/* SPDX-License-Identifier: MIT */
/* An archive into a named volume, through a helper that never starts. */
#include "oci/volume_fill.h"

#include "core/base/cleanup.h"
#include "core/base/digest.h"
#include "core/base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARCHIVE_MAX (16 * 1024 * 1024)

enum fill_state { FILL_VOLUME, FILL_HELPER, FILL_PUT, FILL_REMOVE };

struct volume_fill {
    struct engine *engine;
    struct engine_call *call;
    enum fill_state state;
    struct buf volume_body, helper_body, archive;
    char id[ENGINE_ID]; /* of the helper */
    char put_at[400];   /* encoded */
    char mountpoint[512];
    int result; /* of the filling, while the helper is removed */
    volume_fill_fn *fn;
    void *data;
    struct err err;
};

static void put_labels(struct json_writer *w, const struct lockdown_label *labels, size_t count)
{
    json_key(w, "Labels");
    json_object(w);
    for (size_t i = 0; i < count; i++)
        json_put_string(w, labels[i].name, labels[i].value);
    json_object_end(w);
}

static int write_volume(const struct volume_fill_request *req, const struct engine_kind *kind,
                        struct buf *out, struct err *err)
{
    struct json_writer w;
    char size[40];

    json_begin(&w, out);
    json_object(&w);
    json_put_string(&w, "Name", req->volume);
    json_put_string(&w, "Driver", "local");
    if (req->size_bytes > 0) {
        snprintf(size, sizeof(size), "%s%lld", kind->has_size_in_o ? "size=" : "",
                 (long long) req->size_bytes);
        json_key(&w, "DriverOpts");
        json_object(&w);
        json_put_string(&w, kind->has_size_in_o ? "o" : "size", size);
        json_object_end(&w);
    }
    put_labels(&w, req->volume_labels, req->volume_label_count);
    json_object_end(&w);
    return json_end(&w, err);
}

static void put_mount(struct json_writer *w, const struct volume_fill_request *req)
{
    json_key(w, "Mounts");
    json_array(w);
    json_object(w);
    json_put_string(w, "Type", "volume");
    json_put_string(w, "Source", req->volume);
    json_put_string(w, "Target", req->target);
    json_key(w, "VolumeOptions");
    json_object(w);
    json_put_bool(w, "NoCopy", true);
    json_object_end(w);
    json_object_end(w);
    json_array_end(w);
}

static int write_helper(const struct volume_fill_request *req, struct buf *out, struct err *err)
{
    struct json_writer w;

    json_begin(&w, out);
    json_object(&w);
    json_put_string(&w, "Image", req->image);
    json_key(&w, "Entrypoint");
    json_array(&w);
    json_string(&w, LOCKDOWN_GUEST);
    json_array_end(&w);
    json_put_bool(&w, "NetworkDisabled", true);
    put_labels(&w, req->labels, req->label_count);
    json_key(&w, "HostConfig");
    json_object(&w);
    json_put_string(&w, "NetworkMode", "none");
    put_mount(&w, req);
    json_object_end(&w);
    json_object_end(&w);
    return json_end(&w, err);
}

static void on_answer(void *data, int result, const struct engine_answer *answer, const struct err *err);

static int ask(struct volume_fill *fill, const struct engine_request *req)
{
    engine_call_free(fill->call);
    fill->call = NULL;
    return engine_start(fill->engine, req, on_answer, fill, &fill->call, &fill->err);
}

static int start_state(struct volume_fill *fill, enum fill_state state)
{
    char path[512];
    struct engine_request req = { .path = path };
    uint64_t number;

    fill->state = state;
    switch (state) {
    case FILL_VOLUME:
        snprintf(path, sizeof(path), "/volumes/create");
        req.body = buf_span(&fill->volume_body);
        break;
    case FILL_HELPER:
        random_bytes(&number, sizeof(number));
        snprintf(path, sizeof(path), "/containers/create?name=agentbox-fill-%016llx",
                 (unsigned long long) number);
        req.body = buf_span(&fill->helper_body);
        break;
    case FILL_PUT:
        snprintf(path, sizeof(path), "/containers/%s/archive?path=%s", fill->id, fill->put_at);
        req.method = "PUT";
        req.body = buf_span(&fill->archive);
        req.content_type = "application/x-tar";
        break;
    case FILL_REMOVE:
        snprintf(path, sizeof(path), "/containers/%s?force=1&v=1", fill->id);
        req.method = "DELETE";
        break;
    }
    return ask(fill, &req);
}

static void finish(struct volume_fill *fill, int result)
{
    fill->fn(fill->data, result, result < 0 ? &fill->err : NULL);
}

static void on_answer(void *data, int result, const struct engine_answer *answer, const struct err *err)
{
    struct volume_fill *fill = data;
    enum fill_state state = fill->state;
    int r = result;

    if (r < 0 && state != FILL_REMOVE)
        fill->err = *err;
    if (state == FILL_REMOVE) { /* its failure is gc's matter */
        finish(fill, fill->result);
        return;
    }
    if (state == FILL_VOLUME && r >= 0)
        snprintf(fill->mountpoint, sizeof(fill->mountpoint), "%s",
                 tree_string(tree_get(answer->tree, "Mountpoint"), ""));
    if (state == FILL_HELPER && r >= 0)
        r = engine_read_id(answer->tree, fill->id, &fill->err);
    if (state == FILL_PUT) {
        fill->result = r;
        r = 0;
    }
    if (r >= 0)
        r = start_state(fill, (enum fill_state)(state + 1));
    if (r < 0)
        finish(fill, r);
}

static int copy_request(struct volume_fill *fill, const struct volume_fill_request *req, struct err *err)
{
    struct buf put_at = BUF_INIT(sizeof(fill->put_at) - 1);
    int r = engine_escape(&put_at, req->put_at, true);

    if (r >= 0)
        r = buf_add_span(&fill->archive, req->archive);
    snprintf(fill->put_at, sizeof(fill->put_at), "%s", buf_text(&put_at));
    buf_done(&put_at);
    if (r < 0)
        return err_set(err, -r, "what is to be put into volume '%s' is too large", req->volume);
    r = write_volume(req, engine_kind(fill->engine), &fill->volume_body, err);
    return r < 0 ? r : write_helper(req, &fill->helper_body, err);
}

int volume_fill_start(struct engine *engine, const struct volume_fill_request *req, volume_fill_fn *fn,
                      void *data, struct volume_fill **ret, struct err *err)
{
    struct volume_fill *fill = calloc(1, sizeof(*fill));
    int r;

    if (!fill)
        return err_set(err, ERR_INTERNAL, "no memory to fill a volume");
    fill->engine = engine;
    fill->fn = fn;
    fill->data = data;
    buf_init(&fill->volume_body, 64 * 1024);
    buf_init(&fill->helper_body, 64 * 1024);
    buf_init(&fill->archive, ARCHIVE_MAX);
    r = copy_request(fill, req, err);
    if (r >= 0) {
        r = start_state(fill, FILL_VOLUME);
        if (r < 0)
            *err = fill->err;
    }
    if (r < 0) {
        volume_fill_free(fill);
        return r;
    }
    *ret = fill;
    return 0;
}

const char *volume_fill_mountpoint(const struct volume_fill *fill)
{
    return fill->mountpoint;
}

void volume_fill_free(struct volume_fill *fill)
{
    if (!fill)
        return;
    engine_call_free(fill->call);
    buf_done(&fill->volume_body);
    buf_done(&fill->helper_body);
    buf_done(&fill->archive);
    free(fill);
}
