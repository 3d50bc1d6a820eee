/* SPDX-License-Identifier: MIT */
/* Statements about a run that is only told of, and its outputs on the disk. */
#include "tests/unit/run/state_home.h"

#include "core/base/json.h"
#include "core/run/attest.h"
#include "core/run/journal.h"
#include "core/run/object.h"
#include "core/run/output_digest.h"
#include "core/run/recheck.h"
#include "core/run/statement.h"

#define HEX_A "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define HEX_B "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"

static struct run_folder *folder;
static struct journal *journal;
static char place[320];
static char list_name[DIGEST_HEX]; /* of the folder out/all: a, sub/b\n */

static void append(struct record rec)
{
    struct err err = { 0 };

    if (journal_append(journal, &rec, NULL, &err) < 0)
        print_message("# %s\n", err.text);
    assert_int_equal(err.code, 0);
}

static const char *in_place(const char *name)
{
    static char paths[8][512];
    static int at;

    snprintf(paths[++at % 8], sizeof(paths[0]), "%s/%s", place, name);
    return paths[at % 8];
}

static void put(const char *name, const char *text)
{
    assert_int_equal(file_write_atomic(in_place(name), span_of(text), 0644, NULL), 0);
}

static void hex_of(const char *text, char ret[DIGEST_HEX])
{
    digest_of(span_of(text), ret);
}

static void begin(void)
{
    append((struct record){ .type = RECORD_RUN_BEGIN,
                            .run_begin = { .format = RECORD_FORMAT,
                                           .id = folder->id,
                                           .name = "demo",
                                           .program = "agentbox 9.8",
                                           .manifest = HEX_A,
                                           .model = "gpt\xe2\x80\xae",
                                           .base_url = "http://model.test/v1" } });
}

static void sandbox(int64_t attempt, const char *digest, const char *found)
{
    const struct record_row rows[] = { { "capabilities", "verified", "none", found } };

    append((struct record){ .type = RECORD_SANDBOX_START, .sandbox_start = { .attempt = attempt } });
    append((struct record){ .type = RECORD_SANDBOX_INTENT,
                            .sandbox_intent = { .attempt = attempt,
                                                .backend = "docker",
                                                .engine_version = "20",
                                                .image = "demo:1",
                                                .image_id = "sha256:" HEX_B,
                                                .image_digest = digest,
                                                .container_name = "c" } });
    append((struct record){ .type = RECORD_SANDBOX_READY,
                            .sandbox_ready = { .attempt = attempt,
                                               .container_id = "id",
                                               .container_name = "c",
                                               .guest_build = HEX_A,
                                               .rows = rows,
                                               .row_count = 1 } });
}

static void workspace(int64_t attempt)
{
    const struct record_workspace w = { .attempt = attempt };

    append((struct record){ .type = RECORD_WORKSPACE_BEGIN, .workspace = w });
    append((struct record){
        .type = RECORD_INPUT_DONE,
        .input = { .path = "data", .is_folder = true, .files = 2, .size = 7, .sha256 = HEX_A } });
    append((struct record){ .type = RECORD_INPUT_DONE,
                            .input = { .path = "big", .is_folder = true, .is_mount = true } });
    append((struct record){ .type = RECORD_WORKSPACE_READY, .workspace = w });
}

static void turn(void)
{
    static const char item[] = "{\"type\":\"message\",\"role\":\"assistant\",\"status\":\"completed\","
                               "\"content\":[{\"type\":\"output_text\",\"text\":\"all done\"}]}";

    append((struct record){ .type = RECORD_REQUEST_BEGIN,
                            .request_begin = { .turn = 1, .attempt = 1, .body = HEX_B } });
    append((struct record){
        .type = RECORD_REQUEST_ITEM,
        .request_item = {
            .turn = 1, .kind = "message", .item_type = "message", .item = { .json = span_of(item) } } });
    append((struct record){ .type = RECORD_REQUEST_END,
                            .request_end = { .turn = 1,
                                             .status = "completed",
                                             .response_id = "resp_7",
                                             .request_id = "req_7",
                                             .model = "gpt-x" } });
}

static void outputs(void)
{
    struct output_digest_file files[] = { { "a", "" }, { "sub/b\n", "" } };
    struct buf list = BUF_INIT(4096);
    char one[DIGEST_HEX], a[DIGEST_HEX], b[DIGEST_HEX];

    hex_of("report", one);
    hex_of("A", a);
    hex_of("B", b);
    files[0].sha256 = a;
    files[1].sha256 = b;
    assert_int_equal(output_list(files, 2, &list), 0);
    assert_int_equal(object_put(folder, buf_span(&list), list_name, NULL), 0);
    buf_done(&list);
    append((struct record){ .type = RECORD_OUTPUTS_BEGIN, .outputs = { .count = 3 } });
    append((struct record){
        .type = RECORD_OUTPUT_DONE,
        .output = { .path = "out/r.txt", .to = in_place("r.txt"), .files = 1, .size = 6, .sha256 = one } });
    append((struct record){ .type = RECORD_OUTPUT_DONE,
                            .output = { .path = "out/all",
                                        .to = in_place("all"),
                                        .is_folder = true,
                                        .files = 2,
                                        .size = 2,
                                        .sha256 = list_name,
                                        .list = list_name } });
    append((struct record){ .type = RECORD_OUTPUT_DONE,
                            .output = { .path = "none", .to = in_place("none"), .is_missing = true } });
    append((struct record){ .type = RECORD_OUTPUTS_END, .outputs = { .count = 3 } });
}

static void end(const char *state, const char *reason)
{
    append((struct record){ .type = RECORD_RUN_END, .run_end = { .state = state, .reason = reason } });
}

/* Nobody runs it any more. */
static void let_go(void)
{
    char id[RUN_ID_SIZE];

    assert_int_equal(journal_sync(journal, NULL), 0);
    journal_free(journal);
    journal = NULL;
    memcpy(id, folder->id, sizeof(id));
    run_folder_free(folder);
    assert_int_equal(run_folder_open(id, &folder, NULL), 0);
}

static void whole_run(void)
{
    begin();
    sandbox(1, "", "none");
    workspace(1);
    turn();
    outputs();
    end("done", "answer");
}

static int setup(void **state)
{
    if (state_home_setup(state) < 0 || run_folder_create(&folder, NULL) < 0)
        return -1;
    snprintf(place, sizeof(place), "%s/place", state_home);
    if (mkdir(place, 0700) < 0 || mkdir(in_place("all"), 0700) < 0 || mkdir(in_place("all/sub"), 0700) < 0)
        return -1;
    put("r.txt", "report");
    put("all/a", "A");
    put("all/sub/b\n", "B");
    if (run_folder_save(folder, RUN_MANIFEST, span_of("{\"model\":{\"name\":\"m\"}}"), NULL) < 0)
        return -1;
    return journal_create(folder, &journal, NULL);
}

static int teardown(void **state)
{
    journal_free(journal);
    journal = NULL;
    run_folder_free(folder);
    return state_home_teardown(state);
}

/* ---- the statement ---- */

static struct buf text = BUF_INIT(STATEMENT_MAX);
static struct arena arena = ARENA_INIT(1 << 24);
static const struct tree *statement;

static void attest(void)
{
    struct err err = { 0 };

    buf_clear(&text);
    arena_done(&arena);
    attest_write(folder, &text, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(text.data[text.len - 1], '\n');
    assert_int_equal(json_parse(buf_span(&text), &arena, &statement, &err), 0);
}

static void is(const struct tree *t, const char *want)
{
    assert_non_null(t);
    assert_string_equal(tree_string(t, "(no text)"), want);
}

static void subject(size_t i, const char *name, const char *algorithm, const char *hex)
{
    const struct tree *s = tree_at(tree_get(statement, "subject"), i);

    is(tree_get(s, "name"), name);
    is(tree_path(s, "digest", algorithm, NULL), hex);
}

static void test_subjects(void **state)
{
    char hex[DIGEST_HEX];

    whole_run();
    let_go();
    attest();
    is(tree_get(statement, "_type"), "https://in-toto.io/Statement/v1");
    is(tree_get(statement, "predicateType"), "https://slsa.dev/provenance/v1");
    assert_int_equal(tree_get(statement, "subject")->count, 5);
    hex_of("report", hex);
    subject(0, "out/r.txt", "sha256", hex);
    subject(1, "out/all", "dirHash", list_name);
    hex_of("A", hex);
    subject(2, "out/all/a", "sha256", hex);
    hex_of("B", hex);
    subject(3, "out/all/sub/b\n", "sha256", hex);
    hex_of("all done\n", hex);
    subject(4, "final message", "sha256", hex);
}

static void test_what_it_came_from(void **state)
{
    const struct tree *build, *list, *details;

    whole_run();
    let_go();
    attest();
    build = tree_path(statement, "predicate", "buildDefinition", NULL);
    is(tree_get(build, "buildType"), "urn:agentbox:run:v1");
    is(tree_path(build, "externalParameters", "name", NULL), "demo");
    is(tree_path(build, "externalParameters", "model", "baseUrl", NULL), "http://model.test/v1");
    list = tree_get(build, "resolvedDependencies");
    assert_int_equal(list->count, 4);
    is(tree_path(tree_at(list, 0), "digest", "sha256", NULL), HEX_A);
    is(tree_get(tree_at(list, 1), "name"), "demo:1");
    is(tree_path(tree_at(list, 1), "digest", "sha256", NULL), HEX_B);
    is(tree_path(tree_at(list, 1), "annotations", "digestOf", NULL), "configuration");
    is(tree_get(tree_at(list, 2), "name"), "input data");
    is(tree_path(tree_at(list, 2), "digest", "dirHash", NULL), HEX_A);
    is(tree_get(tree_at(list, 3), "name"), "input big");
    assert_null(tree_get(tree_at(list, 3), "digest"));
    assert_true(tree_bool(tree_path(tree_at(list, 3), "annotations", "mounted", NULL), false));
    list = tree_path(build, "internalParameters", "sandboxes", NULL);
    assert_int_equal(list->count, 1);
    is(tree_get(tree_at(tree_get(tree_at(list, 0), "lockDown"), 0), "state"), "verified");
    details = tree_path(statement, "predicate", "runDetails", NULL);
    is(tree_path(details, "builder", "version", "agentbox", NULL), "9.8");
    is(tree_path(details, "metadata", "invocationId", NULL), folder->id);
    assert_false(tree_bool(tree_path(details, "agentbox_model", "recorded", NULL), true));
    list = tree_path(details, "agentbox_model", "responses", NULL);
    assert_int_equal(list->count, 1);
    is(tree_get(tree_at(list, 0), "id"), "resp_7");
    is(tree_get(tree_at(list, 0), "requestSha256"), HEX_B);
    assert_int_equal(tree_int(tree_path(details, "agentbox_journal", "records", NULL), 0), 17);
}

static int64_t left(const char *name)
{
    return tree_int(
        tree_path(statement, "predicate", "buildDefinition", "internalParameters", "egress", name, NULL), -1);
}

static const struct tree *allowed(size_t i)
{
    return tree_at(
        tree_path(statement, "predicate", "buildDefinition", "internalParameters", "egress", "allow", NULL),
        i);
}

/* The rules, what went by them, and no word of where the secret is. */
static void test_what_left(void **state)
{
    static const char manifest[] =
        "{\"model\":{\"name\":\"m\"},\"network\":{\"max_bytes\":5,\"allow\":[\"*.example.org:443\","
        "{\"host\":\"api.test.net:443\",\"inject\":{\"header\":\"X-Key\",\"value\":{\"from_env\":\"MINE\"},"
        "\"intercept\":true}},"
        "{\"host\":\"ro.test.net:80\",\"methods\":[\"GET\",\"HEAD\"]}]},"
        "\"agent\":{\"tools\":[\"shell\","
        "{\"type\":\"container\",\"name\":\"fetch\",\"network\":{\"allow\":[\"t.test.net:443\"]}},"
        "{\"type\":\"mcp\",\"name\":\"far\",\"url\":\"https://mcp.test.net/mcp?key=MINE\"},"
        "{\"type\":\"mcp\",\"name\":\"near\",\"network\":\"none\"}]}}";
    struct record_egress e = { .number = 1, .method = "CONNECT", .host = "a.example.org", .port = 443 };

    assert_int_equal(run_folder_save(folder, RUN_MANIFEST, span_of(manifest), NULL), 0);
    begin();
    sandbox(1, "", "none");
    workspace(1);
    append((struct record){ .type = RECORD_EGRESS_ALLOW, .egress = e });
    e.bytes_up = 100;
    e.bytes_down = 2000;
    append((struct record){ .type = RECORD_EGRESS_END, .egress = e });
    append((struct record){ .type = RECORD_EGRESS_DENY,
                            .egress = { .number = 2, .host = "evil.test", .port = 443, .reason = "no" } });
    append(
        (struct record){ .type = RECORD_EGRESS_TOTAL,
                         .egress_total = { .connections = 3, .allowed = 1, .denied = 7, .bytes_up = 150 } });
    turn();
    end("done", "answer");
    let_go();
    attest();
    is(tree_get(allowed(0), "host"), "*.example.org:443");
    assert_null(tree_get(allowed(0), "methods"));
    is(tree_get(allowed(1), "host"), "api.test.net:443");
    is(tree_get(allowed(1), "injects"), "X-Key");
    assert_non_null(tree_get(allowed(1), "intercepts"));
    assert_null(tree_get(allowed(2), "intercepts"));
    is(tree_at(tree_get(allowed(2), "methods"), 1), "HEAD");
    assert_null(tree_get(allowed(2), "tool"));
    is(tree_get(allowed(3), "host"), "t.test.net:443");
    is(tree_get(allowed(3), "tool"), "fetch");
    is(tree_get(allowed(4), "host"), "https://mcp.test.net/mcp");
    is(tree_get(allowed(4), "tool"), "far");
    assert_null(allowed(5));
    assert_int_equal(left("connections"), 3);
    assert_int_equal(left("requestsAllowed"), 1);
    assert_int_equal(left("requestsDenied"), 7);
    assert_int_equal(left("bytesUp"), 150);
    assert_int_equal(left("bytesDown"), 2000);
    assert_null(strstr(buf_text(&text), "MINE"));
}

static void test_nothing_could_leave(void **state)
{
    assert_int_equal(run_folder_save(folder, RUN_MANIFEST,
                                     span_of("{\"model\":{\"name\":\"m\"},\"network\":\"none\"}"), NULL),
                     0);
    whole_run();
    let_go();
    attest();
    assert_null(allowed(0));
    assert_int_equal(left("connections"), 0);
    assert_int_equal(left("requestsDenied"), 0);
    assert_int_equal(left("bytesDown"), 0);
}

static void test_the_same_bytes_again(void **state)
{
    struct statement_difference d;
    struct buf first = BUF_INIT(STATEMENT_MAX);

    whole_run();
    let_go();
    attest();
    assert_int_equal(buf_add_span(&first, buf_span(&text)), 0);
    attest();
    assert_int_equal(statement_compare(buf_span(&first), buf_span(&text), &d, NULL), 0);
    for (size_t i = 0; i < text.len; i++)
        assert_true(text.data[i] == '\n' || (text.data[i] >= ' ' && text.data[i] < 0x7f)); /* armored */
    buf_done(&first);
}

/* A sandbox was lost on the way, and the image was another one then. */
static void test_the_last_sandbox_counts(void **state)
{
    const struct tree *list;

    begin();
    sandbox(1, "", "none");
    workspace(1);
    append((struct record){ .type = RECORD_SANDBOX_LOST, .failure = { .attempt = 1, .code = "engine" } });
    append((struct record){ .type = RECORD_RUN_RESUME, .run_resume = { .program = "agentbox 9.9" } });
    append((struct record){ .type = RECORD_ROLLBACK });
    sandbox(2, "registry.test/demo@sha256:" HEX_A, "nothing");
    workspace(2);
    turn();
    end("done", "answer");
    let_go();
    attest();
    assert_int_equal(tree_get(statement, "subject")->count, 1);
    list = tree_path(statement, "predicate", "buildDefinition", "resolvedDependencies", NULL);
    assert_int_equal(list->count, 4);
    is(tree_get(tree_at(list, 1), "uri"), "registry.test/demo@sha256:" HEX_A);
    is(tree_path(tree_at(list, 1), "digest", "sha256", NULL), HEX_A);
    is(tree_path(tree_at(list, 1), "annotations", "digestOf", NULL), "manifest");
    list = tree_path(statement, "predicate", "buildDefinition", "internalParameters", "sandboxes", NULL);
    assert_int_equal(list->count, 2);
    is(tree_get(tree_at(tree_get(tree_at(list, 1), "lockDown"), 0), "found"), "nothing");
}

static void test_a_fork_names_its_parent(void **state)
{
    const struct tree *list;

    append((struct record){ .type = RECORD_RUN_BEGIN,
                            .run_begin = { .format = RECORD_FORMAT,
                                           .id = folder->id,
                                           .manifest = HEX_A,
                                           .parent = "20261122-013000-k3x9ab",
                                           .parent_seq = 40,
                                           .parent_line = HEX_B } });
    sandbox(1, NULL, "none");
    turn();
    end("done", "answer");
    let_go();
    attest();
    list = tree_path(statement, "predicate", "buildDefinition", "resolvedDependencies", NULL);
    assert_int_equal(list->count, 3);
    is(tree_get(tree_at(list, 2), "name"), "parent");
    is(tree_get(tree_at(list, 2), "uri"), "urn:agentbox:run:20261122-013000-k3x9ab:40");
    is(tree_path(tree_at(list, 2), "digest", "sha256", NULL), HEX_B);
}

static void test_recorded_answers_are_said_to_be(void **state)
{
    static const char recorded[] = "{\"model\":{\"name\":\"m\",\"replay\":\"/a.jsonl\"}}";

    assert_int_equal(run_folder_save(folder, RUN_MANIFEST, span_of(recorded), NULL), 0);
    whole_run();
    let_go();
    attest();
    assert_true(tree_bool(tree_path(statement, "predicate", "runDetails", "agentbox_model", "recorded", NULL),
                          false));
}

static void refused(const char *message)
{
    struct err err = { 0 };
    char want[256];

    buf_clear(&text);
    assert_int_equal(attest_write(folder, &text, &err), -ERR_USAGE);
    snprintf(want, sizeof(want), "run '%s' %s", folder->id, message);
    assert_string_equal(err.text, want);
    assert_true(err.hint[0]);
    assert_int_equal(text.len, 0);
}

static void test_a_run_that_is_not_done(void **state)
{
    begin();
    turn();
    assert_int_equal(journal_sync(journal, NULL), 0);
    refused("is still running");
    let_go();
    refused("is not done (crashed): it has produced nothing to be attested");
}

static void test_a_run_that_failed(void **state)
{
    begin();
    end("limit", "turns");
    let_go();
    refused("is not done (limit: turns): it has produced nothing to be attested");
}

/* ---- the outputs ---- */

static char told[2048];

static void tell(void *data, const char *at, const struct err *why)
{
    size_t len = strlen(told);

    assert_int_equal(strncmp(at, data, strlen(data)), 0);
    snprintf(told + len, sizeof(told) - len, "%s: %s\n", at + strlen(data) + 1, why->text);
}

static void recheck(const char *want)
{
    int64_t count = -1;
    struct err err = { 0 };

    told[0] = '\0';
    assert_int_equal(recheck_outputs(folder, NULL, tell, place, &count, &err), 0);
    assert_string_equal(told, want);
    assert_int_equal(count, 2);
}

static void test_outputs_as_written(void **state)
{
    whole_run();
    let_go();
    recheck("");
    assert_int_equal(mkdir(in_place("all/empty"), 0700), 0); /* files are what counts */
    recheck("");
}

static void test_outputs_that_changed(void **state)
{
    whole_run();
    let_go();
    put("r.txt", "retort");
    recheck("r.txt: output 'out/r.txt': it is sha256:"
            "dc3f72308f2d2e30c208366625ac7923d0c01c42d7487e3ef7d3e5126b08d2aa, and the run wrote sha256:"
            "845e91831319e89c4d656bdb80c278ac09a7230d61e5dfd2e1b1fbb436ac8917\n");
}

static void test_outputs_that_grew_or_went(void **state)
{
    whole_run();
    let_go();
    put("r.txt", "reports");
    recheck("r.txt: output 'out/r.txt': it has 7 bytes, and the run wrote 6\n");
    assert_int_equal(unlink(in_place("r.txt")), 0);
    recheck("r.txt: output 'out/r.txt': it is not there any more\n");
    assert_int_equal(symlink("all/a", in_place("r.txt")), 0);
    recheck("r.txt: output 'out/r.txt': it is no file any more\n");
    assert_int_equal(unlink(in_place("r.txt")), 0);
    assert_int_equal(mkfifo(in_place("r.txt"), 0600), 0); /* nobody waits for a writer */
    recheck("r.txt: output 'out/r.txt': it is no file any more\n");
}

static void test_folders_that_changed(void **state)
{
    whole_run();
    let_go();
    put("all/b", "new");
    recheck("all: output 'out/all': 'b' in it is not of the run\n");
    assert_int_equal(unlink(in_place("all/b")), 0);
    assert_int_equal(unlink(in_place("all/a")), 0);
    recheck("all: output 'out/all': 'a' in it is not there any more\n");
    put("all/a", "A");
    recheck("");
    assert_int_equal(unlink(in_place("all/sub/b\n")), 0);
    recheck("all: output 'out/all': 'sub/b\n' in it is not there any more\n");
    put("all/sub/b\n", "B");
    put("all/z", "");
    recheck("all: output 'out/all': 'z' in it is not of the run\n");
    assert_int_equal(unlink(in_place("all/z")), 0);
    assert_int_equal(symlink("a", in_place("all/l")), 0);
    recheck("all: output 'out/all': 'l' in it is no file, and the run wrote none but files\n");
    assert_int_equal(rename(in_place("all"), in_place("moved")), 0);
    recheck("all: output 'out/all': it is not there any more\n");
    put("all", "a file");
    recheck("all: output 'out/all': it is no folder any more\n");
}

static void test_one_byte_in_a_folder(void **state)
{
    char now[DIGEST_HEX], then[DIGEST_HEX], want[512];

    whole_run();
    let_go();
    put("all/sub/b\n", "C");
    hex_of("C", now);
    hex_of("B", then);
    snprintf(want, sizeof(want),
             "all: output 'out/all': 'sub/b\n' in it is sha256:%s, and the run wrote sha256:%s\n", now, then);
    recheck(want);
}

static void test_outputs_that_were_moved(void **state)
{
    int64_t count = 0;

    whole_run();
    let_go();
    assert_int_equal(mkdir(in_place("out"), 0700), 0);
    assert_int_equal(rename(in_place("r.txt"), in_place("out/r.txt")), 0);
    assert_int_equal(rename(in_place("all"), in_place("out/all")), 0);
    told[0] = '\0';
    assert_int_equal(recheck_outputs(folder, place, tell, place, &count, NULL), 0);
    assert_string_equal(told, "");
    assert_int_equal(count, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
    TEST(test_subjects),
    TEST(test_what_it_came_from),
    TEST(test_what_left),
    TEST(test_nothing_could_leave),
    TEST(test_the_same_bytes_again),
    TEST(test_the_last_sandbox_counts),
    TEST(test_a_fork_names_its_parent),
    TEST(test_recorded_answers_are_said_to_be),
    TEST(test_a_run_that_is_not_done),
    TEST(test_a_run_that_failed),
    TEST(test_outputs_as_written),
    TEST(test_outputs_that_changed),
    TEST(test_outputs_that_grew_or_went),
    TEST(test_folders_that_changed),
    TEST(test_one_byte_in_a_folder),
    TEST(test_outputs_that_were_moved),
};

int main(void)
{
    int failed;

    cmocka_set_message_output(CM_OUTPUT_TAP);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&text);
    arena_done(&arena);
    return failed;
}
