/* SPDX-License-Identifier: MIT */
/* The scanner of an image, as a manifest has it. */
#include "manifest/scan.h"

#include "core/base/utf8.h"

#include <inttypes.h>
#include <stdio.h>

#define SCAN(member) offsetof(struct manifest_scan, member)
#define MIB          (INT64_C(1024) * 1024)
#define SECOND       INT64_C(1000)
#define DAY          (24 * 3600 * SECOND)
#define WORDS        16
#define COMMAND_MAX  (64 * 1024) /* it is kept in each record of a scan */

static const char *const presets[] = { "trivy", "grype", NULL };
static const char *const severities[] = { "low", "medium", "high", "critical", NULL };

static const struct field rows[] = {
    { .name = "command",
      .kind = FIELD_STRINGS,
      .offset = SCAN(command),
      .count_offset = SCAN(command_count),
      .min = 1,
      .max = 200,
      .help = "Program with arguments, no shell is involved; it runs in the manifest's folder, and status 0 "
              "accepts the image. Put in are {image} (what the scanner finds the image by), {id}, "
              "{digest}, and {archive} (a file with the exported image).",
      .example = "[\"clamscan\", \"--no-summary\", \"{archive}\"]" },
    { .name = "preset",
      .kind = FIELD_ENUM,
      .offset = SCAN(preset),
      .flags = FIELD_UNSET_NEG,
      .names = presets,
      .help = "Instead of a command: a scanner whose command line is known.",
      .example = "\"trivy\"" },
    { .name = "severity",
      .kind = FIELD_ENUM,
      .offset = SCAN(severity),
      .names = severities,
      .fallback = "\"critical\"",
      .help = "With preset: a known weakness of this kind, or a worse one, refuses the image." },
    { .name = "max_age",
      .kind = FIELD_DURATION,
      .offset = SCAN(max_age_ms),
      .min = SECOND,
      .max = 3650 * DAY,
      .fallback = "\"1d\"",
      .help = "So long an answer about an image holds; then it is asked again." },
    { .name = "timeout",
      .kind = FIELD_DURATION,
      .offset = SCAN(timeout_ms),
      .min = SECOND,
      .max = DAY,
      .fallback = "\"10m\"",
      .help = "A scanner that takes longer is ended, and gave no answer." },
    { .name = "archive_max",
      .kind = FIELD_SIZE,
      .offset = SCAN(archive_bytes),
      .min = MIB,
      .max = MIB * MIB,
      .fallback = "\"8g\"",
      .help = "The exported image may be so large." },
    { .name = "dir",
      .kind = FIELD_STRING,
      .offset = SCAN(dir),
      .min = 1,
      .max = 4096,
      .help = "With command: the folder it runs in; the manifest's when not given." },
};

static void refuse_beside(struct table_ctx *ctx, const struct tree *value, const char *key, const char *other)
{
    const struct tree *member = tree_get(value, key);
    struct tree at;

    if (!member)
        return;
    at = *member;
    at.pos = member->key_pos;
    table_problem(ctx, &at, "remove one of them", "'%s' has no effect beside '%s'", key, other);
}

static bool is_misspelt(const struct tree *value, const char *name)
{
    tree_each (item, value)
        if (table_nearest(item->key, &name, 1))
            return true;
    return false;
}

static void check(struct table_ctx *ctx, const struct tree *value, void *out)
{
    const struct manifest_scan *scan = out;
    const struct tree *command = tree_get(value, "command");

    size_t bytes = 0;

    for (size_t i = 0; i < scan->command_count; i++)
        bytes += strlen(scan->command[i]);
    if (bytes > COMMAND_MAX)
        table_problem(ctx, command, "put it into a file", "the command is longer than %d KiB",
                      COMMAND_MAX / 1024);
    if (command && scan->command_count > 0 && !scan->command[0][0])
        table_problem(ctx, tree_at(command, 0), NULL, "the command is empty");
    if (command) {
        refuse_beside(ctx, value, "preset", "command");
        refuse_beside(ctx, value, "severity", "command");
    } else if (scan->preset >= 0) {
        refuse_beside(ctx, value, "dir", "preset");
    } else if (!is_misspelt(value, "command") && !is_misspelt(value, "preset")) {
        table_problem(ctx, value, "scan: trivy, scan: grype, or scan: {command: [...]}",
                      "a scan is one of 'command', 'preset'");
    }
}

const struct table manifest_scan_table = {
    .name = "scan",
    .fields = rows,
    .count = FIELD_COUNT_OF(rows),
    .size = sizeof(struct manifest_scan),
    .help =
        "A program of the host that must accept the image before anything of it runs. In place of the map "
        "the name of a preset may stand.",
    .check = check,
};

static struct manifest_scan *slot(void *out, const struct field *field)
{
    return (struct manifest_scan *) (void *) ((char *) out + field->offset);
}

/* The word alone. */
static bool decode_word(struct table_ctx *ctx, const struct tree *value, struct manifest_scan *scan)
{
    const char *near = table_nearest(value->text, presets, FIELD_COUNT_OF(presets) - 1);
    char hint[64];

    if (table_decode(&manifest_scan_table, NULL, scan, ctx) != 0)
        return false;
    scan->is_set = true;
    for (int i = 0; presets[i]; i++) {
        scan->preset = i;
        if (span_is(value->text, presets[i]))
            return true;
    }
    (void) snprintf(hint, sizeof(hint), "did you mean '%s'?", near ? near : "");
    table_problem(ctx, value, near ? hint : "a program of your own: {command: [...]}",
                  "expected one of trivy, grype, got '" SPAN_FMT "'", (int) utf8_cut(value->text, 40),
                  value->text.ptr);
    return false;
}

bool scan_decode(struct table_ctx *ctx, const struct field *field, const struct tree *value, void *out)
{
    struct manifest_scan *scan = slot(out, field);
    int r;

    if (value->kind == TREE_STRING)
        return decode_word(ctx, value, scan);
    if (value->kind != TREE_OBJECT) {
        table_wrong(ctx, value, "trivy, grype, or keys and values");
        return false;
    }
    r = table_decode(&manifest_scan_table, value, scan, ctx);
    scan->is_set = r >= 0;
    return r == 0;
}

void scan_schema(struct json_writer *w, const struct field *field)
{
    json_object(w);
    json_key(w, "anyOf");
    json_array(w);
    json_object(w);
    json_put_raw(w, "enum", span_of("[\"trivy\",\"grype\"]"));
    json_object_end(w);
    table_schema(&manifest_scan_table, false, w);
    json_array_end(w);
    json_object_end(w);
}

static void put_duration(struct json_writer *w, const char *name, int64_t ms)
{
    char text[32];

    (void) snprintf(text, sizeof(text), "%" PRId64 "ms", ms);
    json_put_string(w, name, text);
}

bool scan_encode(struct json_writer *w, const struct field *field, const void *base)
{
    const struct manifest_scan *scan =
        (const struct manifest_scan *) (const void *) ((const char *) base + field->offset);

    if (!scan->is_set || !w)
        return scan->is_set;
    json_object(w);
    if (scan->command) {
        json_key(w, "command");
        json_array(w);
        for (size_t i = 0; i < scan->command_count; i++)
            json_string(w, scan->command[i]);
        json_array_end(w);
    } else {
        json_put_string(w, "preset", presets[scan->preset]);
        json_put_string(w, "severity", severities[scan->severity]);
    }
    put_duration(w, "max_age", scan->max_age_ms);
    put_duration(w, "timeout", scan->timeout_ms);
    json_put_int(w, "archive_max", scan->archive_bytes);
    if (scan->dir)
        json_put_string(w, "dir", scan->dir);
    json_object_end(w);
    return true;
}

/* ---- known scanners ---- */

/* trivy wants every severity that counts, grype the least of them. */
static const char *trivy_severities(int from)
{
    static const char *const lists[] = { "LOW,MEDIUM,HIGH,CRITICAL", "MEDIUM,HIGH,CRITICAL", "HIGH,CRITICAL",
                                         "CRITICAL" };

    return lists[from];
}

const char *const *scan_command(const struct manifest_scan *scan, struct arena *arena)
{
    const char *const trivy[WORDS] = { "trivy", "image",      "--quiet", "--exit-code",
                                       "1",     "--severity", NULL,      "{image}" };
    const char *const grype[WORDS] = { "grype", "--quiet", "--fail-on", NULL, "{image}" };
    const char **words;
    size_t at = scan->preset == 0 ? 6 : 3;

    if (!scan->is_set || scan->command)
        return scan->command;
    words = arena_alloc(arena, sizeof(trivy));
    if (!words)
        return NULL;
    memcpy(words, scan->preset == 0 ? trivy : grype, sizeof(trivy));
    words[at] = scan->preset == 0 ? trivy_severities(scan->severity) : severities[scan->severity];
    return words;
}
