"""Free ports on 127.0.0.1, below the range from which the kernel takes those of outgoing connections."""

import random
import socket

_given = set()


def free():
    for _ in range(1000):
        port = random.randrange(12000, 32000)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError("no free port on 127.0.0.1 between 12000 and 32000")
