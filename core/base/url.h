/* SPDX-License-Identifier: MIT */
/* Just enough of URLs to say who is asked and who can listen. Pure. */
#ifndef BASE_URL_H
#define BASE_URL_H

#include "core/base/span.h"

/* The host without userinfo, brackets and port; empty when `url` has no "scheme://". */
struct span url_host(struct span url);

bool url_is_plain(const char *url); /* http://: readable by everybody on the way */
bool url_has_userinfo(const char *url);
bool url_is_loopback(struct span host); /* localhost, *.localhost, 127.0.0.0/8, ::1 */

#endif
