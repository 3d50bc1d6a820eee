/* SPDX-License-Identifier: MIT */
/* Text that a terminal would act upon, and how it must be shown. */
#ifndef TESTS_EVIL_H
#define TESTS_EVIL_H

#define EVIL                                            \
    "\x1b[2J\x1b]0;x\a\r\nrun done\xe2\x80\xae\xc2\x9b" \
    "1m\xff"
#define HARMLESS "\\x1b[2J\\x1b]0;x\\x07\\x0d run done\\u202e\\x9b1m\xef\xbf\xbd"

#endif
