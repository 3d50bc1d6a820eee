/* SPDX-License-Identifier: MIT */
/* What an engine offers, as rows. */
#include "oci/doctor.h"

#include "core/base/clock.h"
#include "core/base/units.h"
#include "core/sandbox/guest_image.h"
#include "oci/engine.h"
#include "oci/sweep.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *doctor_state_name(enum doctor_state state)
{
    static const char *const names[] = { "ok", "warn", "fail" };

    return names[state];
}

static struct doctor_row *add(struct doctor_report *report, const char *name, enum doctor_state state,
                              const char *format, ...) __attribute__((format(printf, 4, 5)));

static struct doctor_row *add(struct doctor_report *report, const char *name, enum doctor_state state,
                              const char *format, ...)
{
    struct doctor_row *row = &report->rows[report->count < DOCTOR_ROWS ? report->count++ : DOCTOR_ROWS - 1];
    va_list ap;

    *row = (struct doctor_row){ .name = name, .state = state };
    va_start(ap, format);
    vsnprintf(row->text, sizeof(row->text), format, ap);
    va_end(ap);
    if (state == DOCTOR_FAIL)
        report->is_fine = false;
    return row;
}

static void hint(struct doctor_row *row, const char *text)
{
    snprintf(row->hint, sizeof(row->hint), "%s", text);
}

/* ---- GET /info ---- */

/* SecurityOptions: ["name=seccomp,profile=default", "name=rootless", ...] */
static bool has_security(const struct tree *info, const char *name)
{
    const size_t len = strlen(name);

    tree_each (item, tree_get(info, "SecurityOptions")) {
        struct span s = tree_span(item);

        if (span_starts(s, "name=") && s.len >= 5 + len && memcmp(s.ptr + 5, name, len) == 0 &&
            (s.len == 5 + len || s.ptr[5 + len] == ','))
            return true;
    }
    return false;
}

/* The limits a sandbox lives by. A host without swap needs no limit of it; verification finds that out. */
static const struct limit {
    const char *member; /* of /info */
    const char *row;    /* of the lock-down */
    enum doctor_state when_missing;
    const char *what;
} limit_table[] = {
    { "MemoryLimit", "memory", DOCTOR_FAIL, "limit memory" },
    { "SwapLimit", "swap", DOCTOR_WARN, "limit swap" },
    { "CpuCfsQuota", "cpus", DOCTOR_FAIL, "limit processor time" },
    { "PidsLimit", "pids", DOCTOR_FAIL, "limit the number of processes" },
};

/* Podman of an ordinary user says that it can, and does not. */
static bool is_limit_kept(const struct tree *info, const char *member)
{
    const bool is_given_away = !tree_bool(tree_get(info, "Rootless"), false) ||
                               !tree_is_string(tree_get(info, "CgroupVersion"), "1");

    return is_given_away && tree_bool(tree_get(info, member), true);
}

static void read_limits(const struct tree *info, struct doctor_report *report)
{
    const char *missing = NULL;

    for (size_t i = 0; i < sizeof(limit_table) / sizeof(limit_table[0]); i++) {
        const struct limit *limit = &limit_table[i];
        struct doctor_row *row;

        if (is_limit_kept(info, limit->member))
            continue;
        missing = limit->row;
        row = add(report, limit->row, limit->when_missing, "the engine cannot %s", limit->what);
        snprintf(
            row->hint, sizeof(row->hint),
            "turn the cgroup controller on (rootless engines need cgroup v2 with delegation; swap on Debian "
            "with cgroup v1: boot with swapaccount=1), or say lower: [%s]",
            limit->row);
    }
    if (!missing)
        add(report, "limits", DOCTOR_OK, "memory, swap, processor time, processes");
}

static void read_cgroup(const struct tree *info, struct doctor_report *report)
{
    const char *version = tree_string(tree_get(info, "CgroupVersion"), "1");
    const char *driver = tree_string(tree_get(info, "CgroupDriver"), "unknown");
    struct doctor_row *row;

    if (strcmp(driver, "none") == 0) {
        row = add(report, "cgroup", DOCTOR_FAIL, "version %.10s, no driver: nothing is limited", version);
        hint(row, "rootless engines need cgroup v2 with systemd");
        return;
    }
    add(report, "cgroup", DOCTOR_OK, "version %.10s, driver %.40s", version, driver);
}

static void read_security(const struct tree *info, struct doctor_report *report)
{
    struct doctor_row *row;

    if (has_security(info, "seccomp")) {
        add(report, "seccomp", DOCTOR_OK, "offered; sandboxes bring a profile of their own");
    } else {
        row = add(report, "seccomp", DOCTOR_FAIL, "the engine cannot filter system calls");
        hint(row, "use an engine and kernel with seccomp, or say lower: [seccomp]");
    }
    add(report, "apparmor", DOCTOR_OK, "%s",
        has_security(info, "apparmor")  ? "offered"
        : has_security(info, "selinux") ? "SELinux instead"
                                        : "not on this host");
    if (has_security(info, "rootless") || tree_bool(tree_get(info, "Rootless"), false))
        add(report, "userns", DOCTOR_OK, "rootless engine");
    else if (has_security(info, "userns"))
        add(report, "userns", DOCTOR_OK, "user ids are mapped");
    else
        add(report, "userns", DOCTOR_OK,
            "user ids are the host's (userns-remap or a rootless engine would part them)");
}

static void read_runtimes(const struct tree *info, struct doctor_report *report)
{
    char names[160] = "";
    size_t n = 0;

    tree_each (item, tree_get(info, "Runtimes")) {
        if (n < sizeof(names) - 1)
            n += (size_t) snprintf(names + n, sizeof(names) - n, "%s%.*s", n ? ", " : "",
                                   (int) (item->key.len > 60 ? 60 : item->key.len), item->key.ptr);
    }
    add(report, "runtimes", DOCTOR_OK, "%.150s; default %.40s", names,
        tree_string(tree_get(info, "DefaultRuntime"), "unknown"));
}

static void read_podman(struct doctor_report *report)
{
    struct doctor_row *row =
        add(report, "podman", DOCTOR_WARN,
            "Podman runs one runtime, and closes a container whose client goes: a run that is resumed "
            "goes on from its last checkpoint, in a new one");

    hint(row, "sandbox.runtime must be the default, or that of its own settings");
}

static void read_storage(const struct tree *info, struct doctor_report *report)
{
    const char *driver = tree_string(tree_get(info, "Driver"), "unknown");
    const char *below = "";

    tree_each (pair, tree_get(info, "DriverStatus")) {
        if (tree_is_string(tree_at(pair, 0), "Backing Filesystem"))
            below = tree_string(tree_at(pair, 1), "");
    }
    if (strcmp(driver, "vfs") == 0)
        hint(add(report, "storage", DOCTOR_WARN, "vfs: every container copies its whole image"),
             "use overlay2");
    else
        add(report, "storage", DOCTOR_OK, "%.40s%s%.40s", driver, *below ? " on " : "", below);
}

void doctor_read_info(const struct tree *info, bool is_podman, struct doctor_report *ret)
{
    const char *os = tree_string(tree_get(info, "OSType"), "linux");
    char memory[32];

    if (strcmp(os, "linux") != 0)
        hint(add(ret, "os", DOCTOR_FAIL, "the engine runs %.40s containers", os),
             "switch it to Linux containers");
    add(ret, "host", DOCTOR_OK, "%.80s, kernel %.60s, %lld processors, %s",
        tree_string(tree_get(info, "OperatingSystem"), "unknown"),
        tree_string(tree_get(info, "KernelVersion"), "unknown"),
        (long long) tree_int(tree_get(info, "NCPU"), 0),
        units_format_size(memory, tree_int(tree_get(info, "MemTotal"), 0)));
    read_cgroup(info, ret);
    read_limits(info, ret);
    read_security(info, ret);
    read_runtimes(info, ret);
    read_storage(info, ret);
    if (is_podman)
        read_podman(ret);
}

/* ---- asking ---- */

static void add_error(struct doctor_report *report, const char *name, const struct err *why)
{
    hint(add(report, name, DOCTOR_FAIL, "%.250s", why->text), why->hint);
}

static void report_engine(const struct engine *engine, struct doctor_report *report)
{
    const struct engine_about *about = engine_about(engine);
    const struct endpoint *at = engine_endpoint(engine);

    add(report, "engine", DOCTOR_OK, "%s %.60s at %.120s (%.60s)",
        about->is_podman ? "Podman" : "Docker Engine", about->version, at->url, at->source);
    add(report, "api", DOCTOR_OK, "%.15s (it offers %.15s to %.15s)", about->api,
        about->api_oldest[0] ? about->api_oldest : "?", about->api_newest);
    if (strcmp(about->arch, guest_image_arch()) != 0)
        hint(add(report, "arch", DOCTOR_FAIL,
                 "the engine runs on %.30s; the guest of this program is for %.30s", about->arch,
                 guest_image_arch()),
             "use the program built for the engine's architecture");
}

static void report_leftovers(struct engine *engine, struct doctor_report *report)
{
    const struct sweep_options options = { .flags = SWEEP_DEAD,
                                           .is_dry = true,
                                           .now_s = clock_wall_ms() / 1000 };
    struct sweep *sweep = NULL;
    struct sweep_result found;
    struct err why;
    size_t dead = 0;

    if (sweep_wait(engine, &options, &sweep, &found, &why) < 0) {
        add_error(report, "leftovers", &why);
        return;
    }
    for (size_t i = 0; i < found.count; i++)
        dead += found.items[i].verdict != SWEEP_KEEP;
    if (dead)
        hint(add(report, "leftovers", DOCTOR_WARN, "%zu containers or volumes of runs that are over", dead),
             "`agentbox gc` removes them");
    else
        add(report, "leftovers", DOCTOR_OK, "none; %zu in use", found.count);
    sweep_free(sweep);
}

/* ---- trying ---- */

static void report_trial(const struct trial *trial, bool is_asked, struct doctor_report *report)
{
    if (!trial->image[0])
        hint(add(report, "lock-down", DOCTOR_WARN, "not tried: the engine has no image"),
             "`docker pull debian:12-slim` (or podman), and ask again");
    else if (trial->result < 0 && is_asked) /* nobody has to take it */
        hint(add(report, "lock-down", DOCTOR_WARN, "%.250s", trial->err.text), trial->err.hint);
    else if (trial->result < 0)
        add_error(report, "lock-down", &trial->err);
    else
        add(report, "lock-down", DOCTOR_OK, "%zu rows verified on a sandbox", lockdown_row_count());
}

const char *doctor_row_state(const struct trial *trial, size_t index)
{
    if (!trial->is_tried)
        return "unknown";
    return trial->rows[index].state == SANDBOX_ROW_VERIFIED ? "enforced" : "not available";
}

static void find_image(struct engine *engine, char ret[128])
{
    const struct engine_request req = { .path = "/images/json" };
    struct engine_answer answer;
    struct engine_call *call = NULL;
    struct err why;

    ret[0] = '\0';
    if (engine_wait(engine, &req, &call, &answer, &why) >= 0)
        trial_pick_image(answer.tree, ret);
    engine_call_free(call);
}

#define GVISORS 2

/* What a trial needs to know. */
struct offer {
    char image[128]; /* one that it has, "" = none */
    char gvisor[GVISORS][41];
    size_t gvisors;
};

static void find_gvisor(const struct tree *info, struct offer *ret)
{
    tree_each (runtime, tree_get(info, "Runtimes")) {
        if (ret->gvisors < GVISORS && span_starts(runtime->key, "runsc") && runtime->key.len < 41)
            snprintf(ret->gvisor[ret->gvisors++], 41, SPAN_FMT, SPAN_ARG(runtime->key));
    }
}

/* Whether it answered. */
static bool ask_engine(struct engine *engine, struct doctor_engine *ret, struct offer *offer)
{
    const struct engine_request req = { .path = "/info" };
    const struct engine_about *about = engine_about(engine);
    struct engine_answer answer;
    struct engine_call *call = NULL;
    struct err why;

    if (engine_describe_wait(engine, &why) < 0) {
        add_error(&ret->report, "engine", &why);
        return false;
    }
    snprintf(ret->version, sizeof(ret->version), "%s %.60s", engine_kind(engine)->name, about->version);
    report_engine(engine, &ret->report);
    if (engine_wait(engine, &req, &call, &answer, &why) < 0)
        add_error(&ret->report, "info", &why);
    else
        doctor_read_info(answer.tree, about->is_podman, &ret->report);
    if (answer.tree && !about->is_podman) /* there it is what is installed, not what may be asked for */
        find_gvisor(answer.tree, offer);
    engine_call_free(call);
    report_leftovers(engine, &ret->report);
    find_image(engine, offer->image);
    return true;
}

static int try_runtime(struct loop *loop, struct http *http, const char *name, const char *image,
                       struct doctor_engine *ret, struct err *err)
{
    int r = 0;

    if (image[0])
        r = trial_run(loop, http, name, ret->runtime[0] ? ret->runtime : "default", image, &ret->trial, err);
    if (r >= 0)
        report_trial(&ret->trial, ret->runtime[0] != '\0', &ret->report);
    return r;
}

/* Adds to the list, which has room for one at least. */
static int examine(struct loop *loop, struct http *http, const char *name, const struct endpoint *at,
                   struct doctor_engine list[DOCTOR_ENGINES], int *count, struct err *err)
{
    struct doctor_engine *ret = &list[(*count)++], *more;
    struct engine *engine = NULL;
    struct offer offer = { 0 };
    bool is_there;
    int r = engine_new(loop, http, at, &engine, err);

    if (r < 0)
        return r;
    snprintf(ret->url, sizeof(ret->url), "%s", at->url);
    is_there = ask_engine(engine, ret, &offer);
    engine_free(engine);
    if (is_there)
        r = try_runtime(loop, http, name, offer.image, ret, err);
    for (size_t i = 0; i < offer.gvisors && offer.image[0] && *count < DOCTOR_ENGINES && r >= 0; i++) {
        more = &list[(*count)++];
        *more = (struct doctor_engine){ .report.is_fine = true };
        memcpy(more->url, ret->url, sizeof(more->url));
        memcpy(more->version, ret->version, sizeof(more->version));
        memcpy(more->runtime, offer.gvisor[i], sizeof(more->runtime));
        r = try_runtime(loop, http, name, offer.image, more, err);
    }
    return r;
}

static int examine_others(struct loop *loop, struct http *http, struct arena *arena,
                          struct doctor_engine ret[DOCTOR_ENGINES], int count, struct err *err)
{
    const char *url;
    struct endpoint at;
    int r = 0;

    for (size_t i = 0; count < DOCTOR_ENGINES && r >= 0; i++) {
        url = endpoint_usual(i, &endpoint_env_process, arena);
        if (!url)
            break;
        if (strcmp(url, ret[0].url) == 0 ||
            endpoint_resolve(url, &endpoint_env_process, arena, &at, NULL) < 0)
            continue;
        ret[count] = (struct doctor_engine){ .report.is_fine = true };
        r = examine(loop, http, url, &at, ret, &count, err);
    }
    return r < 0 ? r : count;
}

int doctor_run(struct loop *loop, struct http *http, const char *name,
               struct doctor_engine ret[DOCTOR_ENGINES], struct err *err)
{
    struct arena arena = ARENA_INIT(32 * 1024 * 1024);
    struct endpoint at;
    struct err why;
    int count = 0, r = 0;

    ret[0] = (struct doctor_engine){ .report.is_fine = true };
    if (endpoint_resolve(name, &endpoint_env_process, &arena, &at, &why) < 0)
        add_error(&ret[0].report, "engine", &why);
    else
        r = examine(loop, http, name, &at, ret, &count, err);
    if (count == 0)
        count = 1; /* it says why there is none */
    if (r >= 0)
        r = !name || strcmp(name, "auto") == 0 ? examine_others(loop, http, &arena, ret, count, err) : count;
    arena_done(&arena);
    return r;
}
