/* SPDX-License-Identifier: MIT */
/* Room for processes, which leftovers of commands may take up: see exec.h. */
#include "core/guest/cgroup.h"
#include "core/guest/exec_impl.h"
#include "core/guest/spawn.h"
#include "core/guest/stray.h"

static bool is_used(pid_t keeper)
{
    for (int i = 0; i < FRAME_EXECS; i++) {
        if (exec_all[i].keeper == keeper && exec_all[i].state != EXEC_FREE && exec_all[i].state != EXEC_ENDED)
            return true;
    }
    return spawn_is_reserve(keeper);
}

static void swept_note(void)
{
    for (int i = 0; i < FRAME_EXECS; i++) {
        if (exec_all[i].state != EXEC_FREE && exec_all[i].state != EXEC_ENDED)
            exec_all[i].was_swept = true;
    }
}

bool exec_room_make(bool must)
{
    uint64_t max = cgroup_pids_max();

    if (!must && (max == 0 || 2 * (uint64_t) stray_unused(is_used) < max))
        return false;
    if (!stray_condemn(is_used))
        return must && stray_is_due();
    swept_note();
    return true;
}

bool exec_room_check(uint64_t refusals)
{
    static uint64_t seen;
    bool is_news = refusals != seen;

    seen = refusals;
    return is_news && exec_room_make(false);
}
