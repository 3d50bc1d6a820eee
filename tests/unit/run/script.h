/* SPDX-License-Identifier: MIT */
/* Words for what a scripted model of the rig says. */
#ifndef TESTS_SCRIPT_H
#define TESTS_SCRIPT_H

#include "tests/unit/run/rig.h"

#define ITEM(json)         \
    {                      \
        RIG_ITEM, json, 0, \
        {                  \
            0              \
        }                  \
    }
#define ITEM_AT(at, json)   \
    {                       \
        RIG_ITEM, json, at, \
        {                   \
            0               \
        }                   \
    }
#define AFTER_CALLS(n)           \
    {                            \
        RIG_WAIT_CALLS, NULL, n, \
        {                        \
            0                    \
        }                        \
    }
#define MESSAGE(text)                                                                                    \
    ITEM("{\"type\":\"message\",\"role\":\"assistant\",\"status\":\"completed\",\"content\":[{\"type\":" \
         "\"output_text\",\"text\":\"" text "\"}]}")
#define CALL_TEXT(id, word)                                              \
    "{\"type\":\"function_call\",\"id\":\"fc_" id "\",\"call_id\":\"" id \
    "\",\"name\":\"do\",\"arguments\":\"" word "\",\"status\":\"completed\"}"
#define CALL(id, word) ITEM(CALL_TEXT(id, word))
#define REASONING      ITEM("{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]}")
#define COMPLETED                                                                        \
    {                                                                                    \
        RIG_END, NULL, 0,                                                                \
        {                                                                                \
            .kind = MODEL_COMPLETED, .has_usage = true, .usage = { 100, 0, 10, 0, 110 }, \
            .response_id = "resp_1", .retry_after_ms = -1                                \
        }                                                                                \
    }
#define INCOMPLETE(why)                                                                   \
    {                                                                                     \
        RIG_END, NULL, 0,                                                                 \
        {                                                                                 \
            .kind = MODEL_INCOMPLETE, .has_usage = true, .usage = { 100, 0, 10, 0, 110 }, \
            .response_id = "resp_1", .reason = why, .retry_after_ms = -1                  \
        }                                                                                 \
    }
#define BROKEN                                                                     \
    {                                                                              \
        RIG_END, NULL, 0,                                                          \
        {                                                                          \
            .kind = MODEL_BROKEN, .can_retry = true, .retry_after_ms = 0, .err = { \
                ERR_MODEL,                                                         \
                0,                                                                 \
                "the stream was cut",                                              \
                ""                                                                 \
            }                                                                      \
        }                                                                          \
    }
#define REFUSED(...)                                                                                   \
    {                                                                                                  \
        RIG_END, NULL, 0,                                                                              \
        {                                                                                              \
            .kind = MODEL_FAILED, .http_status = 400, .reason = "invalid_value", .retry_after_ms = -1, \
            .err = { ERR_MODEL, 0, "HTTP 400: no", "Look" }, __VA_ARGS__                               \
        }                                                                                              \
    }

#define RIG(rig, script) rig_init(&rig, script, sizeof(script) / sizeof(script[0]))
#define HEAD             "(start) (send) run.begin input.item sandbox.start request.begin"

#endif
