#!/usr/bin/python3
"""Contents in and out as archives, through the command and the daemon."""

import json
import os
import pty
import signal
import subprocess
import uuid

import tap
from archives import staging
from flocker import COMMAND, Connection, host_with_pool
from relays import Relay
from tap import equal, test, true, wait_until

host = host_with_pool()
work = f"{host.root}/work"
os.mkdir(work)


def fill(ref, files=20):
    place = host.path(ref)
    os.makedirs(f"{place}/deep/er", exist_ok=True)
    for i in range(files):
        with open(f"{place}/deep/file{i}", "wb") as file:
            file.write(os.urandom(5000 * i))
    os.symlink("file1", f"{place}/deep/link")
    os.link(f"{place}/deep/file2", f"{place}/deep/er/same")
    os.chmod(f"{place}/deep/file3", 0o640)
    os.chown(f"{place}/deep/file4", 1234, 5678)
    os.setxattr(f"{place}/deep/file5", "user.note", b"kept")


def flocker(*arguments, root=True, **options):
    where = ["--root", host.root] if root else []
    return subprocess.Popen([COMMAND, *where, *arguments], **options)


def running():
    return [o for o in host.items("/v1/operations") if o["state"] == "running"]


def state_of(operation):
    return host.get("/v1/operation", id=operation)["state"]


def errors():
    """How many errors the daemon has logged."""
    with open(host.log, encoding="utf-8", errors="replace") as file:
        return sum(line.startswith("error ") for line in file)


host.create("data")
fill("data")
host.snapshot("data", name="one")
whole = host.digest("data")


@test
def a_round_trip_keeps_everything():
    for name in ("plain.tar", "small.tar.zst", "small.tzst"):
        host.run("export", "data@{one}", f"{work}/{name}")
        with open(f"{work}/{name}", "rb") as file:
            equal(file.read(4) == b"\x28\xb5\x2f\xfd", "zst" in name, f"{name} is compressed")
        volume = name.replace(".", "-")
        path = host.run("import", volume, f"{work}/{name}").strip()
        equal(path, host.path(volume), "what import prints")
        equal(host.digest(volume), whole, f"contents by {name}")
        done = host.items("/v1/operations")[0]
        size = os.path.getsize(f"{work}/{name}")
        equal((done["done_bytes"], done["total_bytes"]), (size, size), "all of the archive was read")
    equal([n for n in os.listdir(work) if n.endswith(".part")], [], "nothing is left over")


@test
def common_names_are_nothing_that_tar_warns_of():
    host.create("names")
    trunk = os.fsencode(host.path("names"))
    names = ["ünï", "Ж漢カ한😀", "z" * 120 + "é"]
    for name in names:
        open(os.path.join(trunk, name.encode()), "wb").close()
    os.symlink("zïel", os.path.join(trunk, b"link"))

    def told(archive):
        host.run("export", "names", archive)
        host.run("import", os.path.basename(archive).removesuffix(".tar"), archive)
        done = subprocess.run(["tar", "--quoting-style=literal", "-tf", archive], capture_output=True, check=True)
        return done.stdout.decode(errors="surrogateescape").splitlines(), done.stderr.decode()
    listed, warned = told(f"{work}/named.tar")
    equal((sorted(listed), warned), (sorted(["./", "./link"] + ["./" + n for n in names]), ""), "what tar says")
    equal(host.digest("named"), host.digest("names"), "contents")
    open(os.path.join(trunk, b"b\xff"), "wb").close()
    open(os.path.join(trunk, b"e\xcc\x81"), "wb").close()
    listed, warned = told(f"{work}/bytes.tar")
    equal(warned.count("hdrcharset"), 2, f"names that another program could change: {warned}")
    true("./b\udcff" in listed and "./e\u0301" in listed, f"names as they are: {listed}")
    equal(host.digest("bytes"), host.digest("names"), "contents")
    for volume in ("names", "named", "bytes"):
        host.run("destroy", volume)


@test
def every_kind_of_reference_can_be_exported():
    host.tag("v1@data", target="data@{one}")
    host.create("rolled", **{"from": "v1@data"})
    host.write("rolled", "more", "text")
    before = host.digest("rolled")
    host.snapshot("rolled", name="s")
    host.write("rolled", "still", "more")
    later = host.digest("rolled")
    host.rollback("rolled", "rolled@{s}")
    for ref, wanted in (("v1@data", whole), ("rolled@{s}", before), ("stash/1@rolled", later),
                        ("rolled", before)):
        host.run("export", ref, f"{work}/kind.tar", "--force")
        subprocess.run(["tar", "-tf", f"{work}/kind.tar"], check=True, capture_output=True)
        host.run("import", "kind", f"{work}/kind.tar")
        equal(host.digest("kind"), wanted, ref)
        host.delete("/v1/volume", "kind")


@test
def pipes_work_in_both_directions():
    out = flocker("export", "data@{one}", "-", stdout=subprocess.PIPE)
    into = flocker("import", "piped", "-", stdin=out.stdout, stdout=subprocess.PIPE)
    out.stdout.close()
    equal((into.wait(60), out.wait(60)), (0, 0), "exit statuses")
    equal(host.digest("piped"), whole, "contents")


@test
def an_import_can_be_a_branch():
    host.run("export", "data@{one}", f"{work}/branch.tar")
    path = host.run("import", "data/imported", f"{work}/branch.tar").strip()
    equal(path, host.path("data/imported"), "its place")
    equal(host.digest("data/imported"), whole, "contents")


@test
def options_are_written_on_the_volume():
    host.run("import", "described", f"{work}/branch.tar", "-d", "from an archive", "--mount-path",
             "/var/lib/x", "--set", "a=b")
    volume = host.get("/v1/volume", ref="described")
    equal((volume["description"], volume["mount_path"], volume["metadata"]),
          ("from an archive", "/var/lib/x", {"a": "b"}), "volume")
    operation = host.json("import", "with-json", f"{work}/branch.tar")
    equal((operation["verb"], operation["state"]), ("import", "done"), "operation")


@test
def a_directory_is_copied():
    os.makedirs(f"{work}/source/a")
    with open(f"{work}/source/a/b", "w") as file:
        file.write("text")
    host.run("create", "copied", "--from-directory", f"{work}/source")
    equal(host.read("copied", "a/b"), "text", "contents")
    # Where a branch appears is a symbolic link.
    host.run("create", "again", "--from-directory", f"{host.mnt}/copied/trunk")
    equal(host.read("again", "a/b"), "text", "contents")
    host.fails("invalid", "import", "third", f"{work}/source", hint="--from-directory")


@test
def what_is_refused_leaves_nothing():
    with open(f"{work}/bad.tar", "wb") as file:
        file.write(b"this is no archive" * 100000)
    before = host.items("/v1/volumes")
    failed = host.try_run("import", "bad", f"{work}/bad.tar")
    true(failed.status in (2, 12), f"status {failed}")
    host.fails("exists", "import", "data", f"{work}/branch.tar")
    host.fails("exists", "export", "data", f"{work}/branch.tar", hint="--force")
    host.fails("not-found", "export", "nothing", f"{work}/nothing.tar")
    true(not os.path.exists(f"{work}/nothing.tar"), "no archive of nothing")
    equal(host.items("/v1/volumes"), before, "volumes")
    equal(staging(host), [], "staging")


@test
def a_killed_client_leaves_nothing():
    before = errors()
    for number in (signal.SIGKILL, signal.SIGINT):
        client = flocker("import", "killed", "-", stdin=subprocess.PIPE)
        with open(f"{work}/branch.tar", "rb") as file:
            client.stdin.write(file.read(100000))
        client.stdin.flush()
        wait_until(running, "it runs")
        operation = running()[0]["id"]
        client.send_signal(number)
        equal(client.wait(60), -number, "it ended by the signal")
        wait_until(lambda: not running(), "it ends")
        equal(state_of(operation), "cancelled", f"after {number}")
        host.fails("not-found", "show", "killed")
        equal(staging(host), [], "staging")
    equal(errors(), before, "errors in the log: nothing was wrong with the daemon")


@test
def a_stopped_export_leaves_no_file():
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        name = f"{work}/stopped{number}.tar"
        relay = Relay(host, f"relay{number}")
        client = flocker("export", "data@{one}", name, "--socket", relay.path, root=False)
        relay.wait()
        operation = running()[0]["id"]
        client.send_signal(number)
        equal(client.wait(60), -number, "it ended by the signal")
        wait_until(lambda: not running(), "it ends")
        equal(state_of(operation), "cancelled", f"after {number}")
        equal([n for n in os.listdir(work) if "stopped" in n], [], "nothing of it")
        equal(staging(host), [], "staging")


@test
def where_a_file_has_to_have_a_name_the_part_has_one():
    """Without /proc none can be given later."""
    hidden = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh", COMMAND)
    relay = Relay(host, "parted")
    client = subprocess.Popen([*hidden, "--socket", relay.path, "export", "data@{one}", f"{work}/parted.tar"])
    relay.wait()
    names = [n for n in os.listdir(work) if n.startswith("parted.tar")]
    true(len(names) == 1 and names[0].endswith(".part"), names)
    client.send_signal(signal.SIGINT)
    equal(client.wait(60), -signal.SIGINT, "it ended by the signal")
    wait_until(lambda: not running(), "it ends")
    # NFS takes no rename that replaces nothing.
    nfs = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat2", "-e", "inject=renameat2:error=EINVAL")
    for before, option in ((), ()), ((), ("--force",)), (nfs, ()):
        if not option and os.path.exists(f"{work}/parted.tar"):
            os.unlink(f"{work}/parted.tar")
        subprocess.run([*before, *hidden, "--root", host.root, "export", "data@{one}", f"{work}/parted.tar", *option],
                       check=True)
        equal([n for n in os.listdir(work) if n.startswith("parted.tar")], ["parted.tar"], "the archive alone")
    host.run("import", "parted", f"{work}/parted.tar")
    equal(host.digest("parted"), whole, "contents")


@test
def a_stopped_reader_of_a_pipe_ends_the_export():
    client = flocker("export", "data@{one}", "-", stdout=subprocess.PIPE)
    wait_until(running, "it runs")
    operation = running()[0]["id"]
    client.stdout.read(1000)
    client.send_signal(signal.SIGINT)
    equal(client.wait(60), -signal.SIGINT, "it ended by the signal")
    client.stdout.close()
    wait_until(lambda: not running(), "it ends")
    equal(state_of(operation), "cancelled", "operation")


@test
def an_export_is_cancelled_while_nobody_reads():
    client = flocker("export", "data@{one}", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(running, "it runs")
    operation = running()[0]["id"]
    host.run("operation", "cancel", operation)
    wait_until(lambda: not running(), "it ends, though its reader pauses")
    equal(state_of(operation), "cancelled", "operation")
    client.stdout.read()
    says = client.stderr.read()
    equal((client.wait(60), b"it was cancelled" in says), (1, True), f"status, and why: {says}")
    equal(staging(host), [], "staging")


@test
def an_import_is_cancelled_while_nobody_writes():
    client = flocker("import", "paused", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    client.stdin.write(b"\0" * 100)
    client.stdin.flush()
    wait_until(running, "it runs")
    operation = running()[0]["id"]
    host.run("operation", "cancel", operation)
    says = client.stderr.read()
    equal((client.wait(60), b"it was cancelled" in says), (1, True), f"status, and why: {says}")
    client.stdin.close()
    equal(state_of(operation), "cancelled", "operation")
    host.fails("not-found", "show", "paused")


@test
def a_daemon_that_stops_does_not_wait_for_who_pauses():
    into = flocker("import", "paused", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    into.stdin.write(b"\0" * 100)
    into.stdin.flush()
    out = flocker("export", "data@{one}", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out.stdout.read(1000)
    wait_until(lambda: len(running()) == 2, "both run")
    operations = [o["id"] for o in running()]
    equal(host.stop(), 0, "exit status of the daemon")
    says = into.stderr.read()
    true(b"the archive ended before all of it had come" in says, f"the import was answered: {says}")
    equal(into.wait(60), 1, "exit status of the import")
    out.stdout.read()
    true(out.wait(60) != 0, "exit status of the export")
    into.stdin.close()
    host.start()
    equal({state_of(o) for o in operations}, {"cancelled"}, "operations")
    host.fails("not-found", "show", "paused")
    equal(staging(host), [], "staging")


def race(volume, archive, patience):
    """Sends all but the last byte, then that and, a little later, a cancel; how it ended."""
    operation = str(uuid.uuid4())
    sender, canceller = Connection(host.socket, 60), Connection(host.socket, 60)
    canceller.connect()
    sender.putrequest("POST", f"/v1/imports?ref={volume}&operation={operation}")
    sender.putheader("Content-Length", str(len(archive)))
    sender.endheaders(archive[:-1])
    wait_until(lambda: host.exchange("GET", "/v1/operation", query={"id": operation})[0] == 200, "it runs")
    sender.send(archive[-1:])
    for _ in range(patience):
        pass
    canceller.request("POST", "/v1/operation/cancel", json.dumps({"id": operation}))
    equal(canceller.getresponse().status, 204, "status of the cancel")
    status = sender.getresponse().status
    sender.close()
    canceller.close()
    state = state_of(operation)
    equal(status, {"done": 201, "cancelled": 500}[state], "status of the import")
    if state == "done":
        equal(host.digest(volume), whole, "contents")
        host.delete("/v1/volume", volume)
    else:
        host.fails("not-found", "show", volume)
    equal(staging(host), [], "staging")
    return state


@test
def a_cancelled_import_is_whole_or_not_there():
    with open(f"{work}/branch.tar", "rb") as file:
        archive = file.read()
    ends, done = [], 0
    while done < 3 and len(ends) < 100:
        ends.append(race(f"race-{len(ends)}", archive, 10000 * len(ends)))
        done = done + 1 if ends[-1] == "done" else 0
    tap.note(f"{ends.count('cancelled')} cancelled, {ends.count('done')} done")


@test
def terminals_are_no_archives():
    master, slave = pty.openpty()
    client = flocker("export", "data", "-", stdin=slave, stdout=slave, stderr=subprocess.PIPE)
    equal(client.wait(60), 2, "exit status of export")
    true(b"terminal" in client.stderr.read(), "export says why")
    client = flocker("import", "typed", "-", stdin=slave, stdout=subprocess.PIPE,
                     stderr=subprocess.PIPE)
    equal(client.wait(60), 2, "exit status of import")
    true(b"terminal" in client.stderr.read(), "import says why")
    os.close(slave)
    os.close(master)
    host.fails("not-found", "show", "typed")
    equal([o for o in host.items("/v1/operations") if o["object"] == "typed"], [], "operations")


@test
def a_killed_daemon_leaves_nothing():
    client = flocker("import", "killed", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    client.stdin.write(b"\0" * 100)
    client.stdin.flush()
    wait_until(running, "it runs")
    operation = running()[0]["id"]
    host.kill()
    client.stdin.close()
    equal(client.wait(60), 11, "the client sees it")
    host.start()
    equal(host.get("/v1/operation", id=operation)["state"], "failed", "after the restart")
    host.fails("not-found", "show", "killed")
    equal(staging(host), [], "staging")


if __name__ == "__main__":
    tap.main()
