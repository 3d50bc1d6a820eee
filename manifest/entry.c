/* SPDX-License-Identifier: MIT */
/* Rows and rules of workspace.entries. */
#include "manifest/entry.h"

#include "manifest/kinds.h"
#include "manifest/path.h"

#include <stdlib.h>

#define OFFSET(member) offsetof(struct manifest_entry, member)

/* Words of the language: those agentbox has, then those of later work. */
static const char *const types[] = { "dir",      "file",      "local_file", "local_dir",        "git_repo",
                                     "s3_mount", "gcs_mount", "r2_mount",   "azure_blob_mount", "hf_bucket",
                                     NULL };

/* The keys of entries of later types: known, and nothing more is said about them. */
static bool ignore(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out)
{
    return true;
}

static void ignore_schema(struct json_writer *w, const struct field *field)
{
    json_raw(w, span_of("false"));
}

static bool decode_children(struct table_ctx *ctx, const struct field *field, const struct tree *value,
                            void *out)
{
    struct manifest_entry *entry = out;

    if (value->kind != TREE_OBJECT) {
        table_wrong(ctx, value, "keys and values");
        return false;
    }
    entry->children.items = arena_alloc(ctx->arena, (value->count + (size_t) 1) * sizeof(*entry));
    if (!entry->children.items)
        return false;
    tree_each (item, value) {
        struct manifest_entry *child = &entry->children.items[entry->children.count++];
        size_t mark = table_enter(ctx, item->key);

        (void) table_decode(&manifest_entry_table, item, child, ctx);
        child->key = item->key.ptr;
        table_leave(ctx, mark);
    }
    return true;
}

static void schema_children(struct json_writer *w, const struct field *field)
{
    json_raw(w, span_of("{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\"}}"));
}

static const struct field rows[] = {
    { .name = "type",
      .kind = FIELD_ENUM,
      .offset = OFFSET(type),
      .flags = FIELD_REQUIRED,
      .names = types,
      .help = "dir: an empty folder; file: with 'content'; local_file, local_dir: copied or mounted from the "
              "host. The "
              "others are not supported yet.",
      .example = "\"local_dir\"" },
    { .name = "src",
      .kind = FIELD_STRING,
      .offset = OFFSET(src),
      .min = 1,
      .max = 4096,
      .help = "Host path, relative to the manifest's folder (local_file, local_dir).",
      .example = "\"./data\"" },
    { .name = "content",
      .kind = FIELD_BYTES,
      .offset = OFFSET(content),
      .help = "What is in it (file).",
      .example = "\"hello\\n\"" },
    { .name = "permissions",
      .kind = FIELD_CUSTOM,
      .offset = OFFSET(permissions),
      .flags = FIELD_UNSET_NEG,
      .decode = kind_mode_decode,
      .schema = kind_mode_schema,
      .help = "Octal digits, or as ls writes them; as the source has them when not given.",
      .example = "\"0644\"" },
    { .name = "mount",
      .kind = FIELD_BOOL,
      .offset = OFFSET(mount),
      .fallback = "false",
      .help = "true: bound read-only (a local engine is needed); false: copied in (local_file, local_dir)." },
    { .name = "children",
      .kind = FIELD_CUSTOM,
      .offset = OFFSET(children),
      .decode = decode_children,
      .schema = schema_children,
      .help = "Entries beneath this one (dir)." },
    { .name = "repo",
      .kind = FIELD_CUSTOM,
      .decode = ignore,
      .schema = ignore_schema,
      .help = "For git_repo: not supported yet." },
    { .name = "host",
      .kind = FIELD_CUSTOM,
      .decode = ignore,
      .schema = ignore_schema,
      .help = "For git_repo: not supported yet." },
    { .name = "ref",
      .kind = FIELD_CUSTOM,
      .decode = ignore,
      .schema = ignore_schema,
      .help = "For git_repo: not supported yet." },
    { .name = "subpath",
      .kind = FIELD_CUSTOM,
      .decode = ignore,
      .schema = ignore_schema,
      .help = "For git_repo: not supported yet." },
    { .name = "bucket",
      .kind = FIELD_CUSTOM,
      .decode = ignore,
      .schema = ignore_schema,
      .help = "For mounts of object stores: not supported yet." },
    { .name = "prefix",
      .kind = FIELD_CUSTOM,
      .decode = ignore,
      .schema = ignore_schema,
      .help = "For mounts of object stores: not supported yet." },
};

/* A key that says nothing for this type. */
static void refuse_key(struct table_ctx *ctx, const struct tree *value, const char *key, const char *type)
{
    const struct tree *member = tree_get(value, key);
    struct tree at;

    if (!member)
        return;
    at = *member;
    at.pos = member->key_pos;
    table_problem(ctx, &at, NULL, "'%s' does not belong to type '%s'", key, type);
}

static void check_keys(struct table_ctx *ctx, const struct tree *value, const struct manifest_entry *entry)
{
    bool is_local = entry->type == ENTRY_LOCAL_FILE || entry->type == ENTRY_LOCAL_DIR;
    const char *type = types[entry->type];

    static const char *const foreign[] = { "repo", "host", "ref", "subpath", "bucket", "prefix" };

    for (size_t i = 0; i < FIELD_COUNT_OF(foreign); i++)
        refuse_key(ctx, value, foreign[i], type);
    if (!is_local) {
        refuse_key(ctx, value, "src", type);
        if (entry->mount)
            refuse_key(ctx, value, "mount", type);
    } else if (!tree_get(value, "src")) {
        table_problem(ctx, value, NULL, "missing 'src'");
    }
    if (entry->type != ENTRY_FILE)
        refuse_key(ctx, value, "content", type);
    else if (!tree_get(value, "content"))
        table_problem(ctx, value, "content: \"\" makes an empty file", "missing 'content'");
    if (entry->type != ENTRY_DIR)
        refuse_key(ctx, value, "children", type);
    if (entry->mount && tree_get(value, "permissions"))
        table_problem(ctx, tree_get(value, "permissions"), "a mount keeps the permissions of the host",
                      "'permissions' has no effect on a mount");
}

static void check_entry(struct table_ctx *ctx, const struct tree *value, void *out)
{
    struct manifest_entry *entry = out;
    const struct tree *type = tree_get(value, "type");

    entry->node = value;
    if (!tree_get(value, "permissions"))
        entry->permissions = -1;
    if (!type || !span_is(type->text, types[entry->type]))
        return; /* reported */
    if (entry->type >= ENTRY_LATER)
        table_problem(ctx, type, NULL, "not supported yet: %s", types[entry->type]);
    else
        check_keys(ctx, value, entry);
}

const struct table manifest_entry_table = {
    .name = "entry",
    .fields = rows,
    .count = FIELD_COUNT_OF(rows),
    .size = sizeof(struct manifest_entry),
    .key_offset = OFFSET(key),
    .help = "Something that is put into the workspace before the run.",
    .check = check_entry,
};

struct flat {
    const struct manifest_entry **items;
    size_t count;
};

static size_t count_entries(const struct manifest_entry *items, size_t count)
{
    size_t total = count;

    for (size_t i = 0; i < count; i++)
        total += count_entries(items[i].children.items, items[i].children.count);
    return total;
}

static struct tree key_of(const struct manifest_entry *entry)
{
    struct tree at = *entry->node;

    at.pos = at.key_pos;
    return at;
}

static void set_paths(struct table_ctx *ctx, struct manifest_entry *items, size_t count, const char *parent,
                      struct flat *flat)
{
    for (size_t i = 0; i < count; i++) {
        struct manifest_entry *entry = &items[i];
        const char *path = NULL, *why;
        struct tree at;

        if (!entry->node)
            continue; /* no entry at all: reported */
        why = path_beneath(span_of(entry->key), ctx->arena, &path);
        at = key_of(entry);
        if (why)
            table_problem(ctx, &at, NULL, "the path %s", why);
        else
            entry->path = parent ? arena_printf(ctx->arena, "%s/%s", parent, path) : path;
        if (entry->path && strlen(entry->path) > PATH_TEXT_MAX) {
            table_problem(ctx, &at, NULL, "the path is too long");
            entry->path = NULL;
        }
        if (!entry->path)
            continue;
        flat->items[flat->count++] = entry;
        set_paths(ctx, entry->children.items, entry->children.count, entry->path, flat);
    }
}

static int compare(const void *a, const void *b)
{
    const struct manifest_entry *const *x = a, *const *y = b;
    struct tree_pos p = (*x)->node->key_pos, q = (*y)->node->key_pos;
    int order = strcmp((*x)->path, (*y)->path);

    if (order == 0)
        order = p.line != q.line ? (p.line < q.line ? -1 : 1) : p.column < q.column ? -1 : 1;
    return order;
}

static const struct manifest_entry *find(const struct flat *flat, const char *path, size_t len)
{
    size_t low = 0, high = flat->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strncmp(flat->items[mid]->path, path, len);

        if (order == 0 && flat->items[mid]->path[len] == '\0')
            return flat->items[mid];
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* Every folder above the entry, if it is an entry too, must be one that things can be put into. */
static void check_above(struct table_ctx *ctx, const struct flat *flat, const struct manifest_entry *entry)
{
    struct tree at = key_of(entry);

    for (const char *slash = strchr(entry->path, '/'); slash; slash = strchr(slash + 1, '/')) {
        const struct manifest_entry *above = find(flat, entry->path, (size_t) (slash - entry->path));

        if (!above)
            continue;
        if (above->mount)
            table_problem(ctx, &at, "copy the folder instead: mount: false", "'%s' is mounted read-only",
                          above->path);
        else if (above->type == ENTRY_FILE || above->type == ENTRY_LOCAL_FILE)
            table_problem(ctx, &at, NULL, "'%s' is a file, nothing can be beneath it", above->path);
    }
}

bool entry_flatten(struct table_ctx *ctx, struct manifest_entry *items, size_t count,
                   const struct manifest_entry ***ret, size_t *ret_count)
{
    struct flat flat = { NULL, 0 };

    flat.items = arena_alloc(ctx->arena, (count_entries(items, count) + 1) * sizeof(*flat.items));
    if (!flat.items)
        return false;
    set_paths(ctx, items, count, NULL, &flat);
    qsort(flat.items, flat.count, sizeof(*flat.items), compare);
    for (size_t i = 0; i < flat.count; i++) {
        struct tree at = key_of(flat.items[i]);

        if (i > 0 && strcmp(flat.items[i]->path, flat.items[i - 1]->path) == 0)
            table_problem(ctx, &at, NULL, "'%s' is there already", flat.items[i]->path);
        else
            check_above(ctx, &flat, flat.items[i]);
    }
    *ret = flat.items;
    *ret_count = flat.count;
    return true;
}
