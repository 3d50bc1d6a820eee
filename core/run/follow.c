/* SPDX-License-Identifier: MIT */
/* Following a journal with a timer. */
#include "core/run/follow.h"

#include "core/run/journal.h"

#include <stdlib.h>

#define LOOK_MS 100

struct journal_follow {
    const struct journal_follow_ops *ops;
    void *data;
    struct journal_reader reader;
    struct loop_source *timer;
};

void journal_follow_free(struct journal_follow *f)
{
    if (!f)
        return;
    loop_source_free(f->timer);
    journal_close(&f->reader);
    free(f);
}

static void on_timer(void *data)
{
    struct journal_follow *f = data;
    struct err err = { 0 };
    struct record rec;
    int r;

    while ((r = journal_next(&f->reader, &rec, &err)) > 0)
        f->ops->on_record(f->data, f->reader.line, &rec);
    if (r == 0)
        r = loop_timer_set(f->timer, LOOK_MS, &err);
    /* last: the owner may free us in either */
    if (r < 0)
        f->ops->on_error(f->data, &err);
    else
        f->ops->on_quiet(f->data);
}

int journal_follow_start(struct loop *loop, struct run_folder *folder, const struct journal_follow_ops *ops,
                         void *data, struct journal_follow **ret, struct err *err)
{
    struct journal_follow *f = calloc(1, sizeof(*f));
    int r;

    if (!f)
        return err_set(err, ERR_INTERNAL, "no memory to follow a journal");
    f->ops = ops;
    f->data = data;
    r = journal_open(folder, &f->reader, err);
    if (r == 0)
        r = loop_timer(loop, 0, on_timer, f, &f->timer, err);
    if (r < 0)
        journal_follow_free(f);
    else
        *ret = f;
    return r;
}
