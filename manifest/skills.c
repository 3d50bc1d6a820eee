/* SPDX-License-Identifier: MIT */
#include "manifest/skills.h"

#include "core/base/cleanup.h"
#include "core/base/file.h"
#include "core/base/walk.h"
#include "manifest/host.h"
#include "manifest/path.h"
#include "manifest/skill.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME     "SKILL.md"
#define AT       "agent.skills"
#define LOOK_MAX 1000 /* folders in one folder of skills */

struct skills_loader {
    const struct skills_ask *ask;
    struct tree_pos pos; /* of the item that is loaded */
    struct manifest_skill *list;
    size_t count;
    size_t text_bytes;
};

static void report(struct skills_loader *l, const char *message, const char *hint)
{
    diags_add(l->ask->diags, l->pos, AT, hint, "%s", message ? message : "no memory");
}

static void add(struct skills_loader *l, const struct manifest_skill *skill)
{
    struct arena *arena = l->ask->arena;
    size_t at = l->count;

    if (l->count == SKILLS_MAX) {
        report(l, arena_printf(arena, "there are more than %d skills", SKILLS_MAX), NULL);
        return;
    }
    l->text_bytes += strlen(skill->text);
    if (l->text_bytes > SKILLS_TEXT_MAX) {
        report(l,
               arena_printf(arena, "the texts of all skills are larger than %d KiB", SKILLS_TEXT_MAX >> 10),
               "put parts of them into files beside SKILL.md");
        return;
    }
    while (at > 0 && strcmp(l->list[at - 1].name, skill->name) > 0)
        at--;
    if (at > 0 && strcmp(l->list[at - 1].name, skill->name) == 0) {
        report(l, arena_printf(arena, "there are two skills '%s'", skill->name), NULL);
        return;
    }
    memmove(l->list + at + 1, l->list + at, (l->count - at) * sizeof(*l->list));
    l->list[at] = *skill;
    l->count++;
}

/* ---- what is on the disk ---- */

static bool is_ours(struct skills_loader *l, const char *path)
{
    struct host_problem problem = { NULL, NULL };
    const char *real;

    if (l->ask->is_untrusted)
        problem = host_check_beneath(path, l->ask->folder, l->ask->arena, &real);
    if (problem.message)
        report(l, problem.message, problem.hint);
    return !problem.message;
}

/* Too much is said now, not when half of it is in the sandbox. */
static bool is_bounded(struct skills_loader *l, const char *folder)
{
    CLEANUP(fd) int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct walk *walk = NULL;
    struct walk_entry entry;
    struct err err = { 0 };
    int64_t files = 0, bytes = 0;
    int r = fd < 0 ? err_errno(&err, ERR_IO, "reading '%s'", folder) : walk_new(fd, &walk, &err);

    while (r >= 0 && files <= SKILLS_FOLDER_FILES && bytes <= SKILLS_FOLDER_BYTES &&
           (r = walk_next(walk, &entry, &err)) > 0) {
        files++;
        bytes += S_ISREG(entry.st.st_mode) ? entry.st.st_size : 0;
    }
    walk_free(walk);
    if (r < 0)
        report(l, arena_text(l->ask->arena, err.text), NULL);
    else if (files > SKILLS_FOLDER_FILES || bytes > SKILLS_FOLDER_BYTES)
        report(l,
               arena_printf(l->ask->arena, "skill '%s' has more than %d files or %d MiB", folder,
                            SKILLS_FOLDER_FILES, SKILLS_FOLDER_BYTES >> 20),
               NULL);
    return r >= 0 && files <= SKILLS_FOLDER_FILES && bytes <= SKILLS_FOLDER_BYTES;
}

static bool read_skill(struct skills_loader *l, const char *path, struct skill_file *ret)
{
    struct buf text = BUF_INIT(SKILL_FILE_MAX + 1);
    struct arena *arena = l->ask->arena;
    struct skill_problem why = { 0 };
    struct host_problem problem = host_check_file(path, 0, arena);
    struct err err = { 0 };
    int r = problem.message ? -ERR_IO : file_read(path, &text, &err);
    bool is_good = r == 0 && skill_parse(buf_span(&text), arena, ret, &why);

    if (r == -ERR_TOO_LARGE)
        report(l, arena_printf(arena, "'%s' is larger than %d KiB", path, SKILL_FILE_MAX >> 10), NULL);
    else if (r < 0)
        report(l, problem.message ? problem.message : arena_text(arena, err.text), problem.hint);
    else if (!is_good)
        report(l,
               arena_printf(arena, "%s:%u:%u: %s", path, (unsigned) why.pos.line, (unsigned) why.pos.column,
                            why.message),
               "SKILL.md begins with '---', name: ..., description: ..., and '---'");
    buf_done(&text);
    return is_good;
}

static void load_folder(struct skills_loader *l, const char *folder)
{
    struct manifest_skill skill = { .from = folder, .has_place = true };
    const char *path = arena_printf(l->ask->arena, "%s/" NAME, folder);
    struct skill_file file;

    if (!path) {
        report(l, NULL, NULL);
        return;
    }
    if (!is_ours(l, folder) || !is_ours(l, path) || !read_skill(l, path, &file) || !is_bounded(l, folder))
        return;
    skill.name = file.name;
    skill.description = file.description;
    skill.text = file.text;
    add(l, &skill);
}

static bool has_skill(const char *folder, struct arena *arena)
{
    const char *path = arena_printf(arena, "%s/" NAME, folder);
    struct stat st;

    return path && lstat(path, &st) == 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Hidden folders are somebody else's. */
static size_t list_folders(struct skills_loader *l, DIR *dir, const char *folder, const char **names)
{
    struct dirent *entry;
    size_t count = 0;

    while (count < LOOK_MAX && (entry = readdir(dir)) != NULL) {
        const char *path =
            entry->d_name[0] == '.' ? NULL : arena_printf(l->ask->arena, "%s/%s", folder, entry->d_name);

        if (path && has_skill(path, l->ask->arena))
            names[count++] = path;
    }
    qsort(names, count, sizeof(*names), compare);
    return count;
}

static void load_folders(struct skills_loader *l, const char *folder)
{
    const char **names = arena_alloc(l->ask->arena, LOOK_MAX * sizeof(*names));
    DIR *dir = opendir(folder);
    size_t count = 0;

    if (!names)
        report(l, NULL, NULL);
    else if (!dir)
        report(l, arena_printf(l->ask->arena, "cannot read '%s': %s", folder, strerror(errno)), NULL);
    else if ((count = list_folders(l, dir, folder, names)) == 0)
        report(l, arena_printf(l->ask->arena, "there is no SKILL.md in '%s', nor in a folder in it", folder),
               "name the folder of a skill, or one that holds such folders");
    if (dir)
        (void) closedir(dir); /* only read */
    for (size_t i = 0; i < count; i++)
        load_folder(l, names[i]);
}

static void load_from(struct skills_loader *l, const char *from)
{
    const char *folder = path_host(l->ask->folder, from, l->ask->arena);
    struct host_problem problem = { NULL, NULL };

    if (folder)
        problem = host_check_dir(folder, l->ask->arena);
    if (!folder || problem.message)
        report(l, problem.message, problem.hint);
    else if (has_skill(folder, l->ask->arena))
        load_folder(l, folder);
    else
        load_folders(l, folder);
}

/* Written out: in the manifest itself, or read when the run began. */
static void take_written(struct skills_loader *l, const struct manifest_skill *from)
{
    struct manifest_skill skill = *from;

    skill.description = skill_line(span_of(from->description), l->ask->arena);
    skill.has_place = from->from != NULL;
    if (from->from)
        skill.from = path_host(l->ask->folder, from->from, l->ask->arena);
    if (!skill.description || (skill.has_place && !skill.from))
        report(l, NULL, NULL);
    else
        add(l, &skill);
}

void skills_load(const struct skills_ask *ask, struct manifest_agent *agent)
{
    struct skills_loader l = { .ask = ask };

    if (agent->skill_count == 0)
        return;
    l.list = arena_alloc(ask->arena, (SKILLS_MAX + 1) * sizeof(*l.list));
    if (!l.list) {
        report(&l, NULL, NULL);
        return;
    }
    for (size_t i = 0; i < agent->skill_count; i++) {
        const struct manifest_skill *item = &agent->skills[i];

        if (!item->node)
            continue; /* no skill at all: reported */
        l.pos = item->node->pos;
        if (item->text && item->name && item->description)
            take_written(&l, item);
        else if (item->from)
            load_from(&l, item->from);
    }
    agent->skills = l.list;
    agent->skill_count = l.count;
}
