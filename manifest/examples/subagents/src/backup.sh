#!/bin/bash
# SPDX-License-Identifier: MIT
# Copies a folder to a place that has a date in its name.
src=$1
dest=/backup/`date +%F`
rm -rf $dest
mkdir -p $dest
cp -r $src/* $dest
