#ifndef DAEMON_H
#define DAEMON_H

/// Returns when there is nothing left to keep.
void keeper_run(const char *runtime, const char *data, int listener);
/// `matriarch-keeper start`: one keeper for a runtime folder, in a session of its own.
int keeper_start(int argc, char **argv);
/// `matriarch-keeper talk`: a connection to a keeper from a terminal or a test.
int keeper_talk(int argc, char **argv);
/// `matriarch-keeper supervise`: the user's process.
int supervise(int argc, char **argv);

#endif
