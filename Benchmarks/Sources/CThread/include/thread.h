#pragma once

/// Blocks of memory that this thread has asked for so far, a `realloc` counted as one.
unsigned long allocations_of_thread(void);

/// CPU time of this thread so far: a busy machine does not make it longer, or not by much.
unsigned long nanoseconds_of_thread(void);

/// Does nothing, out of the compiler's sight: what it is given has to have been made.
void keep(const void *value);
