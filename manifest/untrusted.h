/* SPDX-License-Identifier: MIT */
/*
 * What a manifest of somebody else may not do (`--untrusted`), each a problem with its position. It stays in
 * its folder, runs nothing on the host, and does not decide where the user's key goes or how thick the wall
 * is. What the user says (--set, -p, variables such as OPENAI_BASE_URL) is the user's, and not looked at
 * here.
 *
 *   - host paths that lead out of the manifest's folder once links are followed: instructions_file,
 *     task_file, a schema's file, attachments, sources of entries, from_file, record, replay, and targets of
 *     outputs, the folder of agent.memory, which must be given. A target may not be or lie in a hidden file
 * or folder either: those steer git, shells and editors. Nor may a folder that is collected hold any
 * (run/hidden.h), which the resolved manifest says for every output, so that resume and `outputs` keep to it.
 *   - binds (mount: true): the sandbox would see whatever the folder becomes;
 *   - programs of the host: from_command, a scanner's command (a preset is fine);
 *   - variables: from_env but OPENAI_API_KEY as model.api_key, which goes to the model's server alone; and
 *     ${NAME} (expand.h);
 *   - the server: base_url, and headers and extra, which go there beside the key;
 *   - the way out: hosts in network.allow, with or without a secret for them;
 *   - the wall: lower, engine, runtime, seccomp, keep.
 */
#ifndef MANIFEST_UNTRUSTED_H
#define MANIFEST_UNTRUSTED_H

#include "manifest/decode.h"
#include "manifest/diag.h"

struct untrusted {
    const struct decoded *decoded;
    const char *folder;   /* of the manifest, absolute, links resolved */
    const char *base_url; /* what is used when the manifest names none */
    struct arena *arena;
    struct diags *diags;
};

/* Before any file that the manifest names is read. Returns how many problems there are. */
size_t untrusted_check(const struct untrusted *u);

#endif
