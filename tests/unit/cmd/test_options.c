/* SPDX-License-Identifier: MIT */
/* The command line: what is taken, and the exact words for what is not. */
#include "tests/unit/unit.h"

#include "cmd/options.h"

#include <stdio.h>

static struct options opts;
static struct buf task;
static struct err err;

static int set_up(void **state)
{
    buf_init(&task, 1024);
    memset(&err, 0, sizeof(err));
    return 0;
}

static int tear_down(void **state)
{
    buf_done(&task);
    return 0;
}

/* `words` end with NULL. */
static int parse(const char *const *words)
{
    static char *argv[256]; /* opts->args points into it */
    int argc = 1;

    argv[0] = (char *) (uintptr_t) "agentbox";
    for (; *words; words++)
        argv[argc++] = (char *) (uintptr_t) *words; /* only read from */
    buf_clear(&task);
    err = (struct err){ 0 };
    return options_parse(argc, argv, &opts, &task, &err);
}

#define WORDS(...)        \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }
#define TAKEN(...) assert_int_equal(parse(WORDS(__VA_ARGS__)), 0)

static void refused(const char *text, const char *hint, const char *const *words)
{
    assert_int_equal(parse(words), -ERR_USAGE);
    assert_string_equal(err.text, text);
    assert_string_equal(err.hint, hint);
}

/* ---- what is taken ---- */

static void test_nothing(void **state)
{
    const char *const none[] = { NULL };

    assert_int_equal(parse(none), 0);
    assert_null(opts.verb);
    assert_false(opts.help);
}

static void test_run(void **state)
{
    TAKEN("run", "m.yaml");
    assert_string_equal(opts.verb, "run");
    assert_int_equal(opts.arg_count, 1);
    assert_string_equal(opts.args[0], "m.yaml");
    assert_null(opts.task);
    assert_null(opts.output);
    assert_false(opts.json || opts.quiet || opts.keep || opts.help);
    assert_int_equal(opts.params.count + opts.sets.count, 0);
}

static void test_every_form_of_values(void **state)
{
    TAKEN("run", "-p", "a=b", "-pc=d", "--set", "x=y", "--set=x=y", "m.yaml", "--param=e=", "--param",
          "f=g=h", "--set=");
    assert_int_equal(opts.params.count, 4);
    assert_string_equal(opts.params.items[0], "a=b");
    assert_string_equal(opts.params.items[1], "c=d");
    assert_string_equal(opts.params.items[2], "e=");
    assert_string_equal(opts.params.items[3], "f=g=h");
    assert_int_equal(opts.sets.count, 3);
    assert_string_equal(opts.sets.items[0], "x=y");
    assert_string_equal(opts.sets.items[1], "x=y");
    assert_string_equal(opts.sets.items[2], "");
    assert_int_equal(opts.arg_count, 1);
}

static void test_flags_anywhere_behind_the_verb(void **state)
{
    TAKEN("run", "--json", "m.yaml", "--keep", "-q", "-o", "f", "-");
    assert_true(opts.json && opts.keep && opts.quiet);
    assert_string_equal(opts.output, "f");
    assert_int_equal(opts.arg_count, 2);
    assert_string_equal(opts.args[1], "-");
    TAKEN("logs", "-f", "id");
    assert_true(opts.follow);
    TAKEN("gc", "-n", "--engine=unix:///x");
    assert_true(opts.dry_run);
    assert_string_equal(opts.engine, "unix:///x");
}

static void test_going_on(void **state)
{
    TAKEN("resume", "--last", "--set", "limits.turns=9");
    assert_true(opts.last);
    assert_int_equal(opts.arg_count, 0);
    assert_string_equal(opts.sets.items[0], "limits.turns=9");
    TAKEN("run", "--resume", "2026", "--json", "-q");
    assert_string_equal(opts.resume, "2026");
    assert_int_equal(opts.arg_count, 0);
    TAKEN("fork", "last@turn:3", "--no-run", "--set=model.name=m", "--", "go", "on");
    assert_true(opts.no_run);
    assert_string_equal(opts.args[0], "last@turn:3");
    assert_string_equal(opts.task, "go on");
    TAKEN("diff", "a@3", "--stat", "b");
    assert_true(opts.stat);
    assert_string_equal(opts.args[0], "a@3");
    assert_string_equal(opts.args[1], "b");
    TAKEN("replay", "-q", "--json", "last");
    TAKEN("verify", "--json", "last");
    TAKEN("outputs", "--json", "last");
    TAKEN("outputs", "--to", "d", "last");
    TAKEN("export", "last", "-");
    assert_string_equal(opts.args[1], "-");
}

static void test_the_last_one_wins(void **state)
{
    TAKEN("run", "-o", "a", "--output=b", "m");
    assert_string_equal(opts.output, "b");
}

static void test_a_value_may_look_like_an_option(void **state)
{
    TAKEN("run", "-o", "--json", "-p", "-q", "m");
    assert_string_equal(opts.output, "--json");
    assert_string_equal(opts.params.items[0], "-q");
    assert_false(opts.json || opts.quiet);
}

static void test_task(void **state)
{
    TAKEN("run", "m", "--", "count", "the", "--words", "-p", "--");
    assert_string_equal(opts.task, "count the --words -p --");
    assert_int_equal(opts.arg_count, 1);
    assert_int_equal(opts.params.count, 0);
    TAKEN("plan", "m", "--", "a  b\n");
    assert_string_equal(opts.task, "a  b\n");
    TAKEN("run", "m", "--");
    assert_string_equal(opts.task, "");
    TAKEN("run", "m", "--", "");
    assert_string_equal(opts.task, "");
}

static void test_help_anywhere(void **state)
{
    TAKEN("--help");
    assert_true(opts.help);
    assert_null(opts.verb);
    TAKEN("-h");
    assert_true(opts.help);
    TAKEN("--help", "run");
    assert_true(opts.help);
    assert_string_equal(opts.verb, "run");
    TAKEN("run", "--help");
    assert_true(opts.help);
    TAKEN("run", "m", "x", "y", "-h"); /* the number of arguments does not matter then */
    assert_true(opts.help);
    TAKEN("ls", "x", "--help");
    assert_true(opts.help);
    TAKEN("show", "-h", "--json");
    assert_true(opts.help && opts.json);
    TAKEN("run", "m", "--", "--help");
    assert_false(opts.help);
}

static void test_version(void **state)
{
    TAKEN("--version");
    assert_string_equal(opts.verb, "version");
    TAKEN("--version", "--json");
    assert_string_equal(opts.verb, "version");
    assert_true(opts.json);
    TAKEN("version");
    assert_string_equal(opts.verb, "version");
    refused("'agentbox run' has no option '--version'", "`agentbox help run` lists the options",
            WORDS("run", "m", "--version"));
    refused("'agentbox version' does not take 'ls'", "usage: agentbox version [OPTIONS]",
            WORDS("--version", "ls"));
}

static void test_numbers_of_arguments(void **state)
{
    TAKEN("rm", "1", "2", "3", "4", "5", "6", "7", "8");
    assert_int_equal(opts.arg_count, 8);
    TAKEN("rm", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "--engine", "e", "11");
    assert_int_equal(opts.arg_count, 11);
    assert_string_equal(opts.args[0], "1");
    assert_string_equal(opts.args[10], "11");
    assert_string_equal(opts.engine, "e");
    TAKEN("help");
    TAKEN("help", "run");
    TAKEN("schema");
    TAKEN("doctor", "--json");
    TAKEN("validate", "m");
    TAKEN("ls");
}

/* ---- what is not ---- */

static void test_unknown_verbs(void **state)
{
    refused("there is no verb 'rin'", "did you mean 'agentbox run'?", WORDS("rin", "m"));
    refused("there is no verb 'valdiate'", "did you mean 'agentbox validate'?", WORDS("valdiate"));
    refused("there is no verb 'log'", "did you mean 'agentbox logs'?", WORDS("log"));
    refused("there is no verb 'start'", "`agentbox help` lists them", WORDS("start"));
    refused("there is no verb 'm.yaml'", "`agentbox help` lists them", WORDS("m.yaml"));
    refused("there is no verb ''", "`agentbox help` lists them", WORDS(""));
    refused("there is no verb '-'", "`agentbox help` lists them", WORDS("-"));
    refused("there is no verb 'RUN'", "did you mean 'agentbox run'?", WORDS("RUN"));
    refused("there is no verb 'rin'", "did you mean 'agentbox run'?", WORDS("rin", "--help"));
    refused("there is no verb 'rn'", "did you mean 'agentbox run'?", WORDS("rn", "m"));
    refused("there is no verb 'rsume'", "did you mean 'agentbox resume'?", WORDS("rsume", "last"));
    refused("there is no verb 'continue'", "`agentbox help` lists them", WORDS("continue", "last"));
}

static void test_unknown_options(void **state)
{
    refused("'agentbox run' has no option '--jsno'", "did you mean '--json'?", WORDS("run", "--jsno", "m"));
    refused("'agentbox run' has no option '--ouput=x'", "did you mean '--output'?",
            WORDS("run", "--ouput=x", "m"));
    refused("'agentbox run' has no option '--frobnicate'", "`agentbox help run` lists the options",
            WORDS("run", "--frobnicate", "m"));
    refused("'agentbox run' has no option '-x'", "`agentbox help run` lists the options",
            WORDS("run", "-x", "m"));
    refused("'agentbox run' has no option '--=x'", "`agentbox help run` lists the options",
            WORDS("run", "--=x", "m"));
    refused("'agentbox run' has no option '--para'", "did you mean '--param'?",
            WORDS("run", "--para", "a=b"));
    refused("there is no option '--halp'", "did you mean '--help'?", WORDS("--halp"));
    refused("there is no option '-x'", "`agentbox help` shows how to call it", WORDS("-x"));
    refused("there is no option '--frobnicate'", "`agentbox help` shows how to call it",
            WORDS("--frobnicate", "run"));
}

/* What another verb takes is as unknown. */
static void test_options_of_other_verbs(void **state)
{
    refused("'agentbox ls' has no option '--keep'", "`agentbox help ls` lists the options",
            WORDS("ls", "--keep"));
    refused("'agentbox validate' has no option '-o'", "`agentbox help validate` lists the options",
            WORDS("validate", "-o", "f", "m"));
    refused("'agentbox run' has no option '-f'", "`agentbox help run` lists the options",
            WORDS("run", "-f", "m"));
    refused("'agentbox schema' has no option '--json'", "`agentbox help schema` lists the options",
            WORDS("schema", "--json"));
}

static void test_options_before_the_verb(void **state)
{
    refused("option '--json' is given before the verb", "options follow the verb: agentbox run --json",
            WORDS("--json", "ls"));
    refused("option '--follow' is given before the verb", "options follow the verb: agentbox logs --follow",
            WORDS("-f", "logs", "x"));
    refused("option '--output' is given before the verb",
            "options follow the verb: agentbox run --output FILE", WORDS("-o", "f", "ls"));
}

static void test_values_that_are_missing(void **state)
{
    refused("option '--param' needs a value: --param NAME=VALUE", "", WORDS("run", "m", "-p"));
    refused("option '--set' needs a value: --set PATH=VALUE", "", WORDS("run", "m", "--set"));
    refused("option '--output' needs a value: --output FILE", "", WORDS("run", "m", "--output"));
    refused("option '--engine' needs a value: --engine URL", "", WORDS("gc", "--engine"));
}

static void test_values_that_are_too_many(void **state)
{
    refused("option '--json' takes no value", "", WORDS("run", "--json=yes", "m"));
    refused("option '--json' takes no value", "", WORDS("ls", "--json="));
    refused("option '--quiet' takes no value", "", WORDS("run", "-qf", "m"));
    refused("option '--help' takes no value", "", WORDS("--help=run"));
    refused("option '--help' takes no value", "", WORDS("-hv"));
}

static void test_a_list_is_bounded(void **state)
{
    const char *words[2 * OPTIONS_LIST_MAX + 5] = { "run", "m" };
    size_t n = 2;

    for (size_t i = 0; i < OPTIONS_LIST_MAX; i++) {
        words[n++] = "-p";
        words[n++] = "a=b";
    }
    assert_int_equal(parse(words), 0);
    assert_int_equal(opts.params.count, OPTIONS_LIST_MAX);
    words[n] = "-pc=d";
    refused("option '--param' is given more than 64 times", "", words);
}

static void test_too_few_arguments(void **state)
{
    refused("'agentbox run' needs MANIFEST", "usage: agentbox run [OPTIONS] MANIFEST [- | -- TASK]",
            WORDS("run"));
    refused("'agentbox run' needs MANIFEST", "usage: agentbox run [OPTIONS] MANIFEST [- | -- TASK]",
            WORDS("run", "--", "m.yaml"));
    refused("'agentbox validate' needs MANIFEST", "usage: agentbox validate [OPTIONS] MANIFEST",
            WORDS("validate", "--json"));
    refused("'agentbox show' needs RUN", "usage: agentbox show [OPTIONS] RUN", WORDS("show"));
    refused("'agentbox rm' needs RUN", "usage: agentbox rm [OPTIONS] RUN...", WORDS("rm"));
    refused("'agentbox resume' needs RUN", "usage: agentbox resume [OPTIONS] RUN", WORDS("resume"));
    refused("'agentbox fork' needs RUN", "usage: agentbox fork [OPTIONS] RUN[@POINT] [- | -- TASK]",
            WORDS("fork", "--", "task"));
    refused("'agentbox export' needs RUN", "usage: agentbox export [OPTIONS] RUN[@POINT] DIR|FILE.tar[.zst]",
            WORDS("export"));
    refused("'agentbox export' needs DIR", "usage: agentbox export [OPTIONS] RUN[@POINT] DIR|FILE.tar[.zst]",
            WORDS("export", "last"));
}

static void test_too_many_arguments(void **state)
{
    refused("'agentbox run' does not take 'c'", "usage: agentbox run [OPTIONS] MANIFEST [- | -- TASK]",
            WORDS("run", "a", "b", "c", "d"));
    refused("'agentbox ls' does not take 'x'", "usage: agentbox ls [OPTIONS]", WORDS("ls", "x"));
    refused("'agentbox help' does not take 'b'",
            "usage: agentbox help [OPTIONS] [VERB | manifest | exit-codes]", WORDS("help", "a", "b"));
    refused("'agentbox resume' does not take 'b'", "usage: agentbox resume [OPTIONS] RUN",
            WORDS("resume", "a", "b"));
    refused("'agentbox resume' does not take 'a'", "usage: agentbox resume [OPTIONS] RUN",
            WORDS("resume", "--last", "a"));
    refused("'agentbox diff' does not take 'c'", "usage: agentbox diff [OPTIONS] RUN[@POINT] [RUN[@POINT]]",
            WORDS("diff", "a", "b", "c"));
}

static void test_task_where_there_is_none(void **state)
{
    refused("'--' and a task are not taken here", "", WORDS("validate", "m", "--", "x"));
    refused("'--' and a task are not taken here", "", WORDS("ls", "--"));
    refused("'--' and a task are not taken here", "", WORDS("--", "run", "m"));
    refused("'--' and a task are not taken here", "", WORDS("show", "--", "id"));
}

static void test_task_is_bounded(void **state)
{
    char word[1026];

    memset(word, 'x', sizeof(word) - 1);
    word[1024] = '\0';
    TAKEN("run", "m", "--", word);
    assert_int_equal(strlen(opts.task), 1024);
    word[1024] = 'x';
    word[1025] = '\0';
    refused("the task after '--' is too long", "", WORDS("run", "m", "--", word));
    word[1024] = '\0';
    refused("the task after '--' is too long", "", WORDS("run", "m", "--", word, ""));
}

/* ---- help ---- */

static void test_verbs_are_found(void **state)
{
    static const char *const names[] = { "run",  "resume", "fork",    "replay", "validate",
                                         "plan", "schema", "ls",      "show",   "logs",
                                         "diff", "export", "outputs", "verify", "rm",
                                         "gc",   "doctor", "version", "help" };
    const struct verb *verb;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        verb = verb_find(names[i]);
        assert_non_null(verb);
        assert_string_equal(verb->name, names[i]);
        assert_non_null(verb->run);
        assert_true(verb->args_max >= verb->args_min);
        assert_true(verb->args_min == 0 || verb->synopsis[0]);
    }
    assert_null(verb_find("ru"));
    assert_null(verb_find("runs"));
    assert_null(verb_find(""));
}

static void test_help_of_a_verb(void **state)
{
    struct buf out = BUF_INIT(8192);

    assert_int_equal(help_verb(&out, verb_find("gc")), 0);
    assert_string_equal(buf_text(&out),
                        "agentbox gc: remove containers and volumes of dead or expired runs\n"
                        "\n"
                        "usage: agentbox gc [OPTIONS]\n"
                        "\n"
                        "options:\n"
                        "      --json                for machines: JSON on stdout (run: one event a line)\n"
                        "  -n, --dry-run             only say what would be removed\n"
                        "      --engine URL          the engine to ask, such as unix:///var/run/docker.sock\n"
                        "  -h, --help                explain the verb\n");
    buf_done(&out);
}

static void test_help_of_all(void **state)
{
    struct buf out = BUF_INIT(8192);

    assert_int_equal(help_all(&out), 0);
    assert_non_null(strstr(buf_text(&out), "usage: agentbox VERB [OPTIONS] [ARGUMENTS]\n"));
    assert_non_null(strstr(buf_text(&out), "  run        run an agent; its final message goes to stdout\n"));
    assert_non_null(strstr(buf_text(&out), "  help       explain a verb, the manifest, the exit codes\n"));
    buf_done(&out);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    CASE(test_nothing),
    CASE(test_run),
    CASE(test_every_form_of_values),
    CASE(test_flags_anywhere_behind_the_verb),
    CASE(test_going_on),
    CASE(test_the_last_one_wins),
    CASE(test_a_value_may_look_like_an_option),
    CASE(test_task),
    CASE(test_help_anywhere),
    CASE(test_version),
    CASE(test_numbers_of_arguments),
    CASE(test_unknown_verbs),
    CASE(test_unknown_options),
    CASE(test_options_of_other_verbs),
    CASE(test_options_before_the_verb),
    CASE(test_values_that_are_missing),
    CASE(test_values_that_are_too_many),
    CASE(test_a_list_is_bounded),
    CASE(test_too_few_arguments),
    CASE(test_too_many_arguments),
    CASE(test_task_where_there_is_none),
    CASE(test_task_is_bounded),
    CASE(test_verbs_are_found),
    CASE(test_help_of_a_verb),
    CASE(test_help_of_all),
};

UNIT_MAIN(tests)
