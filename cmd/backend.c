/* SPDX-License-Identifier: MIT */
/* A run in the words of the Docker backend. */
#include "cmd/backend.h"

#include "core/base/cleanup.h"
#include "core/base/clock.h"
#include "core/run/folder.h"

#define SPARE_S  3600 /* a container may be needed this long after its run's wall limit before it is swept */
#define NO_END_S (7 * 24 * 3600) /* so long at most when nobody knows */

struct docker_identity backend_identity(const struct sandbox_order *order)
{
    int64_t life = order->life_ms > 0 ? order->life_ms / 1000 + SPARE_S : NO_END_S;

    return (struct docker_identity){
        .run_id = order->run_id,
        .part = order->part,
        .name = order->name,
        .version = AGENTBOX_VERSION,
        .attempt = order->attempt,
        .deadline_s = clock_wall_ms() / 1000 + life,
    };
}

static int make(void *data, const struct sandbox_order *order, struct sandbox **ret, struct err *err)
{
    const struct backend *b = data;
    struct docker_identity id = backend_identity(order);

    id.scans = b->scans;
    return docker_sandbox_new(b->loop, b->http, order->spec, &id, NULL, ret, err);
}

void backend_init(struct backend *b, struct loop *loop, struct http *http)
{
    *b = (struct backend){ loop, http, backend_scans(), { make, b } };
}

void backend_done(struct backend *b)
{
    free(TAKE_PTR(b->scans));
}

char *backend_scans(void)
{
    char *path = NULL;

    return run_folder_beside("scans", &path, NULL) < 0 ? NULL : path;
}

const struct sandbox_maker *backend_maker(const struct backend *b)
{
    return &b->maker;
}
