/* SPDX-License-Identifier: Apache-2.0 */
/* Prints a list: list KIND COUNT BEFORE BEHIND, with BEFORE and BEHIND around
 * each entry: "" " -" for RewriteMap and for us, "" " 1;" for nginx. */
#include "entries.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static void print(const entry_t *e, const char *before, const char *behind)
{
    unsigned char bytes[16];
    char text[INET6_ADDRSTRLEN];

    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(e->hi >> (56 - 8 * i));
        bytes[8 + i] = (unsigned char)(e->lo >> (56 - 8 * i));
    }
    inet_ntop(e->is_ipv6 ? AF_INET6 : AF_INET, bytes, text, sizeof text);
    if (e->plen == (e->is_ipv6 ? 128 : 32))
        printf("%s%s%s\n", before, text, behind);
    else
        printf("%s%s/%u%s\n", before, text, e->plen, behind);
}

int main(int argc, char **argv)
{
    int kind = argc == 5 ? entry_kind(argv[1]) : -1;

    if (kind < 0) {
        fputs("usage: list ipv4|ipv6|mixed|mixed6 COUNT BEFORE BEHIND\n",
              stderr);
        return 2;
    }
    for (uint32_t i = 0; i < strtoul(argv[2], NULL, 10); i++) {
        entry_t e;

        entry_make(&e, (entry_kind_e)kind, i);
        print(&e, argv[3], argv[4]);
    }
    return fflush(stdout) != 0;
}
