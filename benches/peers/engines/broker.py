"""RabbitMQ 3.10 of Debian with Erlang beside it, unpacked."""

import os
import socket
import subprocess

from cache import debian
from process import Process, free_port, until

# What Debian's package of the broker needs of Erlang.
ERLANG = [
    "erlang-" + part
    for part in "base asn1 crypto eldap ftp inets mnesia os-mon parsetools public-key runtime-tools snmp ssl "
    "syntax-tools tftp tools xmerl".split()
]

# Erlang's own starter names the folder it would be installed in.
STARTER = """\
#!/bin/sh
export ROOTDIR="{erlang}" BINDIR="{programs}" EMU=beam PROGNAME=erl
exec "$BINDIR/erlexec" "$@"
"""


class Broker:
    version = "3.10.8 of Debian 12"

    @classmethod
    def ready(cls):
        root = debian("rabbitmq-server", "libsctp1", *ERLANG)
        cls.erlang = root / "usr/lib/erlang"
        cls.programs = next(cls.erlang.glob("erts-*")) / "bin"
        cls.server = next((root / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*")) / "sbin/rabbitmq-server"
        starter = root / "starter/erl"
        starter.parent.mkdir(exist_ok=True)
        starter.write_text(STARTER.format(erlang=cls.erlang, programs=cls.programs))
        starter.chmod(0o755)
        cls.starter = starter

    def __init__(self, folder, log):
        """Starts it, on loopback alone; it answers later."""
        names, self.port = free_port(), free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        folder.mkdir(exist_ok=True)
        (folder / "plugins").write_text("[].\n")
        told = {
            "PATH": f"{self.starter.parent}:{os.environ['PATH']}",
            "HOME": folder,
            "ERL_EPMD_PORT": names,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": "race@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": self.port,
            "RABBITMQ_DIST_PORT": free_port(),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": folder / "data",
            "RABBITMQ_LOG_BASE": folder / "log",
            "ERL_CRASH_DUMP": folder / "crash.dump",
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "plugins",
            "RABBITMQ_CONFIG_FILE": folder / "none",
        }
        self.env = dict(os.environ, **{name: str(value) for name, value in told.items()})
        # Ours, or the broker would leave one behind.
        self.names = Process([self.programs / "epmd", "-port", names, "-address", "127.0.0.1"], log)
        self.process = Process([self.server], log, env=self.env)

    def wait(self):
        """Returns once it answers."""
        until(self._answers, self.process)

    def processes(self):
        return [self.process, self.names]

    def _answers(self):
        """It greets whoever speaks its protocol."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as line:
            line.sendall(b"AMQP\x00\x00\x09\x01")
            assert line.recv(1)

    def messages(self):
        """Of all queues, those that were handed out and not acknowledged among them."""
        command = [self.server.with_name("rabbitmqctl"), "--quiet", "list_queues", "messages", "--no-table-headers"]
        told = subprocess.run(command, env=self.env, capture_output=True, text=True)
        if told.returncode != 0:
            raise RuntimeError(f"rabbitmqctl: {told.stderr.strip()[-300:]}")
        return sum(map(int, told.stdout.split()))

    def stop(self):
        self.process.stop()
        self.names.stop()
