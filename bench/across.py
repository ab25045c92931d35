"""What lies between two hosts of a measurement: an sshd of its own, and a connection that can be cut."""

import os
import pathlib
import shutil
import socket
import subprocess
import threading
import time

from host import cleanup

SSHD = "/usr/sbin/sshd"
CLIENT = "/etc/ssh/ssh_config"
PIECE = 256 * 1024


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Sshd:
    """
    On loopback, with keys of its own.  `ssh root@127.0.0.1` reaches it from this process and its children:
    they have a file system tree of their own (`unshare --mount`), in which a file lies over the
    client's configuration.  Peers that have no option for such a file are measured like this, too.
    """

    def __init__(self, directory, owner):
        """`owner`: the directory of the run, which has the list of what is to be ended with it."""
        self.directory = f"{directory}/ssh"
        self.port = free_port()
        os.mkdir(self.directory)
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{self.directory}/{key}"],
                           check=True)
        self.key = f"{self.directory}/user"
        known = pathlib.Path(f"{self.directory}/host.pub").read_text(encoding="ascii")
        self.write("known", f"[127.0.0.1]:{self.port} {known}")
        self.write("config", f"Host 127.0.0.1\n  User root\n  Port {self.port}\n  IdentityFile {self.key}\n"
                   "  IdentitiesOnly yes\n  BatchMode yes\n"
                   f"  UserKnownHostsFile {self.directory}/known\n")
        self.write("sshd", f"ListenAddress 127.0.0.1:{self.port}\nHostKey {self.directory}/host\n"
                   f"AuthorizedKeysFile {self.directory}/user.pub\nPidFile none\nUsePAM no\n"
                   "StrictModes no\nPermitRootLogin prohibit-password\n")
        subprocess.run(["mount", "--bind", f"{self.directory}/config", CLIENT], check=True)
        os.makedirs("/run/sshd", exist_ok=True)  # as the package's service makes it
        self.start(owner)

    def write(self, name, text):
        pathlib.Path(f"{self.directory}/{name}").write_text(text, encoding="ascii")

    def start(self, owner):
        with open(f"{self.directory}/log", "wb") as log:
            self.daemon = subprocess.Popen([SSHD, "-D", "-e", "-f", f"{self.directory}/sshd"], stderr=log,
                                           stdin=subprocess.DEVNULL)
        cleanup.record(f"{owner}/daemons", self.daemon.pid)
        deadline = time.monotonic() + 10
        while subprocess.run(["ssh", "127.0.0.1", "true"], check=False, capture_output=True).returncode:
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"sshd: {pathlib.Path(self.directory + '/log').read_text()}")
            time.sleep(0.05)

    def stop(self):
        self.daemon.terminate()
        self.daemon.wait()
        subprocess.run(["umount", CLIENT], check=True)


def has_ssh():
    return os.path.exists(SSHD) and os.path.exists(CLIENT) and shutil.which("ssh-keygen") is not None


class Proxy:
    """Passes on what comes to `port` to another port, counts it, and cuts all connections once when told."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.passed = 0    # bytes that went to the target
        self.cut_at = None  # of them
        self.cuts = 0
        self.lock = threading.Lock()
        self.ends = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            with self.lock:
                self.ends += [near, far]
            for pair in (near, far), (far, near):
                threading.Thread(target=self.carry, args=(*pair, pair[0] is near), daemon=True).start()

    def carry(self, source, sink, counts):
        try:
            while (piece := source.recv(PIECE)) and self.may_pass(len(piece), counts):
                sink.sendall(piece)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def may_pass(self, length, counts):
        if not counts:
            return True
        with self.lock:
            self.passed += length
            if self.cut_at is None or self.passed < self.cut_at:
                return True
            self.cut_at = None
            self.cuts += 1
            return self.cut()

    def cut(self):
        """With the lock: all of them at once, as when a cable is pulled; what is on its way is lost."""
        for end in self.ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.ends = []
        return False
