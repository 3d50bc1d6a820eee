/* SPDX-License-Identifier: MIT */
/* A run as a statement: one look at the journal for what there is, then one for each list. */
#include "core/run/attest.h"

#include "core/base/clock.h"
#include "core/run/attest_impl.h"
#include "core/run/object.h"
#include "core/run/snapshot.h"
#include "core/run/statement.h"
#include "core/run/view.h"

#include <stdio.h>
#include <string.h>

#define ARENA_MAX          (16 * 1024 * 1024)
#define MANIFEST_ARENA_MAX (256 * 1024 * 1024)

int attest_each(struct attest *a, attest_record_fn *fn)
{
    struct journal_reader reader;
    struct record rec;
    int r = journal_open(a->folder, &reader, a->err);

    while (r >= 0 && a->failed == 0 && (r = journal_next(&reader, &rec, a->err)) > 0)
        fn(a, &rec);
    memcpy(a->head, reader.chain.prev, sizeof(a->head));
    a->records = (int64_t) reader.chain.seq;
    journal_close(&reader);
    return r < 0 ? r : a->failed;
}

/* ---- what there is ---- */

const char *attest_keep(struct attest *a, const char *text)
{
    const char *copy = text ? arena_text(&a->arena, text) : NULL;

    if (text && !copy)
        a->failed = err_set(a->err, ERR_TOO_LARGE, "the names in the journal are too long for a statement");
    return copy;
}

static void take_begin(struct attest *a, const struct record *rec)
{
    const struct record_run_begin *b = &rec->run_begin;

    a->began_ms = rec->time_ms;
    a->begin = *b;
    a->begin.id = attest_keep(a, b->id);
    a->begin.name = attest_keep(a, b->name);
    a->begin.program = attest_keep(a, b->program);
    a->begin.manifest = attest_keep(a, b->manifest);
    a->begin.model = attest_keep(a, b->model);
    a->begin.base_url = attest_keep(a, b->base_url);
    a->begin.parent = attest_keep(a, b->parent);
    a->begin.parent_line = attest_keep(a, b->parent_line);
}

static void take_fact(struct attest *a, const struct record *rec)
{
    switch ((int) rec->type) {
    case RECORD_RUN_BEGIN:
        take_begin(a, rec);
        break;
    case RECORD_SANDBOX_INTENT:
        a->last_intent = rec->seq;
        break;
    case RECORD_SANDBOX_READY:
        a->intent = a->last_intent;
        break;
    case RECORD_WORKSPACE_BEGIN:
        if (rec->workspace.checkpoint == 0)
            a->filled = rec->seq;
        break;
    case RECORD_WORKSPACE_READY:
        if (rec->workspace.checkpoint > 0 && rec->workspace.tree && !a->restored.tree)
            a->restored = (struct record_workspace){ .tree = attest_keep(a, rec->workspace.tree) };
        break;
    case RECORD_OUTPUTS_BEGIN:
        a->collected = rec->seq;
        break;
    case RECORD_RUN_END:
        a->ended_ms = rec->time_ms;
        break;
    default:
        break;
    }
}

static int check_end(const struct attest *a)
{
    const struct run_state *s = &a->state;

    /* when it is done too: its process has more to write until it lets go */
    if (run_folder_is_locked(a->folder)) {
        (void) err_set(a->err, ERR_USAGE, "run '%s' is still running", a->folder->id);
        return err_hint(a->err, "`agentbox logs -f %s` waits for its end", a->folder->id);
    }
    if (s->end == RUN_DONE)
        return 0;
    (void) err_set(a->err, ERR_USAGE, "run '%s' is not done (%s%s%s): it has produced nothing to be attested",
                   a->folder->id, s->end == RUN_ACTIVE ? "crashed" : run_end_name(s->end),
                   s->reason ? ": " : "", s->reason ? s->reason : "");
    return err_hint(a->err, "`agentbox resume %s` goes on with it; `agentbox show %s` says what there is",
                    a->folder->id, a->folder->id);
}

/* ---- the statement ---- */

void attest_resource(struct json_writer *w, const char *name, const char *algorithm, const char *hex)
{
    json_object(w);
    json_put_string(w, "name", name);
    if (!hex)
        return;
    json_key(w, "digest");
    json_object(w);
    json_put_string(w, algorithm, hex);
    json_object_end(w);
}

static int put_list(struct attest *a, const char *name, attest_record_fn *fn)
{
    int r;

    json_key(&a->w, name);
    json_array(&a->w);
    r = attest_each(a, fn);
    json_array_end(&a->w);
    return r;
}

/* As it went to stdout or to the file of --output. */
static int put_message(struct attest *a)
{
    char sha256[DIGEST_HEX];
    int r;

    buf_clear(&a->scratch);
    r = run_state_text(&a->state, &a->scratch, a->err);
    if (r < 0 || a->scratch.len == 0)
        return r;
    if (a->scratch.data[a->scratch.len - 1] != '\n' && buf_add_char(&a->scratch, '\n') < 0)
        return err_set(a->err, ERR_TOO_LARGE, "the final message is too long");
    digest_of(buf_span(&a->scratch), sha256);
    attest_resource(&a->w, "final message", "sha256", sha256);
    json_object_end(&a->w);
    return 0;
}

static int put_subjects(struct attest *a)
{
    int r;

    json_key(&a->w, "subject");
    json_array(&a->w);
    r = a->collected ? attest_each(a, attest_subject) : 0;
    if (r == 0)
        r = put_message(a);
    json_array_end(&a->w);
    return r;
}

static int put_external(struct attest *a)
{
    struct json_writer *w = &a->w;
    int r;

    json_key(w, "externalParameters");
    json_object(w);
    json_put_string(w, "name", a->begin.name);
    json_put_string(w, "manifest", a->begin.manifest);
    json_key(w, "model");
    json_object(w);
    json_put_string(w, "name", a->begin.model);
    json_put_string(w, "baseUrl", a->begin.base_url);
    json_object_end(w);
    r = put_list(a, "resumes", attest_resume);
    json_object_end(w);
    return r;
}

/* A fork begins with another run's conversation and workspace. */
static void put_parent(struct attest *a)
{
    struct json_writer *w = &a->w;
    struct buf uri = BUF_INIT(4096);

    if (!a->begin.parent)
        return;
    attest_resource(w, "parent", "sha256", a->begin.parent_line);
    if (buf_printf(&uri, "urn:agentbox:run:%s:%lld", a->begin.parent, (long long) a->begin.parent_seq) == 0)
        json_put_string(w, "uri", buf_text(&uri));
    json_object_end(w);
    buf_done(&uri);
    if (!a->restored.tree)
        return;
    attest_resource(w, "workspace", "agentbox_tree", a->restored.tree);
    json_object_end(w);
}

static int put_dependencies(struct attest *a)
{
    struct json_writer *w = &a->w;
    int r;

    json_key(w, "resolvedDependencies");
    json_array(w);
    attest_resource(w, "manifest", "sha256", a->begin.manifest);
    json_object_end(w);
    r = attest_each(a, attest_image);
    put_parent(a);
    if (r == 0 && a->filled)
        r = attest_each(a, attest_input);
    json_array_end(w);
    return r;
}

static int put_definition(struct attest *a)
{
    int r;

    json_key(&a->w, "buildDefinition");
    json_object(&a->w);
    json_put_string(&a->w, "buildType", ATTEST_BUILD_TYPE);
    r = put_external(a);
    if (r == 0) {
        json_key(&a->w, "internalParameters");
        json_object(&a->w);
        r = put_list(a, "sandboxes", attest_sandbox);
        attest_egress(a);
        json_object_end(&a->w);
    }
    if (r == 0)
        r = put_dependencies(a);
    json_object_end(&a->w);
    return r;
}

static void put_time(struct json_writer *w, const char *name, int64_t wall_ms)
{
    char text[CLOCK_TEXT];

    clock_text(wall_ms, text);
    json_put_string(w, name, text);
}

/* "agentbox 0.1.0" as a name and its version. */
static void put_builder(struct attest *a)
{
    const char *program = a->begin.program ? a->begin.program : "agentbox", *blank = strchr(program, ' ');
    struct json_writer *w = &a->w;

    json_key(w, "builder");
    json_object(w);
    json_put_string(w, "id", ATTEST_BUILDER);
    json_key(w, "version");
    json_object(w);
    json_key_span(w, span_make(program, blank ? (size_t) (blank - program) : strlen(program)));
    json_string(w, blank ? blank + 1 : "");
    json_object_end(w);
    json_object_end(w);
}

static int put_details(struct attest *a)
{
    struct json_writer *w = &a->w;
    const struct tree *replay = tree_path(a->manifest, "model", "replay", NULL);
    int r;

    json_key(w, "runDetails");
    json_object(w);
    put_builder(a);
    json_key(w, "metadata");
    json_object(w);
    json_put_string(w, "invocationId", a->begin.id);
    put_time(w, "startedOn", a->began_ms);
    put_time(w, "finishedOn", a->ended_ms);
    json_object_end(w);
    json_key(w, "agentbox_model");
    json_object(w);
    json_put_string(w, "name", a->begin.model);
    json_put_bool(w, "recorded", tree_string(replay, NULL)); /* answers of another run took its place */
    r = put_list(a, "responses", attest_response);
    json_object_end(w);
    if (r == 0 && a->state.agents > 0)
        r = put_list(a, "agentbox_agents", attest_agent);
    json_key(w, "agentbox_journal");
    json_object(w);
    json_put_string(w, "head", a->head);
    json_put_int(w, "records", a->records);
    json_object_end(w);
    json_object_end(w);
    return r;
}

static int put_statement(struct attest *a, struct buf *out)
{
    int r, ended;

    json_begin(&a->w, out);
    a->w.is_pretty = true;
    json_object(&a->w);
    json_put_string(&a->w, "_type", ATTEST_TYPE);
    r = put_subjects(a);
    json_put_string(&a->w, "predicateType", ATTEST_PREDICATE);
    json_key(&a->w, "predicate");
    json_object(&a->w);
    if (r == 0)
        r = put_definition(a);
    if (r == 0)
        r = put_details(a);
    json_object_end(&a->w);
    json_object_end(&a->w);
    ended = json_end(&a->w, r < 0 ? NULL : a->err);
    return r < 0 ? r : ended;
}

static int load_manifest(struct attest *a)
{
    int r;

    buf_clear(&a->scratch);
    r = run_folder_load(a->folder, RUN_MANIFEST, &a->scratch, a->err);
    if (r == 0)
        r = json_parse(buf_span(&a->scratch), &a->manifest_arena, &a->manifest, a->err);
    return r < 0 ? err_wrap(a->err, "'%s' of run '%s'", RUN_MANIFEST, a->folder->id) : 0;
}

static int write_all(struct attest *a, struct buf *out)
{
    struct buf plain = BUF_INIT(STATEMENT_MAX);
    int r = attest_each(a, take_fact);

    if (r == 0)
        r = check_end(a);
    if (r == 0)
        r = load_manifest(a);
    if (r == 0)
        r = put_statement(a, &plain);
    if (r == 0 && (json_armor(out, buf_span(&plain)) < 0 || buf_add_char(out, '\n') < 0))
        r = err_set(a->err, ERR_TOO_LARGE, "the statement is larger than %zu bytes", out->max);
    buf_done(&plain);
    return r;
}

int attest_write(struct run_folder *folder, struct buf *out, struct err *err)
{
    struct attest a = {
        .folder = folder,
        .scratch = BUF_INIT(OBJECT_MAX),
        .arena = ARENA_INIT(ARENA_MAX),
        .manifest_arena = ARENA_INIT(MANIFEST_ARENA_MAX),
        .err = err,
    };
    int r = run_fold(folder, &a.state, err);

    if (r == -ERR_NOT_FOUND)
        return err_set(err, ERR_USAGE, "run '%s' never began: there is nothing to be attested", folder->id);
    if (r < 0)
        return r;
    r = write_all(&a, out);
    run_state_done(&a.state);
    buf_done(&a.scratch);
    arena_done(&a.arena);
    arena_done(&a.manifest_arena);
    return r;
}
