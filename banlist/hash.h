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
static inline uint64_t hash_lane(uint64_t lane, uint64_t key,
                                 const unsigned char *p)
{
    return hash_fold(lane ^ hash_load64(p), key ^ hash_load64(p + 8)) + key;
}

/* Takes n times 64 bytes, and returns what is behind them.  Lanes and keys are
 * in registers meanwhile: p may point to anything, the stream too. */
static inline const unsigned char *
hash_stripes(hash_stream_t *s, const unsigned char *p, size_t n)
{
    uint64_t k0 = s->key[0], k1 = s->key[1], k2 = s->key[2], k3 = s->key[3];
    uint64_t l0 = s->lane[0], l1 = s->lane[1], l2 = s->lane[2], l3 = s->lane[3];

    for (; n; p += sizeof s->part, n--) {
        l0 = hash_lane(l0, k0, p);
        l1 = hash_lane(l1, k1, p + 16);
        l2 = hash_lane(l2, k2, p + 32);
        l3 = hash_lane(l3, k3, p + 48);
    }
    s->lane[0] = l0;
    s->lane[1] = l1;
    s->lane[2] = l2;
    s->lane[3] = l3;
    return p;
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
        hash_stripes(s, s->part, 1);
    }
    p = hash_stripes(s, p, len / sizeof s->part);
    len %= sizeof s->part;
    if (len)
        memcpy(s->part, p, len);
}

static inline uint64_t hash_stream_value(const hash_stream_t *s)
{
    hash_stream_t end = *s;
    size_t have = s->length % sizeof s->part;

    memset(end.part + have, 0, sizeof end.part - have);
    hash_stripes(&end, end.part, 1);
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
