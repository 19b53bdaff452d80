#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

#define MILLISECOND 1000000LL
#define SECOND (1000 * MILLISECOND)

/// Nanoseconds of CLOCK_BOOTTIME: counts the time a machine is suspended, as the lease does.
static inline int64_t boottime(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

#endif
