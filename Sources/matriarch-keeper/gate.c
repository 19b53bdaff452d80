// The gate of the apply workers (zones.md 1): what libpq's service file has to say before a promotion. A strict subset
// of what libpq reads: whatever is not understood here is not closed. In the promoter only: it touches the disk, and
// what it opens is closed by its end.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "keeper.h"

/// libpq's own: a line that fills it is refused there, too.
#define LINE_MAX_LIBPQ 1024
/// The one setting of a closed stanza.
static const char closed[] = "host=/gate-closed";

/// The stanza that is being read.
struct stanza {
    bool any, local;
    int settings, closed;
};

static bool is_closed(const struct stanza *stanza) {
    return !stanza->any || stanza->local || (stanza->settings == 1 && stanza->closed == 1);
}

/// `[NAME]` in place of which NAME is left; NULL for anything else.
static const char *name_of(char *line, size_t length) {
    if (length < 3 || line[0] != '[' || line[length - 1] != ']') return NULL;
    line[length - 1] = 0;
    return strpbrk(line + 1, "[]") == NULL ? line + 1 : NULL;
}

static bool is_setting(const char *line) {
    size_t keyword = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return keyword > 0 && line[keyword] == '=';
}

static enum gate_state read_stanzas(FILE *file, const char *local) {
    struct stanza stanza = {0};
    bool local_seen = false;
    char line[LINE_MAX_LIBPQ];
    while (fgets(line, sizeof line, file) != NULL) {
        size_t length = strlen(line);
        // Without its end it is too long, holds a zero byte, or is all that was written of it.
        if (length == 0 || length >= sizeof line - 1 || line[length - 1] != '\n') return GATE_GARBLED;
        line[--length] = 0;
        if (length == 0 || line[0] == '#') continue;
        if (line[0] == '[') {
            const char *name = name_of(line, length);
            if (name == NULL) return GATE_GARBLED;
            if (!is_closed(&stanza)) return GATE_OPEN;
            stanza = (struct stanza){.any = true, .local = strcmp(name, local) == 0};
            local_seen = local_seen || stanza.local;
        } else {
            if (!stanza.any || !is_setting(line)) return GATE_GARBLED;
            stanza.settings++;
            stanza.closed += strcmp(line, closed) == 0;
        }
    }
    if (ferror(file)) return GATE_UNREADABLE;
    if (!is_closed(&stanza)) return GATE_OPEN;
    // Without any stanza libpq would ask the system-wide file.
    return local_seen ? GATE_CLOSED : GATE_NOT_OURS;
}

enum gate_state gate_look(const struct gate *gate) {
    struct stat status;
    // A pipe must not hold us up.
    int fd = open(gate->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? fdopen(fd, "r") : NULL;
    return file == NULL ? GATE_UNREADABLE : read_stanzas(file, gate->local);
}

const char *gate_text(enum gate_state state) {
    switch (state) {
        case GATE_UNREADABLE: return "the service file is missing or cannot be read";
        case GATE_OPEN: return "the service file lets apply workers reach a peer";
        case GATE_NOT_OURS: return "the service file has no stanza of the local node";
        default: return "the service file is not understood";
    }
}

bool gate_named(struct gate *gate, char ***fields, int *count) {
    char **given = *fields;
    *gate = (struct gate){0};
    if (*count < 1 || strcmp(given[0], "gate") != 0) return true;
    if (*count < 3 || given[1][0] != '/' || given[2][0] == 0 || strlen(given[1]) >= sizeof gate->file ||
        strlen(given[2]) >= sizeof gate->local)
        return false;
    strcpy(gate->file, given[1]);
    strcpy(gate->local, given[2]);
    *fields += 3;
    *count -= 3;
    return true;
}
