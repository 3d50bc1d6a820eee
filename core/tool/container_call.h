/* SPDX-License-Identifier: MIT */
/*
 * One call of a container tool, in a sandbox of its own that is open: what an earlier one left in the
 * workspace goes, the tool's own files and the call's inputs come, the command runs with the arguments on its
 * stdin, and what it says is kept, bounded. It knows neither the agent's sandbox nor the model.
 *
 * container_call_start() -> on_done, from the loop or from inside channel_feed(), once, unless
 * container_call_free() came first; which is also the end of it after on_done, and fine inside it.
 */
#ifndef TOOL_CONTAINER_CALL_H
#define TOOL_CONTAINER_CALL_H

#include "core/base/buf.h"
#include "core/sandbox/channel.h"
#include "core/tool/capture.h"
#include "core/tool/spec.h"

#define CONTAINER_RESULT_MAX                                                        \
    ((size_t) 4 * 1024 * 1024)   /* bytes on stdout; a call that says more is ended \
                                  */
#define CONTAINER_WORDS_MAX 4096 /* of stderr, from its beginning and from its end */

struct container_call;

struct container_call_spec {
    const struct tool_container *tool;
    struct span arguments;            /* JSON */
    const struct bundle_file *inputs; /* into the workspace */
    size_t input_count;
    uint64_t exec_id; /* unique in the life of that sandbox */
    int64_t timeout_ms;
};

struct container_done {
    int result; /* negative: it could not be made, `err` says why; ERR_ENGINE: it is lost */
    const struct err *err;
    const struct exec_result *exec; /* how the command ended; NULL: it did not begin */
    struct span out;
    const struct capture *words; /* stderr */
    bool is_flooded;             /* more than CONTAINER_RESULT_MAX */
    bool is_spent;               /* nothing more may run in this sandbox */
};

struct container_call_ops {
    void (*on_output)(void *data, int fd, struct span piece); /* may be NULL */
    void (*on_done)(void *data, const struct container_done *done);
};

/* Everything is borrowed until the end. */
int container_call_start(struct channel *channel, const struct container_call_spec *spec,
                         const struct container_call_ops *ops, void *data, struct container_call **ret,
                         struct err *err);
void container_call_free(struct container_call *call); /* a command that runs is killed; NULL is fine */

#endif
