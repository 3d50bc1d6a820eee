/* SPDX-License-Identifier: MIT */
/* What an engine's answers mean for people. */
#include "oci/docker_explain.h"

#include "core/base/units.h"

#include <stdio.h>
#include <string.h>

/* Keys of "Runtimes", but for containerd's names of those that stand there too. */
static void list_runtimes(const struct tree *info, char *ret, size_t size)
{
    size_t n = 0;

    ret[0] = '\0';
    tree_each (runtime, tree_get(info, "Runtimes")) {
        if (n < size && !memchr(runtime->key.ptr, '.', runtime->key.len))
            n += (size_t) snprintf(ret + n, size - n, "%s%.40s", n ? ", " : "", runtime->key.ptr);
    }
}

void docker_explain_runtime(const char *runtime, const struct tree *info, struct err *err)
{
    char names[300];

    list_runtimes(info, names, sizeof(names));
    err_set(err, ERR_ENGINE, "the engine has no runtime '%.60s'", runtime);
    if (names[0])
        err_hint(err, "it has: %s; name one of them in sandbox.runtime, or leave that out", names);
    else
        err_hint(err, "sandbox.runtime must be one that the engine has; `agentbox doctor` lists them");
}

void docker_explain_create(struct err *err)
{
    const bool is_missing = err->code == ERR_NOT_FOUND;

    err_wrap(err, "creating the sandbox");
    if (err->code == ERR_NOT_FOUND || err->code == ERR_CONFLICT)
        err_recode(err, ERR_ENGINE);
    if (err->hint[0])
        return;
    if (is_missing)
        err_hint(err, "was the image removed meanwhile? `docker images` shows what is there");
    else
        err_hint(err,
                 "the engine's words say what it does not take: the runtime, the image, a limit or a mount; "
                 "`agentbox doctor` shows what it offers");
}

void docker_explain_start(struct err *err)
{
    err_wrap(err, "starting the sandbox");
    if (err->code != ERR_TIMEOUT)
        err_recode(err, ERR_ENGINE);
    if (!err->hint[0])
        err_hint(
            err,
            "the engine's words say what its runtime or kernel does not take; `agentbox doctor` shows what "
            "it offers");
}

void docker_explain_volume(struct err *err)
{
    err_wrap(err, "making the workspace's volume");
    if (!strcasestr(err->text, "quota"))
        return;
    err_set(err, ERR_POLICY,
            "this engine cannot bound the size of a volume, so `storage: volume` would let the sandbox "
            "fill its disk");
    err_hint(err,
             "use workspace.storage: memory, an engine whose data lies on xfs with project quotas, or lower: "
             "[workspace]");
}

/* What the engine says is about the container's life: also a command that was killed long ago makes it say
 * so. */
static void explain_memory(const struct docker_end *end, struct err *err)
{
    char limit[32];

    (void) units_write_size(limit, end->memory_bytes);
    if (!end->had_memory_hit) {
        err_set(err, ERR_ENGINE,
                "out of memory (limit %s): the sandbox itself was killed, not only a command", limit);
        err_hint(err, "raise sandbox.memory");
        return;
    }
    err_set(err, ERR_ENGINE, "the sandbox itself was killed: out of memory (limit %s), or from outside",
            limit);
    err_hint(
        err,
        "a command ran out of memory before, and the engine does not tell the two apart; did somebody stop "
        "the container? Else raise sandbox.memory");
}

void docker_explain_end(const struct tree *state, const struct docker_end *end, struct err *err)
{
    const bool was_away = end->was_away;
    int64_t code = tree_int(tree_get(state, "ExitCode"), -1);
    bool is_running = tree_bool(tree_get(state, "Running"), false);

    if (was_away && is_running) {
        err_set(err, ERR_ENGINE,
                "the container engine was restarted: the sandbox lives on, the connection does not");
    } else if (was_away) {
        err_set(err, ERR_ENGINE, "the container engine was restarted, and the sandbox ended with it");
        err_hint(
            err,
            "with \"live-restore\": true in its daemon.json, containers outlive a restart of Docker Engine");
    } else if (is_running) {
        err_wrap(err, "the connection to the sandbox broke while it was running");
    } else if (tree_bool(tree_get(state, "OOMKilled"), false)) {
        explain_memory(end, err);
    } else if (code == 137) {
        err_set(err, ERR_ENGINE, "the sandbox was killed from outside (or ran out of memory)");
        err_hint(err, "did somebody stop the engine or the container? Else raise sandbox.memory");
    } else if (code == 0) {
        err_set(err, ERR_ENGINE, "the sandbox ended itself: nobody had spoken to it for too long");
    } else {
        err_set(err, ERR_ENGINE, "the sandbox ended with status %lld", (long long) code);
    }
}

void docker_explain_gone(bool was_away, struct err *err)
{
    if (was_away)
        err_set(err, ERR_ENGINE, "the container engine was restarted, and the sandbox is gone");
    else
        err_set(err, ERR_ENGINE, "the sandbox was removed by somebody else");
}
