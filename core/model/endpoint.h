/* SPDX-License-Identifier: MIT */
/*
 * Just enough of URLs: where the model server is and what may be said about it.
 * Texts made from an endpoint never hold its userinfo or query. Pure.
 */
#ifndef MODEL_ENDPOINT_H
#define MODEL_ENDPOINT_H

#include "core/base/buf.h"

/* "https://h/v1/?api-version=1" + "responses" = "https://h/v1/responses?api-version=1": exactly one slash
 * between, the query kept, a fragment dropped. Result of buf_add(). */
int endpoint_join(struct buf *out, const char *base_url, const char *path);

/* The host without userinfo, brackets and port; empty when `url` has no "scheme://". */
struct span endpoint_host(struct span url);

bool endpoint_is_plain(const char *url); /* http://: readable by everybody on the way */
bool endpoint_has_userinfo(const char *url);
bool endpoint_is_loopback(struct span host); /* localhost, *.localhost, 127.0.0.0/8, ::1 */

bool endpoint_is_openai(const char *url); /* api.openai.com: takes every field of the reference */
bool endpoint_is_azure(const char *url);  /* *.openai.azure.com */

#endif
