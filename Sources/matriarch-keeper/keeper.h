// The keeper: one thread, one poll loop, no allocation after its start, no disk in its own thread. Everything that
// may block on a disk is done by short-lived children that report through a pipe.
#ifndef KEEPER_H
#define KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "clock.h"

#define MESSAGE_MAX (128 * 1024)
#define FIELDS_MAX 2048
#define GUESTS_MAX 8
#define DYING_MAX 32

/// What must be left of the lease for a promotion or a start as a primary (lock.md 4.A5).
#define PROMOTE_BOUND (100 * MILLISECOND)
/// From SIGQUIT to SIGKILL: a stopped postmaster ignores the first.
#define FENCE_GRACE (100 * MILLISECOND)
/// A postmaster that ended by itself has no backend left, but its logger may still hold the lines that say why.
#define LOGGER_GRACE (100 * MILLISECOND)
#define KICK_PROMOTE (10 * MILLISECOND)
#define KICK_WAIT (100 * MILLISECOND)
/// How long a predecessor may take to die before the newcomer is told.
#define ATTACH_BOUND (5 * SECOND)
#define TOOL_GRACE (10 * SECOND)
/// Nobody attached and nothing runs: a restarted agent still finds the last wait status and the latch.
#define LINGER (5 * SECOND)
#define LINGER_AT_START (30 * SECOND)

enum mode { MODE_NORMAL, MODE_PAUSED, MODE_DETACHED };
enum role { ROLE_NONE, ROLE_PRIMARY, ROLE_STANDBY };

/// DBState of PostgreSQL's control file, as far as it matters here.
enum { CONTROL_UNKNOWN = -1, CONTROL_SHUT_DOWN = 1, CONTROL_IN_PRODUCTION = 6 };

/// Somebody at the other end of the socket.
struct peer {
    int fd, pidfd;
    pid_t pid;
};

/// To whom an answer is owed that takes time; void when another agent is attached by then.
struct owed {
    uint64_t id;
    unsigned generation;
};

/// What a child tells about itself before exec.
struct child_report {
    char what;  // 'x' exec failed, 's' no standby.signal, 'l' too late, 'o' output file
    int error;
};

/// The service file that has to be closed before a promotion, except for the local node's service; empty: none.
struct gate {
    char file[4096], local[256];
};

struct postmaster {
    pid_t pid;
    int pidfd;
    enum role role;
    /// Closed by exec, or carries why there was none; -1 once known.
    int report_fd;
    struct owed start_owed;
    struct child_report refused;
    bool taken_over, found, promote_requested, in_production, stop_requested, fenced, planned;
    int64_t started_at;
    char data[4096];
    struct gate gate;

    pid_t startup_pid;
    int startup_fd;
};

/// A child that looks (at /proc, at the control file) and reports.
struct scout {
    pid_t pid;
    int fd;
    int64_t next;
    int64_t about;  // when the postmaster in question was started
};
enum scout_kind { SCOUT_STARTUP, SCOUT_CENSUS, SCOUT_PLANNED, SCOUT_KINDS };

struct keeper {
    pid_t pid;
    const char *runtime, *data;
    int signal_fd, timer_fd, listen_fd, log_fd;
    pid_t log_writer;
    bool leaving;

    // Lease.
    int64_t deadline;  // 0 = not armed
    int64_t zxid;      // of the last arming; -1 = never
    int64_t latch;     // -1 = never fired
    enum mode mode;

    // The one PostgreSQL.
    struct postmaster pm;
    int last_exit;
    bool any_exit;
    int64_t exited_at;
    bool sweeping;       // children that nobody here knows are to be killed
    int remaining;       // how many were left at the last look
    int64_t kill_at, sweep_at;
    bool tell_empty;     // "empty" is owed to the agent
    int foreign;         // processes of the data directory that are not ours; -1 = not looked yet
    bool foreign_kill;   // of a postmaster that was taken over and is gone
    int64_t foreign_pause;

    // Promotion and kicks.
    pid_t promoter;
    bool promoting, requested_before;
    int64_t promote_began;
    struct owed promote_owed, planned_owed;
    int64_t kick_next, kick_until;

    // Tool.
    pid_t tool;
    int tool_report_fd;
    struct owed tool_owed;
    struct child_report tool_refused;
    int64_t tool_kill_at;
    bool tool_ended;
    pid_t tool_ended_pid;
    int tool_status;

    struct scout scouts[SCOUT_KINDS];

    // Who is attached, who wants to be, who has to die first.
    struct peer agent, successor, guests[GUESTS_MAX];
    unsigned generation;
    uint64_t successor_id;
    int64_t successor_until;
    int dying[DYING_MAX];
    int dying_count;
    int64_t idle_since;
    bool ever_attached;
};

extern struct keeper K;

/// Why something was refused: a word for programs and a sentence for people.
struct refusal {
    const char *code, *text;
};
#define GRANTED ((struct refusal){0})

// keeper.c
int keeper_start(int argc, char **argv);
void keeper_exit(void);

// log.c
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_writer_start(void);

// lease.c
void lease_check(int64_t now);
struct refusal lease_arm(int64_t deadline, int64_t zxid);
void lease_extend(int64_t deadline);
void lease_lower(int64_t deadline);
struct refusal lease_disarm(void);
void lease_forget(void);
struct refusal lease_allows_primary(int64_t zxid);
void fence(const char *why, int64_t late);
void timer_set(void);

// postmaster.c
bool postmaster_lives(void);
bool may_be_writable(void);
bool is_empty(void);
struct refusal postmaster_start(enum role role, int64_t zxid, char **fields, int count, struct owed owed);
struct refusal postmaster_stop(int signal);
struct refusal postmaster_take_over(pid_t pid, enum role role);
void postmaster_report(void);
void postmaster_ended(int status);
void postmaster_signal(int signal);
void postmaster_timers(int64_t now);
void sweep(void);

// promote.c
struct refusal promote(int64_t zxid, const char *file, struct owed owed);
void promoter_ended(int status);
void promote_failed(const char *why);
void kick(int64_t nanoseconds);
void kick_timer(int64_t now);
void startup_ended(void);
void startup_forget(void);
void startup_found(pid_t pid, unsigned long long started);
void production_found(void);

// gate.c
enum gate_state { GATE_CLOSED, GATE_UNREADABLE, GATE_GARBLED, GATE_OPEN, GATE_NOT_OURS };
/// Whether every stanza of the file but the local node's leads nowhere. Touches the disk.
enum gate_state gate_look(const struct gate *gate);
const char *gate_text(enum gate_state state);
/// Takes "gate FILE SERVICE" off the front of the fields, if it is there; false when it cannot be used.
bool gate_named(struct gate *gate, char ***fields, int *count);

// scout.c
struct scout_report {
    pid_t startup;
    unsigned long long startup_started;
    int control, walwriter, clients, census;
};
void scout_send(enum scout_kind kind);
void scout_report(enum scout_kind kind);
void scout_timers(int64_t now);
bool scout_ended(pid_t pid);

// process.c
/// A fork whose child dies with us, has default signals, and none of our descriptors above `keep` (moved to 3).
pid_t fork_child(int death_signal, int *keep);
bool process_stat(pid_t pid, pid_t *parent, unsigned long long *started);
/// Calls `visit` for each child of `parent`; `parent` may be ourselves.
void each_child(pid_t parent, void (*visit)(pid_t child, void *context), void *context);
int process_title(pid_t pid, char *title, size_t size);
int pidfd_of(pid_t pid);
void pidfd_signal(int pidfd, int signal);
void close_and_forget(int *fd);

// tool.c
struct refusal tool_run(char **fields, int count, struct owed owed);
void tool_report(void);
void tool_cancel(void);
void tool_kill(void);
void tool_reap_begins(pid_t pid);
void tool_ended(int status);
void tool_flush(void);
bool tool_owns(pid_t pid);
void tool_timers(int64_t now);
/// Splits "ENVCOUNT env... argv..." in place; false when it does not add up.
bool program_of(char **fields, int count, char ***environment, char ***arguments);

// attach.c
void attach(struct peer *guest, uint64_t id);
void attach_check(int64_t now);
void attach_gone(void);
void peer_close(struct peer *peer);
struct owed owe(uint64_t id);

// commands.c
void peer_read(struct peer *peer);
void say(struct peer *peer, uint64_t id, const char *verb, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void answer(struct owed owed, struct refusal refusal, const char *format, ...) __attribute__((format(printf, 3, 4)));
/// For `say` and `answer`: no field.
#define NOTHING "%s", ""
#define tell(verb, ...) say(&K.agent, 0, verb, __VA_ARGS__)

#endif
