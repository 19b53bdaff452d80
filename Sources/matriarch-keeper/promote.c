// Promotion (lock.md 4.A5) and waking the startup process (postgres.md 1).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"

/// Exit codes of the promoter above those of errno: it ended before it would have created the promote file.
enum { PROMOTER_TOO_LATE = 200, PROMOTER_GATE = 210 };

/// In the child.
static int create_promote_file(const char *file, int64_t deadline) {
    enum gate_state gate = K.pm.gate.file[0] == 0 ? GATE_CLOSED : gate_look(&K.pm.gate);
    if (gate != GATE_CLOSED) return PROMOTER_GATE + (int)gate;
    if (boottime() >= deadline - PROMOTE_BOUND) return PROMOTER_TOO_LATE;
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 ? 0 : errno < PROMOTER_TOO_LATE ? errno : 1;
}

struct refusal promote(int64_t zxid, const char *file, struct owed owed) {
    if (!postmaster_lives() || K.pm.report_fd >= 0)
        return (struct refusal){"not-running", "no standby is running"};
    if (K.pm.stop_requested || K.pm.fenced) return (struct refusal){"not-running", "the standby is being stopped"};
    if (K.pm.role != ROLE_STANDBY) return (struct refusal){"not-standby", "it was not started as a standby"};
    struct refusal refusal = lease_allows_primary(zxid);
    if (refusal.code != NULL) return refusal;
    K.promote_owed = owed;
    if (K.pm.in_production) {
        production_found();
        return GRANTED;
    }
    if (K.promoting) return GRANTED;  // an agent that was restarted meanwhile waits for the same end
    int64_t deadline = K.deadline;
    K.promote_began = boottime();
    pid_t pid = fork_child(SIGKILL, NULL);
    if (pid == 0) _exit(create_promote_file(file, deadline));
    if (pid < 0) {
        K.promote_owed = (struct owed){0};
        return (struct refusal){"spawn", "fork failed"};
    }
    K.promoter = pid;
    // The file alone promotes, and it may be there from now on: only the end of this postmaster takes it back, or the
    // child's own word that it never came to it.
    K.requested_before = K.pm.promote_requested;
    K.pm.promote_requested = true;
    K.promoting = true;
    return GRANTED;
}

static void promotion_refused(struct refusal refusal) {
    K.promoting = false;
    log_line("promotion failed: %s", refusal.text);
    tell("promote-failed", "%s", refusal.text);
    answer(K.promote_owed, refusal, NOTHING);
    K.promote_owed = (struct owed){0};
}

void promoter_ended(int status) {
    K.promoter = 0;
    if (!K.promoting || !postmaster_lives()) return;
    if (status != 0) {
        int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        log_line("the promote file was not created: wait status %d", status);
        // It never came to the file: if none was there before, none is there now.
        if (code >= PROMOTER_TOO_LATE) K.pm.promote_requested = K.requested_before;
        if (code > PROMOTER_GATE) promotion_refused((struct refusal){"gate", gate_text(code - PROMOTER_GATE)});
        else promote_failed(code == PROMOTER_TOO_LATE ? "too late" : "the promote file cannot be created");
        return;
    }
    postmaster_signal(SIGUSR1);
    K.kick_next = boottime();
    if (K.pm.startup_fd < 0) scout_send(SCOUT_STARTUP);
}

void promote_failed(const char *why) {
    if (K.promoting) promotion_refused((struct refusal){"promote-failed", why});
}

/// The postmaster lives, no startup process does, and the control file says "in production".
void production_found(void) {
    bool known = K.pm.in_production;
    K.pm.in_production = true;
    K.pm.promote_requested = true;
    K.kick_until = 0;
    if (K.promoting || K.promote_owed.id != 0) {
        log_line("promoted in %lld ms", (long long)((boottime() - K.promote_began) / MILLISECOND));
        K.promoting = false;
        answer(K.promote_owed, GRANTED, NOTHING);
        K.promote_owed = (struct owed){0};
        tell("promoted", NOTHING);
        return;
    }
    if (known) return;
    log_line("PostgreSQL left recovery without a request of ours");
    if (K.mode == MODE_NORMAL && K.deadline == 0) fence("unarmed-primary", 0);
}

void kick(int64_t nanoseconds) {
    K.kick_until = nanoseconds > 0 && K.pm.role == ROLE_STANDBY && postmaster_lives() ? boottime() + nanoseconds : 0;
    K.kick_next = boottime();
}

void kick_timer(int64_t now) {
    bool waiting = K.kick_until != 0 && now < K.kick_until;
    bool promoting = K.promoting && K.promoter == 0;
    if (!waiting) K.kick_until = 0;
    if ((!waiting && !promoting) || now < K.kick_next) return;
    // By its pidfd: whatever else gets this pid one day is not meant. SIGHUP only makes it read its configuration.
    pidfd_signal(K.pm.startup_fd, SIGHUP);
    K.kick_next = now + (promoting ? KICK_PROMOTE : KICK_WAIT);
}

void startup_found(pid_t pid, unsigned long long started) {
    if (K.pm.startup_fd >= 0) return;
    int pidfd = pidfd_of(pid);
    pid_t parent;
    unsigned long long seen;
    if (pidfd < 0 || !process_stat(pid, &parent, &seen) || parent != K.pm.pid || seen != started) {
        close_and_forget(&pidfd);
        return;
    }
    K.pm.startup_pid = pid;
    K.pm.startup_fd = pidfd;
    K.kick_next = 0;
}

void startup_forget(void) {
    close_and_forget(&K.pm.startup_fd);
    K.pm.startup_pid = 0;
    K.scouts[SCOUT_STARTUP].next = 0;
}

/// Its end is not yet the promotion: after a killed backend, too, there will be a new one.
void startup_ended(void) {
    startup_forget();
    scout_send(SCOUT_STARTUP);
}
