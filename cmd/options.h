/* SPDX-License-Identifier: MIT */
/*
 * The command line as two tables: verbs and options. Parsing, `help` and the
 * usage errors come from the rows; a new option is a row and a member of
 * struct options.
 */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include "core/base/buf.h"
#include "core/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_LIST_MAX 64
#define ARGS_ANY         SIZE_MAX

/* A repeated option's values, in order. */
struct option_list {
    const char *items[OPTIONS_LIST_MAX];
    size_t count;
};

/* Everything that can be said on a command line. Strings point into argv. */
struct options {
    const char *verb;        /* NULL: none was given */
    const char *const *args; /* positional arguments, moved to the front of argv */
    size_t arg_count;
    const char *task; /* what follows `--`, joined by the shell or not; NULL: no `--` */
    struct option_list params;
    struct option_list sets;
    const char *output;
    const char *engine;
    const char *attestation; /* verify: a statement to check */
    const char *to;          /* outputs: the folder they go to */
    const char *outputs_in;  /* verify: where the outputs are now */
    const char *manifest;    /* tools: instead of an argument */
    const char *resume;      /* `run --resume RUN`: takes the place of the manifest */
    bool json;
    bool quiet;
    bool keep;
    bool follow;
    bool dry_run;
    bool last; /* takes the place of RUN */
    bool stat;
    bool no_run;
    bool outputs;       /* verify: those on the disk too */
    const char *least;  /* --approve WORD: of a new run */
    bool approve, deny; /* resume: what was asked */
    const char *reason; /* of --deny, for the model */
    bool untrusted;     /* the manifest is somebody else's */
    bool help;
};

struct verb {
    const char *name;
    unsigned bit;              /* this verb in option rows */
    const char *synopsis;      /* arguments, as help shows them */
    const char *summary;       /* one line */
    const char *note;          /* what help says of the arguments; NULL: nothing */
    size_t args_min, args_max; /* max ARGS_ANY: as many as there are */
    bool takes_task;           /* `-- TASK` is allowed */
    int (*run)(const struct options *opts, struct err *err); /* exit status, or -code with err */
};

/* argv[0] is the program; the order of argv changes. Fills `opts`; ERR_USAGE names the word and what was
 * probably meant. Options follow the verb; only --help and --version may stand before it. `ret_task` owns the
 * joined task text that opts->task points to. */
int options_parse(int argc, char **argv, struct options *opts, struct buf *ret_task, struct err *err);

const struct verb *verb_find(const char *name); /* NULL: no such verb */

/* Help texts, appended to `out`: all verbs, or one. */
int help_all(struct buf *out);
int help_verb(struct buf *out, const struct verb *verb);

#endif
