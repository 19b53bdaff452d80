// The protocol: one datagram a message, fields ended by a zero byte: "1", id, verb, arguments. A request with an id
// gets exactly one reply with it, `ok` or `no`; events and requests without a reply have the id 0.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "keeper.h"

static void lost(struct peer *peer) {
    if (peer == &K.agent) attach_gone();
    else peer_close(peer);
}

static void send_fields(struct peer *peer, uint64_t id, const char *verb, const char *format, va_list arguments) {
    static char text[4096];
    if (peer->fd < 0) return;
    int length = snprintf(text, sizeof text, "1%c%llu%c%s%c", 0, (unsigned long long)id, 0, verb, 0);
    int more = vsnprintf(text + length, sizeof text - (size_t)length - 1, format, arguments);
    if (more > (int)sizeof text - length - 2) more = (int)sizeof text - length - 2;
    if (more > 0) length += more + 1;  // with the last field's own zero byte
    if (send(peer->fd, text, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) == length) return;
    // Whoever does not read must not believe that nothing happened: it has to attach again and ask.
    log_line("pid %d does not take its messages: errno %d", (int)peer->pid, errno);
    lost(peer);
}

void say(struct peer *peer, uint64_t id, const char *verb, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    send_fields(peer, id, verb, format, arguments);
    va_end(arguments);
}

void answer(struct owed owed, struct refusal refusal, const char *format, ...) {
    if (owed.id == 0 || owed.generation != K.generation) return;
    if (refusal.code != NULL) {
        say(&K.agent, owed.id, "no", "%s%c%s", refusal.code, 0, refusal.text);
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    send_fields(&K.agent, owed.id, "ok", format, arguments);
    va_end(arguments);
}

static void say_status(struct peer *peer, uint64_t id) {
    static const char *const modes[] = {"normal", "paused", "detached"};
    static const char *const roles[] = {"none", "primary", "standby"};
    char text[1024];
    int length = snprintf(
        text, sizeof text,
        "keeper=%d|postmaster=%d|started-as=%s|started-at=%lld|promote-requested=%d|writable=%d|armed=%lld|armed-zxid=%lld|"
        "mode=%s|stop-requested=%d|fenced=%d|exited-at=%lld|empty=%d|remaining=%d|startup=%d|tool=%d|taken-over=%d|"
        "production=%d|gated=%d",
        (int)K.pid, (int)K.pm.pid, roles[K.pm.role], (long long)K.pm.started_at, K.pm.promote_requested,
        may_be_writable(), (long long)K.deadline, (long long)K.zxid, modes[K.mode], K.pm.stop_requested, K.pm.fenced,
        (long long)K.exited_at, is_empty(), K.remaining + (K.foreign > 0 ? K.foreign : 0), (int)K.pm.startup_pid,
        (int)K.tool, K.pm.found, K.pm.in_production, K.pm.gate.file[0] != 0);
    if (K.latch >= 0) length += snprintf(text + length, sizeof text - (size_t)length, "|latch=%lld", (long long)K.latch);
    if (K.any_exit) length += snprintf(text + length, sizeof text - (size_t)length, "|last-exit=%d", K.last_exit);
    for (int at = 0; at < length; at++)
        if (text[at] == '|') text[at] = 0;
    // The fields are there already, zero bytes included.
    char message[1100];
    int head = snprintf(message, sizeof message, "1%c%llu%cok%c", 0, (unsigned long long)id, 0, 0);
    memcpy(message + head, text, (size_t)length + 1);
    if (send(peer->fd, message, (size_t)(head + length + 1), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) lost(peer);
}

static bool number_of(const char *text, int64_t *number) {
    char *end;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return *text != 0 && *end == 0 && errno == 0;
}

static enum role role_named(const char *name) {
    return strcmp(name, "primary") == 0 ? ROLE_PRIMARY : strcmp(name, "standby") == 0 ? ROLE_STANDBY : ROLE_NONE;
}

static struct refusal set_mode(const char *name) {
    enum mode mode = strcmp(name, "paused") == 0 ? MODE_PAUSED
                     : strcmp(name, "detached") == 0 ? MODE_DETACHED : MODE_NORMAL;
    if (mode == MODE_NORMAL && strcmp(name, "normal") != 0) return (struct refusal){"bad-request", "unknown mode"};
    // From here on the deadline counts again; without one a writable server would be nobody's (lock.md 4.A0).
    if (mode == MODE_NORMAL && K.mode != MODE_NORMAL && K.deadline == 0 && postmaster_lives() && may_be_writable())
        return (struct refusal){"not-armed", "PostgreSQL may be writable: arm or fence first"};
    if (mode == MODE_DETACHED && (!postmaster_lives() || K.promoting))
        return (struct refusal){"not-running", "no PostgreSQL runs that could be given back"};
    if (mode != K.mode) log_line("mode %s", name);
    K.mode = mode;
    if (mode == MODE_DETACHED) lease_forget();
    return GRANTED;
}

static struct refusal stop(const char *name) {
    if (strcmp(name, "fast") == 0) return postmaster_stop(SIGINT);
    if (strcmp(name, "smart") == 0) return postmaster_stop(SIGTERM);
    if (strcmp(name, "immediate") == 0) return postmaster_stop(SIGQUIT);
    return (struct refusal){"bad-request", "unknown way to stop"};
}

static const struct refusal later = {"", ""};

/// From the attached agent. False: not understood.
static bool command(const char *verb, char **fields, int count, uint64_t id, struct refusal *refusal) {
    int64_t first = 0, second = 0;
    bool one = count >= 1 && number_of(fields[0], &first), two = count >= 2 && number_of(fields[1], &second);
    *refusal = GRANTED;
    if (strcmp(verb, "extend") == 0 && one) {
        lease_extend(first);
    } else if (strcmp(verb, "lower") == 0 && one) {
        lease_lower(first);
    } else if (strcmp(verb, "fence") == 0) {
        fence("requested", 0);
    } else if (strcmp(verb, "cancel-tool") == 0) {
        tool_cancel();
    } else if (strcmp(verb, "arm") == 0 && one && two) {
        *refusal = lease_arm(first, second);
    } else if (strcmp(verb, "disarm") == 0) {
        *refusal = lease_disarm();
        if (refusal->code != NULL && count >= 1 && strcmp(fields[0], "planned") == 0 && postmaster_lives() &&
            K.promoter == 0) {
            K.planned_owed = owe(id);
            scout_send(SCOUT_PLANNED);
            *refusal = later;
        }
    } else if (strcmp(verb, "mode") == 0 && count >= 1) {
        *refusal = set_mode(fields[0]);
    } else if (strcmp(verb, "start") == 0 && two && role_named(fields[0]) != ROLE_NONE) {
        *refusal = postmaster_start(role_named(fields[0]), second, fields + 2, count - 2, owe(id));
        if (refusal->code == NULL) *refusal = later;
    } else if (strcmp(verb, "stop") == 0 && count >= 1) {
        *refusal = stop(fields[0]);
    } else if (strcmp(verb, "promote") == 0 && one && count >= 2) {
        *refusal = promote(first, fields[1], owe(id));
        if (refusal->code == NULL) *refusal = later;
    } else if (strcmp(verb, "kick") == 0 && one) {
        kick(first > 0 && first < 86400000 ? first * MILLISECOND : 0);
    } else if (strcmp(verb, "run") == 0) {
        *refusal = tool_run(fields, count, owe(id));
        if (refusal->code == NULL) *refusal = later;
    } else if (strcmp(verb, "take-over") == 0 && one && count >= 2 && role_named(fields[1]) != ROLE_NONE) {
        int64_t deadline, zxid;
        *refusal = postmaster_take_over((pid_t)first, role_named(fields[1]));
        // In one step: an agent that dies in between would leave a primary that nothing bounds.
        if (refusal->code == NULL && count >= 4 && number_of(fields[2], &deadline) && number_of(fields[3], &zxid))
            *refusal = lease_arm(deadline, zxid);
    } else {
        return false;
    }
    return true;
}

/// False: this peer does not speak our language.
static bool handle(struct peer *peer, char *message, ssize_t length) {
    static char *fields[FIELDS_MAX + 1];
    int count = 0;
    int64_t id;
    if (length <= 0 || message[length - 1] != 0) return false;
    for (char *at = message; at < message + length; at += strlen(at) + 1) {
        if (count == FIELDS_MAX) return false;
        fields[count++] = at;
    }
    fields[count] = NULL;
    if (count < 3 || strcmp(fields[0], "1") != 0 || !number_of(fields[1], &id) || id < 0) return false;
    const char *verb = fields[2];
    if (strcmp(verb, "ping") == 0) return say(peer, (uint64_t)id, "ok", "pong"), true;
    if (strcmp(verb, "status") == 0) return say_status(peer, (uint64_t)id), true;
    if (strcmp(verb, "attach") == 0 && peer != &K.agent && peer != &K.successor) return attach(peer, (uint64_t)id), true;
    struct refusal refusal;
    if (peer != &K.agent || !command(verb, fields + 3, count - 3, (uint64_t)id, &refusal)) return false;
    if (refusal.code != later.code) answer(owe((uint64_t)id), refusal, NOTHING);
    return true;
}

/// A few messages at a time, so that nobody can keep the loop from the deadline.
void peer_read(struct peer *peer) {
    static char message[MESSAGE_MAX + 1];
    for (int turn = 0; turn < 16 && peer->fd >= 0; turn++) {
        struct iovec part = {message, MESSAGE_MAX};
        struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
        ssize_t length = recvmsg(peer->fd, &header, MSG_DONTWAIT);
        if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (length <= 0) {
            lost(peer);
            return;
        }
        message[length] = 0;
        if ((header.msg_flags & MSG_TRUNC) != 0 || !handle(peer, message, length)) {
            log_line("pid %d: not understood, closed (%zd bytes)", (int)peer->pid, length);
            lost(peer);
            return;
        }
    }
}
