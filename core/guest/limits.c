/* SPDX-License-Identifier: MIT */
#include "core/guest/limits.h"

#include "core/guest/cgroup.h"

#include <fcntl.h>
#include <sys/vfs.h>

/* A place counts as full with less than that left: what has no room for a page has mostly room for less. */
enum { FULL_BYTES = 16 * 1024, FULL_SHARE = 1024 };

static int places[FRAME_PLACES] = { -1, -1, -1 };

void limits_init(int root_fd)
{
    places[FRAME_PLACE_ROOT] = root_fd;
    places[FRAME_PLACE_TMP] = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
    places[FRAME_PLACE_SHM] = open("/dev/shm", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* What is full there. */
static uint16_t place_look(int place, uint32_t *ret_files)
{
    struct statfs fs;
    uint16_t hits = 0;

    if (places[place] < 0 || fstatfs(places[place], &fs) < 0)
        return 0;
    if (fs.f_blocks > 0 && ((uint64_t) fs.f_bavail < (uint64_t) fs.f_blocks / FULL_SHARE ||
                            (uint64_t) fs.f_bavail * (uint64_t) fs.f_bsize < FULL_BYTES))
        hits |= (uint16_t) (FRAME_HIT_BYTES << place);
    if (fs.f_files > 0 && fs.f_ffree == 0) { /* some file systems have no such limit */
        hits |= (uint16_t) (FRAME_HIT_FILES << place);
        *ret_files = fs.f_files < UINT32_MAX ? (uint32_t) fs.f_files : UINT32_MAX;
    }
    return hits;
}

static uint16_t places_look(uint32_t *ret_files)
{
    uint16_t hits = 0;

    for (int i = 0; i < FRAME_PLACES; i++)
        hits |= place_look(i, ret_files);
    return hits;
}

static uint16_t full; /* as of the last look */

/* Looking costs time, so what was not full when a command failed last is taken for that. */
void limits_begin(struct limits_mark *m)
{
    uint32_t files;

    if (full)
        full = places_look(&files);
    *m = (struct limits_mark){ .oom_kills = cgroup_oom_kills(),
                               .pid_refusals = cgroup_pid_refusals(),
                               .full = full };
}

void limits_watch(struct limits_mark *m)
{
    if (!m->is_watched)
        cgroup_periods(&m->periods, &m->used_up);
    m->is_watched = true;
}

/* Half of the time and more. */
static bool is_held_back(const struct limits_mark *m)
{
    uint64_t periods, used_up;

    if (!m->is_watched)
        return false;
    cgroup_periods(&periods, &used_up);
    return used_up > m->used_up && 2 * (used_up - m->used_up) >= periods - m->periods;
}

void limits_end(const struct limits_mark *m, struct frame_exit *x)
{
    if (cgroup_oom_kills() > m->oom_kills)
        x->hits |= FRAME_HIT_MEMORY;
    if (cgroup_pid_refusals() > m->pid_refusals)
        x->hits |= FRAME_HIT_PIDS;
    if (x->end == FRAME_EXIT_TIMEOUT && is_held_back(m))
        x->hits |= FRAME_HIT_CPU;
    if (x->end == FRAME_EXIT_FAILED || (x->end == FRAME_EXIT_EXITED && x->code == 0))
        return;
    full = places_look(&x->files);
    x->hits |= full;
    for (int i = 0; i < FRAME_PLACES; i++) {
        uint16_t of_place = (uint16_t) ((FRAME_HIT_BYTES | FRAME_HIT_FILES) << i);

        if ((full & of_place) && (m->full & of_place) == (full & of_place))
            x->hits |= (uint16_t) (FRAME_HIT_BEFORE << i);
    }
}
