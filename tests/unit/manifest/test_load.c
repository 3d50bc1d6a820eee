/* SPDX-License-Identifier: MIT */
/* The struct that comes out, and what the command line changes. Refusals are in tests/cases/manifests. */
#include "core/base/file.h"
#include "manifest/load.h"
#include "tests/unit/manifest/cases.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

static struct diags diags;
static struct err err;
static char cases[PATH_MAX];

static int set_up(void **state)
{
    cases_enter();
    assert_non_null(getcwd(cases, sizeof(cases)));
    (void) chmod("data", 0755); /* what a strict umask took away */
    (void) chmod("data/sales.csv", 0644);
    diags_init(&diags);
    return 0;
}

static int tear_down(void **state)
{
    diags_done(&diags);
    return 0;
}

static struct run_spec *load(struct manifest_options opt)
{
    struct run_spec *spec = NULL;
    struct buf said = BUF_INIT(65536);

    if (!opt.env)
        opt.env = cases_env;
    if (manifest_load(&opt, &spec, &diags, &err) < 0) {
        diags_render(&diags, &said);
        fail_msg("%s\n%s", err.text, buf_text(&said));
    }
    assert_int_equal(0, diags.count);
    return spec;
}

/* What is said about it, exactly. */
static void assert_said(struct manifest_options opt, const char *text)
{
    struct run_spec *spec = NULL;
    struct buf said = BUF_INIT(65536);

    if (!opt.env)
        opt.env = cases_env;
    assert_int_equal(-ERR_MANIFEST, manifest_load(&opt, &spec, &diags, &err));
    assert_null(spec);
    diags_render(&diags, &said);
    assert_string_equal(buf_text(&said), text);
    buf_done(&said);
}

static const char *in_cases(const char *name)
{
    static char path[PATH_MAX + 64];

    (void) snprintf(path, sizeof(path), "%s/%s", cases, name);
    return path;
}

static void the_model_of_the_example(void **state)
{
    struct run_spec *spec = load((struct manifest_options){ .path = "good-example.yaml" });
    const struct model_spec *m = &spec->model;

    assert_string_equal(m->name, "gpt-5.1");
    assert_string_equal(m->base_url, "https://api.openai.com/v1");
    assert_int_equal(m->api_key.kind, SECRET_ENV);
    assert_string_equal(m->api_key.value, "OPENAI_API_KEY");
    assert_int_equal(m->header_count, 2);
    assert_string_equal(m->headers[0].name, "OpenAI-Project");
    assert_string_equal(m->headers[0].value, "proj_1");
    assert_null(m->headers[1].value);
    assert_int_equal(m->headers[1].secret.kind, SECRET_FILE);
    assert_string_equal(m->headers[1].secret.value, in_cases("key.txt"));
    assert_string_equal(m->headers[1].secret.prefix, "v1 ");
    assert_int_equal(m->state, MODEL_STATE_LOCAL);
    assert_int_equal(m->tool_style, MODEL_TOOLS_AUTO);
    assert_string_equal(m->reasoning_effort, "medium");
    assert_string_equal(m->reasoning_summary, "auto");
    assert_int_equal(m->max_output_tokens, 32000);
    assert_string_equal(m->text_verbosity, "low");
    assert_string_equal(m->service_tier, "auto");
    assert_int_equal(m->idle_ms, 300000);
    assert_int_equal(m->retries, 5);
    assert_int_equal(m->price.input, 1250000);
    assert_int_equal(m->price.cached_input, 125000);
    assert_int_equal(m->price.output, 10000000);
    assert_int_equal(tree_int(tree_path(m->extra, "metadata", "team", NULL), 0), 42);
    assert_null(m->record);
    assert_null(m->replay);
    run_spec_free(spec);
}

static void the_rest_of_the_example(void **state)
{
    struct run_spec *spec = load((struct manifest_options){ .path = "good-example.yaml" });

    assert_string_equal(spec->source, in_cases("good-example.yaml"));
    assert_string_equal(spec->name, "quarterly-report");
    assert_string_equal(spec->description, "What changed in the last quarter");
    assert_int_equal(spec->param_count, 1);
    assert_string_equal(spec->params[0].name, "quarter");
    assert_string_equal(spec->params[0].value, "Q3");
    assert_string_equal(spec->instructions, "You are a careful analyst.\n");
    assert_string_equal(spec->task, "Read data/sales.csv, write out/report.md for Q3.\n");
    assert_int_equal(spec->attachment_count, 1);
    assert_string_equal(spec->attachments[0], in_cases("chart.png"));
    assert_int_equal(spec->tool_count, 1);
    assert_string_equal(spec->tools[0], "shell");
    assert_int_equal(spec->output_count, 2);
    assert_string_equal(spec->outputs[0].path, "out/report.md");
    assert_string_equal(spec->outputs[0].to, in_cases("out/report.md"));
    assert_string_equal(spec->outputs[0].to_as_given, "./out/");
    assert_true(spec->outputs[0].required);
    assert_string_equal(spec->outputs[1].to, in_cases("out/charts"));
    assert_false(spec->outputs[1].required);
    assert_int_equal(spec->limits.turns, 100);
    assert_int_equal(spec->limits.tool_calls, 500);
    assert_int_equal(spec->limits.wall_ms, 3600000);
    assert_int_equal(spec->limits.tokens, 2000000);
    assert_int_equal(spec->limits.cost_micros, 5000000);
    assert_int_equal(spec->limits.command_ms, 120000);
    assert_int_equal(spec->limits.output_bytes, 65536);
    assert_int_equal(spec->limits.repeat, 5);
    assert_int_equal(spec->checkpoints.every, RUN_CHECKPOINT_TURN);
    assert_int_equal(spec->checkpoints.keep, 5);
    assert_int_equal(spec->checkpoints.on_interrupt, RUN_INTERRUPT_RERUN);
    run_spec_free(spec);
}

static void the_sandbox_of_the_example(void **state)
{
    struct run_spec *spec = load((struct manifest_options){ .path = "good-example.yaml" });
    const struct sandbox_spec *s = &spec->sandbox;

    assert_string_equal(s->image, "python:3.12-slim");
    assert_int_equal(s->pull, SANDBOX_PULL_MISSING);
    assert_string_equal(s->engine, "auto");
    assert_int_equal(s->uid, 65532);
    assert_int_equal(s->gid, 65532);
    assert_int_equal(s->memory_bytes, 1 << 30);
    assert_int_equal(s->nano_cpus, 1500000000);
    assert_int_equal(s->pids, 256);
    assert_int_equal(s->tmp_bytes, 64 << 20);
    assert_string_equal(s->runtime, "default");
    assert_string_equal(s->seccomp, "strict");
    assert_int_equal(s->lower_count, 0);
    assert_int_equal(s->keep, SANDBOX_KEEP_NEVER);
    assert_string_equal(s->root, "/workspace");
    assert_int_equal(s->storage, SANDBOX_STORAGE_MEMORY);
    assert_int_equal(s->size_bytes, 1 << 30);
    assert_int_equal(s->env_count, 3);
    assert_string_equal(s->env[1].name, "LEVEL");
    assert_string_equal(s->env[1].value, "3");
    assert_string_equal(s->env[2].value, "true");
    assert_int_equal(s->mount_count, 1);
    assert_string_equal(s->mounts[0].source, in_cases("data"));
    assert_string_equal(s->mounts[0].target, "/workspace/data");
    assert_int_equal(s->orphan_ms, MANIFEST_ORPHAN_MS);
    run_spec_free(spec);
}

static void the_entries_of_the_example(void **state)
{
    struct run_spec *spec = load((struct manifest_options){ .path = "good-example.yaml" });

    assert_int_equal(spec->entry_count, 4);
    assert_string_equal(spec->entries[0].path, "cfg.toml");
    assert_int_equal(spec->entries[0].kind, RUN_ENTRY_LOCAL_FILE);
    assert_string_equal(spec->entries[0].src, in_cases("cfg.toml"));
    assert_int_equal(spec->entries[0].mode, -1);
    assert_string_equal(spec->entries[1].path, "data");
    assert_true(spec->entries[1].mount);
    assert_string_equal(spec->entries[2].path, "notes.txt");
    assert_true(span_is(spec->entries[2].content, "hello\n"));
    assert_int_equal(spec->entries[2].mode, 0644);
    assert_string_equal(spec->entries[3].path, "out");
    assert_int_equal(spec->entries[3].kind, RUN_ENTRY_DIR);
    run_spec_free(spec);
}

static void children_and_permissions(void **state)
{
    static const char *const paths[] = { "permissions/a", "permissions/b", "permissions/c",
                                         "permissions/d", "src",           "src/data",
                                         "src/lib",       "src/lib/a/b.c", "src/main.c" };
    struct run_spec *spec = load((struct manifest_options){ .path = "good-children.yaml" });

    assert_int_equal(spec->entry_count, 9);
    for (size_t i = 0; i < 9; i++)
        assert_string_equal(spec->entries[i].path, paths[i]);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(spec->entries[i].mode, 0640);
    assert_int_equal(spec->entries[6].mode, 0750);
    assert_int_equal(spec->sandbox.uid, 0);
    assert_string_equal(spec->sandbox.lower[0], "user");
    run_spec_free(spec);
}

static void defaults(void **state)
{
    static const char *const env[] = { "AGENTBOX_MODEL=m2", "OPENAI_BASE_URL=http://localhost:8080/v1",
                                       NULL };
    struct run_spec *spec = load((struct manifest_options){ .path = "good-minimal.yaml", .env = env });

    assert_string_equal(spec->name, "good-minimal");
    assert_string_equal(spec->description, "");
    assert_string_equal(spec->model.name, "m"); /* the manifest wins */
    assert_string_equal(spec->model.base_url, "http://localhost:8080/v1");
    assert_int_equal(spec->model.price.input, -1);
    assert_int_equal(spec->model.api_key.kind, SECRET_ENV);
    assert_null(spec->model.extra);
    assert_null(spec->instructions);
    assert_int_equal(spec->tool_count, 2);
    assert_string_equal(spec->tools[1], "apply_patch");
    assert_int_equal(spec->limits.tokens, 0);
    assert_int_equal(spec->checkpoints.every, RUN_CHECKPOINT_CALL);
    assert_int_equal(spec->checkpoints.keep, 20);
    assert_int_equal(spec->checkpoints.on_interrupt, RUN_INTERRUPT_REPORT);
    assert_int_equal(spec->limits.turns, 100);
    assert_int_equal(spec->sandbox.nano_cpus, 1000000000);
    run_spec_free(spec);
}

static void the_model_from_the_environment(void **state)
{
    static const char *const env[] = { "AGENTBOX_MODEL=m2", NULL };
    struct run_spec *spec = load((struct manifest_options){ .path = "key-missing-model.yaml", .env = env });

    assert_string_equal(spec->model.name, "m2");
    run_spec_free(spec);
}

static void texts_from_files(void **state)
{
    struct run_spec *spec = load((struct manifest_options){ .path = "good-files.yaml" });

    assert_string_equal(spec->task, "Count the lines of data/sales.csv.\n");
    assert_string_equal(spec->instructions, "You are a careful analyst.\n");
    assert_string_equal(spec->attachments[0], in_cases("files/a.txt"));
    assert_string_equal(spec->model.replay, in_cases("files/cassette.jsonl"));
    assert_string_equal(spec->sandbox.seccomp, in_cases("files/a.txt"));
    assert_string_equal(spec->outputs[0].path, "out/a");
    assert_string_equal(spec->outputs[0].to, in_cases("../elsewhere/a"));
    assert_string_equal(spec->outputs[1].to, "/tmp/b");
    run_spec_free(spec);
}

static void a_task_of_the_command_line_wins(void **state)
{
    struct run_spec *spec = load((struct manifest_options){ .path = "good-files.yaml", .task = "do this" });

    assert_string_equal(spec->task, "do this");
    run_spec_free(spec);
    spec = load((struct manifest_options){ .path = "key-missing-task.yaml", .task = "do that" });
    assert_string_equal(spec->task, "do that");
    assert_non_null(strstr(spec->resolved, "\"task\": \"do that\""));
    run_spec_free(spec);
}

static void what_expands_gets_its_type(void **state)
{
    struct run_spec *spec = load((struct manifest_options){ .path = "good-expand.yaml" });

    assert_string_equal(spec->model.name, "gpt-5.1");
    assert_int_equal(spec->model.retries, 3);
    assert_string_equal(spec->task,
                        "home /home/user, empty '', literal ${HOME} and $HOME and $$ and $${X}, size 2g");
    assert_false(spec->outputs[0].required);
    assert_int_equal(spec->limits.turns, 12);
    assert_int_equal(spec->limits.tool_calls, 7);
    assert_int_equal(spec->sandbox.size_bytes, INT64_C(2) << 30);
    run_spec_free(spec);
}

static void parameters_of_the_command_line(void **state)
{
    static const struct run_param params[] = { { "turns", "3" }, { "strict", "true" }, { "turns", "4" } };
    struct run_spec *spec =
        load((struct manifest_options){ .path = "good-expand.yaml", .params = params, .param_count = 3 });

    assert_int_equal(spec->limits.turns, 4);
    assert_true(spec->outputs[0].required);
    assert_non_null(strstr(spec->resolved, "\"default\": \"4\""));
    run_spec_free(spec);
}

static void wrong_parameters(void **state)
{
    static const struct run_param params[] = { { "turns", "many" }, { "sice", "1g" }, { "other", "x" } };

    assert_said((struct manifest_options){ .path = "good-expand.yaml", .params = params, .param_count = 3 },
                "-p turns: error: must be a whole number\n"
                "-p sice: error: unknown parameter 'sice'\n"
                "      = did you mean 'size'?\n"
                "-p other: error: unknown parameter 'other'\n"
                "      = declare it in 'params'\n"
                "good-expand.yaml:16:10: error: expected a number such as 500 or 2m, got 'many'\n"
                "   16 |   turns: ${params.turns}\n"
                "      |          ^\n");
}

static void edits(void **state)
{
    static const char *const sets[] = { "limits.turns=3",
                                        "agent.tools=[shell]",
                                        "workspace.entries.\"notes.txt\".content=bye",
                                        "outputs.1.required=true",
                                        "outputs.2={path: more, to: './${REGION}/'}",
                                        "sandbox.keep=always",
                                        "description=",
                                        "description=a=b" };
    struct run_spec *spec =
        load((struct manifest_options){ .path = "good-example.yaml", .sets = sets, .set_count = 8 });

    assert_int_equal(spec->limits.turns, 3);
    assert_int_equal(spec->limits.tool_calls, 500);
    assert_true(span_is(spec->entries[2].content, "bye"));
    assert_true(spec->outputs[1].required);
    assert_string_equal(spec->outputs[2].to, in_cases("eu/more"));
    assert_int_equal(spec->sandbox.keep, SANDBOX_KEEP_ALWAYS);
    assert_string_equal(spec->description, "a=b");
    run_spec_free(spec);
}

static void wrong_edits(void **state)
{
    static const char *const sets[] = { "limits.turn=3",
                                        "limits.turns=many",
                                        "nothing",
                                        "outputs.7.to=x",
                                        "version.x=1",
                                        "agent.tools=[shell",
                                        "a..b=1",
                                        "sandbox.memory=1k",
                                        "=x",
                                        "model.api_key=sk-1",
                                        "agent.task=${NOPE}" };

    assert_said((struct manifest_options){ .path = "good-example.yaml", .sets = sets, .set_count = 11 },
                "--set limits.turn: error: unknown key 'turn'\n"
                "      = did you mean 'turns'?\n"
                "--set limits.turns: error: expected a number such as 500 or 2m, got 'many'\n"
                "--set nothing: error: expected path=value\n"
                "--set outputs.7.to: error: expected an index up to 2 instead of '7'\n"
                "--set version.x: error: there are no keys above 'x'\n"
                "--set agent.tools: error: the value is not YAML: expected ',' or ']' here\n"
                "--set a..b: error: not a path: names with dots between them\n"
                "--set sandbox.memory: error: must be between 6 MiB and 16 TiB\n"
                "--set : error: expected path=value\n"
                "--set model.api_key: error: a secret does not go into a manifest\n"
                "      = write {from_env: NAME}, {from_file: path} or {from_command: [...]}\n"
                "--set agent.task: error: variable 'NOPE' is not set\n"
                "      = set it, give a default with ${NAME:-default}, or write $${ for a literal ${\n");
}

static void null_takes_out(void **state)
{
    static const char *const sets[] = { "model.replay=null", "outputs.0=", "sandbox.nothing=null" };
    struct run_spec *spec =
        load((struct manifest_options){ .path = "good-files.yaml", .sets = sets, .set_count = 3 });

    assert_null(spec->model.replay);
    assert_int_equal(spec->output_count, 1);
    assert_string_equal(spec->outputs[0].path, "b");
    run_spec_free(spec);
}

static void the_shortest_example(void **state)
{
    struct run_spec *spec =
        load((struct manifest_options){ .path = "../../../manifest/examples/minimal/manifest.yaml" });

    assert_string_equal(spec->name, "manifest");
    assert_string_equal(spec->sandbox.image, "alpine");
    run_spec_free(spec);
}

static void a_manifest_made_of_edits(void **state)
{
    static const char *const sets[] = { "version=1", "sandbox.image=alpine", "model.name=m",
                                        "agent.task=work" };
    struct run_spec *spec =
        load((struct manifest_options){ .path = "yaml-empty.yaml", .sets = sets, .set_count = 4 });

    assert_string_equal(spec->sandbox.image, "alpine");
    run_spec_free(spec);
}

static void assert_not_read(const char *path, const char *text, const char *hint)
{
    struct run_spec *spec = NULL;
    struct manifest_options opt = { .path = path, .env = cases_env };

    assert_int_equal(-ERR_MANIFEST, manifest_load(&opt, &spec, &diags, &err));
    assert_int_equal(0, diags.count);
    assert_string_equal(err.text, text);
    assert_string_equal(err.hint, hint);
}

static void files_that_are_no_manifest(void **state)
{
    assert_not_read("nowhere.yaml", "there is no manifest 'nowhere.yaml'",
                    "is the path right? '-' reads a manifest from stdin");
    assert_not_read("files", "'files' is a folder, not a manifest",
                    "name the file in it, such as files/manifest.yaml");
}

/* A run that goes on: only what a new sandbox is bound to must still be there. */
static void what_the_beginning_has_read_may_be_gone(void **state)
{
    static const char *const sets[] = {
        "agent.attachments=[gone.png]", "workspace.entries.copy={type: local_dir, src: ./gone}",
        "workspace.entries.bound={type: local_dir, src: /nowhere/gone, mount: true}"
    };
    struct run_spec *spec = load((struct manifest_options){
        .path = "good-minimal.yaml", .sets = sets, .set_count = 2, .has_begun = true });

    assert_string_equal(spec->attachments[0], in_cases("gone.png"));
    assert_string_equal(spec->entries[0].src, in_cases("gone"));
    run_spec_free(spec);
    assert_said(
        (struct manifest_options){
            .path = "good-minimal.yaml", .sets = sets, .set_count = 3, .has_begun = true },
        "--set workspace.entries.bound: error: there is no '/nowhere/gone'\n");
}

static void from_stdin(void **state)
{
    int fd = open("good-minimal.yaml", O_RDONLY | O_CLOEXEC);
    struct run_spec *spec;

    assert_true(fd >= 0);
    assert_int_equal(STDIN_FILENO, dup2(fd, STDIN_FILENO));
    (void) close(fd);
    spec = load((struct manifest_options){ .path = "-" });
    assert_string_equal(spec->source, "-");
    assert_string_equal(spec->name, "manifest");
    run_spec_free(spec);
}

static void the_name_of_the_file(void **state)
{
    static const struct {
        const char *file, *name;
    } names[] = { { "Q3 Report.v2.yaml", "q3-report-v2" }, { "__.yaml", "manifest" }, { "a_b.yml", "a-b" } };
    char folder[] = "/tmp/manifest-XXXXXX";

    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < 3; i++) {
        struct buf text = BUF_INIT(65536);
        struct run_spec *spec;
        char path[64];

        (void) snprintf(path, sizeof(path), "%s/%s", folder, names[i].file);
        assert_int_equal(0, file_read("good-minimal.yaml", &text, &err));
        assert_int_equal(0, file_write_atomic(path, buf_span(&text), 0600, &err));
        spec = load((struct manifest_options){ .path = path });
        assert_string_equal(spec->name, names[i].name);
        run_spec_free(spec);
        assert_int_equal(0, unlink(path));
        buf_done(&text);
    }
    assert_int_equal(0, rmdir(folder));
}

/* Permission bits are looked at, whoever runs the test. */
static void a_mount_the_sandbox_cannot_read(void **state)
{
    static const char text[] = "version: 1\nmodel: {name: m}\nagent: {task: work}\nsandbox: {image: alpine}\n"
                               "workspace: {entries: {d: {type: local_dir, src: d, mount: true}}}\n";
    char folder[] = "/tmp/manifest-XXXXXX", message[256];
    struct manifest_options opt = { .path = "m.yaml", .env = cases_env };
    struct run_spec *spec = NULL;

    assert_non_null(mkdtemp(folder));
    assert_int_equal(0, chdir(folder));
    assert_int_equal(0, file_write_atomic("m.yaml", span_of(text), 0600, &err));
    assert_int_equal(0, mkdir("d", 0700));
    assert_int_equal(0, chmod("d", 0700));
    assert_int_equal(-ERR_MANIFEST, manifest_load(&opt, &spec, &diags, &err));
    (void) snprintf(message, sizeof(message), "user 65532:65532 of the sandbox cannot read '%s/d'", folder);
    assert_int_equal(1, diags.count);
    assert_string_equal(diags.items[0].message, message);
    assert_string_equal(diags.items[0].hint,
                        "chmod o+rx it, take another sandbox.user, or copy it: mount: false");

    diags_done(&diags);
    diags_init(&diags);
    assert_int_equal(0, chmod("d", 0755));
    assert_int_equal(0, file_write_atomic("d/f", span_of("x"), 0600, &err));
    assert_int_equal(-ERR_MANIFEST, manifest_load(&opt, &spec, &diags, &err));
    (void) snprintf(message, sizeof(message), "user 65532:65532 of the sandbox cannot read '%s/d/f'", folder);
    assert_string_equal(diags.items[0].message, message);

    diags_done(&diags);
    diags_init(&diags);
    assert_int_equal(0, chmod("d/f", 0644));
    assert_int_equal(0, manifest_load(&opt, &spec, &diags, &err));
    run_spec_free(spec);
    assert_int_equal(0, file_remove_tree(AT_FDCWD, folder, &err));
}

static void folders_of_the_kernel_are_never_mounted(void **state)
{
    static const char *const sets[] = { "workspace.entries.x={type: local_dir, src: /proc, mount: true}" };

    assert_said((struct manifest_options){ .path = "good-minimal.yaml", .sets = sets, .set_count = 1 },
                "--set workspace.entries.x: error: '/proc' of the host is never mounted\n");
}

/* Of the same model the window is known; a subagent that may ask makes a run of which nobody knows how long
 * its sandbox is needed. */
static void subagents(void **state)
{
    static const char *const same[] = {
        "model.context_window=100k",
        "agent.tools=[{type: agent, name: a, manifest: {version: 1, sandbox: {image: x}}}]"
    };
    static const char *const other[] = {
        "model.context_window=100k",
        "agent.tools=[{type: agent, name: a, manifest: {version: 1, model: {name: "
        "b}, agent: {tools: [shell], approve: ask}, sandbox: {image: x}}}]"
    };
    struct manifest_options opt = { .path = "good-minimal.yaml", .sets = same, .set_count = 2 };
    struct run_spec *spec = load(opt);
    const struct run_spec *below = run_spec_agent(&spec->own[0])->spec;

    assert_int_equal(below->model.context_window, 100000);
    assert_int_equal(below->compact.at_tokens, 90000);
    assert_int_equal(spec->life_ms, spec->limits.wall_ms);
    run_spec_free(spec);
    opt.sets = other;
    spec = load(opt);
    below = run_spec_agent(&spec->own[0])->spec;
    assert_int_equal(below->model.context_window, 0);
    assert_int_equal(below->compact.at_tokens, 0);
    assert_int_equal(spec->life_ms, 0);
    run_spec_free(spec);
}

static void secrets_stay_references(void **state)
{
    struct run_spec *spec = load((struct manifest_options){ .path = "good-example.yaml" });

    assert_null(strstr(spec->resolved, "sk-not-a-real-key"));
    assert_non_null(strstr(spec->resolved, "\"from_env\": \"OPENAI_API_KEY\""));
    run_spec_free(spec);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    TEST(the_model_of_the_example),
    TEST(the_rest_of_the_example),
    TEST(the_sandbox_of_the_example),
    TEST(the_entries_of_the_example),
    TEST(children_and_permissions),
    TEST(defaults),
    TEST(the_model_from_the_environment),
    TEST(texts_from_files),
    TEST(a_task_of_the_command_line_wins),
    TEST(what_expands_gets_its_type),
    TEST(parameters_of_the_command_line),
    TEST(wrong_parameters),
    TEST(edits),
    TEST(wrong_edits),
    TEST(null_takes_out),
    TEST(the_shortest_example),
    TEST(a_manifest_made_of_edits),
    TEST(files_that_are_no_manifest),
    TEST(what_the_beginning_has_read_may_be_gone),
    TEST(from_stdin),
    TEST(the_name_of_the_file),
    TEST(a_mount_the_sandbox_cannot_read),
    TEST(folders_of_the_kernel_are_never_mounted),
    TEST(subagents),
    TEST(secrets_stay_references),
};

UNIT_MAIN(tests)
