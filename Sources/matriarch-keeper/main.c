// matriarch-keeper: the postmaster's parent (`start`), the agent's parent (`supervise`), and a way to talk to the
// first by hand (`talk`). Plain C with one thread: the signal that stops a child at its parent's death belongs to
// the thread that forked it.
#include <stdio.h>
#include <string.h>

#include "daemon.h"

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "start") == 0) return keeper_start(argc - 2, argv + 2);
    if (strcmp(mode, "supervise") == 0) return supervise(argc, argv);
    if (strcmp(mode, "talk") == 0) return keeper_talk(argc - 2, argv + 2);
    fprintf(stderr, "usage: matriarch-keeper start|talk --runtime DIR [--data DIR]\n"
                    "       matriarch-keeper supervise [--runtime DIR] [--secrets-fd N] -- COMMAND ARGS...\n");
    return 2;
}
