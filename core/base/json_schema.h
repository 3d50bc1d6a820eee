/* SPDX-License-Identifier: MIT */
/*
 * JSON Schema, as much of it as the Responses API accepts for a strict answer
 * (`text.format`, its guide on structured outputs): is a schema within that, and does a value fit it.
 *
 *   types      object array string number integer boolean null, one or a list of them
 *   object     properties; `additionalProperties: false` and all properties in `required`, both demanded
 *   array      items (demanded), minItems, maxItems
 *   string     pattern, format: date-time time date duration email hostname ipv4 ipv6 uuid
 *   numbers    multipleOf, minimum, maximum, exclusiveMinimum, exclusiveMaximum
 *   any        enum, const, anyOf, $ref alone ("#", "#/$defs/NAME", "#/definitions/NAME": recursion is fine),
 *              title, description; at the root $defs, definitions, $schema
 *   root       an object, without anyOf
 *   ceilings   5000 properties, 10 objects inside each other as written, 1000 enum values (in one enum of
 * more than 250 texts 15,000 characters), 120,000 characters of names, enum and const values
 *
 * Numbers compare by value: 1.0 is an integer, and equals 1. Pure; whatever the schema and the value are,
 * depth and time are bounded.
 */
#ifndef BASE_JSON_SCHEMA_H
#define BASE_JSON_SCHEMA_H

#include "core/base/tree.h"

#include <stddef.h>

/* One thing that is wrong with a schema, at a value of it, or, with `at_key`, at that value's key. `path`:
 * where it is, as a JSON pointer into the schema. `hint` may be NULL. */
typedef void json_schema_problem_fn(void *data, const struct tree *at, bool at_key, const char *path,
                                    const char *message, const char *hint);

/* Returns how many problems there are. Each is told, as long as they are few. */
size_t json_schema_check(const struct tree *schema, json_schema_problem_fn *fn, void *data);

struct json_violation {
    char path[512]; /* JSON pointer into the value, "" for all of it; cut when it is longer */
    char text[512]; /* "expected a number, got a text" */
};

/* Does `value` fit? `schema` has been checked. False: the first violation is in `ret`. */
bool json_schema_fits(const struct tree *schema, const struct tree *value, struct json_violation *ret);

/* Where "$ref" leads; NULL: nowhere. */
const struct tree *json_schema_target(const struct tree *root, struct span ref);
/* Equal as JSON values; *steps are counted down. */
bool json_schema_equal(const struct tree *a, const struct tree *b, int64_t *steps);
/* Is it such a format, and is the text of it? -1: there is no such format. */
int json_schema_format(struct span format, struct span text);
bool json_schema_is_integer(const struct tree *number);

#endif
