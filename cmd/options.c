/* SPDX-License-Identifier: MIT */
/* The tables of verbs and options, and what is derived from them. */
#include "cmd/options.h"

#include "cmd/verbs.h"
#include "core/base/table.h"

#include <stdio.h>
#include <string.h>

enum {
    ON_RUN = 1 << 0,
    ON_RESUME = 1 << 1,
    ON_FORK = 1 << 2,
    ON_REPLAY = 1 << 3,
    ON_VALIDATE = 1 << 4,
    ON_PLAN = 1 << 5,
    ON_SCHEMA = 1 << 6,
    ON_LS = 1 << 7,
    ON_SHOW = 1 << 8,
    ON_LOGS = 1 << 9,
    ON_DIFF = 1 << 10,
    ON_EXPORT = 1 << 11,
    ON_OUTPUTS = 1 << 12,
    ON_VERIFY = 1 << 13,
    ON_RM = 1 << 14,
    ON_GC = 1 << 15,
    ON_DOCTOR = 1 << 16,
    ON_VERSION = 1 << 17,
    ON_HELP = 1 << 18,
    ON_ATTEST = 1 << 19,
    ON_SCAN = 1 << 20,
    ON_EGRESS = 1 << 21,
    ON_TOOLS = 1 << 22,
    ON_MEMORY = 1 << 23,
    ON_EVERY = ~0,
    ON_MANIFEST = ON_RUN | ON_VALIDATE | ON_PLAN | ON_SCAN | ON_TOOLS,
    ON_RUNNING = ON_RUN | ON_RESUME | ON_FORK,            /* a run goes on under our eyes */
    ON_NO_JSON = ON_SCHEMA | ON_RM | ON_HELP | ON_ATTEST, /* some write JSON anyway */
};

static const char note_task[] = "MANIFEST is a file, or '-' for stdin. TASK takes the place of the "
                                "manifest's task; '-' reads it from stdin.";
static const char note_manifest[] = "MANIFEST is a file, or '-' for stdin.";
static const char note_tools[] =
    "ls: the library; ls MANIFEST: the tools of a manifest as the model will see them, and their cost.\n"
    "add DIR, add RUN[@POINT]:PATH: keep a tool, a folder with tool.yaml, once its tests passed in its "
    "image,\n"
    "without a network. No run is offered it (tools: [{from: library, only: [NAME]}]) before it is "
    "approved.\n"
    "NAME is its newest version, for rm all of them; NAME@DIGEST is that one.\n"
    "MANIFEST is a file, or '-' for stdin; --manifest names it too. Tokens are estimated from bytes. Of\n"
    "model.tool_style: auto the first try is shown; --set model.tool_style=function shows what a server "
    "that\n"
    "takes functions only is told.";
static const char note_memory[] =
    "NAME is the name of a manifest that keeps notes (agent.memory) in agentbox' state folder; a word with\n"
    "a '/' in it is a folder: that of agent.memory.dir. `ls` lists the names, `show` prints the notes, `rm`\n"
    "removes those with these numbers (3 or n3), without any all of them.";
static const char note_scan[] =
    "The scanner is that of the manifest's sandbox.scan, else trivy or grype, whichever is here. Its answer\n"
    "holds for the runs to come, as long as sandbox.scan.max_age says. Exit status 7: it refused the image.";
#define RUN_IS   "RUN is an id as `agentbox ls` shows it, the beginning of one, or 'last'."
#define POINT_IS "\nRUN@SEQ is it as of that record of its journal, RUN@turn:N as of the end of turn N."
static const char note_run[] = RUN_IS;
static const char note_resume[] =
    RUN_IS "\nOnly values under 'limits' can be set anew; used turns, time and cost "
           "count on.\n`agentbox fork` changes anything, from any point.";
static const char note_fork[] =
    RUN_IS POINT_IS "\nTASK is what the model is told next; '-' reads it from stdin. Budgets begin anew.";
static const char note_diff[] =
    RUN_IS POINT_IS "\nWithout a point: the last checkpoint. One RUN: from its beginning to there.";
static const char note_export[] =
    RUN_IS POINT_IS "\nDIR must be new or empty; '-' writes an archive to stdout.";
static const char note_outputs[] =
    RUN_IS "\nThey go where the manifest says, and that is printed. Of a run that did not run on this "
           "machine since\n"
           "it was started, they must lie in the current folder then; --to puts them anywhere.";
static const char note_egress[] = RUN_IS
    "\nBy host: requests (a tunnel counts as one), bytes on the outer connections, and the tool calls whose\n"
    "processes they were, as far as the sandbox shows ('?': not known). --json has every request.";
static const char note_verify[] =
    RUN_IS "\nChecked are the journal's chain, the manifest, and every object and checkpoint by its digest.\n"
           "With --attestation also that FILE says what the run says, byte for byte, and that the outputs\n"
           "on the disk are what the run wrote. The first difference is named. Damage: exit status 9.";
static const char note_attest[] = RUN_IS
    "\nThe statement is in-toto v1 with SLSA provenance v1: outputs with their digests, and what they\n"
    "come from. The same run gives the same bytes; `agentbox verify RUN --attestation FILE` checks "
    "them.";
static const char note_replay[] = RUN_IS "\nA new run makes its calls again, in a new sandbox, with the "
                                         "recorded answers of the model: no network,\n"
                                         "no key, no outputs. Exit status 1: results differ.";

static const struct verb verbs[] = {
    { "run", ON_RUN, "MANIFEST [- | -- TASK]", "run an agent; its final message goes to stdout", note_task, 1,
      2, true, verb_run },
    { "resume", ON_RESUME, "RUN", "go on with a run that was interrupted, crashed, or hit a limit",
      note_resume, 1, 1, false, verb_resume },
    { "fork", ON_FORK, "RUN[@POINT] [- | -- TASK]", "begin a new run where another one was", note_fork, 1, 2,
      true, verb_fork },
    { "replay", ON_REPLAY, "RUN", "make a run's calls again, and compare the results", note_replay, 1, 1,
      false, verb_replay },
    { "validate", ON_VALIDATE, "MANIFEST", "check a manifest and report every problem", note_manifest, 1, 1,
      false, verb_validate },
    { "plan", ON_PLAN, "MANIFEST [- | -- TASK]", "show what a run would do, touching nothing", note_task, 1,
      2, true, verb_plan },
    { "tools", ON_TOOLS, "ls|add|approve|test|rm [WHAT]",
      "tools of a manifest as the model sees them; the library of tools", note_tools, 1, 2, false,
      verb_tools },
    { "scan", ON_SCAN, "IMAGE|MANIFEST", "have an image scanned now, and keep the answer", note_scan, 1, 1,
      false, verb_scan },
    { "schema", ON_SCHEMA, "", "print the manifest's JSON Schema, for editors", NULL, 0, 0, false,
      verb_schema },
    { "ls", ON_LS, "", "list runs, newest first", NULL, 0, 0, false, verb_ls },
    { "show", ON_SHOW, "RUN", "one run: state, numbers, outputs, calls", note_run, 1, 1, false, verb_show },
    { "logs", ON_LOGS, "RUN", "what happened in a run, step by step", note_run, 1, 1, false, verb_logs },
    { "egress", ON_EGRESS, "RUN", "what left the sandbox of a run, and what was denied", note_egress, 1, 1,
      false, verb_egress },
    { "diff", ON_DIFF, "RUN[@POINT] [RUN[@POINT]]", "what changed in the workspace between two points",
      note_diff, 1, 2, false, verb_diff },
    { "export", ON_EXPORT, "RUN[@POINT] DIR|FILE.tar[.zst]",
      "write the workspace of a run to a folder or an archive", note_export, 2, 2, false, verb_export },
    { "outputs", ON_OUTPUTS, "RUN", "collect a run's outputs again, from its last checkpoint", note_outputs,
      1, 1, false, verb_outputs },
    { "attest", ON_ATTEST, "RUN", "state what a run that is done wrote, and from what", note_attest, 1, 1,
      false, verb_attest },
    { "verify", ON_VERIFY, "RUN", "check that a run folder is as it was written", note_verify, 1, 1, false,
      verb_verify },
    { "memory", ON_MEMORY, "ls | show NAME | rm NAME [NUMBER...]",
      "show and remove the notes that runs leave", note_memory, 1, ARGS_ANY, false, verb_memory },
    { "rm", ON_RM, "RUN...", "remove runs that have ended, with what is left of their sandboxes", note_run, 1,
      ARGS_ANY, false, verb_rm },
    { "gc", ON_GC, "", "remove containers and volumes of dead or expired runs", NULL, 0, 0, false, verb_gc },
    { "doctor", ON_DOCTOR, "", "check engine and host, and say what to mend", NULL, 0, 0, false,
      verb_doctor },
    { "version", ON_VERSION, "", "print the version", NULL, 0, 0, false, verb_version },
    { "help", ON_HELP, "[VERB | manifest | exit-codes]", "explain a verb, the manifest, the exit codes", NULL,
      0, 1, false, verb_help },
};

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_LIST };

struct option_row {
    const char *name;
    char letter;
    enum option_kind kind;
    const char *arg;
    unsigned on; /* the verbs that take it */
    size_t offset;
    const char *help;
};

#define AT(member) offsetof(struct options, member)

static const struct option_row rows[] = {
    { "param", 'p', OPTION_LIST, "NAME=VALUE", ON_MANIFEST, AT(params), "set a parameter of the manifest" },
    { "set", 0, OPTION_LIST, "PATH=VALUE", ON_MANIFEST | ON_FORK, AT(sets),
      "set any value of the manifest, such as limits.turns=5" },
    { "set", 0, OPTION_LIST, "limits.X=VALUE", ON_RESUME, AT(sets),
      "set a limit anew, such as limits.turns=60" },
    { "json", 0, OPTION_FLAG, NULL, (unsigned) ON_EVERY & ~(unsigned) ON_NO_JSON, AT(json),
      "for machines: JSON on stdout (run: one event a line)" },
    { "output", 'o', OPTION_TEXT, "FILE", ON_RUNNING | ON_ATTEST, AT(output),
      "write the result to FILE instead of stdout" },
    { "keep", 0, OPTION_FLAG, NULL, ON_RUNNING, AT(keep), "leave the container when the run has ended" },
    { "quiet", 'q', OPTION_FLAG, NULL, ON_RUNNING | ON_REPLAY | ON_SCAN | ON_TOOLS, AT(quiet),
      "no progress on stderr, errors only" },
    { "approve", 0, OPTION_TEXT, "WORD", ON_RUN | ON_PLAN | ON_VALIDATE | ON_FORK, AT(least),
      "auto, ask or deny: agent.approve can only be stricter" },
    { "approve", 0, OPTION_FLAG, NULL, ON_RESUME, AT(approve), "let the call run that waits for approval" },
    { "approve", 0, OPTION_FLAG, NULL, ON_TOOLS, AT(approve), "with add: approve it, too" },
    { "deny", 0, OPTION_FLAG, NULL, ON_RESUME, AT(deny), "do not; the model is told" },
    { "reason", 0, OPTION_TEXT, "TEXT", ON_RESUME, AT(reason), "with --deny: why, for the model" },
    { "resume", 0, OPTION_TEXT, "RUN", ON_RUN, AT(resume), "instead of MANIFEST: go on with that run" },
    { "last", 0, OPTION_FLAG, NULL, ON_RESUME, AT(last), "instead of RUN: the newest run" },
    { "no-run", 0, OPTION_FLAG, NULL, ON_FORK, AT(no_run),
      "only make it and print its id; `agentbox resume` starts it" },
    { "stat", 0, OPTION_FLAG, NULL, ON_DIFF, AT(stat), "only which files, and how many lines" },
    { "attestation", 0, OPTION_TEXT, "FILE", ON_VERIFY, AT(attestation),
      "check the statement in FILE too, and the outputs" },
    { "outputs", 0, OPTION_FLAG, NULL, ON_VERIFY, AT(outputs),
      "check the collected outputs where they were put too" },
    { "outputs-in", 0, OPTION_TEXT, "DIR", ON_VERIFY, AT(outputs_in),
      "the same, but they were moved: each is at its path in DIR" },
    { "to", 0, OPTION_TEXT, "DIR", ON_OUTPUTS, AT(to),
      "write each output to its path in DIR, not to where the manifest says" },
    { "manifest", 0, OPTION_TEXT, "MANIFEST", ON_TOOLS, AT(manifest),
      "the manifest, instead of an argument" },
    { "follow", 'f', OPTION_FLAG, NULL, ON_LOGS, AT(follow), "go on until the run ends" },
    { "dry-run", 'n', OPTION_FLAG, NULL, ON_GC, AT(dry_run), "only say what would be removed" },
    { "engine", 0, OPTION_TEXT, "URL", ON_GC | ON_DOCTOR | ON_RM, AT(engine),
      "the engine to ask, such as unix:///var/run/docker.sock" },
    { "untrusted", 0, OPTION_FLAG, NULL, ON_MANIFEST, AT(untrusted),
      "refuse a manifest that reaches beyond its own folder" },
    { "help", 'h', OPTION_FLAG, NULL, (unsigned) ON_EVERY, AT(help), "explain the verb" },
};

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < FIELD_COUNT_OF(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int unknown_verb(const char *name, struct err *err)
{
    const char *names[FIELD_COUNT_OF(verbs)];
    const char *near;

    for (size_t i = 0; i < FIELD_COUNT_OF(verbs); i++)
        names[i] = verbs[i].name;
    near = table_nearest(span_of(name), names, FIELD_COUNT_OF(verbs));
    err_set(err, ERR_USAGE, "there is no verb '%s'", name);
    return near ? err_hint(err, "did you mean 'agentbox %s'?", near)
                : err_hint(err, "`agentbox help` lists them");
}

/* The row for "--name", "--name=value" or "-x", if this verb takes it. */
static const struct option_row *row_find(const struct verb *verb, const char *word)
{
    bool is_long = word[1] == '-';
    size_t len = is_long ? strcspn(word + 2, "=") : 1;

    for (size_t i = 0; i < FIELD_COUNT_OF(rows); i++) {
        if (verb && !(rows[i].on & verb->bit))
            continue;
        if (is_long && strlen(rows[i].name) == len && memcmp(rows[i].name, word + 2, len) == 0)
            return &rows[i];
        if (!is_long && rows[i].letter && rows[i].letter == word[1])
            return &rows[i];
    }
    return NULL;
}

static int unknown_option(const struct verb *verb, const char *word, struct err *err)
{
    const char *names[FIELD_COUNT_OF(rows)];
    const char *near = NULL;
    size_t count = 0;

    for (size_t i = 0; i < FIELD_COUNT_OF(rows); i++)
        if (!verb || (rows[i].on & verb->bit))
            names[count++] = rows[i].name;
    if (word[1] == '-')
        near = table_nearest(span_make(word + 2, strcspn(word + 2, "=")), names, count);
    if (verb)
        err_set(err, ERR_USAGE, "'agentbox %s' has no option '%s'", verb->name, word);
    else
        err_set(err, ERR_USAGE, "there is no option '%s'", word);
    if (near)
        return err_hint(err, "did you mean '--%s'?", near);
    return verb ? err_hint(err, "`agentbox help %s` lists the options", verb->name)
                : err_hint(err, "`agentbox help` shows how to call it");
}

/* Before the verb nobody can tell whether the verb takes it. */
static int too_early(const struct option_row *row, struct err *err)
{
    const struct verb *verb = verbs;

    while (!(row->on & verb->bit))
        verb++;
    err_set(err, ERR_USAGE, "option '--%s' is given before the verb", row->name);
    return err_hint(err, "options follow the verb: agentbox %s --%s%s%s", verb->name, row->name,
                    row->arg ? " " : "", row->arg ? row->arg : "");
}

static int store(struct options *opts, const struct option_row *row, const char *value, struct err *err)
{
    void *member = (char *) opts + row->offset;
    struct option_list *list;

    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *) member = true;
        return 0;
    case OPTION_TEXT:
        *(const char **) member = value;
        return 0;
    case OPTION_LIST:
        list = (struct option_list *) member;
        if (list->count == OPTIONS_LIST_MAX)
            return err_set(err, ERR_USAGE, "option '--%s' is given more than %d times", row->name,
                           OPTIONS_LIST_MAX);
        list->items[list->count++] = value;
        return 0;
    }
    return 0;
}

/* One option at argv[*at]; moves *at over a separate value. */
static int take_option(const struct verb *verb, int argc, char **argv, int *at, struct options *opts,
                       struct err *err)
{
    const char *word = argv[*at], *value = NULL;
    const struct option_row *row = row_find(verb, word);

    if (!row)
        return unknown_option(verb, word, err);
    if (!verb && row->on != (unsigned) ON_EVERY)
        return too_early(row, err);
    if (word[1] == '-' && strchr(word, '='))
        value = strchr(word, '=') + 1;
    else if (word[1] != '-' && word[2])
        value = word + 2;
    if (row->kind == OPTION_FLAG) {
        if (value)
            return err_set(err, ERR_USAGE, "option '--%s' takes no value", row->name);
        return store(opts, row, NULL, err);
    }
    if (!value && *at + 1 < argc)
        value = argv[++*at];
    if (!value)
        return err_set(err, ERR_USAGE, "option '--%s' needs a value: --%s %s", row->name, row->name,
                       row->arg);
    return store(opts, row, value, err);
}

static int join_task(int argc, char **argv, int from, struct buf *task, struct err *err)
{
    int r = buf_add_text(task, "");

    for (int i = from; i < argc && r == 0; i++) {
        if (i > from)
            r = buf_add_char(task, ' ');
        if (r == 0)
            r = buf_add_text(task, argv[i]);
    }
    return r < 0 ? err_set(err, ERR_USAGE, "the task after '--' is too long") : 0;
}

/* What the synopsis calls the argument at `index`. */
static struct span argument_name(const struct verb *verb, size_t index)
{
    const char *at = verb->synopsis;

    for (; index > 0; index--) {
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return span_make(at, strcspn(at, " .[|"));
}

static int check_args(const struct verb *verb, const struct options *opts, struct err *err)
{
    bool is_named = opts->resume || opts->last; /* by an option, which says all that arguments would */
    size_t min = is_named ? 0 : verb->args_min, max = is_named ? 0 : verb->args_max;

    if (opts->help || (opts->arg_count >= min && opts->arg_count <= max))
        return 0;
    if (opts->arg_count < min)
        err_set(err, ERR_USAGE, "'agentbox %s' needs " SPAN_FMT, verb->name,
                SPAN_ARG(argument_name(verb, opts->arg_count)));
    else
        err_set(err, ERR_USAGE, "'agentbox %s' does not take '%s'", verb->name, opts->args[max]);
    return err_hint(err, "usage: agentbox %s [OPTIONS]%s%s", verb->name, *verb->synopsis ? " " : "",
                    verb->synopsis);
}

/* Where an argument goes in argv: before what is still to be read, since the verb has a place too. */
static void take_argument(char **argv, char *word, struct options *opts)
{
    argv[1 + opts->arg_count++] = word;
}

static int take_verb(const struct verb **verb, const char *word, struct options *opts, struct err *err)
{
    opts->verb = word;
    *verb = verb_find(word);
    return *verb ? 0 : unknown_verb(word, err);
}

int options_parse(int argc, char **argv, struct options *opts, struct buf *ret_task, struct err *err)
{
    const struct verb *verb = NULL;
    int r = 0;

    *opts = (struct options){ .args = (const char *const *) argv + 1 };
    for (int i = 1; i < argc && r == 0; i++) {
        if (strcmp(argv[i], "--") == 0) {
            if (!verb || !verb->takes_task)
                return err_set(err, ERR_USAGE, "'--' and a task are not taken here");
            r = join_task(argc, argv, i + 1, ret_task, err);
            opts->task = buf_text(ret_task);
            break;
        }
        if (argv[i][0] == '-' && argv[i][1] && (argv[i][1] != '-' || argv[i][2]))
            r = !verb && strcmp(argv[i], "--version") == 0 ? take_verb(&verb, "version", opts, err)
                                                           : take_option(verb, argc, argv, &i, opts, err);
        else if (!verb)
            r = take_verb(&verb, argv[i], opts, err);
        else
            take_argument(argv, argv[i], opts);
    }
    if (r < 0)
        return r;
    return verb ? check_args(verb, opts, err) : 0;
}

static void help_option(struct buf *out, const struct option_row *row)
{
    char left[64];

    if (row->letter)
        snprintf(left, sizeof(left), "-%c, --%s%s%s", row->letter, row->name, row->arg ? " " : "",
                 row->arg ? row->arg : "");
    else
        snprintf(left, sizeof(left), "    --%s%s%s", row->name, row->arg ? " " : "",
                 row->arg ? row->arg : "");
    buf_printf(out, "  %-24s  %s\n", left, row->help);
}

int help_all(struct buf *out)
{
    buf_add_text(out, "agentbox: runs AI agents in a locked-down container\n\nusage: agentbox VERB [OPTIONS] "
                      "[ARGUMENTS]\n\nverbs:\n");
    for (size_t i = 0; i < FIELD_COUNT_OF(verbs); i++)
        buf_printf(out, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
    return buf_add_text(out, "\n`agentbox help VERB` shows a verb's options, `agentbox help manifest` the "
                             "manifest,\n`agentbox help exit-codes` what the exit status means.\n");
}

int help_verb(struct buf *out, const struct verb *verb)
{
    buf_printf(out, "agentbox %s: %s\n\nusage: agentbox %s [OPTIONS]%s%s\n\noptions:\n", verb->name,
               verb->summary, verb->name, *verb->synopsis ? " " : "", verb->synopsis);
    for (size_t i = 0; i < FIELD_COUNT_OF(rows); i++)
        if (rows[i].on & verb->bit)
            help_option(out, &rows[i]);
    return verb->note ? buf_printf(out, "\n%s\n", verb->note) : 0;
}
