// The user's process: it starts the agent again when that was killed, and passes signals and the exit code on.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "daemon.h"
#include "runtime.h"

#define RESTARTS 5
#define RESTART_WINDOW (10 * SECOND)
/// Set over our own exec: the lock is already held through this descriptor.
#define LOCK_VARIABLE "MATRIARCH_SUPERVISOR_LOCK"
#define SECRETS_VARIABLE "MATRIARCH_SECRETS_FD"

static char **own_arguments, **command;
static char own_binary[4096];
static int lock_fd = -1, secrets_fd = -1;
static sigset_t watched;

static const int forwarded[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGABRT};

static bool take_lock(const char *runtime) {
    const char *held = getenv(LOCK_VARIABLE);
    if (held != NULL) {
        lock_fd = atoi(held);
        unsetenv(LOCK_VARIABLE);
        fcntl(lock_fd, F_SETFD, FD_CLOEXEC);
        return true;
    }
    lock_fd = lock_file(runtime, "supervisor.lock");
    if (lock_fd < 0) {
        char path[4200], holder[32] = "";
        if (errno != EWOULDBLOCK) {
            perror("supervisor.lock");
            return false;
        }
        snprintf(path, sizeof path, "%s/supervisor.lock", runtime);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && read(fd, holder, sizeof holder - 1) > 0) holder[strcspn(holder, "\n")] = 0;
        fprintf(stderr, "matriarch: already running here, pid %s (%s)\n", holder[0] ? holder : "unknown", path);
        return false;
    }
    if (ftruncate(lock_fd, 0) != 0 || dprintf(lock_fd, "%d\n", (int)getpid()) < 0) perror("supervisor.lock");
    return true;
}

static pid_t start_agent(void) {
    pid_t parent = getpid(), pid = fork();
    if (pid != 0) {
        if (pid > 0) setpgid(pid, pid);
        return pid;
    }
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    for (int signal_number = 1; signal_number < NSIG; signal_number++) signal(signal_number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    char number[16];
    if (secrets_fd >= 0) {
        // A description of its own would be better, but a memfd is read with pread: the offset is not used.
        fcntl(secrets_fd, F_SETFD, 0);
        snprintf(number, sizeof number, "%d", secrets_fd);
        setenv(SECRETS_VARIABLE, number, 1);
    }
    if (secrets_fd > 3) syscall(SYS_close_range, 3, (unsigned)secrets_fd - 1, 0);
    syscall(SYS_close_range, secrets_fd >= 3 ? (unsigned)secrets_fd + 1 : 3U, ~0U, 0);
    execvp(command[0], command);
    fprintf(stderr, "matriarch: cannot execute %s: %s\n", command[0], strerror(errno));
    _exit(1);
}

/// An upgrade without a role change: SIGKILL, so that the agent hands nothing over; the next one takes up its session.
static void exec_again(pid_t agent) {
    kill(agent, SIGKILL);
    waitpid(agent, NULL, 0);
    char number[16];
    snprintf(number, sizeof number, "%d", lock_fd);
    if (lock_fd >= 0) {
        fcntl(lock_fd, F_SETFD, 0);
        setenv(LOCK_VARIABLE, number, 1);
    }
    if (secrets_fd >= 0) fcntl(secrets_fd, F_SETFD, 0);
    execv(own_binary, own_arguments);
    fprintf(stderr, "matriarch: cannot execute %s: %s; going on as before\n", own_binary, strerror(errno));
    unsetenv(LOCK_VARIABLE);
    if (lock_fd >= 0) fcntl(lock_fd, F_SETFD, FD_CLOEXEC);
}

/// Counts a restart; false when there were too many in a short time.
static bool may_restart(void) {
    static int64_t times[RESTARTS];
    static unsigned next;
    int64_t now = boottime();
    if (times[next] != 0 && now - times[next] < RESTART_WINDOW) return false;
    times[next] = now;
    next = (next + 1) % RESTARTS;
    return true;
}

/// -1: start it again; else our exit code.
static int verdict(int status) {
    if (WIFEXITED(status)) {
        int code = WEXITSTATUS(status);
        if (code == 0 || code == 1 || code == 5) return code;
        fprintf(stderr, "matriarch: the agent ended with code %d\n", code);
    } else {
        fprintf(stderr, "matriarch: the agent was ended by signal %d\n", WTERMSIG(status));
    }
    if (may_restart()) return -1;
    fprintf(stderr, "matriarch: %d restarts in %lld s, giving up\n", RESTARTS, (long long)(RESTART_WINDOW / SECOND));
    return 1;
}

/// The INT or TERM that was forwarded; 0 = none.
static int stopping;
/// Set when an agent died while it was stopping: its successor is told after a moment, when it can hear.
static bool tell_again;

/// A user's second Ctrl-C must not become an agent's second order: it is stopping already.
static void forward(int signal_number, pid_t agent) {
    bool stop = signal_number == SIGINT || signal_number == SIGTERM;
    if (stop && stopping != 0) return;
    if (stop) stopping = signal_number;
    kill(agent, signal_number);
}

static int watch_agent(pid_t agent, int signals) {
    struct signalfd_siginfo got;
    struct pollfd waiting = {.fd = signals, .events = POLLIN};
    for (;;) {
        if (poll(&waiting, 1, tell_again ? 1000 : -1) == 0) {
            tell_again = false;
            kill(agent, stopping);
            continue;
        }
        ssize_t length = read(signals, &got, sizeof got);
        if (length != (ssize_t)sizeof got) {
            if (length < 0 && errno == EINTR) continue;
            return 1;
        }
        if (got.ssi_signo == SIGUSR2) {
            // What is being stopped stays told so.
            if (stopping != 0) continue;
            exec_again(agent);
            if ((agent = start_agent()) < 0) return 1;
        } else if (got.ssi_signo != SIGCHLD) {
            forward((int)got.ssi_signo, agent);
        }
        // Orphans, too: as PID 1 everybody's.
        int status;
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
            if (pid != agent) continue;
            int code = verdict(status);
            if (code >= 0) return code;
            tell_again = stopping != 0;
            if ((agent = start_agent()) < 0) return 1;
        }
    }
}

int supervise(int argc, char **argv) {
    own_arguments = argv;
    const char *runtime = option(argc, argv, "--runtime"), *secrets = option(argc, argv, "--secrets-fd");
    for (int i = 2; i < argc && command == NULL; i++)
        if (strcmp(argv[i], "--") == 0) command = argv + i + 1;
    if (command == NULL || command[0] == NULL) {
        fprintf(stderr, "usage: matriarch-keeper supervise [--runtime DIR] [--secrets-fd N] -- COMMAND ARGS...\n");
        return 2;
    }
    ssize_t length = readlink("/proc/self/exe", own_binary, sizeof own_binary - 1);
    if (length < 0) return perror("/proc/self/exe"), 1;
    if (secrets != NULL) {
        secrets_fd = atoi(secrets);
        if (secrets_fd < 3 || fcntl(secrets_fd, F_SETFD, FD_CLOEXEC) != 0) return perror("--secrets-fd"), 1;
    }
    // Before the lock: from here on no signal is lost, and none ends us without the agent.
    sigemptyset(&watched);
    for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++) sigaddset(&watched, forwarded[i]);
    sigaddset(&watched, SIGUSR2);
    sigaddset(&watched, SIGCHLD);
    sigprocmask(SIG_BLOCK, &watched, NULL);
    // A shell's background job, or nohup, may have left these ignored, and so never queued.
    for (int i = 1; i < NSIG; i++)
        if (sigismember(&watched, i) == 1) signal(i, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    if (runtime != NULL && !take_lock(runtime)) return 1;
    int signals = signalfd(-1, &watched, SFD_CLOEXEC);
    if (signals < 0) return perror("signalfd"), 1;
    pid_t agent = start_agent();
    if (agent < 0) return perror("fork"), 1;
    return watch_agent(agent, signals);
}
