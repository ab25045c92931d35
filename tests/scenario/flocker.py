"""A host with a private flockerd, for tests: its daemon, its command, its API.

    with Host() as host:
        host.pool()
        host.run("create", "data")
        host.get("/v1/volume", ref="data")

Everything lies below one directory (cleanup.py) and goes with it.  Every
answer of the API is held against openapi.yaml (contract.py).
"""

import errno
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import cleanup
import contract
import tap
from digest import digest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FLOCKER_BUILD", TOP / ".build/test"))
DAEMON = str(BUILD / "src/flockerd/flockerd")
COMMAND = str(BUILD / "src/cli/flocker")
LONG = bool(os.environ.get("FLOCKER_TEST_LONG"))
MIB = 1 << 20
PATIENCE = 300  # seconds: only what hangs needs as many, however busy the machine and slow its disk

# DESIGN section 12: code -> (HTTP status, exit status)
CODES = {
    "invalid": (400, 2), "not-found": (404, 3), "exists": (409, 4), "busy": (409, 5),
    "not-owner": (409, 6), "diverged": (409, 7), "no-space": (507, 8), "unsupported": (501, 9),
    "denied": (403, 10), "unreachable": (502, 11), "corrupt": (500, 12), "system": (500, 1),
}


class Failure(Exception):
    """The API answered with an error."""

    def __init__(self, status, error):
        super().__init__(f"{status} {error['code']}: {error['message']}")
        self.status = status
        self.code = error["code"]
        self.message = error["message"]
        self.object = error.get("object")
        self.hint = error.get("hint")


class Gone(Exception):
    """The daemon closed the connection without an answer, or none listens."""


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        # A path of more than 107 bytes does not fit a socket's address: go through the directory.
        if len(self.path) < 108:
            self.sock.connect(self.path)
            return
        directory = os.open(os.path.dirname(self.path), os.O_PATH)
        try:
            self.sock.connect(f"/proc/self/fd/{directory}/{os.path.basename(self.path)}")
        finally:
            os.close(directory)


class Ran:
    """What a command did."""

    def __init__(self, arguments, status, out, err):
        self.arguments, self.status, self.out, self.err = arguments, status, out, err

    def __str__(self):
        return f"$ flocker {' '.join(self.arguments)}\nexit {self.status}\n{self.out}{self.err}"

    @property
    def json(self):
        return json.loads(self.out)


class Host:
    def __init__(self, directory=None, name="root", user=None, watches=False):
        """`user`: the number of an ordinary user that the daemon runs as, with the same group.

        `watches`: branches are snapshotted by themselves.  Elsewhere not, so that tests can count.
        """
        self.options = [] if watches else ["--snapshot", "manual"]
        self.inside = []  # words in front of programs that put them elsewhere (hosts.py)
        self.owned = directory is None
        self.directory = directory or cleanup.make_directory()
        self.root = f"{self.directory}/{name}"
        os.makedirs(self.root, exist_ok=True)
        self.rights = {}
        if user is not None:
            self.rights = {"user": user, "group": user, "extra_groups": []}
            os.chmod(self.directory, 0o755)
            os.chown(self.root, user, user)
        self.log = f"{self.root}.log"
        self.socket = f"{self.root}/run/flocker.sock"
        self.mnt = f"{self.root}/mnt"
        self.daemon = None
        if self.owned:
            tap.finally_(self.remove)
            tap.on_failure(self.tail)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, failure, *_):
        if failure and self.owned:
            tap.note(self.tail())
        if self.owned:
            self.remove()

    # --- the daemon -----------------------------------------------------------

    def spawn(self, *options, **variables):
        """Starts the daemon without waiting for it."""
        environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
        with open(self.log, "ab") as log:
            self.daemon = subprocess.Popen([*self.inside, DAEMON, "--root", self.root, *self.options, *options],
                                           stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment,
                                           **self.rights)
        cleanup.record(f"{self.directory}/daemons", self.daemon.pid)
        return self.daemon

    def start(self, *options, **variables):
        """Starts the daemon; returns the seconds until it answered."""
        began = time.monotonic()
        self.spawn(*options, **variables)
        tap.wait_until(lambda: self.ready() or self.dead(), "flockerd answers or ends", PATIENCE)
        if self.dead():
            raise AssertionError(f"flockerd ended with {self.daemon.returncode}:\n{self.tail()}")
        return time.monotonic() - began

    def ready(self):
        try:
            return bool(self.get("/v1/version"))
        except Gone:
            return False

    def dead(self):
        return self.daemon.poll() is not None

    def stop(self):
        """Asks it to end; returns its exit status."""
        self.daemon.send_signal(signal.SIGTERM)
        return self.daemon.wait(timeout=PATIENCE)

    def kill(self):
        self.daemon.kill()
        self.daemon.wait(timeout=PATIENCE)

    def restart(self, **variables):
        if not self.dead():
            self.stop()
        return self.start(**variables)

    def remove(self):
        if self.daemon and not self.dead():
            self.kill()
        if self.owned:
            cleanup.remove(self.directory)

    def tail(self, lines=25):
        """The end of the daemon's log; nothing of a host that is gone."""
        try:
            text = pathlib.Path(self.log).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(["the daemon's log ends with:"] + text.splitlines()[-lines:])

    # --- the command ----------------------------------------------------------

    def try_run(self, *arguments, input=None, env=None, timeout=PATIENCE):
        done = subprocess.run([*self.inside, COMMAND, *arguments], input=input, capture_output=True, text=True,
                              timeout=timeout, check=False, cwd=self.directory,
                              env={**os.environ, "FLOCKER_SOCKET": self.socket, **(env or {})})
        return Ran(arguments, done.returncode, done.stdout, done.stderr)

    def run(self, *arguments, **options):
        """A command that must succeed; what it printed."""
        ran = self.try_run(*arguments, **options)
        tap.true(ran.status == 0, str(ran))
        return ran.out

    def json(self, *arguments, **options):
        """The same with --json, decoded."""
        return json.loads(self.run(*arguments, "--json", **options))

    def fails(self, code, *arguments, says=(), hint=None, **options):
        """A command that must fail with this code, in text and with --json; returns the error object.

        `says`: words that the message must hold.  `hint`: words of the hint; True: any hint.
        """
        ran = self.try_run(*arguments, **options)
        tap.equal(ran.status, CODES[code][1], f"exit status of\n{ran}\n")
        tap.true(ran.out == "", f"a failing command prints nothing to standard output:\n{ran}")
        for word in [says] if isinstance(says, str) else says:
            tap.true(word in ran.err, f"{word!r} is not in the message of\n{ran}")
        again = self.try_run(*arguments, "--json", **options)
        tap.equal(again.status, CODES[code][1], f"exit status of\n{again}\n")
        error = json.loads(again.out or again.err)["error"]
        tap.equal(error["code"], code, "code")
        if hint is not None:
            tap.true(error.get("hint"), f"there is no hint:\n{again}")
            if hint is not True:
                tap.true(hint in error["hint"], f"{hint!r} is not in the hint {error['hint']!r}")
                tap.true(hint in ran.err, f"the hint {hint!r} is not shown:\n{ran}")
        return error

    # --- the API --------------------------------------------------------------

    def exchange(self, method, path, body=None, query=None, headers=None, timeout=PATIENCE):
        """One request; its status and decoded body.  `body`: an object, or bytes as they are."""
        target = path
        if query:
            target += "?" + urllib.parse.urlencode({k: v for k, v in query.items() if v is not None},
                                                   quote_via=urllib.parse.quote)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = Connection(self.socket, timeout)
        try:
            try:
                connection.request(method, target, body,
                                   {"Content-Type": "application/json", **(headers or {})})
            except (BrokenPipeError, ConnectionResetError):
                pass  # it was refused before all of it had come: the answer says why
            answer = connection.getresponse()
            text = answer.read()
        except (ConnectionError, FileNotFoundError, http.client.HTTPException) as error:
            raise Gone(str(error)) from error
        finally:
            connection.close()
        decoded = json.loads(text) if text else None
        contract.check(method, path, answer.status, decoded)
        return answer.status, decoded

    def call(self, method, path, body=None, /, **query):
        status, answer = self.exchange(method, path, body, query)
        if status >= 400:
            raise Failure(status, answer["error"])
        return answer

    def get(self, path, /, **query):
        return self.call("GET", path, None, **query)

    def post(self, path, /, **body):
        return self.call("POST", path, body)

    def patch(self, path, ref, /, **body):
        return self.call("PATCH", path, body, ref=ref)

    def delete(self, path, ref):
        return self.call("DELETE", path, None, ref=ref)

    def items(self, path, /, **query):
        """All pages of a list."""
        found, cursor = [], None
        while True:
            page = self.get(path, after=cursor, **query)
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found

    # --- short cuts -----------------------------------------------------------

    def file_system(self, kind, size=512 * MIB, name="pool"):
        """A file system of its own in a file; where it is mounted."""
        image, mounted = f"{self.directory}/{name}.img", f"{self.directory}/{name}.mnt"
        with open(image, "wb") as file:
            file.truncate(size)
        subprocess.run([f"mkfs.{kind}", "-q", image], check=True, capture_output=True)
        os.mkdir(mounted)
        subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
        return mounted

    def pool(self, size=512 * MIB, **options):
        """In a file; FLOCKER_TEST_DRIVER names another driver, dir is in a directory on ext4."""
        driver = os.environ.get("FLOCKER_TEST_DRIVER")
        if driver == "dir":
            return self.post("/v1/pool", kind="directory", driver="dir",
                             path=f"{self.file_system('ext4', size)}/pool", **options)
        if driver:
            options.setdefault("driver", driver)
        return self.post("/v1/pool", kind="file", path=f"{self.directory}/pool.img", size=size,
                         **options)

    def create(self, name, **options):
        return self.post("/v1/volumes", name=name, **options)

    def snapshot(self, *refs, **options):
        taken = self.post("/v1/snapshots", refs=list(refs), **options)["items"]
        return taken[0] if len(refs) == 1 else taken

    def branch(self, ref, **options):
        return self.post("/v1/branches", ref=ref, **options)

    def tag(self, ref, **options):
        return self.post("/v1/tags", ref=ref, **options)

    def rollback(self, ref, to):
        return self.post("/v1/rollbacks", ref=ref, to=to)

    def log_of(self, ref, **query):
        return self.items("/v1/snapshots", ref=ref, **query)

    def path(self, ref):
        """Where a branch's files are; 'data' is its trunk."""
        return f"{self.mnt}/{ref if '/' in ref else ref + '/trunk'}"

    def write(self, ref, name, text):
        path = f"{self.path(ref)}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, ref, name):
        with open(f"{self.path(ref)}/{name}", encoding="utf-8") as file:
            return file.read()

    def digest(self, ref):
        return digest(self.path(ref))

    def digest_at(self, ref):
        """Of a snapshot, tag or stash: mounted, read, unmounted."""
        path = self.post("/v1/mounts", ref=ref)["path"]
        try:
            return digest(path)
        finally:
            self.delete("/v1/mounts", ref=ref)

    # --- all that there is ----------------------------------------------------

    def state(self, contents=True):
        """Everything that the API tells of, and a digest of each head: equal means nothing changed."""
        # What is used changes by itself too: space comes back when the kernel gets to it.
        volumes = [{**item, "usage": None} for item in self.items("/v1/volumes")]
        state = {"volumes": volumes,
                 "branches": [{**item, "usage": None} for item in self.items("/v1/branches")],
                 "trash": self.items("/v1/trash")}
        for volume in volumes:
            for noun in ("tags", "stashes"):
                # Whether a replaced head is still held changes by itself.
                state[noun, volume["name"]] = [{**item, "held": None} for item in
                                               self.items(f"/v1/{noun}", ref=volume["name"])]
        for branch in state["branches"]:
            ref = f"{branch['volume']}/{branch['name']}"
            state["log", ref] = self.log_of(ref)
            if contents and branch["mounted"]:
                state["contents", ref] = self.digest(ref)
        return state


def host_with_pool(**options):
    """A host that lasts as long as the test program, with a pool."""
    host = Host()
    host.start()
    host.pool(**options)
    return host


STRANGER, GROUP = 65534, 4242


def as_stranger(host, *arguments):
    """The command as an ordinary user to whom the group of the socket opens the daemon."""
    os.chown(host.socket, 0, GROUP)
    for directory in (host.directory, host.root, os.path.dirname(host.socket)):
        os.chmod(directory, 0o755)
    command = f"{host.directory}/programs/cli/flocker"
    for program, copy in ((COMMAND, command),
                          (BUILD / "src/tree/flocker-archive", f"{host.directory}/programs/tree/flocker-archive")):
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        shutil.copy(program, copy)
    return subprocess.run(["setpriv", f"--reuid={STRANGER}", f"--regid={GROUP}", "--clear-groups", command,
                           *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE,
                          env={"FLOCKER_SOCKET": host.socket, "PATH": os.environ["PATH"]})


def temporary(host):
    """A directory that goes with the host."""
    return tempfile.mkdtemp(dir=host.directory)


# A policy for what is made smaller again: no snapshot, taken meanwhile on a slow disk, holds what was there.
UNWATCHED = {"snapshot": "manual"}


def fill(path):
    """Writes until there is no room; the bytes written."""
    total = 0
    with open(path, "wb", buffering=0) as file:
        for size in (MIB, 64 * 1024, 4096):
            block = os.urandom(size)
            try:
                while True:
                    total += file.write(block)
            except OSError as error:
                tap.equal(error.errno, errno.ENOSPC, "errno")
        try:
            os.fsync(file.fileno())
        except OSError as error:
            tap.equal(error.errno, errno.ENOSPC, "errno of fsync")
    return total


def write_new(path, size):
    """Writes `size` new bytes and syncs them; the errno that ended it, or 0."""
    try:
        with open(path, "wb", buffering=0) as file:
            for _ in range(size // MIB):
                file.write(os.urandom(MIB))
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno
    return 0


def differences(before, after):
    """What of two states differs, for messages."""
    lines = []
    for key in sorted(set(before) | set(after), key=str):
        if before.get(key) != after.get(key):
            lines += [f"{key}:", f"  before {before.get(key)}", f"  after  {after.get(key)}"]
    return "\n".join(lines)


def same(before, after, what):
    tap.true(before == after, f"{what}:\n" + differences(before, after))


def unchanged(host, function):
    """Runs a function; nothing that the host holds is different after it."""
    before = host.state()
    result = function()
    same(before, host.state(), "something changed")
    return result


def recoverable(state):
    """What a recovery brings back: all but the numbers that only count, and why a nameless one was taken."""
    def kept(value):
        if isinstance(value, dict):
            return {k: kept(v) for k, v in value.items() if k not in ("sequence", "reason", "held")}
        return [kept(v) for v in value] if isinstance(value, list) else value
    return {key: kept(value) for key, value in state.items()}


cleanup.sweep()


def fill_state(host, volume):
    """No byte more goes into the state directory, a small file system: what the catalogue has room for goes first."""
    filler = f"{host.root}/lib/filler"
    fill(filler)
    for number in range(600):
        try:
            host.snapshot(volume, name=f"full{number}", message="m" * 1000)
        except Failure as failure:
            tap.equal(failure.code, "no-space", str(failure))
            return filler
    raise AssertionError("the catalogue's file system never was full")
