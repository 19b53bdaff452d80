// `start`: one keeper for a runtime folder, in a session of its own.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon.h"
#include "former.h"
#include "runtime.h"

static int failed(const char *what) {
    printf("%s: %s\n", what, strerror(errno));
    return 1;
}

/// The pid that the keeper who listens there names; 0 when none answers.
static int listening_keeper(const char *runtime) {
    static const char question[] = "1\0" "1\0" "status";
    char answer[2048];
    int fd = keeper_connect(runtime), pid = 0;
    if (fd < 0) return 0;
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    if (send(fd, question, sizeof question, MSG_NOSIGNAL) > 0 && poll(&waiting, 1, 500) == 1) {
        ssize_t length = recv(fd, answer, sizeof answer - 1, 0);
        if (length > 0) {
            answer[length] = 0;
            // Fields are ended by zero bytes: the wanted one is the first after "1", id and "ok".
            char *field = memmem(answer, (size_t)length, "keeper=", 7);
            if (field != NULL) pid = atoi(field + 7);
        }
    }
    close(fd);
    return pid;
}

static void become_keeper(const char *runtime, const char *data, int listener, int lock, int told) {
    setsid();
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    // Standard error stays the caller's: PostgreSQL inherits it, the keeper itself writes nothing there.
    dup2(listener, 3), dup2(lock, 4), dup2(told, 5);
    for (int fd = 3; fd <= 5; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
    // The caller's sockets and pipes are not close-on-exec.
    syscall(SYS_close_range, 6, ~0U, 0);
    former_remember(4);
    // Again: whoever connects is told the pid of the last caller.
    listen(3, LISTEN_BACKLOG);
    if (chdir("/") != 0 || write(5, "r", 1) != 1) _exit(1);
    close(5);
    keeper_run(runtime, data, 3);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/keeper.sock", runtime);
    unlink(path);
    _exit(0);
}

int keeper_start(int argc, char **argv) {
    const char *runtime = option(argc, argv, "--runtime"), *data = option(argc, argv, "--data");
    if (runtime == NULL || data == NULL || runtime[0] != '/' || data[0] != '/') {
        printf("usage: matriarch-keeper start --runtime DIR --data DIR (absolute paths)\n");
        return 2;
    }
    int lock = -1;
    for (int tries = 0; tries < 200; tries++) {
        if ((lock = lock_file(runtime, "keeper.lock")) >= 0) break;
        if (errno != EWOULDBLOCK) return failed("keeper.lock");
        int pid = listening_keeper(runtime);
        if (pid > 0) {
            printf("ready %d\n", pid);
            return 0;
        }
        usleep(10000);  // it is just starting, or just ending
    }
    if (lock < 0) return failed("another keeper holds keeper.lock and does not answer");
    if (!former_end(lock)) {
        printf("what a killed keeper's tool has started does not end\n");
        return 1;
    }
    int listener = keeper_listen(runtime);
    if (listener < 0) return failed("keeper.sock");
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return failed("pipe");
    int high[3] = {fcntl(listener, F_DUPFD_CLOEXEC, 20), fcntl(lock, F_DUPFD_CLOEXEC, 20),
                   fcntl(ends[1], F_DUPFD_CLOEXEC, 20)};
    pid_t pid = fork();
    if (pid < 0) return failed("fork");
    if (pid == 0) become_keeper(runtime, data, high[0], high[1], high[2]);
    close(ends[1]), close(high[2]);
    char ready;
    if (read(ends[0], &ready, 1) != 1) {
        printf("the keeper ended at once\n");
        return 1;
    }
    printf("ready %d\n", (int)pid);
    return 0;
}
