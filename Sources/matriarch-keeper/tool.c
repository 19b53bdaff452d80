// Programs that write the data directory: one at a time, in a process group of their own (rulings, Lock 12).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper.h"

bool program_of(char **fields, int count, char ***environment, char ***arguments) {
    // One list is ended by a NULL where the other begins: the count's own place is not needed any more.
    static char *variables[FIELDS_MAX + 1];
    char *end;
    long size = count > 0 ? strtol(fields[0], &end, 10) : -1;
    if (size < 0 || *end != 0 || size > count - 2 || fields[1 + size][0] != '/') return false;
    memcpy(variables, fields + 1, (size_t)size * sizeof *variables);
    variables[size] = NULL;
    *environment = variables;
    *arguments = fields + 1 + size;  // the reader of the message has put a NULL after the last field
    return true;
}

bool tool_owns(pid_t pid) { return K.tool != 0 && (pid == K.tool || getpgid(pid) == K.tool); }

static void become_tool(const char *output, int report, char **environment, char **arguments) {
    struct child_report said = {'o', 0};
    setpgid(0, 0);
    int fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execve(arguments[0], arguments, environment);
        said.what = 'x';
    }
    said.error = errno;
    if (write(report, &said, sizeof said) < 0) _exit(126);
    _exit(127);
}

struct refusal tool_run(char **fields, int count, struct owed owed) {
    char **environment, **arguments;
    if (count < 3 || !program_of(fields + 2, count - 2, &environment, &arguments))
        return (struct refusal){"bad-request", "output, environment, program and arguments are needed"};
    bool alongside = strcmp(fields[1], "alongside") == 0;
    if (K.tool != 0 || K.tool_ended) return (struct refusal){"tool-running", "another tool is running"};
    if (!alongside && postmaster_lives()) return (struct refusal){"running", "PostgreSQL is running"};
    if (!alongside && !is_empty()) return (struct refusal){"not-empty", "something of an earlier PostgreSQL is left"};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return (struct refusal){"spawn", "no pipe"};
    int report = ends[1];
    pid_t pid = fork_child(SIGKILL, &report);
    if (pid == 0) become_tool(fields[0], report, environment, arguments);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return (struct refusal){"spawn", "fork failed"};
    }
    setpgid(pid, pid);  // here, too: the group must exist before it is signalled
    K.tool = pid;
    K.tool_report_fd = ends[0];
    K.tool_owed = owed;
    K.tool_kill_at = 0;
    log_line("tool started, pid %d", (int)pid);
    return GRANTED;
}

void tool_report(void) {
    bool failed = read(K.tool_report_fd, &K.tool_refused, sizeof K.tool_refused) == (ssize_t)sizeof K.tool_refused;
    close_and_forget(&K.tool_report_fd);
    // Never executed: the answer waits for its end, so that the next request finds nothing of it.
    if (failed) return;
    K.tool_refused.what = 0;
    answer(K.tool_owed, GRANTED, "%d", (int)K.tool);
}

static void answer_refused_run(void) {
    char text[128];
    snprintf(text, sizeof text, "cannot %s: errno %d", K.tool_refused.what == 'o' ? "open the output file" : "execute it",
             K.tool_refused.error);
    answer(K.tool_owed, (struct refusal){"spawn", text}, NOTHING);
}

void tool_cancel(void) {
    if (K.tool == 0 || K.tool_kill_at != 0) return;
    kill(-K.tool, SIGTERM);
    K.tool_kill_at = boottime() + TOOL_GRACE;
}

void tool_kill(void) {
    if (K.tool != 0) kill(-K.tool, SIGKILL);
}

/// Called while it is still a zombie: its group's number cannot belong to anybody else yet.
void tool_reap_begins(pid_t pid) {
    if (pid == K.tool) kill(-K.tool, SIGKILL);
}

void tool_ended(int status) {
    if (K.tool_report_fd >= 0) tool_report();
    if (K.tool_refused.what != 0) {
        K.tool = 0;
        answer_refused_run();
        return;
    }
    K.tool_ended = true;
    K.tool_ended_pid = K.tool;
    K.tool_status = status;
    K.tool = 0;
    log_line("tool ended: wait status %d", status);
    // What it left in other groups; beside a living postmaster it cannot be told from that one's business.
    if (!postmaster_lives()) {
        K.sweeping = true;
        K.sweep_at = 0;
        sweep();
    }
}

/// Its end is told when nothing of it is left.
void tool_flush(void) {
    if (!K.tool_ended || (K.sweeping && !postmaster_lives())) return;
    K.tool_ended = false;
    tell("tool", "%d%c%d", (int)K.tool_ended_pid, 0, K.tool_status);
}

void tool_timers(int64_t now) {
    if (K.tool != 0 && K.tool_kill_at != 0 && now >= K.tool_kill_at) tool_kill();
    tool_flush();
}
