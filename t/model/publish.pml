/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The publish protocol of banlist/shared.h, for spin: in every interleaving
 * of a reader with a writer that may be killed anywhere, no answer comes
 * from a block that is being rebuilt, and no entry that is inserted in place
 * is seen by half.  Readers write nothing, so one stands for any number.
 * t/model/publish.t runs it.
 *
 * MEMORY.  The writer's stores all release, so others see them in the order
 * in which they were made, some time later: they go through the queue
 * "stores".  The readers' loads all acquire, so each takes its turn.  (A
 * store of a process that is killed is seen all the same.)
 *
 * A BLOCK has one entry that every build puts in (OURS) and one slot for an
 * entry inserted later (UNTIL, KEY, META: META makes it a slot in use), which
 * is the first that has an end (ENDS says that there are some: without, nobody
 * looks at UNTIL).  All words of block n's contents have the value n, which is
 * also the serial under which it is published; 0 is a cleared word.
 *
 * WHAT STANDS FOR WHAT
 *   Reader    banlist/shared.c: shared_find enter left_whole
 *             banlist/set.c: set_lens set_find slot_seek slot_meta slot_has
 *                            slot_until
 *   spare     banlist/shared.c: shared_spare free_block
 *   publish   banlist/shared.c: shared_publish free_block
 *   insert    banlist/set.c: set_insert insert slot_publish
 *   Writer    banlist/loader.c: build append
 *   Parent    httpd/loader_process.c: maintain end_loader spawn
 *
 * MUTANTS, each of which must be found out: NO_SECOND_LOOK, CLEAR_FIRST,
 * META_FIRST, ENDS_LAST, ENDS_FIRST (the reader asks whether there are ends
 * before it finds the slot), GO_ON (the successor of a killed writer does not
 * begin the spare block afresh), TWO_WRITERS (it does not wait for the end of
 * the first).
 */

#ifndef LAST
#define LAST 4 /* versions: each block is recycled */
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

#ifdef TWO_WRITERS
#define GONE true
#else
#define GONE (writers == 0 && empty(stores))
#endif

#define SERIAL 0
#define OURS(n)  (1 + ((n) % 2) * 5)
#define ENDS(n)  (2 + ((n) % 2) * 5)
#define UNTIL(n) (3 + ((n) % 2) * 5)
#define KEY(n)   (4 + ((n) % 2) * 5)
#define META(n)  (5 + ((n) % 2) * 5)

byte memory[11];
chan stores = [6] of { byte, byte };

byte deaths;
bool killed;
byte writers; /* alive */
byte inserted; /* the newest version whose insertion everybody can see */

active proctype Memory()
{
    byte at, value;

end:
    do
    :: atomic { stores?at,value ->
           memory[at] = value;
           if
           :: value && (at == META(0) || at == META(1)) -> inserted = value
           :: else
           fi
       }
    od
}

inline clear(n)
{
    stores!OURS(n),0;
    stores!ENDS(n),0;
    stores!UNTIL(n),0;
    stores!KEY(n),0;
    stores!META(n),0
}

inline spare(n)
{
#ifndef GO_ON
    clear(n)
#else
    skip
#endif
}

inline publish(n)
{
#ifdef CLEAR_FIRST
    clear(n - 1);
    stores!SERIAL,n
#else
    stores!SERIAL,n;
    clear(n - 1)
#endif
}

inline insert(n)
{
#ifndef ENDS_LAST
    stores!ENDS(n),n;
#endif
#ifdef META_FIRST
    stores!META(n),n;
    stores!UNTIL(n),n;
    stores!KEY(n),n
#else
    stores!UNTIL(n),n;
    stores!KEY(n),n;
    stores!META(n),n
#ifdef ENDS_LAST
    ; stores!ENDS(n),n
#endif
#endif
}

proctype Writer()
{
    byte n = memory[SERIAL];

    {
        do
        :: n == LAST -> break
        :: n < LAST ->
               n++;
               spare(n);
               stores!OURS(n),n;
               publish(n);
               insert(n)
        od
    } unless {
        atomic { killed -> killed = false }
    };
    writers--
}

active proctype Killer()
{
end:
    do
    :: atomic { writers && deaths < DEATHS -> killed = true; deaths++ }
    od
}

active proctype Parent()
{
    byte born = 0;

end:
    do
    :: atomic { born <= DEATHS && GONE -> writers++; born++; run Writer() }
    od
}

active proctype Reader()
{
    byte serial, again, ours, ends, key, until, meta, seen_insert;
    byte newest = 0;

end:
    do
    :: seen_insert = inserted;
       do
       :: serial = memory[SERIAL];
          ours = memory[OURS(serial)];
#ifdef ENDS_FIRST
          ends = memory[ENDS(serial)];
#endif
          meta = memory[META(serial)];
          if
          :: meta -> key = memory[KEY(serial)];
#ifndef ENDS_FIRST
                     ends = memory[ENDS(serial)];
#endif
                     if
                     :: ends -> until = memory[UNTIL(serial)]
                     :: else
                     fi
          :: else
          fi;
          again = memory[SERIAL];
#ifdef NO_SECOND_LOOK
          again = serial;
#endif
          if
          :: again == serial -> break
          :: else
          fi
       od;
       /* What every block holds is found, and is of the block in force. */
       assert(ours == serial);
       /* An entry inserted in place is whole and of this block, or unseen. */
       assert(!meta || (meta == serial && key == serial && until == serial));
       /* It is seen from then on. */
       assert(seen_insert != serial || !serial || meta);
       /* No block comes again. */
       assert(serial >= newest);
       atomic {
           newest = serial;
           again = 0; ours = 0; ends = 0; key = 0; until = 0; meta = 0;
           seen_insert = 0
       }
    od
}
