#!/bin/sh
# SPDX-License-Identifier: MIT
# The average of the numbers that are given, as a whole number.
sum=0
for n in "$@"; do
    sum=$((sum + n))
done
echo $((sum / 2))
