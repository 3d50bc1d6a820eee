/* SPDX-License-Identifier: MIT */
/* A new run out of a point of another: fold up to there, go back to what its checkpoint covers, write it down
 * anew. */
#include "core/run/fork.h"

#include "core/base/file.h"
#include "core/run/attachment.h"
#include "core/run/conversation.h"
#include "core/run/journal.h"
#include "core/run/object.h"
#include "core/run/origin.h"
#include "core/run/state.h"
#include "core/tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ITEM_MAX  (256 * 1024 * 1024)
#define ARENA_MAX (64 * 1024 * 1024)

struct fork {
    const struct run_fork *ask;
    struct run_state state;
    char line[DIGEST_HEX]; /* of the last record that belongs to the point */
    struct record_checkpoint *checkpoints;
    size_t count, cap;
    struct arena arena; /* texts of these */
    struct run_folder *folder;
    struct journal *journal;
};

/* ---- the point ---- */

static const char *keep_text(struct fork *f, const char *text)
{
    return text ? arena_text(&f->arena, text) : NULL;
}

static int keep_checkpoint(struct fork *f, const struct record_checkpoint *rec, struct err *err)
{
    struct record_checkpoint *c, *more = f->checkpoints;
    struct record_text *pruned = arena_alloc(&f->arena, (rec->pruned_count + 1) * sizeof(*pruned));

    if (f->count == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 16;
        more = realloc(f->checkpoints, f->cap * sizeof(*more));
    }
    if (!more || !pruned)
        return err_set(err, ERR_INTERNAL, "no memory for a fork");
    f->checkpoints = more;
    c = &more[f->count++];
    *c = *rec;
    c->turn = c->calls = 0; /* of the new run: none */
    c->tree = keep_text(f, rec->tree);
    c->record = keep_text(f, rec->record);
    c->pack = keep_text(f, rec->pack);
    for (size_t i = 0; i < rec->pruned_count; i++)
        pruned[i].text = keep_text(f, rec->pruned[i].text);
    c->pruned = pruned;
    return 0;
}

static int take_record(struct fork *f, struct record *rec, struct buf *object, struct err *err)
{
    int r = journal_resolve(f->ask->from->folder, rec, object, err);

    if (r >= 0)
        r = run_apply(&f->state, rec, err);
    if (r >= 0 && rec->type == RECORD_CHECKPOINT_DONE && !rec->checkpoint.is_same)
        r = keep_checkpoint(f, &rec->checkpoint, err);
    return r;
}

static int fold(struct fork *f, struct err *err)
{
    struct buf object = BUF_INIT(OBJECT_MAX);
    struct journal_reader reader;
    struct record rec;
    int r = journal_open(f->ask->from->folder, &reader, err);

    while (r >= 0 && f->state.seq < f->ask->from->seq && (r = journal_next(&reader, &rec, err)) > 0)
        r = take_record(f, &rec, &object, err);
    memcpy(f->line, reader.chain.prev, sizeof(f->line));
    journal_close(&reader);
    buf_done(&object);
    return r < 0 ? r : 0;
}

/* The same that a resume without its sandbox would do, told to the state by the same records. */
static int go_back(struct run_state *s, struct err *err)
{
    struct record resume = { .type = RECORD_RUN_RESUME, .seq = s->seq, .ms = s->ms };
    struct record lost = resume, back = resume;
    int r;

    if (s->end == RUN_DONE)
        return 0;
    s->is_kept = false;
    s->is_removed = true; /* its sandbox is not ours */
    r = run_apply(s, &resume, err);
    if (r == 0 && s->compaction.is_lost) {
        struct record unsaid = resume;

        unsaid.type = RECORD_COMPACTION_FAILED;
        unsaid.compaction =
            (struct record_compaction){ .turn = s->turn, .code = "interrupted", .will_retry = true };
        r = run_apply(s, &unsaid, err);
    }
    if (r == 0 && s->is_request_lost) {
        lost.type = s->has_begun ? RECORD_REQUEST_END : RECORD_REQUEST_FAILED;
        if (s->has_begun)
            lost.request_end = (struct record_request_end){ .turn = s->turn, .status = "cut" };
        else
            lost.request_failed = (struct record_request_failed){ .turn = s->turn, .will_retry = true };
        r = run_apply(s, &lost, err);
    }
    back.type = RECORD_ROLLBACK;
    back.rollback =
        (struct record_rollback){ .checkpoint = s->checkpoint, .turn = run_state_rollback_turn(s) };
    return r < 0 ? r : run_apply(s, &back, err);
}

/* ---- the new journal ---- */

static int append(struct fork *f, struct record *rec, struct err *err)
{
    return journal_append(f->journal, rec, NULL, err);
}

static int append_begin(struct fork *f, struct err *err)
{
    struct record rec = { .type = RECORD_RUN_BEGIN };
    struct run_origin origin;

    run_origin_begin(&origin, f->ask->spec, f->folder, f->ask->program, &rec.run_begin);
    rec.run_begin.parent = f->state.id;
    rec.run_begin.parent_seq = (int64_t) f->state.seq;
    rec.run_begin.parent_line = f->line;
    rec.run_begin.parent_calls = f->state.call_total;
    return append(f, &rec, err);
}

static int append_item(struct fork *f, struct span item, bool is_history, struct err *err)
{
    struct record rec = { .type = RECORD_INPUT_ITEM };

    rec.input_item.is_history = is_history;
    rec.input_item.item.json = item;
    return append(f, &rec, err);
}

/* Said after the turn that is meant; none of its calls has begun. */
static bool is_later(const struct fork *f, int64_t turn)
{
    return f->ask->from->is_turn && turn > f->ask->from->turn;
}

/* A turn whose calls were asked for, and none was answered or has done what cannot be undone: the model is
 * asked again, as if it had not. */
static bool is_unanswered(const struct run_state *s)
{
    for (size_t i = 0; i < s->call_count; i++)
        if (s->calls[i].phase == RUN_CALL_ANSWERED || s->calls[i].has_left)
            return false;
    return s->phase == RUN_TURN_CLOSED && run_state_has_calls(s);
}

static bool is_left_out(const struct fork *f, const struct run_item *item)
{
    return is_later(f, item->turn) || (is_unanswered(&f->state) && item->kind != RUN_ITEM_INPUT &&
                                       item->kind != RUN_ITEM_SUMMARY && item->turn == f->state.turn);
}

/* Reasoning, and what a server made of a conversation, may be readable for the model that thought it only. */
static bool is_foreign(const struct fork *f, const struct run_item *item)
{
    const struct run_state *s = &f->state;

    return (item->kind == RUN_ITEM_REASONING || item->kind == RUN_ITEM_COMPACTION) &&
           (!s->model || strcmp(s->model, f->ask->spec->model.name) != 0);
}

static const struct run_item *item_of_call(const struct run_state *s, int64_t number)
{
    for (size_t i = s->item_count; i > 0; i--)
        if (s->items[i - 1].kind == RUN_ITEM_CALL && s->items[i - 1].call == number)
            return &s->items[i - 1];
    return NULL;
}

static int append_refusal(struct fork *f, const struct run_call *call, struct err *err)
{
    const struct run_item *item = item_of_call(&f->state, call->number);
    struct arena arena = ARENA_INIT(ARENA_MAX);
    struct buf out = BUF_INIT(ITEM_MAX);
    const struct tree *tree;
    int r = item ? json_parse(span_make(item->raw, item->len), &arena, &tree, err)
                 : err_set(err, ERR_INVALID, "call %lld has no item", (long long) call->number);

    if (r == 0)
        r = tool_refuse(
            tree,
            call->has_left ? "This call had begun when the run was forked, and its result is not known. What "
                             "it did outside of the sandbox is not undone: find out before you do it again."
                           : "This call was not run: the run was forked before it.",
            &out, err);
    if (r == 0)
        r = append_item(f, buf_span(&out), true, err);
    buf_done(&out);
    arena_done(&arena);
    return r;
}

static int append_answer(struct fork *f, const struct run_call *call, struct err *err)
{
    if (call->phase != RUN_CALL_ANSWERED)
        return append_refusal(f, call, err);
    return append_item(f, span_make(call->answer.raw, call->answer.len), true, err);
}

static int append_task(struct fork *f, struct err *err)
{
    struct buf item = BUF_INIT(ITEM_MAX);
    int r = attachment_user_item(&item, f->ask->task, NULL, 0, err);

    if (r == 0)
        r = append_item(f, buf_span(&item), false, err);
    buf_done(&item);
    return r;
}

/* What the model was told of the workspace is not told again. */
static int append_looked(struct fork *f, struct err *err)
{
    const struct run_state *s = &f->state;
    struct record_looked looked[RECORD_LIST_MAX];
    struct record rec = { .type = RECORD_CONTEXT_DONE };
    int r = 0;

    rec.context.looked = looked;
    for (size_t i = 0; i < s->context.looked_count && r == 0; i++) {
        const struct run_looked *from = &s->context.looked[i];

        if (from->at == 0 || from->at > s->item_count || !is_left_out(f, &s->items[from->at - 1]))
            looked[rec.context.looked_count++] =
                (struct record_looked){ .folder = from->folder, .shown = from->shown, .size = from->shown };
        if (rec.context.looked_count < RECORD_LIST_MAX)
            continue;
        r = append(f, &rec, err);
        rec.context.looked_count = 0;
    }
    return r == 0 && rec.context.looked_count > 0 ? append(f, &rec, err) : r;
}

static bool is_skipped(const void *data, const struct run_item *item)
{
    return is_foreign(data, item) || is_left_out(data, item);
}

/* As it would be sent: what a summary has replaced, as far as that belongs to the point, stays behind. */
static int append_items(struct fork *f, struct err *err)
{
    const struct run_state *s = &f->state;
    size_t *view = calloc(s->item_count + 1, sizeof(*view)), count;
    int r = view ? 0 : err_set(err, ERR_INTERNAL, "no memory for a fork");

    count = view ? conversation_view(s->items, s->item_count, is_skipped, f, view) : 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct run_item *item = &s->items[view[i]];

        r = append_item(f, span_make(item->raw, item->len), !item->is_pinned, err);
    }
    free(view);
    return r;
}

static int append_conversation(struct fork *f, struct err *err)
{
    const struct run_state *s = &f->state;
    int r = append_items(f, err);

    if (s->phase == RUN_TURN_CLOSED && run_state_has_calls(s) && !is_later(f, s->turn) && !is_unanswered(s))
        for (size_t i = 0; r == 0 && i < s->call_count; i++)
            r = append_answer(f, &s->calls[i], err);
    if (r == 0 && f->ask->task)
        r = append_task(f, err);
    return r == 0 ? append_looked(f, err) : r;
}

/* ---- its checkpoints ---- */

static int copy_file(int from_dir, int to_dir, const char *name, struct err *err)
{
    if (linkat(from_dir, name, to_dir, name, 0) == 0)
        return 0;
    if (errno == ENOENT)
        return -ERR_NOT_FOUND;
    return file_copy_at(from_dir, name, to_dir, name, 0600, err);
}

/* A file that was pruned later is not there any more: then the new run says so too. */
static int bring_file(struct fork *f, int from_dir, int to_dir, const char *name, struct err *err)
{
    struct record_checkpoint *last = &f->checkpoints[f->count - 1];
    struct record_text *list;
    int r = copy_file(from_dir, to_dir, name, err);

    if (r != -ERR_NOT_FOUND)
        return r;
    for (size_t i = 0; i < f->count; i++)
        for (size_t k = 0; k < f->checkpoints[i].pruned_count; k++)
            if (strcmp(f->checkpoints[i].pruned[k].text, name) == 0)
                return 0;
    list = arena_alloc(&f->arena, (last->pruned_count + 1) * sizeof(*list));
    if (!list || last->pruned_count == RECORD_LIST_MAX)
        return err_set(err, ERR_TOO_LARGE, "too many pruned checkpoints to fork from");
    if (last->pruned_count)
        memcpy(list, last->pruned, last->pruned_count * sizeof(*list));
    list[last->pruned_count].text = arena_text(&f->arena, name);
    last->pruned = list;
    last->pruned_count++;
    return 0;
}

static int bring_files(struct fork *f, int from_dir, int to_dir, struct err *err)
{
    char name[64];
    int r = 0;

    for (size_t i = 0; r == 0 && i < f->count; i++) {
        const struct record_checkpoint *c = &f->checkpoints[i];

        snprintf(name, sizeof(name), CHECKPOINT_RECORD_NAME, (long long) c->number);
        r = bring_file(f, from_dir, to_dir, name, err);
        snprintf(name, sizeof(name), CHECKPOINT_PACK_NAME, (long long) c->number);
        if (r == 0 && c->pack)
            r = bring_file(f, from_dir, to_dir, name, err);
    }
    return r < 0 ? r : file_sync_dir(to_dir, err);
}

static int bring_checkpoints(struct fork *f, struct err *err)
{
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    int from_dir, to_dir, r;

    if (!f->count)
        return 0;
    from_dir = openat(f->ask->from->folder->fd, CHECKPOINT_DIR, flags);
    if (from_dir < 0)
        return err_errno(err, ERR_IO, "checkpoints of run '%s'", f->ask->from->folder->id);
    to_dir =
        mkdirat(f->folder->fd, CHECKPOINT_DIR, 0700) < 0 ? -1 : openat(f->folder->fd, CHECKPOINT_DIR, flags);
    if (to_dir < 0)
        r = err_errno(err, ERR_IO, "making folder '%s' of run '%s'", CHECKPOINT_DIR, f->folder->id);
    else
        r = bring_files(f, from_dir, to_dir, err);
    (void) close(from_dir);
    if (to_dir >= 0)
        (void) close(to_dir);
    return r;
}

static int append_checkpoints(struct fork *f, struct err *err)
{
    struct record rec = { .type = RECORD_CHECKPOINT_DONE };
    int r = 0;

    for (size_t i = 0; r == 0 && i < f->count; i++) {
        rec.checkpoint = f->checkpoints[i];
        r = append(f, &rec, err);
    }
    if (r == 0 && !f->count && f->state.has_checkpoint) { /* the empty workspace */
        rec.checkpoint = (struct record_checkpoint){ .is_same = true };
        r = append(f, &rec, err);
    }
    return r;
}

/* ---- all of it ---- */

static int check(const struct fork *f, struct err *err)
{
    const struct run_state *s = &f->state;

    if (f->ask->task || s->phase != RUN_TURN_CLOSED || run_state_has_calls(s) || is_later(f, s->turn))
        return 0;
    (void) err_set(err, ERR_USAGE, "run '%s' has its answer at this point: a fork of it needs a task", s->id);
    return err_hint(err, "`agentbox fork %s -- TASK`, or an earlier point such as %s@turn:1", s->id, s->id);
}

static int write_folder(struct fork *f, struct err *err)
{
    int r = run_folder_save(f->folder, RUN_MANIFEST, span_of(f->ask->spec->resolved), err);

    if (r == 0)
        r = bring_checkpoints(f, err);
    if (r == 0)
        r = journal_create_hidden(f->folder, &f->journal, err);
    if (r == 0)
        r = append_begin(f, err);
    if (r == 0)
        r = append_conversation(f, err);
    if (r == 0)
        r = append_checkpoints(f, err);
    if (r == 0)
        r = journal_publish(f->journal, err);
    return r;
}

int run_fork(const struct run_fork *fork, struct run_folder **ret, struct err *err)
{
    struct fork f = { .ask = fork };
    int r;

    arena_init(&f.arena, ARENA_MAX);
    run_state_init(&f.state);
    r = fold(&f, err);
    if (r == 0)
        r = go_back(&f.state, err);
    if (r == 0)
        r = check(&f, err);
    if (r == 0)
        r = run_folder_create(&f.folder, err);
    if (r == 0)
        r = write_folder(&f, err);
    if (r < 0 && f.folder)
        (void) run_folder_remove(f.folder, NULL); /* an empty one is no harm */
    journal_free(f.journal);
    run_state_done(&f.state);
    arena_done(&f.arena);
    free(f.checkpoints);
    if (r < 0)
        run_folder_free(f.folder);
    else
        *ret = f.folder;
    return r;
}
