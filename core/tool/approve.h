/* SPDX-License-Identifier: MIT */
/*
 * May a call run: what `agent.approve` says of it. Pure.
 *
 * Each tool has a word: auto, ask, deny. For the shell there may be patterns of commands beside it. A call of
 * several commands is what the strictest of them is.
 *
 * A pattern is matched against the whole text of a command, from its first to its last byte. `*` stands for
 * any run of characters, `?` for one, everything else for itself. In a pattern that lets a command run,
 * they stand for letters of ASCII, digits, blanks and _ - . , / : = @ % + only: for nothing that means
 * something to a shell. So `git log *` lets "git log -3 src" run, and neither "git log; rm x", nor "git log
 * $(x)", "git log > x", "git 'log'", nor a second line. In a pattern that asks or denies they stand for
 * anything. Deny comes before ask, ask before auto, and what matches nothing is what the tool's word says.
 *
 * A pattern that denies is no wall: the same can be said in many ways. A word that denies, with patterns for
 * what may run, is one.
 *
 * Patterns that let run hold for a command in the default shell. Input for a running command (write_stdin) is
 * matched by those that ask or deny, never by those that let run; asking for output, and Ctrl-C, are always
 * fine.
 */
#ifndef TOOL_APPROVE_H
#define TOOL_APPROVE_H

#include "core/base/buf.h"
#include "core/base/tree.h"
#include "core/tool/spec.h"

#define APPROVE_PATTERN_MAX 512
#define APPROVE_COMMAND_MAX 16384 /* a longer command is let run by no pattern */

/* What of the rules decided; "" when nothing did. */
#define APPROVE_WHY_MAX 600

/* Is there a pattern that lets run? Then commands are trusted by their words, so nothing else may run with
 * them. */
bool approve_trusts_words(const struct approve_spec *spec);

/* `group`: what the tool belongs to, by whose name rules hold for it too, unless one names itself; NULL:
 * none.
 */
enum approve_word approve_judge(const struct approve_spec *spec, const char *tool, const char *group,
                                const struct tree *item, char why[APPROVE_WHY_MAX]);

bool approve_matches(const char *pattern, struct span text, bool lets_run);

/* Everything that a call says it wants, for somebody who is asked: its members by name, texts as they are.
 * Control characters too; who shows it makes them visible. */
void approve_show(const struct tree *item, struct buf *out);

const char *approve_word_name(enum approve_word word);

#endif
