/* SPDX-License-Identifier: Apache-2.0 */
#include "records.h"

#include <errno.h>
#include <sys/mman.h>

/* Not a multiple of 4096: parts fill alike, and places as far apart as that
 * would drive each other out of the processor's first cache. */
#define CHUNK ((size_t)4096 + 64)
#define SLAB_MIN ((size_t)64 << 10)
#define SLAB_MAX ((size_t)8 << 20)
#define HUGE_PAGE ((size_t)2 << 20)

typedef struct records_slab_t {
    struct records_slab_t *next;
    size_t size;
} slab_t;

typedef struct records_chunk_t {
    struct records_chunk_t *next;
    uint32_t words[(CHUNK - sizeof(void *)) / sizeof(uint32_t)];
} chunk_t;

_Static_assert(sizeof(chunk_t) == CHUNK, "nothing between two chunks");
_Static_assert(sizeof(slab_t) <= CHUNK, "it takes the first one's place");

int records_heap_is_used_up(const records_heap_t *heap)
{
    return heap->free == heap->end;
}

int records_heap_grow(records_heap_t *heap)
{
    size_t size = heap->last_size ? 2 * heap->last_size : SLAB_MIN;
    slab_t *slab;

    if (size > SLAB_MAX)
        size = SLAB_MAX;
    slab = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    if (slab == MAP_FAILED)
        return ENOMEM;
#ifdef MADV_HUGEPAGE
    if (size >= HUGE_PAGE)
        (void)madvise(slab, size, MADV_HUGEPAGE);
#endif
    slab->next = heap->slabs;
    slab->size = size;
    heap->slabs = slab;
    heap->last_size = size;
    heap->free = (char *)slab + CHUNK;
    heap->end = heap->free + (size / CHUNK - 1) * CHUNK;
    return 0;
}

void records_heap_free(records_heap_t *heap)
{
    while (heap->slabs) {
        slab_t *slab = heap->slabs;

        heap->slabs = slab->next;
        munmap(slab, slab->size);
    }
    heap->free = heap->end = NULL;
    heap->last_size = 0;
}

static size_t chunk_records(unsigned words)
{
    return sizeof(((chunk_t *)NULL)->words) / sizeof(uint32_t) / words;
}

void records_part_grow(records_part_t *part, records_heap_t *heap,
                       unsigned words)
{
    chunk_t *chunk = (chunk_t *)(void *)heap->free;

    heap->free += CHUNK;
    chunk->next = NULL;
    if (part->last)
        part->last->next = chunk;
    else
        part->first = chunk;
    part->last = chunk;
    part->next = chunk->words;
    part->end = part->next + chunk_records(words) * words;
}

int records_each(const records_t *r, unsigned words,
                 size_t (*take)(void *ctx, const uint32_t *records, size_t n),
                 void *ctx)
{
    for (unsigned i = 0; i < RECORDS_PARTS; i++) {
        const records_part_t *part = r->part + i;

        for (chunk_t *chunk = part->first; chunk; chunk = chunk->next) {
            size_t n = chunk == part->last
                           ? (size_t)(part->next - chunk->words) / words
                           : chunk_records(words);

            if (take(ctx, chunk->words, n) < n)
                return 0;
        }
    }
    return 1;
}
