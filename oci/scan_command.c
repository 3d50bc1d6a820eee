/* SPDX-License-Identifier: MIT */
/* The command line of a scanner, filled in. */
#include "oci/scan_command.h"

#include "core/base/buf.h"
#include "core/base/digest.h"

#include <string.h>

#define WORD_MAX         (128 * 1024)
#define HIDDEN_VALUE_MIN 8 /* bytes; shorter values are the same by chance */

struct place {
    const char *name, *value;
};

bool scan_command_uses(const char *const *command, const char *place)
{
    for (; *command; command++)
        if (strstr(*command, place))
            return true;
    return false;
}

const char *scan_command_image(const struct image *image, const char *name, struct arena *arena)
{
    struct image_name parts;

    if (!image->digest[0] || image_name_parse(name, &parts, NULL) < 0 || parts.is_id)
        return arena_text(arena, name);
    for (size_t i = 0; i < image->digest_count; i++) {
        struct image_name other;

        if (image_name_parse(image->digests[i], &other, NULL) == 0 &&
            strcmp(other.digest, image->digest) == 0 && strcmp(other.registry, parts.registry) == 0 &&
            strcmp(other.path, parts.path) == 0)
            return arena_printf(arena, "%s@%s", parts.from, image->digest);
    }
    return arena_text(arena, name);
}

static const struct place *place_at(const char *text, const struct place *places)
{
    for (; places->name; places++)
        if (strncmp(text, places->name, strlen(places->name)) == 0)
            return places;
    return NULL;
}

/* What is put in is not looked at again. */
static const char *fill_word(const char *word, const struct place *places, struct arena *arena)
{
    struct buf out = BUF_INIT(WORD_MAX);
    const char *filled = NULL;
    int r = 0;

    while (*word && r == 0) {
        const struct place *place = place_at(word, places);

        r = place ? buf_add_text(&out, place->value) : buf_add_char(&out, *word);
        word += place ? strlen(place->name) : 1;
    }
    if (r == 0)
        filled = arena_text(arena, buf_text(&out));
    buf_done(&out);
    return filled;
}

int scan_command_fill(const char *const *command, const struct image *image, const char *name,
                      const char *archive, struct arena *arena, const char *const **ret, struct err *err)
{
    const struct place places[] = {
        { "{image}", scan_command_image(image, name, arena) },
        { "{id}", image->id },
        { "{digest}", image->digest[0] ? image->digest : image->id },
        { "{archive}", archive ? archive : "" },
        { NULL, NULL },
    };
    const char **argv = arena_alloc(arena, (SCAN_WORDS_MAX + 1) * sizeof(*argv));
    size_t n = 0;

    for (; argv && places[0].value && command[n]; n++) {
        if (n == SCAN_WORDS_MAX)
            return err_set(err, ERR_TOO_LARGE, "the command of the scanner has more than %d words",
                           SCAN_WORDS_MAX);
        argv[n] = fill_word(command[n], places, arena);
        if (!argv[n])
            break;
    }
    if (!argv || !places[0].value || command[n])
        return err_set(err, ERR_TOO_LARGE, "the command of the scanner is too large");
    *ret = argv;
    return 0;
}

/* ---- the environment ---- */

static bool is_named(const char *entry, const char *name)
{
    size_t len = strlen(name);

    return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

static const char *value_of(const char *const *env, const char *name)
{
    for (; *env; env++)
        if (is_named(*env, name))
            return *env + strlen(name) + 1;
    return NULL;
}

static bool is_hidden(const char *entry, const char *const *env, const char *const *hidden)
{
    const char *equals = strchr(entry, '='), *value;

    for (; equals && hidden && *hidden; hidden++) {
        value = value_of(env, *hidden);
        if (is_named(entry, *hidden) ||
            (value && strlen(value) >= HIDDEN_VALUE_MIN && strcmp(value, equals + 1) == 0))
            return true;
    }
    return false;
}

const char *const *scan_command_env(const char *const *env, const char *const *hidden, const char *host,
                                    struct arena *arena)
{
    const char **out;
    size_t count = 0, n = 0;

    while (env[count])
        count++;
    out = arena_alloc(arena, (count + 2) * sizeof(*out));
    if (!out)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (!is_hidden(env[i], env, hidden) && !(host && is_named(env[i], "DOCKER_HOST")))
            out[n++] = env[i];
    if (host) {
        out[n] = arena_printf(arena, "DOCKER_HOST=%s", host);
        if (!out[n])
            return NULL;
    }
    return out;
}

int scan_command_key(const char *const *command, const char *dir, const char *image_id, char ret[SCAN_KEY],
                     struct err *err)
{
    struct digest *d = digest_new();
    uint8_t sum[DIGEST_SIZE];

    if (!d)
        return err_set(err, ERR_INTERNAL, "no memory for a digest");
    digest_add(d, image_id, strlen(image_id) + 1);
    digest_add(d, dir ? dir : "", dir ? strlen(dir) + 1 : 1);
    for (; *command; command++)
        digest_add(d, *command, strlen(*command) + 1);
    digest_end(d, sum);
    digest_free(d);
    digest_hex(sum, ret);
    return 0;
}
