// Forking, and looking at processes through /proc.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keeper.h"

pid_t fork_child(int death_signal, int *keep) {
    pid_t parent = getpid();
    // The child inherits what we ignore: a signal that comes before it has changed that would be lost.
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    if (pid != 0) {
        int failure = errno;
        sigprocmask(SIG_SETMASK, &before, NULL);
        errno = failure;
        return pid;
    }
    if (death_signal != 0) {
        prctl(PR_SET_PDEATHSIG, death_signal);
        // Too late for the signal if the parent has ended already.
        if (getppid() != parent) _exit(127);
    }
    for (int signal_number = 1; signal_number < NSIG; signal_number++) signal(signal_number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (keep != NULL) {
        if (*keep != 3) dup2(*keep, 3);
        fcntl(3, F_SETFD, FD_CLOEXEC);
        *keep = 3;
    }
    syscall(SYS_close_range, keep == NULL ? 3 : 4, ~0U, 0);
    return 0;
}

static ssize_t read_file(const char *path, char *buffer, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    size_t length = 0;
    ssize_t more;
    while (length < size - 1 && (more = read(fd, buffer + length, size - 1 - length)) > 0) length += (size_t)more;
    close(fd);
    buffer[length] = 0;
    return (ssize_t)length;
}

/// Touches neither a disk nor the memory of the process, so that the keeper itself may call it.
bool process_stat(pid_t pid, pid_t *parent, unsigned long long *started) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (read_file(path, text, sizeof text) <= 0) return false;
    char *end = strrchr(text, ')');  // the name before it may contain anything
    if (end == NULL) return false;
    int ppid;
    unsigned long long start;
    if (sscanf(end + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &ppid,
               &start) != 2)
        return false;
    if (parent != NULL) *parent = ppid;
    if (started != NULL) *started = start;
    return true;
}

struct linux_dirent64 {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
};

/// For kernels without /proc/PID/task/TID/children.
static void each_child_by_scan(pid_t parent, void (*visit)(pid_t, void *), void *context) {
    static char entries[32 * 1024];
    int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    long length;
    while ((length = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0) {
        for (long at = 0; at < length;) {
            struct linux_dirent64 *entry = (struct linux_dirent64 *)(entries + at);
            at += entry->length;
            pid_t pid = atoi(entry->name), ppid;
            if (pid > 0 && process_stat(pid, &ppid, NULL) && ppid == parent) visit(pid, context);
        }
    }
    close(fd);
}

/// A child leaves the kernel's list only when it is reaped, and an orphan is in ours before its parent can be: so
/// for our own children nothing is missed between two reapings.
void each_child(pid_t parent, void (*visit)(pid_t, void *), void *context) {
    static char list[256 * 1024];  // 30,000 pids
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    if (read_file(path, list, sizeof list) < 0) {
        if (errno == ENOENT && kill(parent, 0) == 0) each_child_by_scan(parent, visit, context);
        return;
    }
    for (char *at = list; *at != 0;) {
        char *end;
        long pid = strtol(at, &end, 10);
        if (end == at) break;
        visit((pid_t)pid, context);
        at = end;
        while (*at == ' ') at++;
    }
}

/// Reads the memory of the process, which may have to come back from swap: for children of the keeper only.
int process_title(pid_t pid, char *title, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    return (int)read_file(path, title, size);
}

int pidfd_of(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

void pidfd_signal(int pidfd, int signal_number) {
    if (pidfd >= 0) syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0);
}

void close_and_forget(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}
