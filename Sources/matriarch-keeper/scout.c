// Short-lived children that look: for the startup process, at the control file, for processes of the data directory.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keeper.h"

/// The name in a title like "postgres: CLUSTER: startup recovering ..."; the part with the cluster's name is optional
/// and may contain anything, so the last ": " decides.
static const char *role_of(const char *title) {
    const char *prefix = "postgres: ";
    if (strncmp(title, prefix, strlen(prefix)) != 0) return "";
    const char *role = title + strlen(prefix);
    for (const char *next = role; (next = strstr(next, ": ")) != NULL;) role = next += 2;
    return role;
}

static bool role_is(const char *role, const char *name) {
    size_t length = strlen(name);
    return strncmp(role, name, length) == 0 && (role[length] == ' ' || role[length] == 0);
}

static void look_at_child(pid_t pid, void *context) {
    struct scout_report *report = context;
    char title[1024];
    unsigned long long started;
    if (process_title(pid, title, sizeof title) <= 0) return;  // a zombie
    const char *role = role_of(title);
    if (role_is(role, "startup")) {
        // A user may be called "startup", too; but he comes later.
        if (process_stat(pid, NULL, &started) && (report->startup == 0 || started < report->startup_started)) {
            report->startup = pid;
            report->startup_started = started;
        }
    } else if (role_is(role, "walwriter")) {
        report->walwriter = 1;
    }
    if (!role_is(role, "walsender") && !role_is(role, "archiver") && !role_is(role, "logger") &&
        !role_is(role, "checkpointer"))
        report->clients++;
}

/// pg_control of 15 to 18 begins: system identifier (8 bytes), its own version (4), catalog version (4), state (4).
static int control_state(const char *data) {
    char path[4200];
    int32_t state;
    snprintf(path, sizeof path, "%s/global/pg_control", data);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || pread(fd, &state, sizeof state, 16) != (ssize_t)sizeof state) state = CONTROL_UNKNOWN;
    if (fd >= 0) close(fd);
    return state;
}

static bool is_server(int proc, const char *pid) {
    char path[300], name[32] = "";
    snprintf(path, sizeof path, "%s/comm", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t length = read(fd, name, sizeof name - 1);
    close(fd);
    // An operator's shell may stand in the data directory; it does not count.
    return length > 0 &&
           (strncmp(name, "postgres", 8) == 0 || strncmp(name, "postmaster", 10) == 0 || strstr(name, "-postgres"));
}

/// Servers whose working directory is the data directory, except children of the keeper; optionally killed.
static int census(bool kill_them) {
    struct stat wanted, found;
    char path[300];
    int count = 0;
    if (stat(K.data, &wanted) != 0) return 0;
    DIR *folder = opendir("/proc");
    if (folder == NULL) return 1;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        pid_t pid = atoi(entry->d_name), parent;
        if (pid <= 0) continue;
        int pidfd = pidfd_of(pid);
        snprintf(path, sizeof path, "%s/cwd", entry->d_name);
        if (fstatat(dirfd(folder), path, &found, 0) == 0 && found.st_dev == wanted.st_dev &&
            found.st_ino == wanted.st_ino && is_server(dirfd(folder), entry->d_name) &&
            process_stat(pid, &parent, NULL) && parent != K.pid) {
            count++;
            if (kill_them) pidfd_signal(pidfd, SIGKILL);
        }
        close_and_forget(&pidfd);
    }
    closedir(folder);
    return count;
}

/// The control file alone says so, too, of a copy that has not yet begun its recovery, or has failed to; only a
/// postmaster that is out of recovery has a walwriter.
static bool is_production(const struct scout_report *report) {
    return report->startup == 0 && report->walwriter && report->control == CONTROL_IN_PRODUCTION;
}

static void look_for_startup(struct scout_report *report) {
    for (int64_t end = boottime() + 200 * MILLISECOND;;) {
        *report = (struct scout_report){.control = CONTROL_UNKNOWN};
        each_child(K.pm.pid, look_at_child, report);
        // Read after the look for a startup process: if there was none, its last word is on disk.
        report->control = control_state(K.pm.data);
        if (report->startup != 0 || boottime() > end || kill(K.pm.pid, 0) != 0) return;
        if (is_production(report)) return;
        usleep(2000);
    }
}

static void look(enum scout_kind kind, struct scout_report *report) {
    char path[4200];
    switch (kind) {
        case SCOUT_STARTUP: look_for_startup(report); break;
        case SCOUT_PLANNED:
            report->control = control_state(K.pm.data);
            each_child(K.pm.pid, look_at_child, report);
            break;
        default:
            report->census = census(K.foreign_kill);
            if (report->census == 0 && K.foreign_kill) {
                snprintf(path, sizeof path, "%s/postmaster.pid", K.data);
                unlink(path);
            }
    }
}

void scout_send(enum scout_kind kind) {
    struct scout *scout = &K.scouts[kind];
    scout->next = 0;
    if (scout->pid != 0 || scout->fd >= 0) {
        // One that set out before may have seen less than is asked for now: again when it is back.
        scout->next = boottime() + MILLISECOND;
        return;
    }
    scout->about = K.pm.started_at;
    int ends[2];
    pid_t pid = -1;
    if (pipe2(ends, O_CLOEXEC) == 0) {
        int report_fd = ends[1];
        pid = fork_child(SIGKILL, &report_fd);
        if (pid == 0) {
            struct scout_report report = {.control = CONTROL_UNKNOWN};
            look(kind, &report);
            _exit(write(report_fd, &report, sizeof report) == (ssize_t)sizeof report ? 0 : 1);
        }
        close(ends[1]);
        if (pid < 0) close(ends[0]);
    }
    if (pid < 0) {
        scout->next = boottime() + 50 * MILLISECOND;
        return;
    }
    scout->pid = pid;
    scout->fd = ends[0];
}

/// True if it was one. Its report is read when its pipe is: that may be after its end.
bool scout_ended(pid_t pid) {
    for (int kind = 0; kind < SCOUT_KINDS; kind++)
        if (K.scouts[kind].pid == pid) {
            K.scouts[kind].pid = 0;
            return true;
        }
    return false;
}

static void census_told(const struct scout_report *report, bool complete) {
    int before = K.foreign;
    if (K.pm.taken_over && postmaster_lives()) return;  // they are its backends
    K.foreign = complete ? report->census : 1;
    if (K.foreign == 0) {
        K.foreign_pause = 0;
        if (K.foreign_kill || before > 0) K.tell_empty = true;
        K.foreign_kill = false;
        return;
    }
    if (K.foreign_pause == 0) log_line("%d processes in the data directory are not ours", K.foreign);
    // Slower and slower: a PostgreSQL of somebody else may stay for days.
    K.foreign_pause = K.foreign_kill ? 10 * MILLISECOND : K.foreign_pause == 0 ? 50 * MILLISECOND : SECOND;
    K.scouts[SCOUT_CENSUS].next = boottime() + K.foreign_pause;
}

void scout_report(enum scout_kind kind) {
    struct scout *scout = &K.scouts[kind];
    struct scout_report report = {.control = CONTROL_UNKNOWN};
    bool complete = read(scout->fd, &report, sizeof report) == (ssize_t)sizeof report;
    close_and_forget(&scout->fd);
    if (kind == SCOUT_CENSUS) {
        census_told(&report, complete);
    } else if (kind == SCOUT_PLANNED) {
        struct owed owed = K.planned_owed;
        K.planned_owed = (struct owed){0};
        if (!complete || !postmaster_lives() || report.control != CONTROL_SHUT_DOWN || report.clients > 0) {
            struct refusal refusal = {"writable", "the control file does not say \"shut down\", or a client is left"};
            answer(owed, postmaster_lives() ? refusal : lease_disarm(), NOTHING);
            return;
        }
        K.pm.planned = true;
        answer(owed, lease_disarm(), NOTHING);
    } else if (postmaster_lives() && K.pm.role == ROLE_STANDBY) {
        complete = complete && scout->about == K.pm.started_at;
        if (complete && is_production(&report)) {
            production_found();
            return;
        }
        if (complete && report.startup != 0) startup_found(report.startup, report.startup_started);
        scout->next = K.pm.startup_fd < 0 ? boottime() + 20 * MILLISECOND : 0;
    }
}

void scout_timers(int64_t now) {
    for (int kind = 0; kind < SCOUT_KINDS; kind++)
        if (K.scouts[kind].next != 0 && now >= K.scouts[kind].next && K.scouts[kind].pid == 0 && K.scouts[kind].fd < 0) {
            K.scouts[kind].next = 0;
            if (kind != SCOUT_STARTUP || postmaster_lives()) scout_send((enum scout_kind)kind);
        }
}
