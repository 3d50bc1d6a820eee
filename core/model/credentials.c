/* SPDX-License-Identifier: MIT */
/* Header lines of requests to the model. */
#include "core/model/credentials.h"

#include <strings.h>

static int add_key(struct credentials *c, const struct model_spec *spec, struct err *err)
{
    const char *lead = spec->auth_header == MODEL_AUTH_API_KEY ? "api-key: " : "Authorization: Bearer ";
    const char *name = spec->auth_header == MODEL_AUTH_API_KEY ? "api-key" : "Authorization";

    if (spec->api_key.kind == SECRET_NONE)
        return 0;
    for (size_t i = 0; i < spec->header_count; i++)
        if (strcasecmp(spec->headers[i].name, name) == 0)
            return 0;
    return credentials_add_secret(c, lead, &spec->api_key, "model.api_key", err);
}

int credentials_load(struct credentials *c, const struct model_spec *spec, struct err *err)
{
    int r = 0;

    if (spec->header_count >= CREDENTIALS_LINES_MAX)
        r = err_set(err, ERR_MODEL, "'model.headers' has more than %d entries", CREDENTIALS_LINES_MAX - 1);
    else
        r = add_key(c, spec, err);
    for (size_t i = 0; i < spec->header_count && r == 0; i++)
        r = credentials_add_header(c, &spec->headers[i], "model.headers", err);
    if (r == 0)
        return 0;
    credentials_done(c);
    return err_recode(err, ERR_MODEL);
}
