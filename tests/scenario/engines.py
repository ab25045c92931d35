"""Container engines of a test's own: dockerd with its containerd, and Podman with its service.

    with engines.Docker() as engine:
        engine.busybox()
        engine.run("run", "-d", "--name", "web", "-v", "/srv:/srv", "busybox", "sleep", "1000")

Each has its own sockets, storage and cgroups below one directory, no bridge and no firewall
rules: containers have the network `none`, which is the default here, or `host`.  Any number of
engines may run at the same time.  What a killed test leaves, cleanup.remove() ends.

Images are made of what is installed here: no registry is asked.
"""

import io
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tarfile

import cleanup
import flocker
import tap
from flocker import PATIENCE

DOCKER, DOCKERD, CONTAINERD = "/usr/bin/docker", "/usr/sbin/dockerd", "/usr/bin/containerd"
PODMAN, RUNC, BUSYBOX = "/usr/bin/podman", "/usr/sbin/runc", "/bin/busybox"
POSTGRES = "/usr/lib/postgresql/15"
POSTGRES_ID = 999
SOCKET_OF_ENGINES = "/run/docker/plugins"
SPECS_OF_ENGINES = "/etc/docker/plugins"
# A shell as the first process: the kernel would spare `sleep` a signal that it has no handler for.
WAIT = ("sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait")
NUMBERS = itertools.count(1)


def plugin_name():
    """For a volume plugin's socket or spec file, where all engines of a machine look: nobody else has it."""
    return f"{cleanup.PLUGIN}{os.getpid()}-{next(NUMBERS)}"


def plugin_socket(name, directory=None):
    """Where an engine finds the plugin of this name; goes with the test, at last by cleanup.sweep().
    With a directory it is there, and a spec file says so."""
    os.makedirs(SOCKET_OF_ENGINES, exist_ok=True)
    tap.finally_(cleanup.remove_plugins)
    if not directory:
        return f"{SOCKET_OF_ENGINES}/{name}.sock"
    os.makedirs(SPECS_OF_ENGINES, exist_ok=True)
    with open(f"{SPECS_OF_ENGINES}/{name}.spec", "w", encoding="utf-8") as file:
        file.write(f"unix://{directory}/{name}.sock")
    return f"{directory}/{name}.sock"


class Engine:
    """What both engines are asked for."""

    def __init__(self, directory=None, name="engine"):
        self.owned = directory is None
        self.directory = directory or cleanup.make_directory()
        self.root = f"{self.directory}/{name}"
        os.makedirs(self.root)
        self.socket = f"{self.root}/engine.sock"
        self.processes = {}
        if self.owned:
            tap.finally_(self.remove)
            tap.on_failure(self.tail)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, failure, *_):
        if failure:
            tap.note(self.tail())
        self.remove()

    def spawn(self, name, *command, env=None):
        with open(f"{self.root}/{name}.log", "ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env=env or self.environment(), start_new_session=True)
        cleanup.record(f"{self.directory}/engines", process.pid)
        self.processes[name] = process
        return process

    def is_running(self, name):
        return name in self.processes and self.processes[name].poll() is None

    def kill(self, name):
        """SIGKILL for one part of it, as `name` in spawn()."""
        self.processes[name].kill()
        self.processes[name].wait(timeout=PATIENCE)

    def end(self, name, seconds=PATIENCE):
        if self.is_running(name):
            self.processes[name].send_signal(signal.SIGTERM)
            self.processes[name].wait(timeout=seconds)

    def tail(self, lines=12):
        """The ends of its logs."""
        found = []
        for path in sorted(pathlib.Path(self.root).glob("*.log")):
            text = path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
            found += [f"{path.name} of the engine ends with:", *text]
        return "\n".join(found)

    def remove(self):
        cleanup.end_engines(self.directory)
        for process in self.processes.values():
            process.wait(timeout=PATIENCE)
        if self.owned:
            cleanup.remove(self.directory)
            return
        cleanup.unmount_under(self.root)
        shutil.rmtree(self.root, ignore_errors=True)

    # --- asking ---------------------------------------------------------------

    def command(self, arguments):
        raise NotImplementedError

    def try_run(self, *arguments, input=None, timeout=PATIENCE):
        text = not isinstance(input, bytes)
        done = subprocess.run(self.command(arguments), input=input, capture_output=True, text=text,
                              timeout=timeout, check=False, env=self.environment(), cwd=self.root)
        decode = str if text else lambda bytes_: bytes_.decode(errors="replace")
        return flocker.Ran(arguments, done.returncode, decode(done.stdout), decode(done.stderr))

    def run(self, *arguments, **options):
        """The engine's own command, which must succeed; what it printed, without its last newline."""
        ran = self.try_run(*arguments, **options)
        tap.true(ran.status == 0, f"{' '.join(self.command(arguments))}\n{ran.status}: {ran.out}{ran.err}")
        return ran.out.rstrip("\n")

    def pause(self, name):
        """On control groups v1 runc gives up where the processes do not all stop within a number of tries."""
        tap.wait_until(lambda: self.try_run("pause", name).status == 0, f"{name} is paused")

    def ask(self, method, path, body=None, timeout=PATIENCE):
        """One request to its API: the status, and the decoded answer or its text."""
        connection = flocker.Connection(self.socket, timeout)
        try:
            connection.request(method, path, body if isinstance(body, bytes) else json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def answers(self):
        try:
            return self.ask("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def await_answers(self, *names):
        """Until it answers; fails when one of its processes has ended."""
        tap.wait_until(lambda: self.answers() or not all(map(self.is_running, names)), "the engine answers", PATIENCE)
        for name in names:
            tap.true(self.is_running(name), f"{name} has ended:\n{self.tail()}")

    # --- containers -----------------------------------------------------------

    def start_container(self, name, *options, image="busybox", command=WAIT):
        """A running container, which ends as soon as it is told to; its id."""
        return self.run("run", "-d", "--network", "none", "--name", name, *options, image, *command)

    def inspect(self, name):
        return json.loads(self.run("inspect", name))[0]

    def is_up(self, name):
        return self.inspect(name)["State"]["Running"]

    def pid(self, name):
        return self.inspect(name)["State"]["Pid"]

    def exec(self, name, *command, **options):
        return self.run("exec", *(["-i"] if options.get("input") else []), name, *command, **options)

    # --- images ---------------------------------------------------------------

    def import_image(self, name, tar, *changes):
        self.run("import", *[word for change in changes for word in ("--change", change)], "-", name, input=tar)

    def busybox(self, name="busybox"):
        """An image with busybox and all its applets."""
        tree = Tree()
        tree.busybox()
        self.import_image(name, tree.bytes(), 'CMD ["sh"]', "ENV PATH=/bin:/usr/bin")
        return name

    def postgres(self, name="postgres"):
        """An image with the PostgreSQL of this machine; it makes its cluster in $PGDATA when there is none."""
        self.import_image(name, postgres_tree(), 'CMD ["/start"]', "ENV PGDATA=/data",
                          f"ENV PATH={POSTGRES}/bin:/bin:/usr/bin", "ENV LC_ALL=C", "ENV PGUSER=postgres",
                          "ENV PGHOST=/run/postgresql")
        return name

    def start_postgres(self, name, *options):
        """Runs it and waits until it answers: `options` mount something at /data."""
        self.start_container(name, "--stop-signal", "SIGINT", *options, image="postgres", command=())
        self.await_postgres(name)

    def await_postgres(self, name):
        tap.wait_until(lambda: self.try_run("exec", name, "psql", "-Atc", "SELECT 1").status == 0,
                       f"PostgreSQL in {name} answers", PATIENCE)

    def sql(self, name, statement):
        return self.exec(name, "psql", "-v", "ON_ERROR_STOP=1", "-Atc", statement)


class Docker(Engine):
    """`options` are dockerd's: "--live-restore"."""

    def __init__(self, directory=None, name="docker", options=()):
        super().__init__(directory, name)
        self.options = list(options)

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DOCKER_CONFIG": f"{self.root}/config",
                "TMPDIR": self.root, "HOME": self.root}

    def command(self, arguments):
        return [DOCKER, "-H", f"unix://{self.socket}", *arguments]

    def start_containerd(self):
        self.spawn("containerd", CONTAINERD, "--root", f"{self.root}/containerd", "--state", f"{self.root}/state",
                   "--address", f"{self.root}/containerd.sock", "--config", "/dev/null")
        tap.wait_until(lambda: os.path.exists(f"{self.root}/containerd.sock") or not self.is_running("containerd"),
                       "containerd listens", PATIENCE)

    def start_dockerd(self):
        pathlib.Path(f"{self.root}/docker.pid").unlink(missing_ok=True)  # of one that was killed
        self.spawn("dockerd", DOCKERD, "--config-file", f"{self.root}/none.json", "--host", f"unix://{self.socket}",
                   "--data-root", f"{self.root}/data", "--exec-root", f"{self.root}/exec",
                   "--pidfile", f"{self.root}/docker.pid", "--containerd", f"{self.root}/containerd.sock",
                   "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--bridge=none",
                   "--storage-driver=overlay2", "--cgroup-parent", "/" + os.path.basename(self.directory),
                   *self.options)

    def start(self):
        if not os.path.exists(f"{self.root}/none.json"):
            pathlib.Path(f"{self.root}/none.json").write_text("{}", encoding="utf-8")
        if not self.is_running("containerd"):
            self.start_containerd()
        self.start_dockerd()
        self.await_answers("containerd", "dockerd")

    def stop(self):
        """As systemd would: containers stop too, unless it runs with --live-restore."""
        self.end("dockerd")
        self.end("containerd")

    def restart(self):
        self.end("dockerd")
        self.start()


class Podman(Engine):
    """`plugins`: volume plugins, their sockets by name."""

    def __init__(self, directory=None, name="podman", plugins=None):
        super().__init__(directory, name)
        self.write("containers.conf", f"""
            [containers]
            default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
            [engine]
            cgroup_manager = "cgroupfs"
            runtime = "runc"
            events_logger = "file"
            lock_type = "file"
            tmp_dir = "{self.root}/tmp"
            image_copy_tmp_dir = "{self.root}"
            [engine.runtimes]
            runc = ["{RUNC}"]
            [engine.volume_plugins]
            """ + "".join(f'"{name}" = "{socket}"\n' for name, socket in (plugins or {}).items()) + f"""
            [network]
            network_config_dir = "{self.root}/networks"
            """)
        self.write("storage.conf", f"""
            [storage]
            driver = "overlay"
            graphroot = "{self.root}/root"
            runroot = "{self.root}/run"
            """)
        self.write("policy.json", '{"default": [{"type": "insecureAcceptAnything"}]}')

    def write(self, name, text):
        pathlib.Path(f"{self.root}/{name}").write_text(re.sub(r"(?m)^ +", "", text), encoding="utf-8")

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": self.root, "TMPDIR": self.root,
                "CONTAINERS_CONF": f"{self.root}/containers.conf",
                "CONTAINERS_STORAGE_CONF": f"{self.root}/storage.conf"}

    def command(self, arguments):
        return [PODMAN, *arguments]

    def start(self):
        self.spawn("service", PODMAN, "system", "service", "--time", "0", f"unix://{self.socket}")
        self.await_answers("service")

    def stop(self):
        """Its service: containers run on without it."""
        self.end("service")

    def restart(self):
        self.stop()
        self.start()


ENGINES = (Docker, Podman)

# --- trees for images ---------------------------------------------------------


class Tree:
    """A tar in memory, each path once."""

    def __init__(self):
        self.out = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.out, mode="w")
        self.known = set()

    def bytes(self):
        self.tar.close()
        return self.out.getvalue()

    def add(self, name, kind=tarfile.REGTYPE, mode=0o755, data=b"", link="", owner=0):
        if name in self.known:
            return
        self.known.add(name)
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.linkname = kind, mode, len(data), link
        info.uid = info.gid = owner
        self.tar.addfile(info, io.BytesIO(data))

    def directory(self, name, mode=0o755, owner=0):
        self.add(name, tarfile.DIRTYPE, mode, owner=owner)

    def link(self, name, target):
        self.add(name, tarfile.SYMTYPE, 0o777, link=target)

    def file(self, path, name=None):
        """A file of this machine, what it really is, at its own path or another."""
        self.add((name or path).lstrip("/"), mode=os.stat(path).st_mode & 0o755,
                 data=pathlib.Path(path).read_bytes())

    def all_of(self, directory, but=()):
        for top, below, files in os.walk(directory):
            below[:] = [name for name in below if name not in but]
            for name in files:
                if name not in but:
                    self.file(f"{top}/{name}")

    def busybox(self):
        for name in ("bin", "dev", "etc", "proc", "run", "sys", "tmp"):
            self.directory(name, 0o1777 if name == "tmp" else 0o755)
        self.file(BUSYBOX, "bin/busybox")
        applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout
        for applet in applets.split():
            if applet != "busybox":
                self.link(f"bin/{applet}", "busybox")
        self.add("etc/passwd", mode=0o644, data=b"root:x:0:0::/:/bin/sh\n"
                 b"postgres:x:%d:%d::/:/bin/sh\n" % (POSTGRES_ID, POSTGRES_ID))
        self.add("etc/group", mode=0o644, data=b"root:x:0:\npostgres:x:%d:\n" % POSTGRES_ID)


def libraries(paths):
    """The shared libraries of programs and libraries, by the paths that they are looked for at."""
    listed = subprocess.run(["ldd", *paths], check=False, capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"(?:=> |^\t)(/\S+) \(0x", listed, re.MULTILINE)))


START = """#!/bin/sh
# As the user postgres, and as the container's first process.
set -e
chown postgres "$PGDATA"
chmod 700 "$PGDATA"
exec su postgres -c '
	[ -s "$PGDATA/PG_VERSION" ] || initdb -A trust -U postgres --no-sync >/dev/null
	exec postgres -c listen_addresses= -c unix_socket_directories=/run/postgresql "$@"' postgres "$@"
"""


def postgres_tree():
    tree = Tree()
    tree.busybox()
    programs = [f"{POSTGRES}/bin/{name}" for name in ("initdb", "postgres", "psql", "pg_isready", "pgbench",
                                                     "pg_ctl", "pg_controldata", "pg_amcheck")]
    modules = [str(path) for path in pathlib.Path(f"{POSTGRES}/lib").glob("*.so")
               if path.name != "llvmjit.so"]
    for path in programs + modules:
        tree.file(path)
    for path in libraries(programs + modules):
        tree.file(path)
    share = f"/usr/share/postgresql/{os.path.basename(POSTGRES)}"
    tree.all_of(share, but=("man", "contrib"))
    tree.file("/usr/share/zoneinfo/UTC")
    tree.directory("run/postgresql", 0o777, POSTGRES_ID)
    tree.directory("data", 0o700, POSTGRES_ID)
    tree.add("start", data=START.encode())
    return tree.bytes()
