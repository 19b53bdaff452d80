"""What a process costs, as the kernel counts it: memory, time on a CPU, how often it wakes up."""

import os
import re
import time

CPU_CLOCK = 2  # of a whole process, in nanoseconds, ended threads included
TICKS = os.sysconf("SC_CLK_TCK")


class ProcessCost:
    """One process, counted from now on."""

    def __init__(self, pid):
        self.pid = pid
        self.began = time.monotonic()
        self.birth = self.stat()[19]
        self.cpu_before = self.cpu_time()
        self.threads = {thread: (name, count, count) for thread, name, count in self.read_threads()}

    def stat(self):
        with open(f"/proc/{self.pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()

    def cpu_time(self):
        """Seconds, those of programs that it ran and that have ended included."""
        fields = self.stat()
        return time.clock_gettime(~self.pid << 3 | CPU_CLOCK) + (int(fields[13]) + int(fields[14])) / TICKS

    def read_threads(self):
        """Each thread, its name, and how often it has waited for something: as often it woke up."""
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            try:
                with open(f"/proc/{self.pid}/task/{thread}/status", encoding="utf-8", errors="replace") as file:
                    text = file.read()
            except OSError:
                continue  # it has ended
            name = re.search(r"^Name:\t(.*)$", text, re.M)[1]
            yield thread, name, int(re.search(r"^voluntary_ctxt_switches:\t(\d+)$", text, re.M)[1])

    def look(self):
        """To be called each second or so: a thread that ends takes its count since the last look along."""
        if self.stat()[19] != self.birth:
            raise RuntimeError(f"process {self.pid} ended while it was measured")
        for thread, name, count in self.read_threads():
            _, first, last = self.threads.get(thread, (name, 0, 0))
            # A smaller count is that of another thread with the same id.
            self.threads[thread] = (name, first if count >= last else 0, count)

    def seconds(self):
        return time.monotonic() - self.began

    def cpu_a_minute(self):
        return (self.cpu_time() - self.cpu_before) / self.seconds() * 60

    def wakeups_a_second(self):
        """Of all threads by their names, the busiest first."""
        seconds, counts = self.seconds(), {}
        for name, first, last in self.threads.values():
            counts[name] = counts.get(name, 0) + (last - first) / seconds
        return dict(sorted(counts.items(), key=lambda entry: -entry[1]))

    def memory(self):
        """Private, proportional and resident, in MiB."""
        with open(f"/proc/{self.pid}/smaps_rollup", encoding="utf-8") as file:
            sizes = {key: int(size) / 1024 for key, size in re.findall(r"^(\w+):\s+(\d+) kB$", file.read(), re.M)}
        return sizes["Private_Clean"] + sizes["Private_Dirty"] + sizes["Swap"], sizes["Pss"], sizes["Rss"]
