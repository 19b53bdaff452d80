// Linux calls that Swift cannot import by itself (variadic syscall, macros, GNU extensions).
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/// A file descriptor that becomes readable when the process ends; -1 with errno on failure. Not limited to children.
static inline int matriarch_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

/// Sends a signal to exactly the process behind a pidfd; -1 with errno on failure.
static inline int matriarch_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, (void *)0, 0);
}

/// Anonymous memory behind a descriptor that outlives an exec (no close-on-exec) and can be sealed; -1 with errno.
static inline int matriarch_memfd_create(const char *name) {
    return (int)syscall(SYS_memfd_create, name, 2u /* MFD_ALLOW_SEALING */);
}

/// F_ADD_SEALS: F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE on the kernel's numbers.
static inline int matriarch_memfd_seal(int fd) { return (int)syscall(SYS_fcntl, fd, 1033, 0xf); }

/// Nanoseconds of CLOCK_BOOTTIME: monotonic, and counts the time a machine is suspended.
static inline int64_t matriarch_boottime_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/// The kernel's number of the calling thread.
static inline int matriarch_gettid(void) { return (int)syscall(SYS_gettid); }

/// Names the calling thread, by at most 15 bytes.
static inline void matriarch_name_thread(const char *name) { prctl(PR_SET_NAME, name); }
