// The deadline, and what happens when it passes (lock.md 4.E, rulings Lock 8 and 9).
#define _GNU_SOURCE
#include <signal.h>
#include <sys/timerfd.h>

#include "keeper.h"

void timer_set(void) {
    // A time in the past fires at once; zero disarms.
    struct itimerspec at = {.it_value = {.tv_sec = K.deadline / SECOND, .tv_nsec = K.deadline % SECOND}};
    timerfd_settime(K.timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

void lease_check(int64_t now) {
    if (K.deadline != 0 && now >= K.deadline && K.mode == MODE_NORMAL) fence("deadline", now - K.deadline);
}

void fence(const char *why, int64_t late) {
    bool running = postmaster_lives();
    if (K.promoter != 0) kill(K.promoter, SIGKILL);
    if (running) {
        // Before exec there is nothing yet that would understand SIGQUIT.
        postmaster_signal(K.pm.report_fd >= 0 ? SIGKILL : SIGQUIT);
        if (K.kill_at == 0) K.kill_at = boottime() + FENCE_GRACE;
        K.pm.fenced = true;
    }
    K.sweep_at = 0;
    sweep();
    if (K.zxid > K.latch) K.latch = K.zxid;
    K.deadline = 0;
    K.kick_until = 0;
    timer_set();
    promote_failed("fenced");
    log_line("fenced: %s, late by %lld us, %s", why, (long long)(late / 1000),
             running ? "PostgreSQL was running" : "PostgreSQL was not running");
    tell("fenced", "%lld%c%s", (long long)late, 0, why);
    K.tell_empty = true;
}

struct refusal lease_arm(int64_t deadline, int64_t zxid) {
    if (deadline <= boottime()) return (struct refusal){"past", "the deadline has passed already"};
    if (zxid <= K.latch) return (struct refusal){"latched", "it fenced under this or a later state of epoch"};
    if (K.deadline == 0) log_line("armed under zxid %lld", (long long)zxid);
    // Never earlier: that is what `lower` says.
    if (deadline > K.deadline) K.deadline = deadline;
    if (zxid > K.zxid) K.zxid = zxid;
    timer_set();
    return GRANTED;
}

void lease_extend(int64_t deadline) {
    if (K.deadline == 0 || deadline <= K.deadline) return;
    K.deadline = deadline;
    timer_set();
}

void lease_lower(int64_t deadline) {
    if (K.deadline == 0 || deadline <= 0 || deadline >= K.deadline) return;
    K.deadline = deadline;
    timer_set();
}

struct refusal lease_disarm(void) {
    if (may_be_writable()) return (struct refusal){"writable", "PostgreSQL is writable, or nothing proves that it is not"};
    if (K.deadline != 0) log_line("released");
    K.deadline = 0;
    timer_set();
    return GRANTED;
}

/// PostgreSQL was given back: no lock of anybody's is behind it any more.
void lease_forget(void) {
    K.deadline = K.zxid = 0;
    K.latch = -1;
    timer_set();
}

struct refusal lease_allows_primary(int64_t zxid) {
    if (zxid <= K.latch) return (struct refusal){"latched", "it fenced under this or a later state of epoch"};
    if (K.deadline == 0) return (struct refusal){"not-armed", "no lease is armed"};
    if (boottime() >= K.deadline - PROMOTE_BOUND)
        return (struct refusal){"too-late", "less than 100 ms of the lease is left"};
    return GRANTED;
}
