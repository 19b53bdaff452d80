#ifndef FORMER_H
#define FORMER_H

#include <stdbool.h>

/// Writes into the locked file who this keeper is; called in its own session, before it starts anything.
void former_remember(int lock);
/// Kills what is left of the keeper that the locked file names; false when something does not end within 3 s.
bool former_end(int lock);

#endif
