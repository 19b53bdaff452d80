"""Programs of the demo: started as an unprivileged user, found again by their folder, ended by process id."""

import os
import pwd
import signal
import subprocess
import time

USER = "postgres"
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8", "TZ": os.environ.get("TZ", "")}


def unprivileged(command):
    """The command line that runs `command` as the unprivileged user; itself when we are not root."""
    if os.geteuid() != 0:
        return command
    # setpriv replaces itself by the program, so the process id is the program's own (su and runuser stay in between).
    return ["/usr/bin/setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups"] + command


def give_away(path):
    """Hands a file or folder to the unprivileged user."""
    if os.geteuid() == 0:
        user = pwd.getpwnam(USER)
        os.chown(path, user.pw_uid, user.pw_gid)


def make_folder(path, mode=0o755):
    os.mkdir(path)
    os.chmod(path, mode)
    give_away(path)
    return path


def write_file(path, text, mode=0o644):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)
    give_away(path)
    return path


def start(command, folder, log, home):
    """Starts a program in a session of its own, so that a key press at our terminal does not reach it."""
    with open(log, "ab") as output:
        give_away(log)
        return subprocess.Popen(
            unprivileged(command), cwd=folder, env={**ENVIRONMENT, "HOME": home}, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True)


def everyone():
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def parent(pid):
    """The parent's process id; 0 when the process has gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except (OSError, IndexError):
        return True


def descendants(root):
    """A process and all that it started and that has not been re-parented."""
    parents = {pid: parent(pid) for pid in everyone()}
    found, border = {root}, {root}
    while border:
        border = {pid for pid, above in parents.items() if above in border} - found
        found |= border
    return {pid for pid in found if parents.get(pid)}


def works_in(pid, folder, programs):
    """True for one of `programs` (folders of executables) that works in `folder` or was told to.

    The executable is looked at, too: a shell or a pager of the user in that folder is none of our business.
    """
    try:
        executable = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
        if os.path.dirname(executable) not in programs:
            return False
        if is_below(os.readlink(f"/proc/{pid}/cwd").removesuffix(" (deleted)"), folder):
            return True
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().decode(errors="replace").split("\0")
        return any(is_below(word.rpartition("=")[2], folder) for word in words)
    except OSError:
        return False


def is_below(path, folder):
    return path == folder or path.startswith(folder + "/")


def kill(pids, is_still_meant):
    """SIGKILL, at once for all. The handle is opened before the check, so a reused process id is never hit."""
    handles = []
    for pid in pids:
        try:
            handles.append((pid, os.pidfd_open(pid)))
        except OSError:
            pass
    for pid, handle in handles:
        try:
            if is_still_meant(pid):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        except OSError:
            pass
        os.close(handle)


def kill_until_none(census, seconds=10):
    """Kills what `census` finds, in its order, until it finds nothing twice. True when nothing is left."""
    end = time.monotonic() + seconds
    empty = 0  # a process can start another one behind the back of a single look
    while empty < 2 and time.monotonic() < end:
        found = census()
        empty = 0 if found else empty + 1
        kill(found, lambda pid: pid in found)
        time.sleep(0.01)
    return empty == 2
