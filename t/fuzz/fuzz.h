/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets share.  Each target is one LLVMFuzzerTestOneInput():
 * libFuzzer calls it (t/fuzz/run), and so does replay.c over the corpus in
 * the ordinary tests.  A promise that does not hold ends the program.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(what) fuzz_require(!!(what), #what, __FILE__, __LINE__)

static inline void fuzz_require(int holds, const char *what, const char *file,
                                int line)
{
    if (!holds) {
        fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
        abort();
    }
}

/* The input, taken from its front; zeros once it is used up. */
typedef struct fuzz_input_t {
    const uint8_t *p;
    size_t left;
} fuzz_input_t;

static inline uint8_t fuzz_byte(fuzz_input_t *in)
{
    if (!in->left)
        return 0;
    in->left--;
    return *in->p++;
}

static inline uint64_t fuzz_number(fuzz_input_t *in, int bytes)
{
    uint64_t value = 0;

    while (bytes--)
        value = value << 8 | fuzz_byte(in);
    return value;
}

#endif /* FUZZ_H */
