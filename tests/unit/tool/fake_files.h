/* SPDX-License-Identifier: MIT */
/*
 * The file calls of a channel, played over a tree in memory. Answers come from the loop. Any change can
 * be made to fail, and after any number of them the sandbox's host can die: nothing is answered or
 * carried out any more, and a new host can be played over the same tree.
 */
#ifndef TESTS_FAKE_FILES_H
#define TESTS_FAKE_FILES_H

#include "core/base/loop.h"
#include "core/sandbox/channel.h"

#define FAKE_FILES_MAX 64

struct fake_file {
    char path[128];
    enum guest_file_kind kind;
    uint32_t mode;
    uint64_t inode;
    int64_t mtime_ns;
    char text[4096]; /* or where a link leads */
    size_t len;
};

struct fake_files {
    struct fake_file list[FAKE_FILES_MAX];
    size_t count;
    uint64_t last_inode;
    int64_t clock_ns;
    int changes;   /* requests that changed something so far */
    int fail_at;   /* this one fails (from 1); 0: none */
    int fail_also; /* and so do all from this one on; 0: none */
    int die_at;    /* after so many changes nothing is answered; 0: never */
    bool is_dead;
    bool *stop; /* set when it dies */
    int at_once, most_at_once;
};

extern struct fake_files fake;

void fake_reset(struct loop *loop);
void fake_done(void);                /* before the loop goes */
void fake_revive(struct loop *loop); /* a new host: requests of the old one are forgotten */
void fake_put(const char *path, const char *text, uint32_t mode);
void fake_folder(const char *path);
void fake_link(const char *path, const char *target);
struct fake_file *fake_find(const char *path);
/* "path mode text\n" of every file, sorted; folders as "path/\n". */
void fake_list(char *out, size_t size);

#endif
