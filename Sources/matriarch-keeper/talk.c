// `talk`: a connection from a terminal or a test. Each argument after `--`, then each line read, is sent as one
// message; its words are the fields (version and a running id are put before them; `-` before the verb means that no
// reply is wanted). What comes is printed.
#define _GNU_SOURCE
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon.h"
#include "runtime.h"

static bool show(int fd) {
    static char message[128 * 1024];
    ssize_t length = recv(fd, message, sizeof message, 0);
    if (length <= 0) return false;
    for (ssize_t i = 0; i < length; i++)
        if (message[i] == 0) message[i] = i == length - 1 ? '\n' : ' ';
    return write(STDOUT_FILENO, message, (size_t)length) == length;
}

static bool pass_on(int fd, char *line, unsigned id) {
    char message[8192];
    bool silent = line[0] == '-';
    int length = snprintf(message, sizeof message, "1%c%u%c", 0, silent ? 0 : id, 0);
    for (char *word = strtok(line + silent, " \n"); word != NULL; word = strtok(NULL, " \n"))
        length += snprintf(message + length, sizeof message - (size_t)length, "%s%c", word, 0);
    return send(fd, message, (size_t)length, MSG_NOSIGNAL) == length;
}

int keeper_talk(int argc, char **argv) {
    const char *runtime = option(argc, argv, "--runtime");
    int fd = runtime == NULL ? -1 : keeper_connect(runtime);
    if (fd < 0) {
        perror("keeper.sock");
        return 1;
    }
    char line[8192];
    unsigned id = 1;
    for (int i = 0, lines = 0; i < argc; i++) {
        if (lines) snprintf(line, sizeof line, "%s", argv[i]);
        // One at a time: what follows an `attach` is understood only once that is confirmed.
        if (lines && (!pass_on(fd, line, id++) || (line[0] != '-' && !show(fd)))) return puts("closed"), 0;
        lines = lines || strcmp(argv[i], "--") == 0;
    }
    struct pollfd either[2] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
    setvbuf(stdin, NULL, _IONBF, 0);
    while (poll(either, 2, -1) > 0) {
        if (either[0].revents != 0 && !show(fd)) break;
        if (either[1].revents == 0) continue;
        if (fgets(line, sizeof line, stdin) == NULL) either[1].fd = -1;  // stays, and shows what comes
        else if (!pass_on(fd, line, id++)) break;
    }
    puts("closed");
    return 0;
}
