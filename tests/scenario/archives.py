"""Archives that come and go slowly, and what an operation leaves behind: for tests.

The two streams speak HTTP by themselves, so that a test decides when which
bytes move.
"""

import http.client
import io
import json
import contextlib
import os
import pathlib
import subprocess
import tarfile
import uuid

import cleanup
import tap
from flocker import PATIENCE, Connection, Failure, Gone

CHUNK = 64 * 1024


def archive(files):
    """A tar of {name: bytes}, the same at each call."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        top = tarfile.TarInfo("./")
        top.type, top.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(top)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def bring(host, ref, data, **options):
    """An import in one piece."""
    status, answer = host.exchange("POST", "/v1/imports", data, {"ref": ref, **options},
                                   {"Content-Type": "application/x-tar"})
    if status >= 400:
        raise Failure(status, answer["error"])
    return answer


def fetch(host, ref):
    """A whole archive of a reference; Gone when it broke off."""
    try:
        export = SlowExport(host, ref)
        data = export.read()
        export.close()
        return data
    except (ConnectionError, FileNotFoundError, http.client.HTTPException) as error:
        raise Gone(str(error)) from error


def contents(data):
    """{name: bytes} of the files in a tar."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {entry.name.removeprefix("./"): tar.extractfile(entry).read()
                for entry in tar if entry.isfile()}


def operation_of(host, identifier):
    """The record; None before there is one."""
    try:
        return host.get("/v1/operation", id=identifier)
    except Failure:
        return None


class SlowImport:
    """An import whose archive comes as the test likes."""

    def __init__(self, host, ref, total=None):
        self.host = host
        self.id = str(uuid.uuid4())
        self.connection = Connection(host.socket, PATIENCE)
        self.connection.putrequest("POST", f"/v1/imports?ref={ref}&operation={self.id}")
        self.connection.putheader("Content-Type", "application/x-tar")
        if total is None:
            self.connection.putheader("Transfer-Encoding", "chunked")
        else:
            self.connection.putheader("Content-Length", str(total))
        self.chunked = total is None
        self.connection.endheaders()

    def send(self, data):
        self.connection.send(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)

    def send_until(self, data, done_bytes):
        """Sends until the operation says that so many bytes are in files; how many were sent."""
        for at in range(0, len(data), CHUNK):
            self.send(data[at:at + CHUNK])
            now = operation_of(self.host, self.id)
            if now and now["done_bytes"] >= done_bytes:
                return at + CHUNK
        raise AssertionError(f"all was sent, and the operation is {operation_of(self.host, self.id)}")

    def begun(self):
        tap.wait_until(lambda: operation_of(self.host, self.id), "the import has begun")
        return self

    def end(self):
        """The end of the archive; the answer, or Failure."""
        try:
            if self.chunked:
                self.connection.send(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before its end came: the answer says why
        return self.answer()

    def answer(self):
        answer = self.connection.getresponse()
        body = json.loads(answer.read())
        self.connection.close()
        if answer.status >= 400:
            raise Failure(answer.status, body["error"])
        return body

    def close(self):
        self.connection.close()


class SlowExport:
    """An export whose archive is read as the test likes."""

    def __init__(self, host, ref):
        self.id = str(uuid.uuid4())
        self.connection = Connection(host.socket, PATIENCE)
        self.connection.request("GET", f"/v1/export?ref={ref}&operation={self.id}")
        self.body = self.connection.getresponse()
        if self.body.status >= 400:
            raise Failure(self.body.status, json.loads(self.body.read())["error"])

    def read(self, size=None):
        return self.body.read(size)

    def close(self):
        self.connection.close()


def workers(host):
    """The processes of flocker-archive and flocker-tree that the daemon started; recorded, so that they end with the test."""
    found = []
    for path in pathlib.Path(f"/proc/{host.daemon.pid}/task").glob("*/children"):
        found += [int(pid) for pid in cleanup.read(path).split()]  # a thread may end meanwhile
    for pid in found:
        cleanup.record(f"{host.directory}/daemons", pid)
    return found


def ended(pid):
    return cleanup.start_time(pid) is None


@contextlib.contextmanager
def inside(host):
    """The running pool, which no path leads to: of one host of several, by its own directory."""
    top = host.directory if host.owned else host.root
    # That of a daemon that has ended may still be there, while a name space that another test is making has its mounts.
    tap.wait_until(lambda: len(cleanup.loops_under(top)) == 1, "the pool has one device")
    device, = cleanup.loops_under(top)
    point = f"{host.directory}/looked"
    os.makedirs(point, exist_ok=True)
    subprocess.run(["mount", "-t", "btrfs", "-o", "subvolid=5", device, point], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)


def staging(host):
    """What lies in the running pool's staging."""
    with inside(host) as pool:
        return sorted(os.listdir(f"{pool}/staging"))


def used(host):
    return host.get("/v1/pool")["used"]


def nothing_is_left(host, before, workers_before=()):
    """No worker, nothing in staging, the space back (`before`: used() of then)."""
    for pid in workers_before:
        tap.wait_until(lambda pid=pid: ended(pid), f"worker {pid} has ended")
    tap.wait_until(lambda: staging(host) == [], "staging is empty")
    tap.wait_until(lambda: used(host) <= before + (1 << 20), f"the space is back: {before}", PATIENCE)
