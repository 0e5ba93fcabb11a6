"""What everyone who runs in the race can do."""

from measure import below
from process import quiet


class Peer:
    # In the table.
    name = ""
    # How it is set up and fed, and whether an acknowledgement means an fsync.
    how = ""
    # What a sender of small batches knows once it is answered.
    acknowledged_by = ""
    # How many send small batches at once.
    senders = 4

    def __init__(self, folder, data):
        """Works in `folder`; nothing runs yet."""
        self.folder, self.data, self.process = folder, data, None
        self.log = folder.with_suffix(".log")

    @classmethod
    def ready(cls):
        """Fetches what it needs; raises CannotBeHad. Its version is told back."""
        raise NotImplementedError

    def start(self):
        """Returns once it can be fed; what its folder holds from before is there again."""
        raise NotImplementedError

    def feed(self):
        """Sends all of the data; returns once all of it is acknowledged."""
        raise NotImplementedError

    def visible(self):
        """Returns once questions see all of it; for most that is with the acknowledgement."""

    def settle(self):
        """Returns once what it does behind its acknowledgements is done."""
        raise NotImplementedError

    def rest(self, at_least=2.0, share=0.03):
        """Waits until it has used next to nothing for five seconds; of a small set no figure counts."""
        if self.data.told["small"]:
            at_least, seconds = 0, 1
        else:
            seconds = 5
        quiet(self.cpu_s, at_least, seconds, share)

    def ask(self, question):
        """One answer as it comes."""
        raise NotImplementedError

    def rows(self, question, answer):
        """The answer as rows of whole numbers, in any order; not part of what is measured."""
        raise NotImplementedError

    def sender(self):
        """What one of `senders` sends on; a context."""
        raise NotImplementedError

    def put(self, sender, batch):
        """Sends one small batch; returns what the acknowledgement says."""
        raise NotImplementedError

    def heard(self, receipt):
        """Of an acknowledgement that counts: what questions must wait for, where they must."""

    def everything(self):
        """Home, register, second and value of all that is stored, doubles included."""
        self.visible()
        return list(self.rows("everything", self.ask("everything")))

    def standing_bytes(self):
        """Bytes that the data needs once nothing is kept for earlier readers."""
        return below(self.folder)

    def parts(self):
        """Processor time so far by part, where there are several."""
        return {}

    def cpu_s(self):
        return self.process.cpu_s()

    def peak_bytes(self):
        return self.process.peak_bytes()

    def processes(self):
        """Those that were started so far."""
        return [self.process] if self.process else []

    def kill(self):
        """Ends all of it at once, as it stands."""
        for process in self.processes():
            process.kill()

    def stop(self):
        if self.process:
            self.process.stop()
        self.log.unlink(missing_ok=True)
