#ifndef RUNTIME_H
#define RUNTIME_H

/// DIR/NAME opened and locked exclusively, close-on-exec; -1 with errno EWOULDBLOCK when somebody holds it.
int lock_file(const char *folder, const char *name);
#define LISTEN_BACKLOG 16
/// A listening socket at DIR/keeper.sock, or a connection to it; -1 with errno.
int keeper_listen(const char *folder);
int keeper_connect(const char *folder);
/// Value of an option `--name VALUE` before `--`; NULL when it is missing.
const char *option(int argc, char **argv, const char *name);

#endif
