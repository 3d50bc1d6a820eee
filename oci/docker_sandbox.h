/* SPDX-License-Identifier: MIT */
/*
 * The sandbox behind a Docker Engine: core/sandbox/sandbox.h, carried out.
 *
 *     open ─[fence]─ look ─[pull]─[scan]─ intent
 *     ─[guest]─[workspace]─[spaces]─ create ─ attach ─ start ─ verify ─ ready
 *
 * At intent: on_intent, then sandbox_proceed().
 *
 * Looking asks for the image and for the guest's volume at once; the guest is greeted before it has started,
 * so that it answers while start does. What remains between create and ready is what the engine itself needs:
 * create, attach, start.
 *
 * From the second attempt of a run on, whatever earlier ones left on the engine is removed before anything
 * else (fence.h). sandbox_attach() takes over a container that is there, after the same verification
 * (docker_reattach.h).
 *
 * What can go wrong in between and is dealt with here:
 *   - the answer to create gets lost: the container is found by its name and taken, if its
 *     labels say it is ours;
 *   - a container of that name is left over from an earlier try of the same attempt: removed, made again;
 *   - the guest does not start, or starts and says nothing: its volume may be half filled, so that is filled
 *     again and the container is made anew, once;
 *   - the stream of a ready one ends because the engine is being restarted: it is waited for,
 *     half a minute at most, so that on_lost can say what became of the container.
 *
 * Removing is one forced DELETE with its volumes; a container that was never made, or is gone already, is
 * removed. sandbox_free() alone leaves the container; the guest ends it after spec->orphan_ms.
 *
 * `storage: volume` needs an engine that can bound a volume (lockdown.h); where it cannot, start fails
 * with ERR_POLICY.
 */
#ifndef OCI_DOCKER_SANDBOX_H
#define OCI_DOCKER_SANDBOX_H

#include "core/base/http.h"
#include "core/sandbox/sandbox.h"
#include "oci/blueprint.h"

/* `spec`, `guest` and what they point to must outlive the sandbox. Fails for what can be known before the
 * engine is asked (`guest` NULL: the one this program carries): no engine to be found, a spec that may not be
 * (ERR_POLICY), mounts. */
int docker_sandbox_new(struct loop *loop, struct http *http, const struct sandbox_spec *spec,
                       const struct docker_identity *id, const struct docker_guest *guest,
                       struct sandbox **ret, struct err *err);

/* What sandbox_start() would ask for, as a JSON object, without touching the engine: the image by name only,
 * so neither its VOLUMEs nor its ENV are in it ("image_known": false). "engine" is null when none was found.
 */
int docker_sandbox_plan(const struct sandbox_spec *spec, const struct docker_identity *id,
                        const struct docker_guest *guest, struct json_writer *w, struct err *err);

#endif
