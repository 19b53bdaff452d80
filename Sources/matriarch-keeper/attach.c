// Who may speak: the newest agent only, and only after the one before is dead (lock.md 6).
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "keeper.h"

void peer_close(struct peer *peer) {
    close_and_forget(&peer->fd);
    close_and_forget(&peer->pidfd);
    peer->pid = 0;
}

struct owed owe(uint64_t id) { return (struct owed){id, K.generation}; }

static bool has_ended(int pidfd) {
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    return poll(&ended, 1, 0) == 1;
}

/// Its socket is closed at once, its process killed unless it is the newcomer's own.
static void displace(struct peer *peer, pid_t newcomer) {
    close_and_forget(&peer->fd);
    if (peer->pidfd >= 0 && peer->pid != newcomer && !has_ended(peer->pidfd)) {
        pidfd_signal(peer->pidfd, SIGKILL);
        log_line("killed the agent before, pid %d", (int)peer->pid);
        if (K.dying_count < DYING_MAX) {
            K.dying[K.dying_count++] = peer->pidfd;
            peer->pidfd = -1;
        }
    }
    peer_close(peer);
}

void attach(struct peer *guest, uint64_t id) {
    if (K.successor.pid != 0) displace(&K.successor, guest->pid);
    if (K.agent.pid != 0) displace(&K.agent, guest->pid);
    K.generation++;
    tool_kill();
    K.successor = *guest;
    K.successor_id = id;
    K.successor_until = boottime() + ATTACH_BOUND;
    *guest = (struct peer){-1, -1, 0};
}

/// Confirms when the predecessors and their tool are gone and the data directory was looked at.
void attach_check(int64_t now) {
    for (int i = 0; i < K.dying_count;) {
        if (has_ended(K.dying[i])) {
            close(K.dying[i]);
            K.dying[i] = K.dying[--K.dying_count];
        } else {
            i++;
        }
    }
    if (K.successor.fd < 0) return;
    bool ready = K.dying_count == 0 && K.tool == 0 && !K.tool_ended && K.foreign >= 0;
    if (!ready && now < K.successor_until) return;
    if (!ready) {
        say(&K.successor, K.successor_id, "no", "predecessor-alive%cthe agent before, or its tool, does not die", 0);
        peer_close(&K.successor);
        return;
    }
    K.agent = K.successor;
    K.successor = (struct peer){-1, -1, 0};
    K.ever_attached = true;
    K.idle_since = 0;
    log_line("attached: pid %d", (int)K.agent.pid);
    say(&K.agent, K.successor_id, "ok", "%d", (int)K.pid);
}

/// The agent's socket has ended. Its pidfd stays: a process that only lost its socket must be killed, too.
void attach_gone(void) {
    close_and_forget(&K.agent.fd);
    K.generation++;
    K.idle_since = boottime();
    log_line("the agent has gone, pid %d", (int)K.agent.pid);
}
