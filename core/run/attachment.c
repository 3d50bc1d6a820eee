/* SPDX-License-Identifier: MIT */
/* Reading attachments and naming their kind. */
#include "core/run/attachment.h"

#include "core/base/file.h"
#include "core/model/request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *ending, *mime;
} kinds[] = {
    { "png", "image/png" },
    { "jpg", "image/jpeg" },
    { "jpeg", "image/jpeg" },
    { "gif", "image/gif" },
    { "webp", "image/webp" },
    { "pdf", "application/pdf" },
    { "txt", "text/plain" },
    { "md", "text/markdown" },
    { "csv", "text/csv" },
    { "html", "text/html" },
    { "json", "application/json" },
    { "xml", "application/xml" },
    { "yaml", "application/yaml" },
    { "yml", "application/yaml" },
    { "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document" },
    { "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
    { "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation" },
};

const char *attachment_mime(const char *name)
{
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcasecmp(dot + 1, kinds[i].ending) == 0)
            return kinds[i].mime;
    return "application/octet-stream";
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static int read_all(const char *const *paths, size_t count, struct buf *contents,
                    struct request_attachment *files, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        buf_init(&contents[i], ATTACHMENT_MAX);
        if (file_read(paths[i], &contents[i], err) < 0)
            return err_wrap(err, "attachment");
        files[i].name = base_name(paths[i]);
        files[i].mime = attachment_mime(paths[i]);
        files[i].content = buf_span(&contents[i]);
    }
    return 0;
}

int attachment_user_item(struct buf *out, const char *text, const char *const *paths, size_t count,
                         struct err *err)
{
    struct request_attachment *files = calloc(count + 1, sizeof(*files));
    struct buf *contents = calloc(count + 1, sizeof(*contents));
    int r;

    if (files && contents)
        r = read_all(paths, count, contents, files, err);
    else
        r = err_set(err, ERR_INTERNAL, "no memory for attachments");
    if (r == 0)
        r = request_user_item(out, text, files, count, err);
    for (size_t i = 0; contents && i < count; i++)
        buf_done(&contents[i]);
    free(contents);
    free(files);
    return r;
}
