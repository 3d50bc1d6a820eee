/* SPDX-License-Identifier: MIT */
/* The named volumes of a sandbox. */
#include "oci/guest_volume.h"

#include "core/base/archive.h"

#include <stdio.h>
#include <string.h>

#define PROGRAM_MAX    (8 * 1024 * 1024)
#define WORKSPACE_AT   "/agentbox-volumes"
#define WORKSPACE_NAME "workspace"

/* The profile lies beside the program, for engines that want its path on their own machine: it is there as
 * long as the program is, and nobody else can write there. */
static int pack_guest(const struct blueprint *b, struct buf *out, struct err *err)
{
    const bool has_profile = b->lockdown.kind->seccomp_is_path && b->lockdown.seccomp;
    struct archive_writer *w = NULL;
    struct buf program = BUF_INIT(PROGRAM_MAX);
    int r = b->guest.read(&program, err);

    if (r >= 0)
        r = archive_writer_new(&w, out, err);

    if (r >= 0 && has_profile)
        r = archive_writer_add_file(w, b->seccomp_file, span_of(b->lockdown.seccomp), 0444, err);
    if (r >= 0)
        r = archive_writer_add_file(w, "guest", buf_span(&program), 0555, err);
    if (r >= 0)
        r = archive_writer_finish(w, err);
    archive_writer_free(w);
    buf_done(&program);
    return r;
}

int guest_volume_fill(struct engine *engine, const struct blueprint *b, volume_fill_fn *fn, void *data,
                      struct volume_fill **ret, struct err *err)
{
    const struct lockdown_label label = { GUEST_VOLUME_LABEL, b->guest.digest };
    struct volume_fill_request req = {
        .volume = b->guest_volume,
        .volume_labels = &label,
        .volume_label_count = 1,
        .image = b->lockdown.image_ref,
        .labels = b->labels,
        .label_count = b->label_count,
        .target = LOCKDOWN_GUEST_DIR,
        .put_at = LOCKDOWN_GUEST_DIR,
    };
    struct buf archive = BUF_INIT(PROGRAM_MAX);
    int r = pack_guest(b, &archive, err);

    req.archive = buf_span(&archive);
    if (r >= 0)
        r = volume_fill_start(engine, &req, fn, data, ret, err);
    buf_done(&archive);
    return r;
}

/* ustar: name 0, mode 100, uid 108, gid 116, size 124, mtime 136, sum 148, type 156, magic 257 */
int workspace_archive(const char *name, int64_t uid, int64_t gid, char ret[WORKSPACE_ARCHIVE])
{
    unsigned sum = 0;

    if (uid < 0 || gid < 0 || uid > 07777777 || gid > 07777777 || strlen(name) > 90)
        return -ERR_INVALID; /* what the fields hold */
    memset(ret, 0, WORKSPACE_ARCHIVE);
    snprintf(ret, 100, "%s/", name);
    snprintf(ret + 100, 8, "%07o", 0700);
    snprintf(ret + 108, 8, "%07o", (unsigned) uid);
    snprintf(ret + 116, 8, "%07o", (unsigned) gid);
    snprintf(ret + 124, 12, "%011o", 0);
    snprintf(ret + 136, 12, "%011o", 0);
    memset(ret + 148, ' ', 8);
    ret[156] = '5';
    memcpy(ret + 257, "ustar\00000", 8);
    for (size_t i = 0; i < 512; i++)
        sum += (unsigned char) ret[i];
    snprintf(ret + 148, 8, "%06o", sum);
    return 0;
}

int workspace_volume_make(struct engine *engine, const struct blueprint *b, volume_fill_fn *fn, void *data,
                          struct volume_fill **ret, struct err *err)
{
    char archive[WORKSPACE_ARCHIVE];
    const struct volume_fill_request req = {
        .volume = b->workspace_volume,
        .size_bytes = lockdown_is_lowered(&b->lockdown, "workspace") ? 0 : b->spec->size_bytes,
        .volume_labels = b->labels,
        .volume_label_count = b->label_count,
        .image = b->lockdown.image_ref,
        .labels = b->labels,
        .label_count = b->label_count,
        .target = WORKSPACE_AT "/" WORKSPACE_NAME,
        .put_at = WORKSPACE_AT,
        .archive = span_make(archive, sizeof(archive)),
    };

    if (workspace_archive(WORKSPACE_NAME, b->spec->uid, b->spec->gid, archive) < 0)
        return err_set(err, ERR_INVALID, "the workspace cannot be given to user %lld:%lld",
                       (long long) b->spec->uid, (long long) b->spec->gid);
    return volume_fill_start(engine, &req, fn, data, ret, err);
}
