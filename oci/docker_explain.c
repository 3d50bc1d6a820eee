/* SPDX-License-Identifier: MIT */
/* What an engine's answers mean for people. */
#include "oci/docker_explain.h"

#include <string.h>

void docker_explain_create(struct err *err)
{
    err_wrap(err, "creating the sandbox");
    if (err->code == ERR_NOT_FOUND || err->code == ERR_CONFLICT)
        err_recode(err, ERR_ENGINE);
}

void docker_explain_volume(struct err *err)
{
    err_wrap(err, "making the workspace's volume");
    if (!strstr(err->text, "quota"))
        return;
    err_set(err, ERR_POLICY,
            "this engine cannot bound the size of a volume, so `storage: volume` would let the sandbox "
            "fill its disk");
    err_hint(err,
             "use workspace.storage: memory, an engine whose data lies on xfs with project quotas, or lower: "
             "[workspace]");
}

void docker_explain_end(const struct tree *state, struct err *err)
{
    int64_t code = tree_int(tree_get(state, "ExitCode"), -1);

    if (tree_bool(tree_get(state, "Running"), false)) {
        err_wrap(err, "the connection to the sandbox broke while it was running");
    } else if (tree_bool(tree_get(state, "OOMKilled"), false)) {
        err_set(err, ERR_ENGINE, "the sandbox ran out of memory and was killed");
        err_hint(err, "raise sandbox.memory");
    } else if (code == 137) {
        err_set(err, ERR_ENGINE, "the sandbox was killed from outside (or ran out of memory)");
        err_hint(err, "did somebody stop the engine or the container? Else raise sandbox.memory");
    } else if (code == 0) {
        err_set(err, ERR_ENGINE, "the sandbox ended itself: nobody had spoken to it for too long");
    } else {
        err_set(err, ERR_ENGINE, "the sandbox ended with status %lld", (long long) code);
    }
}
