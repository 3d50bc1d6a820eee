/* SPDX-License-Identifier: MIT */
/* Records as elements of a statement's lists. */
#include "core/base/number.h"
#include "core/run/attest.h"
#include "core/run/attest_impl.h"
#include "core/run/object.h"
#include "core/run/output_digest.h"
#include "core/run/replay.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES (64 * 1024)

/* ---- outputs ---- */

/* One file of a folder that is an output. */
static int put_member(struct attest *a, const char *folder, struct span line)
{
    struct buf name = BUF_INIT(NAME_MAX_BYTES);
    char sha256[DIGEST_HEX];
    int r = buf_printf(&name, "%s/", folder);

    if (r == 0)
        r = output_list_line(line, sha256, &name, a->err);
    if (r == 0) {
        attest_resource(&a->w, buf_text(&name), "sha256", sha256);
        json_object_end(&a->w);
    }
    buf_done(&name);
    return r;
}

static int put_members(struct attest *a, const struct record_output *o)
{
    struct span rest;
    int r;

    buf_clear(&a->scratch);
    r = object_get(a->folder, o->list, &a->scratch, a->err);
    rest = buf_span(&a->scratch);
    while (r == 0 && rest.len > 0) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t) (end - rest.ptr) : rest.len;

        r = put_member(a, o->path, span_make(rest.ptr, len));
        len += end != NULL;
        rest = span_make(rest.ptr + len, rest.len - len);
    }
    return r;
}

void attest_subject(struct attest *a, const struct record *rec)
{
    const struct record_output *o = &rec->output;

    if (rec->type != RECORD_OUTPUT_DONE || rec->seq < a->collected || o->is_missing || !o->sha256)
        return;
    attest_resource(&a->w, o->path, o->is_folder ? "dirHash" : "sha256", o->sha256);
    json_object_end(&a->w);
    if (o->is_folder && o->list && o->files <= ATTEST_FILES_MAX)
        a->failed = put_members(a, o);
}

/* ---- inputs and image ---- */

void attest_input(struct attest *a, const struct record *rec)
{
    const struct record_input *i = &rec->input;
    struct buf name = BUF_INIT(NAME_MAX_BYTES);
    struct json_writer *w = &a->w;

    if (rec->type != RECORD_INPUT_DONE || rec->seq < a->filled)
        return;
    if (buf_printf(&name, "input %s", i->path) == 0)
        attest_resource(w, buf_text(&name), i->is_folder ? "dirHash" : "sha256", i->sha256);
    else
        attest_resource(w, "input", i->is_folder ? "dirHash" : "sha256", i->sha256);
    json_key(w, "annotations");
    json_object(w);
    if (i->is_mount) {
        json_put_bool(w, "mounted", true);
    } else {
        json_put_int(w, "files", i->files);
        json_put_int(w, "bytes", i->size);
    }
    json_object_end(w);
    json_object_end(w);
    buf_done(&name);
}

/* The hex behind the last "sha256:", NULL when it is none. */
static const char *hex_of(const char *digest)
{
    const char *hex = digest ? strrchr(digest, ':') : NULL;

    return hex && strspn(hex + 1, "0123456789abcdef") == DIGEST_HEX - 1 && !hex[DIGEST_HEX] ? hex + 1 : NULL;
}

/* What a registry knows it by; an image that never was in one has the digest of its configuration only. */
static void put_image(struct json_writer *w, const struct record_sandbox_intent *s)
{
    const char *hex = hex_of(s->image_digest);

    attest_resource(w, s->image, "sha256", hex ? hex : hex_of(s->image_id));
    if (hex)
        json_put_string(w, "uri", s->image_digest);
    json_key(w, "annotations");
    json_object(w);
    json_put_string(w, "digestOf", hex ? "manifest" : "configuration");
    json_put_string(w, "imageId", s->image_id);
    json_object_end(w);
    json_object_end(w);
}

/* That of the sandbox in which the run ended. */
void attest_image(struct attest *a, const struct record *rec)
{
    if (rec->type == RECORD_SANDBOX_INTENT && rec->seq == a->intent)
        put_image(&a->w, &rec->sandbox_intent);
}

/* ---- sandboxes ---- */

static void put_rows(struct json_writer *w, const struct record_sandbox_ready *ready)
{
    json_key(w, "lockDown");
    json_array(w);
    for (size_t i = 0; i < ready->row_count; i++) {
        json_object(w);
        json_put_string(w, "name", ready->rows[i].name);
        json_put_string(w, "state", ready->rows[i].state);
        json_put_string(w, "asked", ready->rows[i].asked);
        json_put_string(w, "found", ready->rows[i].found);
        json_object_end(w);
    }
    json_array_end(w);
}

static bool is_side(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : !a && !b;
}

/* The one that was asked for under this name; NULL: none was, or there is no memory. */
static struct attest_asked *asked_of(struct attest *a, const char *side, bool is_new)
{
    struct attest_asked *asked = a->asked;

    while (asked && !is_side(asked->what.side, side))
        asked = asked->next;
    if (asked || !is_new)
        return asked;
    asked = arena_alloc(&a->arena, sizeof(*asked));
    if (!asked) {
        a->failed = err_set(a->err, ERR_TOO_LARGE, "there are too many sandboxes for a statement");
        return NULL;
    }
    *asked = (struct attest_asked){ .what = { .side = attest_keep(a, side) }, .next = a->asked };
    a->asked = asked;
    return asked;
}

static void take_intent(struct attest *a, const struct record_sandbox_intent *s)
{
    struct attest_asked *asked = asked_of(a, s->side, true);

    if (asked)
        asked->what = (struct record_sandbox_intent){
            .side = asked->what.side,
            .backend = attest_keep(a, s->backend),
            .engine_version = attest_keep(a, s->engine_version),
            .api_version = attest_keep(a, s->api_version),
            .image = attest_keep(a, s->image),
            .image_id = attest_keep(a, s->image_id),
            .image_digest = attest_keep(a, s->image_digest),
        };
}

/* Each time that one was found as it was asked for: a resume finds the same one again. */
void attest_sandbox(struct attest *a, const struct record *rec)
{
    static const struct record_sandbox_intent nothing;
    const struct record_sandbox_ready *ready = &rec->sandbox_ready;
    const struct record_sandbox_intent *asked;
    const struct attest_asked *found;
    struct json_writer *w = &a->w;

    if (rec->type == RECORD_SANDBOX_INTENT || rec->type == RECORD_SIDE_INTENT)
        take_intent(a, &rec->sandbox_intent);
    if (rec->type != RECORD_SANDBOX_READY && rec->type != RECORD_SIDE_READY)
        return;
    found = asked_of(a, ready->side, false);
    asked = found ? &found->what : &nothing;
    json_object(w);
    if (ready->side)
        json_put_string(w, "beside", ready->side);
    json_put_int(w, "attempt", ready->attempt);
    json_put_string(w, "container", ready->container_id);
    json_put_string(w, "guest", ready->guest_build);
    json_put_string(w, "engine", asked->backend);
    json_put_string(w, "engineVersion", asked->engine_version);
    json_put_string(w, "apiVersion", asked->api_version);
    json_put_string(w, "image", asked->image);
    json_put_string(w, "imageId", asked->image_id);
    put_rows(w, ready);
    json_object_end(w);
}

/* ---- the way out ---- */

/* A rule of the resolved manifest, where they stand in their normal form. Of what is injected the name of the
 * header: where the secret came from is the host's business. */
static void put_rule(struct json_writer *w, const struct tree *rule, const char *tool)
{
    const struct tree *methods = tree_get(rule, "methods"), *host = tree_get(rule, "host");
    const char *header = tree_string(tree_path(rule, "inject", "header", NULL), NULL),
               *text = tree_string(host ? host : rule, "");

    json_object(w);
    if (tool)
        json_put_string(w, "tool", tool);
    json_put_span(w, "host", span_make(text, strcspn(text, "?#"))); /* behind it, in a URL, may be a key */
    if (methods) {
        json_key(w, "methods");
        json_array(w);
        tree_each (method, methods)
            json_string(w, tree_string(method, ""));
        json_array_end(w);
    }
    if (header)
        json_put_string(w, "injects", header);
    if (tree_path(rule, "inject", "intercept", NULL)) /* in its normal form there only when it is true */
        json_put_bool(w, "intercepts", true);
    json_object_end(w);
}

static void put_rules(struct json_writer *w, const struct tree *owner, const char *tool)
{
    tree_each (rule, tree_path(owner, "network", "allow", NULL))
        put_rule(w, rule, tool);
}

/* Of tools in sandboxes of their own, and the servers that the harness itself spoke to. A replay let none of
 * it out. */
static void put_tools(struct json_writer *w, const struct tree *manifest)
{
    if (replay_is_path(tree_string(tree_path(manifest, "model", "replay", NULL), "")))
        return;
    tree_each (tool, tree_path(manifest, "agent", "tools", NULL)) {
        const char *name = tree_string(tree_get(tool, "name"), "");

        put_rules(w, tool, name);
        if (tree_get(tool, "url"))
            put_rule(w, tree_get(tool, "url"), name);
    }
}

/* Records of single requests are bounded, and the last sums are those of a process that may have been killed:
 * each knows some that the other does not. A resume sets limits only, so the rules are those of the
 * beginning. */
void attest_egress(struct attest *a)
{
    const struct record_egress_total all = egress_sums_all(&a->state.egress.sums);
    struct json_writer *w = &a->w;

    json_key(w, "egress");
    json_object(w);
    json_key(w, "allow");
    json_array(w);
    put_rules(w, a->manifest, NULL);
    put_tools(w, a->manifest);
    json_array_end(w);
    json_put_int(w, "connections", all.connections);
    json_put_int(w, "requestsAllowed", all.allowed);
    json_put_int(w, "requestsDenied", all.denied);
    json_put_int(w, "bytesUp", all.bytes_up);
    json_put_int(w, "bytesDown", all.bytes_down);
    json_object_end(w);
}

/* ---- what the model said, and resumes ---- */

void attest_response(struct attest *a, const struct record *rec)
{
    const struct record_request_end *e = &rec->request_end;
    struct json_writer *w = &a->w;

    if (rec->type == RECORD_REQUEST_BEGIN)
        snprintf(a->body, sizeof(a->body), "%s", rec->request_begin.body ? rec->request_begin.body : "");
    if (rec->type != RECORD_REQUEST_END)
        return;
    json_object(w);
    json_put_int(w, "turn", e->turn);
    json_put_string(w, "id", e->response_id);
    json_put_string(w, "requestId", e->request_id);
    json_put_string(w, "model", e->model);
    json_put_string(w, "status", e->status);
    json_put_string(w, "requestSha256", a->body[0] ? a->body : NULL);
    json_object_end(w);
}

void attest_resume(struct attest *a, const struct record *rec)
{
    const struct record_run_resume *r = &rec->run_resume;
    struct json_writer *w = &a->w;

    if (rec->type != RECORD_RUN_RESUME)
        return;
    json_object(w);
    json_put_string(w, "program", r->program);
    json_key(w, "set");
    json_array(w);
    for (size_t i = 0; i < r->set_count; i++)
        json_string(w, r->sets[i].text);
    json_array_end(w);
    json_object_end(w);
}

/* One that was interrupted went on, and is told of again. */
void attest_agent(struct attest *a, const struct record *rec)
{
    struct json_writer *w = &a->w;

    if (rec->type != RECORD_AGENT_END || strcmp(rec->agent.state, run_end_name(RUN_INTERRUPTED)) == 0)
        return;
    json_object(w);
    json_put_string(w, "invocationId", rec->agent.id);
    json_put_string(w, "name", rec->agent.name);
    json_put_string(w, "state", rec->agent.state);
    json_put_string(w, "head", rec->agent.line);
    json_object_end(w);
}
