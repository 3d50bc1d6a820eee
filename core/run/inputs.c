/* SPDX-License-Identifier: MIT */
/* Digests of what went into a workspace. */
#include "core/run/inputs.h"

#include "core/run/output_digest.h"

#include <stdlib.h>
#include <string.h>

struct input_file {
    char sha256[DIGEST_HEX];
    char name[];
};

struct input {
    struct input_file **files;
    size_t count, cap;
};

struct inputs {
    struct input *list;
    struct input_report *reports;
    size_t count;
};

static int no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, "no memory for the digests of the inputs");
}

int inputs_new(const struct run_entry *entries, size_t count, struct inputs **ret, struct err *err)
{
    struct inputs *in = calloc(1, sizeof(*in));

    if (in) {
        in->list = calloc(count + 1, sizeof(*in->list));
        in->reports = calloc(count + 1, sizeof(*in->reports));
    }
    if (!in || !in->list || !in->reports) {
        inputs_free(in);
        return no_memory(err);
    }
    in->count = count;
    for (size_t i = 0; i < count; i++) {
        in->reports[i].entry = &entries[i];
        in->reports[i].is_folder = entries[i].kind == RUN_ENTRY_DIR || entries[i].kind == RUN_ENTRY_LOCAL_DIR;
    }
    *ret = in;
    return 0;
}

void inputs_free(struct inputs *in)
{
    if (!in)
        return;
    for (size_t i = 0; in->list && i < in->count; i++) {
        for (size_t k = 0; k < in->list[i].count; k++)
            free(in->list[i].files[k]);
        free(in->list[i].files);
    }
    free(in->list);
    free(in->reports);
    free(in);
}

int inputs_add(struct inputs *in, size_t at, const char *name, int64_t size, const char *sha256,
               struct err *err)
{
    size_t len = strlen(name) + 1;
    struct input *input = &in->list[at];
    struct input_file *file = malloc(sizeof(*file) + len);

    if (file && input->count == input->cap) {
        size_t cap = input->cap ? 2 * input->cap : 16;
        struct input_file **more = realloc(input->files, cap * sizeof(struct input_file *));

        if (more) {
            input->files = more;
            input->cap = cap;
        }
    }
    if (!file || input->count == input->cap) {
        free(file);
        return no_memory(err);
    }
    memcpy(file->sha256, sha256, DIGEST_HEX);
    memcpy(file->name, name, len);
    input->files[input->count++] = file;
    in->reports[at].files++;
    in->reports[at].size += size;
    return 0;
}

static int sum_folder(const struct input *input, struct input_report *report, struct err *err)
{
    struct output_digest_file *list = calloc(input->count + 1, sizeof(*list));
    int r;

    if (!list)
        return no_memory(err);
    for (size_t i = 0; i < input->count; i++)
        list[i] = (struct output_digest_file){ input->files[i]->name, input->files[i]->sha256 };
    r = output_digest(list, input->count, report->sha256, err);
    free(list);
    return r;
}

int inputs_end(struct inputs *in, const struct input_report **ret, struct err *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < in->count; i++) {
        if (in->reports[i].entry->mount)
            continue;
        if (in->reports[i].is_folder)
            r = sum_folder(&in->list[i], &in->reports[i], err);
        else if (in->list[i].count == 1)
            memcpy(in->reports[i].sha256, in->list[i].files[0]->sha256, DIGEST_HEX);
    }
    *ret = in->reports;
    return r;
}
