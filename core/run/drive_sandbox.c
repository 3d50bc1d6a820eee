/* SPDX-License-Identifier: MIT */
/* The driver's side to the sandbox: its start, being attached to again, its end. */
#include "core/base/cleanup.h"
#include "core/run/driver_impl.h"
#include "core/sandbox/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- recording what the sandbox says ---- */

void drive_record_box_failure(struct box *box, enum record_type type, const struct err *why)
{
    struct record rec = { .type = type };

    rec.failure.side = box->side;
    rec.failure.attempt = box->run->state.attempt;
    if (why) {
        rec.failure.code = err_code_name(why->code);
        rec.failure.message = why->text;
        rec.failure.hint = why->hint[0] ? why->hint : NULL;
    }
    (void) run_record(box->run, &rec);
}

void drive_record_failure(struct run *run, enum record_type type, const struct err *why)
{
    drive_record_box_failure(&run->box, type, why);
}

static const char *row_state(enum sandbox_row_state state)
{
    static const char *const names[] = {
        [SANDBOX_ROW_ASKED] = "asked",
        [SANDBOX_ROW_VERIFIED] = "verified",
        [SANDBOX_ROW_LOWERED] = "lowered",
        [SANDBOX_ROW_FAILED] = "failed",
    };

    return names[state];
}

static size_t copy_rows(const struct sandbox_info *info, struct record_row rows[RECORD_LIST_MAX])
{
    size_t count = info->row_count < RECORD_LIST_MAX ? info->row_count : RECORD_LIST_MAX;

    for (size_t i = 0; i < count; i++) {
        const struct sandbox_row *row = &info->rows[i];

        rows[i] = (struct record_row){ row->name, row_state(row->state), row->asked, row->found };
    }
    return count;
}

static void on_step(void *data, const char *step, const char *text)
{
    struct run *run = data;

    if (run->events->on_step && !run->is_over)
        run->events->on_step(run->data, step, text);
}

int drive_record_intent(struct box *box, enum record_type type, const struct sandbox_info *info)
{
    struct record rec = { .type = type };
    struct record_row rows[RECORD_LIST_MAX];

    rec.sandbox_intent = (struct record_sandbox_intent){
        .side = box->side,
        .attempt = box->run->state.attempt,
        .backend = info->backend,
        .engine = info->engine,
        .engine_version = info->engine_version,
        .api_version = info->api_version,
        .image = info->image,
        .image_id = info->image_id,
        .image_digest = info->image_digest,
        .container_name = info->container_name ? info->container_name : "",
        .rows = rows,
        .row_count = copy_rows(info, rows),
    };
    return run_record(box->run, &rec);
}

static void on_intent(void *data, const struct sandbox_info *info)
{
    struct run *run = data;

    if (!run->is_over && drive_record_intent(&run->box, RECORD_SANDBOX_INTENT, info) == 0)
        run_queue(run, EFFECT_PROCEED, 0);
}

void drive_record_scan(struct box *box, enum record_type type, const struct sandbox_scanned *scanned)
{
    struct record rec = { .type = type };
    struct record_text command[RECORD_LIST_MAX];
    size_t count = 0;

    for (; scanned->command[count] && count < RECORD_LIST_MAX; count++)
        command[count].text = scanned->command[count];
    rec.sandbox_scan = (struct record_sandbox_scan){
        .side = box->side,
        .attempt = box->run->state.attempt,
        .image = scanned->image,
        .image_id = scanned->image_id,
        .image_digest = scanned->image_digest,
        .command = command,
        .command_count = count,
        .answer = scanned->answer,
        .exit_status = scanned->exit_status,
        .age_ms = scanned->age_ms,
        .duration_ms = scanned->duration_ms,
        .output = scanned->output,
        .message = scanned->why,
    };
    (void) run_record(box->run, &rec);
}

static void on_scan(void *data, const struct sandbox_scanned *scanned)
{
    struct run *run = data;

    if (!run->is_over)
        drive_record_scan(&run->box, RECORD_SANDBOX_SCAN, scanned);
}

void drive_record_ready(struct box *box, enum record_type type)
{
    struct channel *channel = box_channel(box);
    const struct channel_guest *guest = channel ? channel_guest(channel) : NULL;
    struct record rec = { .type = type };
    struct record_row rows[RECORD_LIST_MAX];
    struct sandbox_info info = { 0 };
    char boot[17] = "";

    sandbox_info(box->sb, &info);
    if (guest)
        snprintf(boot, sizeof(boot), "%016llx", (unsigned long long) guest->boot);
    rec.sandbox_ready = (struct record_sandbox_ready){
        .side = box->side,
        .attempt = box->run->state.attempt,
        .container_id = info.container_id,
        .container_name = info.container_name,
        .guest_boot = boot,
        .guest_build = guest ? guest->build : NULL,
        .rows = rows,
        .row_count = copy_rows(&info, rows),
    };
    (void) run_record(box->run, &rec);
}

/* The engine could not be asked: the container may be there the next time. */
static bool is_unreachable(const struct err *err)
{
    return err->code == ERR_ENGINE || err->code == ERR_TIMEOUT || err->code == ERR_CANCELED;
}

static void trusted(struct box *box, int result, const struct err *err)
{
    struct run *run = box->run;
    bool is_attach = run->state.is_attaching;

    if (run->is_over)
        return;
    if (result < 0) {
        drive_record_failure(
            run, is_attach && !is_unreachable(err) ? RECORD_SANDBOX_LOST : RECORD_SANDBOX_FAILED, err);
        return;
    }
    drive_record_ready(box, RECORD_SANDBOX_READY);
    drive_egress_open(box);
    if (is_attach)
        drive_calls_adopt(run);
}

static void on_ready(void *data, int result, const struct err *err)
{
    struct run *run = data;

    if (run->is_over)
        return;
    if (result < 0)
        trusted(&run->box, result, err);
    else
        drive_trust_start(&run->box);
}

void drive_sandbox_lose(struct run *run, const struct err *err)
{
    if (run->is_over || run->state.sandbox != RUN_PART_READY)
        return;
    run->lost_at_ms = 0;
    drive_egress_cut(&run->box);
    drive_calls_lost(run);
    drive_record_failure(run, RECORD_SANDBOX_LOST, err);
}

static void on_lost(void *data, const struct err *err)
{
    drive_sandbox_lose(data, err);
}

void drive_sandbox_suspect(struct run *run)
{
    if (!run->lost_at_ms && run->state.sandbox == RUN_PART_READY)
        run->lost_at_ms = run_elapsed(run) + LOST_WAIT_MS;
}

void drive_sandbox_give_up(struct run *run)
{
    struct err err = { 0 };

    (void) err_set(&err, ERR_ENGINE, "the guest does not answer any more");
    drive_sandbox_lose(run, &err);
    run->lost_at_ms = 0;
}

static void lose(struct box *box, const struct err *err)
{
    drive_sandbox_lose(box->run, err);
}

const struct box_ops drive_sandbox_box = { trusted, lose };

static const struct sandbox_events sandbox_events = { on_step, on_intent, on_ready, on_lost, on_scan };

/* ---- start ---- */

struct sandbox_order drive_sandbox_order(const struct run *run, const struct sandbox_spec *spec,
                                         int64_t attempt)
{
    return (struct sandbox_order){
        .spec = spec,
        .run_id = run->root_id,
        .part = run->part[0] ? run->part : NULL,
        .name = run->spec->name,
        .attempt = (int) attempt,
        .life_ms = run->spec->life_ms,
    };
}

int drive_sandbox_make(struct run *run, int64_t attempt, struct err *err)
{
    if (run->box.sb && run->sb_attempt == attempt)
        return 0;
    sandbox_free(TAKE_PTR(run->box.sb));
    checkpoint_view_done(&run->kept);
    checkpoint_view_init(&run->kept);
    run->sb_attempt = attempt;
    run->box.order = drive_sandbox_order(run, &run->spec->sandbox, attempt);
    return run->maker->make(run->maker->data, &run->box.order, &run->box.sb, err);
}

void act_start_sandbox(struct run *run)
{
    struct record rec = { .type = RECORD_SANDBOX_START };

    rec.sandbox_start.attempt = run->state.attempt + 1;
    rec.sandbox_start.image = run->spec->sandbox.image;
    rec.sandbox_start.engine = run->spec->sandbox.engine;
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_START_SANDBOX, 0);
}

void effect_start_sandbox(struct run *run)
{
    struct err err = { 0 };
    int r = drive_sandbox_make(run, run->state.attempt, &err);

    run->has_started_sandbox = r == 0;
    if (r == 0)
        r = sandbox_start(run->box.sb, &sandbox_events, run, &err);
    if (r < 0)
        drive_record_failure(run, RECORD_SANDBOX_FAILED, &err);
}

void act_attach_sandbox(struct run *run)
{
    struct record rec = { .type = RECORD_SANDBOX_ATTACH };

    rec.sandbox_attach.attempt = run->state.attempt;
    rec.sandbox_attach.container_id = run->state.container_id ? run->state.container_id : "";
    rec.sandbox_attach.container_name = run->state.container_name;
    if (run_record(run, &rec) == 0)
        run_queue(run, EFFECT_ATTACH, 0);
}

void effect_attach(struct run *run)
{
    const struct run_state *s = &run->state;
    struct sandbox_known known = {
        .container_id = s->container_id,
        .container_name = s->container_name,
        .guest_boot = s->guest_boot ? strtoull(s->guest_boot, NULL, 16) : 0,
    };
    struct err err = { 0 };
    int r = drive_sandbox_make(run, s->attempt, &err);

    run->has_started_sandbox = r == 0;
    if (r == 0)
        r = sandbox_attach(run->box.sb, &known, &sandbox_events, run, &err);
    if (r < 0)
        on_ready(run, r, &err);
}

void effect_proceed(struct run *run)
{
    struct err err = { 0 };

    if (sandbox_proceed(run->box.sb, &err) < 0)
        drive_record_failure(run, RECORD_SANDBOX_FAILED, &err);
}

/* ---- end ---- */

/* Only a container whose lock-down was verified is ever left. */
bool drive_sandbox_keeps(const struct run *run, enum run_end_state end)
{
    enum sandbox_keep keep = run->spec->sandbox.keep;
    bool has_one = run->state.sandbox == RUN_PART_READY || run->state.sandbox == RUN_PART_LOST;

    if (run->state.is_attaching && run->state.sandbox == RUN_PART_FAILED)
        return true; /* it could not be reached: the next resume wants it */
    return has_one && (keep == SANDBOX_KEEP_ALWAYS || (keep == SANDBOX_KEEP_ON_FAILURE && end != RUN_DONE));
}

void drive_sandbox_gone(struct run *run)
{
    if (!run->is_removing && !run->sides && !run->is_stopping_servers)
        run_queue(run, EFFECT_REMOVED, 0);
}

void drive_removed(struct run *run, int result, const struct err *err)
{
    if (result >= 0 || run->remove_result < 0)
        return;
    run->remove_result = result;
    run->remove_err = *err;
}

static void on_removed(void *data, int result, const struct err *err)
{
    struct run *run = data;

    drive_removed(run, result, err);
    drive_record_failure(run, RECORD_SANDBOX_REMOVED, result < 0 ? err : NULL);
    run->is_removing = false;
    drive_sandbox_gone(run);
}

void drive_sandbox_remove(struct run *run)
{
    struct err err = { 0 };
    int r;

    run->is_removing = true;
    drive_sides_remove(run);
    if (!run->box.sb || !run->has_started_sandbox || (run->state.is_kept && !run->broken.code)) {
        run->is_removing = false;
        drive_sandbox_gone(run);
        return;
    }
    r = sandbox_remove(run->box.sb, on_removed, run, &err);
    if (r < 0)
        on_removed(run, r, &err);
}
