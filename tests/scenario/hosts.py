"""Several hosts on this machine, each with a daemon, for tests of what happens between them.

    with Hosts(2) as lab:
        lab.start()                     # a flockerd with a pool on each
        lab.sshd()                      # an ssh server on each, all trusting each other
        lab[1].run("peer", "add", "h2", "ssh://h2")
        lab.cut(2)

A host is a network, mount and UTS name space that a process of ours holds: host I is called hI, has
the address 10.99.0.I on a switch (a bridge in one more name space), and its own /run, home of root,
passwd and hosts.  Nothing has a name on the machine and nothing is mounted there, so all of it is gone
when the processes are (cleanup.py), also when the test was killed.  The files of all hosts lie
below one directory, so the API and the logs can be reached from outside.
"""

import os
import pathlib
import shutil
import subprocess

import cleanup
import tap
import wire
from flocker import BUILD, MIB, PATIENCE, Host

VOLUME = str(BUILD / "src/volume/flocker-volume")
SSHD = "/usr/sbin/sshd"
GUEST = 7321  # a user who may log in, and no more

# What a host's mount name space is made of.  The mounts of other tests, those in C too, would be held by it.
PREPARE = """
set -e
while read -r _ _ _ _ point _; do
	case $point in /tmp/flocker-*) umount -l "$point" || : ;; esac
done </proc/self/mountinfo
hostname {name}
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd
ln -s {root}/run /run/flocker
for file in passwd shadow hosts; do mount --bind {files}/$file /etc/$file; done
echo ready >{files}/ready
exec sleep infinity
"""


def hold(directory, command, *spaces):
    """A process that holds new name spaces; it is ended with the test."""
    held = subprocess.Popen(["unshare", *spaces, "sh", "-c", command], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL)
    cleanup.record(f"{directory}/daemons", held.pid)
    return held


def own_space(pid, kind="net"):
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    except OSError:
        return None


class LabHost(Host):
    """Host I of a lab."""

    def __init__(self, lab, number):
        self.number = number
        self.name = f"h{number}"
        self.address = f"10.99.0.{number}"
        self.files = f"{lab.directory}/{self.name}-files"
        self.home = f"{self.files}/home"
        self.ssh_files = f"{self.home}/.ssh"
        self.server = None
        super().__init__(lab.directory, self.name)
        self.write_files(lab.count)
        self.holder = hold(
            self.directory, PREPARE.format(name=self.name, root=self.root, files=self.files),
            "--net", "--mount", "--uts", "--propagation", "private")
        self.inside = ["nsenter", "-t", str(self.holder.pid), "-m", "-u", "-n", "--"]

    def write_files(self, count):
        os.makedirs(self.ssh_files, mode=0o700)
        os.makedirs(f"{self.root}/etc")
        self.write("passwd", f"root:x:0:0:root:{self.home}:/bin/sh\n"
                             "sshd:x:7322:65534::/run/sshd:/usr/sbin/nologin\n"
                             f"guest:x:{GUEST}:{GUEST}::{self.files}/guest:/bin/sh\n")
        self.write("shadow", "root:*:19000:0:99999:7:::\nguest:*:19000:0:99999:7:::\n")
        self.write("hosts", "127.0.0.1 localhost\n" +
                   "".join(f"10.99.0.{i} h{i}\n" for i in range(1, count + 1)))
        self.configure(f"[instance]\nname = {self.name}\n\n[peer]\nlisten = {self.address}\n")

    def write(self, name, text, mode=0o644):
        path = pathlib.Path(f"{self.files}/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    def configure(self, text):
        path = pathlib.Path(f"{self.root}/etc/flocker.ini")
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)

    def sh(self, *words, **options):
        """A program on this host: how it ended."""
        return subprocess.run([*self.inside, *words], capture_output=True, text=True, check=False,
                              timeout=PATIENCE, **options)

    def must(self, *words):
        done = self.sh(*words)
        tap.true(done.returncode == 0, f"{words} on {self.name}: {done.stdout}{done.stderr}")
        return done.stdout

    def volume(self, *words, **options):
        """flocker-volume on this host."""
        return self.sh(VOLUME, *words, **options)

    def processes(self, name):
        """The process ids of a program on this host; names spaces tell where it runs."""
        here = own_space(self.holder.pid)
        return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and own_space(pid) == here
                and cleanup.read(f"/proc/{pid}/comm").strip() == name]

    def start(self, *options, **variables):
        """Who comes by ssh is let in a moment after the API answers."""
        took = super().start(*options, **variables)
        tap.wait_until(lambda: wire.connected(f"{self.root}/run/peers.sock"), f"{self.name} lets peers in").close()
        return took

    def make_pool(self, size=256 * MIB):
        self.post("/v1/pool", kind="file", path=f"{self.root}/pool.img", size=size)

    def fill(self, ref, name, size=4096):
        """Random bytes into a file of a branch: that is mounted here alone."""
        self.must("sh", "-c", 'head -c "$1" /dev/urandom >"$2"', "sh", str(size), f"{self.path(ref)}/{name}")

    def listens(self):
        """Waits until peers can come in by TLS."""
        tap.wait_until(lambda: f"{self.address}:" in self.sh("ss", "-Hltn", "sport != :22").stdout,
                       f"{self.name} listens")

    def hide(self, program):
        """A program of /usr/bin that this host does not have, until show()."""
        self.must("sh", "-ec", """mkdir -p /run/hidden && mount -t tmpfs tmpfs /run/hidden
            mkdir /run/hidden/upper /run/hidden/work
            mount -t overlay overlay -o lowerdir=/usr/bin,upperdir=/run/hidden/upper,workdir=/run/hidden/work /usr/bin
            rm "/usr/bin/$1" """, "sh", program)

    def show(self):
        self.must("umount", "-l", "/usr/bin")

    # --- its ssh server --------------------------------------------------------

    def key(self, name="id_ed25519"):
        """A key of its root's; the public one."""
        path = f"{self.ssh_files}/{name}"
        if not os.path.exists(path):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", path],
                           check=True, stdin=subprocess.DEVNULL)
        return pathlib.Path(f"{path}.pub").read_text(encoding="utf-8").strip()

    def host_key(self):
        if not os.path.exists(f"{self.files}/host-key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{self.files}/host-key"],
                           check=True, stdin=subprocess.DEVNULL)
        return pathlib.Path(f"{self.files}/host-key.pub").read_text(encoding="utf-8").strip()

    def authorize(self, *lines):
        for home in (self.home, f"{self.files}/guest"):
            os.makedirs(f"{home}/.ssh", exist_ok=True)
            pathlib.Path(f"{home}/.ssh/authorized_keys").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def know(self, *others):
        lines = [f"{host.name},{host.address} {host.host_key()}\n" for host in others]
        pathlib.Path(f"{self.ssh_files}/known_hosts").write_text("".join(lines), encoding="utf-8")

    def serve_ssh(self, path=None):
        """`path`: where flocker-volume is looked for.  Its sessions end with the server."""
        self.host_key()
        if self.server:
            self.server.kill()
            self.server.wait()
            # The kernel ends what it began a moment later; it would have the port, and be taken for the new one.
            tap.wait_until(lambda: not self.processes("sshd"), f"the old sshd of {self.name} has ended")
        settings = {"HostKey": f"{self.files}/host-key", "ListenAddress": self.address, "UsePAM": "no",
                    "PidFile": "none", "PasswordAuthentication": "no", "PermitRootLogin": "yes",
                    "StrictModes": "no", "SetEnv": f"PATH={path or self.directory + '/bin'}:/usr/bin:/bin"}
        with open(f"{self.files}/sshd.log", "ab") as log:
            self.server = subprocess.Popen(
                [*self.inside, "unshare", "--pid", "--fork", "--kill-child", SSHD, "-D", "-e", "-f", "/dev/null",
                 *(f"-o{name}={value}" for name, value in settings.items())],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        cleanup.record(f"{self.directory}/daemons", self.server.pid)
        tap.wait_until(lambda: ":22 " in self.sh("ss", "-Hltn").stdout or self.server.poll() is not None,
                       f"sshd of {self.name} listens")
        tap.true(self.server.poll() is None, f"sshd of {self.name} has ended")


class Hosts:
    """`count` hosts; lab[1] is the first."""

    def __init__(self, count):
        for program in ("ip", "nsenter", "unshare", "ss"):
            if not shutil.which(program):
                raise tap.Skip(f"there is no {program}")
        self.count = count
        self.directory = cleanup.make_directory()
        os.chmod(self.directory, 0o755)
        os.mkdir(f"{self.directory}/bin")  # where a guest finds it, wherever it was built
        shutil.copy(VOLUME, f"{self.directory}/bin")
        tap.finally_(self.remove)
        tap.on_failure(self.tail)
        self.switch = hold(self.directory, "exec sleep infinity", "--net")
        self.hosts = []

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()

    def __getitem__(self, number):
        return self.hosts[number - 1]

    def build(self):
        tap.wait_until(lambda: own_space(self.switch.pid) != own_space("self"), "the switch is there")
        self.ip("link", "add", "br0", "type", "bridge")
        self.ip("link", "set", "br0", "up")
        for number in range(1, self.count + 1):
            self.hosts.append(LabHost(self, number))
        for host in self.hosts:
            tap.wait_until(lambda: os.path.exists(f"{host.files}/ready"), f"{host.name} is there")
            self.plug(host)

    def plug(self, host):
        port = f"sw{host.number}"
        self.ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(host.holder.pid))
        self.ip("link", "set", port, "master", "br0", "up")
        host.must("ip", "link", "set", "lo", "up")
        host.must("ip", "addr", "add", f"{host.address}/24", "dev", "eth0")
        host.must("ip", "link", "set", "eth0", "up")

    def ip(self, *words):
        subprocess.run(["nsenter", "-t", str(self.switch.pid), "-n", "--", "ip", *words], check=True,
                       stdin=subprocess.DEVNULL)

    def start(self, **pool):
        """A daemon with a pool on each."""
        for host in self.hosts:
            host.start()
            host.make_pool(**pool)

    def sshd(self):
        for host in self.hosts:
            host.authorize(*(other.key() for other in self.hosts))
            host.know(*self.hosts)
            host.serve_ssh()

    def join(self):
        """All in one cluster, by TLS; the first has the CA."""
        self[1].post("/v1/cluster")
        for host in self.hosts[1:]:
            self[1].listens()
            host.post("/v1/cluster/join", token=self[1].post("/v1/cluster/tokens")["token"])
        for host in self.hosts:
            host.listens()

    # --- trouble -----------------------------------------------------------------

    def cut(self, number):
        """Unplugs a host."""
        self.ip("link", "set", f"sw{number}", "down")

    def heal(self, number):
        self.ip("link", "set", f"sw{number}", "up")

    def drop(self, one, other, word="-A"):
        """All packets between two hosts vanish, and nobody is told."""
        for chain, which in (("INPUT", "-s"), ("OUTPUT", "-d")):
            self[one].must("iptables", word, chain, which, self[other].address, "-j", "DROP")

    def undrop(self, one, other):
        self.drop(one, other, "-D")

    def reset(self, one, other, word="-A"):
        """Connections of host `one` to the other break when they are used, until restore()."""
        self[one].must("iptables", word, "OUTPUT", "-p", "tcp", "-d", self[other].address, "-j", "REJECT",
                       "--reject-with", "tcp-reset")

    def restore(self, one, other):
        self.reset(one, other, "-D")

    # --- its end -------------------------------------------------------------------

    def tail(self):
        texts = [f"{host.name}: {host.tail(12)}" for host in self.hosts if os.path.exists(host.log)]
        texts += [f"sshd of {host.name}: " + cleanup.read(f"{host.files}/sshd.log")[-600:]
                  for host in self.hosts if host.server]
        return "\n".join(texts)

    def remove(self):
        for host in self.hosts:
            if host.daemon and not host.dead():
                host.kill()
            if host.server:
                host.server.kill()
                host.server.wait()
            host.holder.kill()
            host.holder.wait()
        self.switch.kill()
        self.switch.wait()
        cleanup.remove(self.directory)
