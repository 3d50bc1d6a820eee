/* SPDX-License-Identifier: MIT */
/*
 * Where the model server is. Pure.
 */
#ifndef MODEL_ENDPOINT_H
#define MODEL_ENDPOINT_H

#include "core/base/buf.h"

/* "https://h/v1/?api-version=1" + "responses" = "https://h/v1/responses?api-version=1": exactly one slash
 * between, the query kept, a fragment dropped. Result of buf_add(). */
int endpoint_join(struct buf *out, const char *base_url, const char *path);

bool endpoint_is_openai(const char *url); /* api.openai.com: takes every field of the reference */
bool endpoint_is_azure(const char *url);  /* *.openai.azure.com */

#endif
