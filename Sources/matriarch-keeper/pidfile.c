// The postmaster.pid of a server that a crash has ended. The next server takes whatever process has that number by now
// for a postmaster, and refuses to start: for ever, if it is a thread of the agent, as in a container, where numbers
// begin anew with each start.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper.h"

/// Whether the process is seen to be elsewhere: a server's working directory is its data directory from before it
/// writes the file.
static bool is_elsewhere(pid_t pid) {
    struct stat here, there;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/cwd", (int)pid);
    return stat(K.data, &here) == 0 && stat(path, &there) == 0 &&
           (here.st_dev != there.st_dev || here.st_ino != there.st_ino);
}

/// To be called when nothing of the data directory lives. Touches the disk. One whose process is gone is the server's
/// own business.
pid_t pid_file_clear(void) {
    char path[4200], number[32] = "";
    snprintf(path, sizeof path, "%s/postmaster.pid", K.data);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = read(fd, number, sizeof number - 1);
    close(fd);
    pid_t pid = length > 0 ? abs(atoi(number)) : 0;  // a standalone backend writes it negated
    if (pid == 0 || kill(pid, 0) != 0 || !is_elsewhere(pid) || unlink(path) != 0) return 0;
    return pid;
}

void pid_file_tell(struct child_report said) {
    log_line("removed postmaster.pid, which a crash had left: pid %d is another process's now", said.detail);
}
