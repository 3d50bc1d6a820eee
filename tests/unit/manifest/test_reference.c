/* SPDX-License-Identifier: MIT */
#include "manifest/grammar.h"
#include "manifest/reference.h"
#include "tests/unit/unit.h"

#include <stdio.h>

static struct buf text = BUF_INIT(1024 * 1024);

static int set_up(void **state)
{
    return reference_write(&text);
}

static int tear_down(void **state)
{
    buf_done(&text);
    return 0;
}

static void assert_mentions(const struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        char word[128];

        (void) snprintf(word, sizeof(word), "`%s`", table->fields[i].name);
        if (!strstr(buf_text(&text), word))
            fail_msg("nothing about '%s' of '%s'", table->fields[i].name, table->name);
        if (table->fields[i].sub)
            assert_mentions(table->fields[i].sub);
    }
}

static void mentions_every_key(void **state)
{
    assert_mentions(&manifest_table);
}

static void one_line_a_key(void **state)
{
    assert_non_null(strstr(buf_text(&text), "\n### `sandbox`\n\nThe container everything happens in.\n\n"
                                            "| key | value | default | meaning |\n|---|---|---|---|\n"));
    assert_non_null(strstr(buf_text(&text),
                           "\n| `pids` | number, 8 to 4194304 | `256` | Processes and threads at once. |\n"));
    assert_non_null(strstr(buf_text(&text), "\n| `network` | none, or a map, see below |  | none: nothing "));
    assert_non_null(strstr(buf_text(&text), "\n### `workspace.entries.NAME`\n"));
    assert_non_null(strstr(buf_text(&text), "\n### `outputs[]`\n"));
    assert_non_null(strstr(buf_text(&text), "\nNot supported yet: `matrix`.\n"));
}

static void every_row_has_four_cells(void **state)
{
    for (const char *line = buf_text(&text); line && *line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        size_t len = strcspn(line, "\n");
        int bars = 0;

        if (*line != '|')
            continue;
        for (size_t i = 0; i < len; i++)
            bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
        if (bars != 5)
            fail_msg("%.*s", (int) len, line);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(mentions_every_key),
    cmocka_unit_test(one_line_a_key),
    cmocka_unit_test(every_row_has_four_cells),
};

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
