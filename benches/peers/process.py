"""A server of the race: a tree of processes, started here and ended by its id."""

import contextlib
import os
import signal
import socket
import subprocess
import time

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Process:
    """Starts a command; what it prints goes into a file that is shown if it fails."""

    def __init__(self, command, log, **how):
        self.log = log
        with open(log, "ab") as out:
            how.setdefault("stdout", out)
            self.child = subprocess.Popen([str(word) for word in command], stderr=out, start_new_session=True, **how)

    def cpu_s(self):
        """Processor time of the tree, with that of children that ended and were waited for."""
        return sum(sum(stat[11:15]) for stat in map(_stat, self.tree()) if stat) / TICKS_PER_S

    def peak_bytes(self):
        """The sum of what each process held at most; pages they share count in each."""
        return sum(_peak(pid) for pid in self.tree())

    def tree(self):
        parents = {int(pid): stat[1] for pid in os.listdir("/proc") if pid.isdigit() and (stat := _stat(pid))}
        found = [self.child.pid]
        for pid in found:
            found.extend(other for other, parent in parents.items() if parent == pid)
        return found

    def alive(self):
        if self.child.poll() is not None:
            with open(self.log, errors="replace") as log:
                last = " ".join(log.read().split("\n")[-5:]).strip()
            raise RuntimeError(f"ended with {self.child.returncode}: {last[-500:]}")

    def kill(self):
        """SIGKILL for all of the tree; returns once all of it is gone."""
        if self.child.poll() is not None:
            return  # its number may be another's by now
        tree = self.tree()
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.child.wait()
        while any((stat := _stat(pid)) and stat[0] != "Z" for pid in tree):
            time.sleep(0.01)

    def stop(self, how=signal.SIGTERM):
        """Asks the first of the tree to end, and ends what is left of it after a minute."""
        tree = self.tree()
        if self.child.poll() is None:
            self.child.send_signal(how)
            try:
                self.child.wait(60)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        for pid in tree[1:]:
            stat = _stat(pid)
            if stat and stat[3] == self.child.pid:  # still of the session that was started here
                os.kill(pid, signal.SIGKILL)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def until(ready, process, seconds=180):
    """Returns once `ready` does not fail any more."""
    end = time.monotonic() + seconds
    while True:
        try:
            return ready()
        except Exception:
            process.alive()
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def quiet(cpu_s, at_least, seconds, share):
    """Returns once less than a share of one processor was used for some seconds on end."""
    time.sleep(at_least)
    since, used = time.monotonic(), cpu_s()
    for _ in range(3_600):
        time.sleep(0.5)
        now, now_used = time.monotonic(), cpu_s()
        if now_used - used > share * seconds:
            since, used = now, now_used
        elif now - since >= seconds:
            return
    raise RuntimeError("does not come to rest in half an hour")


def _stat(pid):
    """Fields 3 and on of proc(5), numbers where they are; None once it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return [int(field) if field.lstrip("-").isdigit() else field for field in fields]


def _peak(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0
