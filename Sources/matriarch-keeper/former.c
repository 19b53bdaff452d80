// A keeper that was killed takes its tools along, but not what these have started: that would go on writing beside the
// next keeper's. Its session tells what is left of it.
#define _GNU_SOURCE
#include "former.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/// In which a pid means a process: this boot and PID namespace.
static void place(char *text, size_t size) {
    char boot[64] = "", namespace[64] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, boot, sizeof boot - 1) > 0) boot[strcspn(boot, "\n")] = 0;
    if (fd >= 0) close(fd);
    if (readlink("/proc/self/ns/pid", namespace, sizeof namespace - 1) < 0) namespace[0] = 0;
    snprintf(text, size, "%s %s", boot, namespace);
}

void former_remember(int lock) {
    char where[160];
    place(where, sizeof where);
    // Best effort: without it the next keeper ends nothing.
    if (ftruncate(lock, 0) == 0 && lseek(lock, 0, SEEK_SET) == 0) dprintf(lock, "%d %s\n", (int)getpid(), where);
}

static pid_t read_former(int lock) {
    char text[200] = "", where[160];
    ssize_t length = pread(lock, text, sizeof text - 1, 0);
    if (length <= 0 || text[length - 1] != '\n') return 0;
    text[length - 1] = 0;
    char *end;
    long pid = strtol(text, &end, 10);
    place(where, sizeof where);
    return pid > 1 && *end == ' ' && strcmp(end + 1, where) == 0 ? (pid_t)pid : 0;
}

/// How many of this user's processes are in the session; each gets SIGKILL.
static int kill_session(pid_t session) {
    int count = 0;
    DIR *folder = opendir("/proc");
    if (folder == NULL) return 1;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        pid_t pid = atoi(entry->d_name);
        struct stat owner;
        if (pid <= 1 || getsid(pid) != session || fstatat(dirfd(folder), entry->d_name, &owner, 0) != 0 ||
            owner.st_uid != geteuid())
            continue;
        if (kill(pid, SIGKILL) == 0) count++;
    }
    closedir(folder);
    return count;
}

bool former_end(int lock) {
    pid_t former = read_former(lock);
    // As long as anybody is in the session its number is nobody else's: who has it now is no keeper of ours.
    if (former == 0 || former == getsid(0) || kill(former, 0) == 0) return true;
    for (int tries = 0; tries < 300; tries++) {
        if (kill_session(former) == 0) return true;
        usleep(10000);
    }
    return false;
}
