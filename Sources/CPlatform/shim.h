// Linux calls that Swift cannot import by itself (variadic syscall, macros).
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/// A file descriptor that becomes readable when the process ends; -1 with errno on failure. Not limited to children.
static inline int matriarch_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

/// Sends a signal to exactly the process behind a pidfd; -1 with errno on failure.
static inline int matriarch_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, (void *)0, 0);
}

/// Nanoseconds of CLOCK_BOOTTIME: monotonic, and counts the time a machine is suspended.
static inline int64_t matriarch_boottime_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
