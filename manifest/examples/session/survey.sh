#!/bin/sh
# SPDX-License-Identifier: MIT
printf 'Name of the ship? '
read -r name
printf 'People on board? '
read -r people
echo "$name: $people" >answers.txt
echo 'Remarks, one a line; Ctrl-D ends.'
while read -r remark; do
    echo "  $remark" >>answers.txt
done
echo 'Thank you.'
