/* SPDX-License-Identifier: MIT */
/*
 * What a fuzz target is: one function that takes any bytes and returns 0. It must neither
 * crash, nor leak, nor take long; it may assert what must hold for every input.
 *
 * In ordinary builds the target is linked with replay.c and reads its corpus; with
 * -Dfuzz=true it is linked with libFuzzer (scripts/fuzz).
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
