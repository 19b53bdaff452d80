// reap COMMAND [ARGUMENT...]: a small init for one command.
//
// Processes whose parent has ended become children of this one and are reaped at once. Where the machine's own
// process 1 is slow to do that, a dead postmaster stays a zombie for a second or two and looks alive. When the command
// ends, whatever it left behind is killed, so that a run never leaks a server into the next one; nor, as root, System V
// shared memory, of which each killed PostgreSQL leaves a segment: a machine has room for 4096.
// Exit code: the command's, or 128 + the signal that ended it.
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { patience_seconds = 10, failed_to_start = 127 };

static const int forwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

// The parent of a process and its name; 0 when it has gone.
static pid_t parent_of(const char *pid, char name[64]) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = 0;
    // "PID (NAME) STATE PPID ...": the name may hold parentheses and spaces, so count from the last one.
    char *open = strchr(line, '('), *close = strrchr(line, ')'), state;
    int parent;
    if (open == NULL || close == NULL || sscanf(close + 1, " %c %d", &state, &parent) != 2) return 0;
    snprintf(name, 64, "%.*s", (int)(close - open - 1), open + 1);
    return parent;
}

// True the first time that it is asked about a process, so that each is named once.
static int is_news(pid_t pid) {
    static pid_t told[1024];
    static size_t count;
    for (size_t i = 0; i < count; i++)
        if (told[i] == pid) return 0;
    if (count == sizeof told / sizeof *told) return 0;
    told[count++] = pid;
    return 1;
}

// Kills every child of ours.
static void kill_children(void) {
    DIR *processes = opendir("/proc");
    if (processes == NULL) return;
    for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
        char name[64];
        if (!isdigit((unsigned char)entry->d_name[0]) || parent_of(entry->d_name, name) != getpid()) continue;
        // A child's id cannot pass to another process before we reap it: this hits no stranger.
        pid_t child = (pid_t)atoi(entry->d_name);
        kill(child, SIGKILL);
        if (is_news(child)) fprintf(stderr, "reap: killed what was left: %s (%d)\n", name, child);
    }
    closedir(processes);
}

// Children of the killed become ours in turn: again until there are none.
static void kill_what_is_left(void) {
    struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};
    for (time_t end = time(NULL) + patience_seconds; time(NULL) <= end;) {
        pid_t ended;
        while ((ended = waitpid(-1, NULL, WNOHANG)) > 0) {}
        if (ended < 0 && errno == ECHILD) return;
        kill_children();
        nanosleep(&pause, NULL);
    }
    fprintf(stderr, "reap: processes are left that do not die\n");
}

static int code_of(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

static void run(char **command, const sigset_t *mask, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(failed_to_start);  // it died before the line above
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(command[0], command);
    fprintf(stderr, "reap: %s: %s\n", command[0], strerror(errno));
    _exit(failed_to_start);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: reap COMMAND [ARGUMENT...]\n");
        return 2;
    }
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        perror("reap: prctl");
        return failed_to_start;
    }
    // Its segments go with the last of its processes. Who may not make a namespace shares the machine's.
    (void)unshare(CLONE_NEWIPC);
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++) sigaddset(&signals, forwarded[i]);
    sigprocmask(SIG_BLOCK, &signals, &before);

    pid_t self = getpid(), command = fork();
    if (command < 0) {
        perror("reap: fork");
        return failed_to_start;
    }
    if (command == 0) run(argv + 1, &before, self);

    for (;;) {
        siginfo_t info;
        int signal = sigwaitinfo(&signals, &info);
        if (signal < 0) continue;
        if (signal != SIGCHLD) {
            // A key press at the terminal reaches the command by itself.
            if (info.si_code != SI_KERNEL) kill(command, signal);
            continue;
        }
        int status;
        for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
            if (ended != command) continue;
            kill_what_is_left();
            return code_of(status);
        }
    }
}
