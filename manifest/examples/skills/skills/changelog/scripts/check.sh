#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh FILE: what is wrong with a changelog, a line each.
awk '
/^## / && !/^## [0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9.]+$/ { print FILENAME ":" NR ": no date, or no version" }
/^- / && !/^- [A-Z]/ { print FILENAME ":" NR ": no capital letter" }
length($0) > 72 { print FILENAME ":" NR ": longer than 72 characters" }
' "$1"
