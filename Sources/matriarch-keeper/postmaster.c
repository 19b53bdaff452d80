// The postmaster from fork to the end of its last orphan.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keeper.h"

bool postmaster_lives(void) { return K.pm.pid != 0; }

bool may_be_writable(void) {
    if (K.promoter != 0 || K.sweeping || K.foreign != 0) return true;
    return postmaster_lives() && !K.pm.planned && (K.pm.role == ROLE_PRIMARY || K.pm.promote_requested);
}

bool is_empty(void) { return !postmaster_lives() && !K.sweeping && K.promoter == 0 && K.foreign == 0; }

/// Runs in the child, right before exec: the last moment at which anything can be refused.
static void become_postmaster(enum role role, int report, char **environment, char **arguments) {
    struct child_report said = {0};
    int64_t deadline = K.deadline;
    char path[4200];
    setsid();
    dup2(STDERR_FILENO, STDOUT_FILENO);
    snprintf(path, sizeof path, "%s/standby.signal", K.pm.data);
    if (role == ROLE_STANDBY && access(path, F_OK) != 0) {
        said.what = 's';
    } else if (role == ROLE_PRIMARY && boottime() >= deadline - PROMOTE_BOUND) {
        said.what = 'l';
    } else {
        execve(arguments[0], arguments, environment);
        said = (struct child_report){'x', errno};
    }
    if (write(report, &said, sizeof said) < 0) _exit(126);
    _exit(127);
}

/// Splits "DATA [gate FILE SERVICE] ENVCOUNT env... argv...". A keeper that knows no gate finds no number in its place,
/// and refuses.
static bool program_to_start(
    char **fields, int count, struct gate *gate, char ***environment, char ***arguments) {
    if (count < 2 || strlen(fields[0]) >= sizeof K.pm.data) return false;
    fields++, count--;
    return gate_named(gate, &fields, &count) && program_of(fields, count, environment, arguments);
}

struct refusal postmaster_start(enum role role, int64_t zxid, char **fields, int count, struct owed owed) {
    char **environment, **arguments;
    struct gate gate;
    const char *data = fields[0];
    if (!program_to_start(fields, count, &gate, &environment, &arguments))
        return (struct refusal){"bad-request", "data directory, environment, program and arguments are needed"};
    if (postmaster_lives()) return (struct refusal){"running", "a postmaster is running"};
    if (!is_empty()) return (struct refusal){"not-empty", "something of an earlier PostgreSQL is left"};
    if (K.tool != 0 || K.tool_ended) return (struct refusal){"tool-running", "a tool is running"};
    struct refusal refusal = role == ROLE_PRIMARY ? lease_allows_primary(zxid) : GRANTED;
    if (refusal.code != NULL) return refusal;

    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return (struct refusal){"spawn", "no pipe"};
    int report = ends[1];
    startup_forget();
    memset(&K.pm, 0, sizeof K.pm);
    K.pm.pidfd = K.pm.startup_fd = K.pm.report_fd = -1;
    K.pm.role = role;
    strcpy(K.pm.data, data);
    K.pm.gate = gate;
    // The kernel stops PostgreSQL when this process is killed.
    pid_t pid = fork_child(SIGQUIT, &report);
    if (pid == 0) become_postmaster(role, report, environment, arguments);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        K.pm.role = ROLE_NONE;
        return (struct refusal){"spawn", "fork failed"};
    }
    K.pm.pid = pid;
    K.pm.pidfd = pidfd_of(pid);
    K.pm.report_fd = ends[0];
    K.pm.start_owed = owed;
    K.pm.started_at = boottime();
    K.kill_at = 0;
    return GRANTED;
}

void postmaster_report(void) {
    struct child_report said;
    ssize_t length = read(K.pm.report_fd, &said, sizeof said);
    close_and_forget(&K.pm.report_fd);
    struct owed owed = K.pm.start_owed;
    if (length != (ssize_t)sizeof said) {
        log_line("PostgreSQL started as %s, pid %d", K.pm.role == ROLE_PRIMARY ? "primary" : "standby", (int)K.pm.pid);
        answer(owed, GRANTED, "%d", (int)K.pm.pid);
        if (K.pm.role == ROLE_STANDBY) scout_send(SCOUT_STARTUP);
        return;
    }
    // Never executed. The answer waits for its end, so that the next request finds nothing of it.
    K.pm.role = ROLE_NONE;
    K.pm.refused = said;
}

static void answer_refused_start(void) {
    char text[64];
    struct refusal refusal = {"spawn", text};
    snprintf(text, sizeof text, "cannot execute the server: errno %d", K.pm.refused.error);
    if (K.pm.refused.what == 's') refusal = (struct refusal){"no-standby-signal", "standby.signal is missing"};
    if (K.pm.refused.what == 'l') refusal = (struct refusal){"too-late", "less than 100 ms of the lease is left"};
    answer(K.pm.start_owed, refusal, NOTHING);
}

void postmaster_signal(int signal_number) {
    if (K.pm.pid == 0) return;
    // Our own child cannot have been replaced by another process before we reap it.
    if (K.pm.taken_over) pidfd_signal(K.pm.pidfd, signal_number);
    else kill(K.pm.pid, signal_number);
}

struct refusal postmaster_stop(int signal_number) {
    if (!postmaster_lives()) return (struct refusal){"not-running", "no postmaster is running"};
    K.pm.stop_requested = true;
    postmaster_signal(signal_number);
    return GRANTED;
}

/// What was given back is watched again. As after a fork of our own, whose pid cannot be another's before we reap it.
static struct refusal take_back(enum role role) {
    startup_forget();
    K.pm.role = role;
    K.pm.found = true;
    K.pm.promote_requested = K.pm.in_production = K.pm.stop_requested = K.pm.fenced = K.pm.planned = false;
    K.mode = MODE_NORMAL;
    log_line("took PostgreSQL back, pid %d, as %s", (int)K.pm.pid, role == ROLE_PRIMARY ? "primary" : "standby");
    if (role == ROLE_STANDBY) scout_send(SCOUT_STARTUP);
    return GRANTED;
}

struct refusal postmaster_take_over(pid_t pid, enum role role) {
    if (postmaster_lives() && K.mode == MODE_DETACHED && pid == K.pm.pid) return take_back(role);
    if (postmaster_lives()) return (struct refusal){"running", "a postmaster is running"};
    int pidfd = pid > 1 ? pidfd_of(pid) : -1;
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    if (pidfd < 0 || poll(&ended, 1, 0) != 0) {
        close_and_forget(&pidfd);
        return (struct refusal){"not-running", "there is no such process"};
    }
    // A census that saw nothing of this data directory says that the pid is not its postmaster's.
    if (K.foreign == 0) {
        close(pidfd);
        return (struct refusal){"not-running", "no PostgreSQL runs in the data directory"};
    }
    startup_forget();
    memset(&K.pm, 0, sizeof K.pm);
    K.pm.report_fd = K.pm.startup_fd = -1;
    K.pm.pid = pid;
    K.pm.pidfd = pidfd;
    K.pm.role = role;
    K.pm.taken_over = K.pm.found = true;
    K.pm.started_at = boottime();
    snprintf(K.pm.data, sizeof K.pm.data, "%s", K.data);
    K.foreign = 0;
    K.kill_at = 0;
    log_line("took over PostgreSQL, pid %d, as %s", (int)pid, role == ROLE_PRIMARY ? "primary" : "standby");
    if (role == ROLE_STANDBY) scout_send(SCOUT_STARTUP);
    return GRANTED;
}

/// `status` is -1 for one taken over: only a parent learns it.
void postmaster_ended(int status) {
    if (K.pm.report_fd >= 0) postmaster_report();
    int64_t now = boottime();
    K.pm.pid = 0;
    close_and_forget(&K.pm.pidfd);
    startup_forget();
    K.kick_until = K.kill_at = 0;
    if (K.pm.role == ROLE_NONE) {
        answer_refused_start();
        return;
    }
    K.last_exit = status;
    K.any_exit = true;
    K.exited_at = now;
    K.tell_empty = true;
    if (K.pm.taken_over) {
        // Its orphans are not ours: they are found by their working directory. A server that was given back may be
        // running again already.
        K.foreign = -1;
        K.foreign_kill = K.mode == MODE_NORMAL;
        scout_send(SCOUT_CENSUS);
    } else {
        K.sweeping = true;
        bool by_itself = (status & 0x7f) == 0 && !K.pm.fenced;
        K.sweep_at = by_itself ? now + LOGGER_GRACE : 0;
        sweep();
    }
    if (K.promoter != 0) kill(K.promoter, SIGKILL);
    // The next one that is started here was not given back.
    if (K.mode == MODE_DETACHED) K.mode = MODE_NORMAL;
    log_line("PostgreSQL ended: wait status %d", status);
    tell("exited", "%d", status);
    promote_failed("the postmaster ended");
}

static void kill_stranger(pid_t pid, void *context) {
    if (pid == K.pm.pid || pid == K.promoter || pid == K.log_writer || tool_owns(pid)) return;
    for (int kind = 0; kind < SCOUT_KINDS; kind++)
        if (pid == K.scouts[kind].pid) return;
    if (boottime() >= K.sweep_at) kill(pid, SIGKILL);
    ++*(int *)context;
}

/// Kills what a postmaster or a tool left behind. What these leave behind in turn becomes our child before they are
/// reaped, and is found the next time.
void sweep(void) {
    if (!K.sweeping || postmaster_lives()) return;
    K.remaining = 0;
    each_child(K.pid, kill_stranger, &K.remaining);
    if (K.remaining > 0) return;
    K.sweeping = false;
    K.kill_at = 0;
    log_line("nothing is left");
}

void postmaster_timers(int64_t now) {
    if (K.kill_at != 0 && now >= K.kill_at) {
        K.kill_at = 0;
        postmaster_signal(SIGKILL);
    }
    if (K.sweeping) sweep();
    if (K.tell_empty && is_empty()) {
        K.tell_empty = false;
        tell("empty", NOTHING);
    }
}
