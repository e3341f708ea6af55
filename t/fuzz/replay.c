/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over its corpus, t/fuzz/corpus/NAME, where NAME is the
 * program's own; or over the files and folders that are named.
 */
#include "fuzz.h"
#include "t/unit/tap.h"

#include <dirent.h>
#include <sys/stat.h>

#define INPUT_MAX (1 << 20)

static int replay_file(const char *path)
{
    static uint8_t bytes[INPUT_MAX];
    FILE *f = fopen(path, "rb");
    size_t len;

    if (!f) {
        return ok(0, "%s", path);
    }
    len = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    LLVMFuzzerTestOneInput(bytes, len);
    return ok(1, "%s", path);
}

static void replay(const char *path)
{
    struct dirent **names;
    char file[4096];
    int n = scandir(path, &names, NULL, alphasort);

    if (n < 0) {
        replay_file(path);
        return;
    }
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.') {
            snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
            replay_file(file);
        }
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    char corpus[256];

    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    if (argc < 2) {
        snprintf(corpus, sizeof(corpus), "t/fuzz/corpus/%s",
                 slash ? slash + 1 : argv[0]);
        replay(corpus);
    }
    return done();
}
