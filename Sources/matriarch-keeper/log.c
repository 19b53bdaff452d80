// Lines go through a pipe to a small child that writes the file: a full or hanging disk never holds up the keeper.
// What does not fit into the pipe is lost.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keeper.h"

/// The C library's own conversions read the time zone's file on their first use.
static void civil(int64_t seconds, char *text, size_t size, int milliseconds) {
    int64_t days = seconds / 86400, rest = seconds % 86400;
    int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int day = (int)(doy - (153 * mp + 2) / 5 + 1), month = (int)(mp < 10 ? mp + 3 : mp - 9);
    int year = (int)(yoe + era * 400 + (month <= 2));
    snprintf(text, size, "%04d-%02d-%02d %02d:%02d:%02d.%03d", year, month, day, (int)(rest / 3600),
             (int)(rest / 60 % 60), (int)(rest % 60), milliseconds);
}

void log_line(const char *format, ...) {
    char line[1024];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    civil(now.tv_sec, line, sizeof line, (int)(now.tv_nsec / MILLISECOND));
    size_t length = strlen(line);
    length += (size_t)snprintf(line + length, sizeof line - length, " UTC [%d] ", (int)K.pid);
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(line + length, sizeof line - length - 1, format, arguments);
    va_end(arguments);
    if (more > 0) length += (size_t)more;
    if (length > sizeof line - 2) length = sizeof line - 2;
    line[length++] = '\n';
    if (write(K.log_fd, line, length) < 0 && errno == EPIPE) log_writer_start();
}

/// Ends by itself when the keeper does: after the last line, not before it.
void log_writer_start(void) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return;
    int reader = ends[0];
    pid_t pid = fork_child(0, &reader);
    if (pid == 0) {
        char path[4200], text[4096];
        snprintf(path, sizeof path, "%s/keeper.log", K.runtime);
        int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        ssize_t length;
        while ((length = read(reader, text, sizeof text)) != 0) {
            if (length < 0 && errno != EINTR) break;
            if (length > 0 && write(file, text, (size_t)length) < 0 && errno == EBADF) break;
        }
        _exit(0);
    }
    close(ends[0]);
    if (pid < 0) {
        close(ends[1]);
        return;
    }
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    if (K.log_fd >= 0) close(K.log_fd);
    K.log_fd = ends[1];
    K.log_writer = pid;
}
