// Start and loop.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"
#include "keeper.h"

/// SO_PEERPIDFD, which older headers lack.
#define PEER_PIDFD 77

struct keeper K;

static void accept_guest(void) {
    struct peer guest = {accept4(K.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), -1, 0};
    struct ucred user;
    socklen_t size = sizeof user;
    if (guest.fd < 0) return;
    // root, too: it can kill and trace us anyway, and operators' tools and tests run as root.
    if (getsockopt(guest.fd, SOL_SOCKET, SO_PEERCRED, &user, &size) != 0 || user.pid <= 0 ||
        (user.uid != geteuid() && user.uid != 0)) {
        log_line("refused a connection of user %d", (int)user.uid);
        close(guest.fd);
        return;
    }
    guest.pid = user.pid;
    size = sizeof guest.pidfd;
    // Before Linux 6.5 by number: the process may have ended meanwhile, and another may have got its number.
    if (getsockopt(guest.fd, SOL_SOCKET, PEER_PIDFD, &guest.pidfd, &size) != 0) {
        guest.pidfd = pidfd_of(user.pid);
        struct pollfd gone = {.fd = guest.fd};
        if (poll(&gone, 1, 0) == 1) {
            peer_close(&guest);
            return;
        }
    }
    fcntl(guest.pidfd, F_SETFD, FD_CLOEXEC);
    static unsigned oldest;
    struct peer *place = NULL;
    for (int i = 0; i < GUESTS_MAX && place == NULL; i++)
        if (K.guests[i].fd < 0) place = &K.guests[i];
    if (place == NULL) peer_close(place = &K.guests[oldest++ % GUESTS_MAX]);
    *place = guest;
}

/// Everything that ended. The postmaster's own end comes before that of what it leaves behind is looked for.
static void reap(void) {
    siginfo_t ended;
    for (;;) {
        ended.si_pid = 0;
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) break;
        int status = 0;
        tool_reap_begins(ended.si_pid);
        if (waitpid(ended.si_pid, &status, WNOHANG) != ended.si_pid) break;
        if (ended.si_pid == K.pm.pid) postmaster_ended(status);
        else if (ended.si_pid == K.promoter) promoter_ended(status);
        else if (ended.si_pid == K.tool) tool_ended(status);
        else if (ended.si_pid == K.log_writer) K.log_writer = 0;
        else scout_ended(ended.si_pid);
    }
    sweep();
}

static void earlier(int64_t *wake, int64_t at) {
    if (at != 0 && at < *wake) *wake = at;
}

static int64_t next_wake(int64_t now) {
    int64_t wake = now + 10 * SECOND;
    earlier(&wake, K.kill_at);
    if (K.sweeping) earlier(&wake, K.sweep_at > now ? K.sweep_at : now + 20 * MILLISECOND);
    if (K.kick_until != 0 || (K.promoting && K.promoter == 0)) earlier(&wake, K.kick_next > now ? K.kick_next : now);
    for (int kind = 0; kind < SCOUT_KINDS; kind++)
        if (K.scouts[kind].pid == 0 && K.scouts[kind].fd < 0) earlier(&wake, K.scouts[kind].next);
    if (K.tool != 0 && K.tool_kill_at > now) earlier(&wake, K.tool_kill_at);
    if (K.successor.fd >= 0) earlier(&wake, K.successor_until);
    if (K.idle_since != 0) earlier(&wake, now + SECOND);
    return wake;
}

static bool may_leave(int64_t now) {
    // A server of somebody else's in the data directory is not ours to wait for.
    bool keeping = postmaster_lives() || K.sweeping || K.promoter != 0 || K.foreign_kill || K.tool != 0;
    if (K.agent.fd >= 0 || K.successor.fd >= 0 || keeping) {
        if (K.agent.fd < 0 && K.idle_since != 0) K.idle_since = now;
        return false;
    }
    if (K.idle_since == 0) K.idle_since = now;
    return now - K.idle_since >= (K.ever_attached ? LINGER : LINGER_AT_START);
}

#define POLLS_MAX (16 + GUESTS_MAX + DYING_MAX)
static struct pollfd polls[POLLS_MAX];
static nfds_t poll_count;

static int watch(int fd) {
    if (fd < 0) return -1;
    polls[poll_count] = (struct pollfd){.fd = fd, .events = POLLIN};
    return (int)poll_count++;
}

static bool ready(int slot) { return slot >= 0 && polls[slot].revents != 0; }

static void turn(void) {
    int guests[GUESTS_MAX], scouts[SCOUT_KINDS];
    poll_count = 0;
    int timer = watch(K.timer_fd), signals = watch(K.signal_fd), listener = watch(K.listen_fd);
    int agent = watch(K.agent.fd), successor = watch(K.successor.fd);
    int report = watch(K.pm.report_fd), tool = watch(K.tool_report_fd), startup = watch(K.pm.startup_fd);
    int foreign = watch(K.pm.taken_over && K.pm.pid != 0 ? K.pm.pidfd : -1);
    for (int i = 0; i < SCOUT_KINDS; i++) scouts[i] = watch(K.scouts[i].fd);
    for (int i = 0; i < GUESTS_MAX; i++) guests[i] = watch(K.guests[i].fd);
    for (int i = 0; i < K.dying_count; i++) watch(K.dying[i]);

    int64_t now = boottime(), wake = next_wake(now), rest = wake > now ? wake - now : 0;
    struct timespec patience = {rest / SECOND, rest % SECOND};
    if (ppoll(polls, poll_count, &patience, NULL) < 0) return;
    now = boottime();

    // First thing, whatever woke us: after a suspension or a freeze the deadline may have passed.
    lease_check(now);
    if (ready(signals)) {
        struct signalfd_siginfo drained;
        while (read(K.signal_fd, &drained, sizeof drained) > 0) continue;
    }
    reap();
    if (ready(timer)) {
        uint64_t drained;
        if (read(K.timer_fd, &drained, sizeof drained) < 0 && errno != EAGAIN) return;
    }
    // A descriptor may have been closed by what came before: each is checked again.
    if (ready(report) && K.pm.report_fd == polls[report].fd) postmaster_report();
    if (ready(foreign) && K.pm.pid != 0 && K.pm.pidfd == polls[foreign].fd) postmaster_ended(-1);
    if (ready(startup) && K.pm.startup_fd == polls[startup].fd) startup_ended();
    for (int i = 0; i < SCOUT_KINDS; i++)
        if (ready(scouts[i]) && K.scouts[i].fd == polls[scouts[i]].fd) scout_report((enum scout_kind)i);
    if (ready(tool) && K.tool_report_fd == polls[tool].fd) tool_report();
    postmaster_timers(now);
    scout_timers(now);
    tool_timers(now);
    kick_timer(boottime());

    if (ready(agent) && K.agent.fd == polls[agent].fd) peer_read(&K.agent);
    if (ready(successor) && K.successor.fd == polls[successor].fd) peer_read(&K.successor);
    for (int i = 0; i < GUESTS_MAX; i++)
        if (ready(guests[i]) && K.guests[i].fd == polls[guests[i]].fd) peer_read(&K.guests[i]);
    if (ready(listener)) accept_guest();
    postmaster_timers(boottime());
    attach_check(now);
    lease_check(boottime());
    if (may_leave(now)) K.leaving = true;
}

static void forget_everything(void) {
    K.pid = getpid();
    K.log_fd = K.pm.pidfd = K.pm.startup_fd = K.pm.report_fd = K.tool_report_fd = -1;
    K.zxid = K.latch = -1;
    K.foreign = -1;
    K.agent = K.successor = (struct peer){-1, -1, 0};
    for (int i = 0; i < GUESTS_MAX; i++) K.guests[i] = (struct peer){-1, -1, 0};
    for (int i = 0; i < SCOUT_KINDS; i++) K.scouts[i].fd = -1;
}

void keeper_run(const char *runtime, const char *data, int listener) {
    K.runtime = runtime;
    K.data = data;
    K.listen_fd = listener;
    forget_everything();
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    // Only SIGKILL ends it, and then the kernel stops PostgreSQL: a stray SIGTERM to a whole group must not.
    static const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM, SIGTSTP};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    K.signal_fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    K.timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (K.signal_fd < 0 || K.timer_fd < 0) _exit(1);
    // Best effort, within the user's limit: its code should not have to come back from a disk that hangs.
    mlockall(MCL_CURRENT);
    log_writer_start();
    log_line("keeper started for %s", data);
    scout_send(SCOUT_CENSUS);
    while (!K.leaving) turn();
    log_line("nothing runs and nobody is attached: keeper ends");
}
