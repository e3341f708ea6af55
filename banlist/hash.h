/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyed hashing: of addresses, of names, and of a file's bytes as they come.
 *
 * All of it is the folded product: the two halves of a 64 x 64 bit product
 * xor-ed together, with a secret in each factor.  Banned addresses are the
 * attacker's to choose, so whoever does not know the seed must not be able
 * to aim at one bucket; nothing here has to resist somebody who sees hashes.
 *
 * Pure functions, no allocation; any thread.
 */
#ifndef BANLIST_HASH_H
#define BANLIST_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct hash_seed_t {
    uint64_t k[4];
} hash_seed_t;

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
    uint64_t mid = ah * bl + ((al * bl) >> 32);
    uint64_t mid2 = al * bh + (uint32_t)mid;

    return (a * b) ^ (ah * bh + (mid >> 32) + (mid2 >> 32));
#endif
}

/* Of an address cut to its first plen bits (prefix.h's form). */
static inline uint64_t hash_prefix(const hash_seed_t *seed, uint64_t hi,
                                   uint64_t lo, unsigned plen)
{
    uint64_t h = hash_fold(hi ^ seed->k[0], lo ^ seed->k[1]);

    return hash_fold(h ^ seed->k[2], seed->k[3] + plen);
}

static inline uint64_t hash_load64(const unsigned char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

/* A file's bytes, in as many pieces as they come: however they are cut, the
 * same bytes give the same hash. */
typedef struct hash_stream_t {
    uint64_t lane[4];
    uint64_t key[4]; /* of the second factors */
    uint64_t length;
    unsigned char part[64]; /* the bytes since the last whole 64 */
} hash_stream_t;

static inline void hash_stream_init(hash_stream_t *s, const hash_seed_t *seed)
{
    static const uint64_t odd[4] = {
        UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xc2b2ae3d27d4eb4f),
        UINT64_C(0x165667b19e3779f9), UINT64_C(0xd6e8feb86659fd93)};

    memset(s, 0, sizeof *s);
    for (int i = 0; i < 4; i++) {
        s->lane[i] = seed->k[i];
        s->key[i] = hash_fold(seed->k[i] ^ odd[i], seed->k[(i + 1) % 4] | 1);
    }
}

/* Bytes that were equal to a second factor would make the product 0 and wipe
 * the lane: so it is a secret. */
static inline void hash_stripe(uint64_t lane[4], const uint64_t key[4],
                               const unsigned char *p)
{
    for (int i = 0; i < 4; i++) {
        lane[i] = hash_fold(lane[i] ^ hash_load64(p + 16 * i),
                            key[i] ^ hash_load64(p + 16 * i + 8))
                  + key[i];
    }
}

static inline void hash_stream_add(hash_stream_t *s, const void *bytes,
                                   size_t len)
{
    const unsigned char *p = bytes;
    size_t have = s->length % sizeof s->part;

    s->length += len;
    if (have) {
        size_t want = sizeof s->part - have;

        if (want > len)
            want = len;
        memcpy(s->part + have, p, want);
        p += want;
        len -= want;
        if (have + want < sizeof s->part)
            return;
        hash_stripe(s->lane, s->key, s->part);
    }
    for (; len >= sizeof s->part; p += sizeof s->part, len -= sizeof s->part)
        hash_stripe(s->lane, s->key, p);
    if (len)
        memcpy(s->part, p, len);
}

static inline uint64_t hash_stream_value(const hash_stream_t *s)
{
    hash_stream_t end = *s;
    size_t have = s->length % sizeof s->part;

    memset(end.part + have, 0, sizeof end.part - have);
    hash_stripe(end.lane, end.key, end.part);
    return hash_fold(hash_fold(end.lane[0], end.lane[1] | 1) ^ s->length,
                     hash_fold(end.lane[2], end.lane[3] | 1) | 1);
}

static inline uint64_t hash_text(const hash_seed_t *seed, const char *text,
                                 size_t len)
{
    uint64_t h = seed->k[0] ^ len;

    for (size_t i = 0; i < len; i++)
        h = hash_fold(h ^ (unsigned char)text[i], seed->k[1] | 1);
    return hash_fold(h ^ seed->k[2], seed->k[3] | 1);
}

#endif /* BANLIST_HASH_H */
