/* SPDX-License-Identifier: MIT */
/*
 * Image names as people write them, taken apart the way the docker command does:
 *
 *     python:3.12             docker.io / library/python : 3.12
 *     ghcr.io/me/tool         ghcr.io / me/tool          (tag latest)
 *     localhost:5000/x@sha256:...
 *     sha256:<64 hex>, <64 hex>   an image id: nothing to pull
 *
 * The part before the first slash is a registry when it holds a '.' or ':' or is
 * 'localhost'. Names are checked byte by byte, since they become URL paths.
 */
#ifndef OCI_IMAGE_NAME_H
#define OCI_IMAGE_NAME_H

#include "core/base/err.h"

#include <stdbool.h>

#define IMAGE_NAME_MAX 512

struct image_name {
    char registry[256];        /* "docker.io" when none was written; "" for an id */
    char path[IMAGE_NAME_MAX]; /* "library/python" */
    char tag[129];             /* "" when a digest was given */
    char digest[73];           /* "sha256:..." or "" */
    char from[IMAGE_NAME_MAX]; /* as written, without tag and digest: what the engine pulls from */
    bool is_id;
    char id[65]; /* its digits */
};

/* ERR_INVALID with a hint. */
int image_name_parse(const char *text, struct image_name *ret, struct err *err);

/* The key under which the docker configuration keeps logins: "https://index.docker.io/v1/" for docker.io,
 * else the registry itself. */
const char *image_name_login(const struct image_name *name);

#endif
