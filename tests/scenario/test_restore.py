#!/usr/bin/python3
"""restore: one file or directory of the past, back in the live head."""

import glob
import json
import os
import shlex
import signal
import subprocess
import threading

import cleanup
from flocker import COMMAND, MIB, STRANGER, Host, host_with_pool
from digest import digest
from tap import equal, main, test, true, wait_until

host = host_with_pool()
PRIVATE = ".flocker-restore-"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def leftovers(volume):
    return [name for name in os.listdir(host.path(volume)) if name.startswith(PRIVATE)]


def stashes(volume):
    return json.loads(host.run("stash", "list", volume, "--json"))


@test
def a_file_comes_back():
    host.run("create", "data")
    top = host.path("data")
    write(f"{top}/etc/hosts", "one")
    os.chmod(f"{top}/etc/hosts", 0o4751)
    os.chown(f"{top}/etc/hosts", 1234, 4321)
    os.chmod(f"{top}/etc/hosts", 0o4751)
    os.setxattr(f"{top}/etc/hosts", "user.note", b"kept")
    os.utime(f"{top}/etc/hosts", ns=(1, 1_600_000_000_123_456_789))
    before = digest(f"{top}/etc/hosts")
    host.run("snapshot", "data", "--name", "one")
    write(f"{top}/etc/hosts", "two")
    write(f"{top}/other", "stays")
    said = host.run("restore", "data@{one}:etc/hosts")
    equal(digest(f"{top}/etc/hosts"), before, "all of it")
    equal(read(f"{top}/other"), "stays", "nothing else changed")
    equal(leftovers("data"), [], "nothing is left")
    equal(host.run("cat", "stash/1@data:etc/hosts"), "two", "what it was is stashed")
    undo = [line for line in said.splitlines() if line.startswith("undo: ")][0]
    true(undo.endswith("restore stash/1@data:etc/hosts"), said)
    host.run(*shlex.split(undo)[2:])
    equal(read(f"{top}/etc/hosts"), "two", "undone")
    records = json.loads(host.run("audit", "--json"))
    true(any(r["verb"] == "restore" for r in records), "in the audit log")


@test
def a_directory_comes_back_whole():
    top = host.path("data")
    write(f"{top}/tree/a/b/c", "deep")
    os.link(f"{top}/tree/a/b/c", f"{top}/tree/linked")
    os.symlink("a/b/c", f"{top}/tree/soft")
    os.mkfifo(f"{top}/tree/fifo")
    os.mknod(f"{top}/tree/null", 0o20600, os.makedev(1, 3))
    os.mkdir(f"{top}/tree/empty", 0o2750)
    os.utime(f"{top}/tree", ns=(1, 1_500_000_000_000_000_001))
    before = digest(f"{top}/tree")
    host.run("snapshot", "data", "--name", "tree")
    subprocess.run(["rm", "-r", f"{top}/tree/a"], check=True)
    write(f"{top}/tree/new", "goes")
    answer = json.loads(host.run("restore", "data@{tree}:tree", "--json"))
    equal((answer["path"], answer["replaced"]), ("tree", True), "the answer")
    equal(digest(f"{top}/tree"), before, "as it was, with nothing more")
    equal(os.stat(f"{top}/tree/linked").st_nlink, 2, "names of one file")
    equal(leftovers("data"), [], "nothing is left")
    equal(host.run("cat", f"{answer['stash']['ref']}:tree/new"), "goes", "stashed")
    done = [o for o in json.loads(host.run("operations", "--json")) if o["verb"] == "restore"]
    equal((done[0]["state"], done[0]["object"]), ("done", "data/trunk:tree"), "the operation")


@test
def what_is_gone_and_what_is_of_another_kind():
    top = host.path("data")
    before = digest(f"{top}/tree")
    subprocess.run(["rm", "-r", f"{top}/tree"], check=True)
    answer = json.loads(host.run("restore", "data@{tree}:tree", "--json"))
    equal((digest(f"{top}/tree"), answer["replaced"]), (before, False), "where nothing was")
    subprocess.run(["rm", "-r", f"{top}/tree"], check=True)
    write(f"{top}/tree", "a file")
    host.run("restore", "data@{tree}:tree")
    equal(digest(f"{top}/tree"), before, "a directory for a file")
    os.unlink(f"{top}/etc/hosts")
    os.mkdir(f"{top}/etc/hosts")
    write(f"{top}/etc/hosts/in", "it")
    host.run("restore", "data@{one}:etc/hosts")
    equal(read(f"{top}/etc/hosts"), "one", "a file for a directory")
    host.run("restore", "data@{tree}:tree/soft", "--to", "etc/hosts")
    equal(os.readlink(f"{top}/etc/hosts"), "a/b/c", "a link for a file")


@test
def to_another_place():
    top = host.path("data")
    host.run("tag", "first@data", "data@{one}")
    said = host.run("restore", "first@data:etc/hosts", "--to", "/etc/hosts.old")
    equal(read(f"{top}/etc/hosts.old"), "one", "there")
    stash = stashes("data")[0]["ref"]
    true(f"stash restore {stash}" in said, said)
    host.run("stash", "restore", stash)
    true(not os.path.exists(f"{host.path('data')}/etc/hosts.old"), "undone")
    equal(leftovers("data"), [], "the head that was stashed had the private directory")
    host.run("branch", "data/other", "--from", stash)
    equal([n for n in os.listdir(host.path("data/other")) if n.startswith(PRIVATE)], [],
          "nor has a branch of it")


@test
def a_branch_gets_its_own_back():
    host.run("branch", "data/test", "--from", "data@{one}")
    write(f"{host.path('data/test')}/etc/hosts", "test")
    host.run("restore", "data/test@{latest}:etc/hosts")
    equal(read(f"{host.path('data/test')}/etc/hosts"), "one", "from before the branch began")


@test
def what_cannot_be():
    top = host.path("data")
    os.symlink("/tmp", f"{top}/out")
    os.symlink("etc", f"{top}/within")
    host.run("snapshot", "data", "--name", "refused")
    before, count = digest(top), len(stashes("data"))
    fails = host.fails
    fails("invalid", "restore", "data:etc/hosts", says=("@{10m ago}",))
    fails("invalid", "restore", "data@{one}", says=("rollback",))
    fails("not-found", "restore", "data@{one}:nope", says=("versions",))
    fails("not-found", "restore", "data@{one}:etc/hosts", "--to", "no/such/place", says=("no/such",))
    fails("invalid", "restore", "data@{one}:etc/hosts", "--to", "out/hosts", says=("symbolic link",))
    fails("invalid", "restore", "data@{one}:etc/hosts", "--to", "within/hosts")
    fails("invalid", "restore", "data@{refused}:within/hosts")
    fails("invalid", "restore", "data@{one}:etc/hosts", "--to", "../hosts")
    fails("invalid", "restore", "data@{one}:etc/hosts", "--to", "/")
    fails("not-found", "restore", "nothing@{one}:etc/hosts")
    subprocess.run(["chattr", "+i", f"{top}/etc"], check=True)
    try:
        taken = len(host.log_of("data"))
        fails("denied", "restore", "data@{one}:etc/hosts")
        equal(len(host.log_of("data")), taken, "snapshots")
    finally:
        subprocess.run(["chattr", "-i", f"{top}/etc"], check=True)
    equal((digest(top), len(stashes("data"))), (before, count), "nothing changed")
    true(not os.path.exists("/tmp/hosts"), "nothing outside")


@test
def what_was_immutable_or_deep_goes_all_the_same():
    host.run("create", "odd")
    top = host.path("odd")
    write(f"{top}/dir/file", "old")
    host.run("snapshot", "odd", "--name", "old")
    write(f"{top}/dir/file", "new")
    subprocess.run(["chattr", "+i", f"{top}/dir/file"], check=True)
    at = os.open(f"{top}/dir", os.O_PATH)
    for _ in range(3000):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_PATH, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    host.run("restore", "odd@{old}:dir")
    equal((read(f"{top}/dir/file"), leftovers("odd")), ("old", []), "nothing is left")
    equal(host.run("cat", "stash/1@odd:dir/file"), "new", "it is stashed")


@test
def what_is_written_meanwhile_is_kept():
    host.run("create", "busy")
    top = host.path("busy")
    write(f"{top}/dir/file", "old")
    host.run("snapshot", "busy", "--name", "old")
    written, kept, over = [], [], threading.Event()

    def keep_writing():
        while not over.is_set():
            name = f"f{len(written)}"
            try:
                with open(f"{top}/dir/{name}", "w", encoding="ascii"):
                    written.append(name)
            except FileNotFoundError:
                pass  # it was in the old directory when that went

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        while not kept:
            before = len(written)
            answer = json.loads(host.run("restore", "busy@{old}:dir", "--json"))
            wait_until(lambda: len(written) > before + 100, "it is written to")
            kept += [answer["kept"]] if answer["kept"] else []
            found = set(os.listdir(f"{top}/dir"))
            for place in [f"{s['ref']}:dir" for s in stashes("busy")] + [f"busy:{k}" for k in kept]:
                found |= {f["name"] for f in json.loads(host.run("ls", place, "--json"))}
            equal([name for name in written[:before] if name not in found], [], "what is nowhere")
    finally:
        over.set()
        writer.join()
    true(kept[0].startswith("dir.replaced-"), kept)
    write(f"{top}/dir/file", "x")
    wait_until(lambda: json.loads(host.run("restore", "busy@{old}:dir", "--json"))["kept"] is None,
               "nobody writes")


@test
def a_full_quota_changes_nothing():
    host.run("create", "small", "--quota", "64M")
    top = host.path("small")
    # Of many small files: their contents lie in the metadata, which is not shared.
    for i in range(20):
        os.mkdir(f"{top}/{i}")
    data = os.urandom(1900)
    os.mkdir(f"{top}/many")
    for i in range(8000):
        with open(f"{top}/many/{i}", "wb") as file:
            file.write(data)
    host.run("snapshot", "small", "--name", "many")
    try:
        with open(f"{top}/fill", "wb") as file:
            for _ in range(100):
                file.write(os.urandom(MIB))
                file.flush()
                os.fsync(file.fileno())
    except OSError:
        pass
    before = digest(f"{top}/many")
    host.fails("no-space", "restore", "small@{many}:many", says=("quota", "set small --quota"))
    equal((digest(f"{top}/many"), stashes("small"), leftovers("small")), (before, [], []),
          "nothing changed")


def begin_restore(volume):
    return subprocess.Popen([COMMAND, "--root", host.root, "restore", f"{volume}@{{many}}:many"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def of_threads(name):
    """A file of each of the daemon's threads in /proc."""
    return [cleanup.read(path) for path in glob.glob(f"/proc/{host.daemon.pid}/task/*/{name}")]


def workers():
    """What the daemon has started and copies."""
    children = " ".join(of_threads("children")).split()
    return [int(pid) for pid in children if cleanup.read(f"/proc/{pid}/comm") == "flocker-tree\n"]


def begin_to_copy(volume):
    """A restore that stands still while it copies, and the process that is to go on."""
    command = begin_restore(volume)
    wait_until(lambda: leftovers(volume), "it copies")
    (worker,) = wait_until(workers, "its worker runs")
    os.kill(worker, signal.SIGSTOP)
    return command, worker


@test
def it_is_cancelled():
    host.run("create", "long")
    top = host.path("long")
    os.mkdir(f"{top}/many")
    for i in range(20000):
        with open(f"{top}/many/{i}", "wb") as file:
            file.write(b"old")
    host.run("snapshot", "long", "--name", "many")
    write(f"{top}/many/new", "new")
    command, _ = begin_to_copy("long")
    command.send_signal(signal.SIGINT)
    command.stderr.read()
    equal(command.wait(), -signal.SIGINT, "the command")
    wait_until(lambda: not leftovers("long"), "it is undone")
    equal((len(os.listdir(f"{top}/many")), stashes("long")), (20001, []), "nothing changed")
    wait_until(lambda: not any(o["state"] == "running" for o in
                               json.loads(host.run("operations", "--json"))), "it has ended")
    equal(json.loads(host.run("operations", "--json"))[0]["state"], "cancelled", "the operation")


@test
def deletions_meanwhile():
    top = host.path("long")
    with open(f"{top}/big", "wb") as file:
        file.write(os.urandom(8 * MIB))
    host.run("snapshot", "long", "--name", "read")
    os.unlink(f"{top}/big")
    reader = subprocess.Popen([COMMAND, "--root", host.root, "cat", "long@{read}:big"], stdout=subprocess.PIPE)
    reader.stdout.read(1)
    host.run("snapshot", "long")
    command, worker = begin_to_copy("long")
    host.run("destroy", "long@{read}")
    os.kill(worker, signal.SIGCONT)
    reader.stdout.read()
    equal(reader.wait(), 0, "the reader")
    said = command.stderr.read()
    equal((command.wait(), leftovers("long")), (0, []), said)
    equal(len(os.listdir(f"{top}/many")), 20000, "as it was")
    host.run("stash", "drop", stashes("long")[0]["ref"])


@test
def a_rollback_meanwhile():
    command, worker = begin_to_copy("long")
    host.run("rollback", "long@{many}")
    os.kill(worker, signal.SIGCONT)
    true(b"rolled back" in command.stderr.read() and command.wait() == 5, "busy")
    equal(leftovers("long"), [], "nothing is left")
    host.run("stash", "restore", stashes("long")[0]["ref"])
    equal(leftovers("long"), [], "nor in what it was rolled back from")


@test
def a_rename_meanwhile():
    command, worker = begin_to_copy("long")
    host.run("rename", "long", "longer")
    os.kill(worker, signal.SIGCONT)
    said = command.stderr.read()
    true(b"renamed or destroyed meanwhile" in said and command.wait() == 5, said)
    host.run("rename", "longer", "long")
    equal(leftovers("long"), [], "nothing is left")


@test
def a_killed_daemon_leaves_before_or_after():
    top = host.path("long")
    for wait in ("copy", "stash", "copy"):
        write(f"{top}/many/new", "new")
        had = len(stashes("long"))
        command = begin_to_copy("long")[0] if wait == "copy" else begin_restore("long")
        reader = threading.Thread(target=command.stderr.read)
        reader.start()
        if wait == "stash":  # or it is done before that is seen
            wait_until(lambda: command.poll() is not None or
                       leftovers("long") and not os.path.exists(f"{top}/many/new"), "it is exchanged", 300)
        host.kill()
        reader.join()
        command.wait()
        host.start()
        top = host.path("long")
        wait_until(lambda: not leftovers("long"), "the private directory is gone")
        found = len(os.listdir(f"{top}/many"))
        true(found in (20000, 20001), f"{found} files")
        true(found == 20001 or len(stashes("long")) == had + 1, "what is replaced is stashed")


@test
def what_is_written_late_outlives_a_kill():
    """The daemon is held between the exchange and its look at what was replaced, and killed there."""
    host.run("create", "late")
    top = host.path("late")
    write(f"{top}/etc/hosts", "one")
    host.run("snapshot", "late", "--name", "one")
    write(f"{top}/etc/hosts", "two")
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-p", str(host.daemon.pid), "-e", "trace=renameat2",
         "-e", "inject=renameat2:delay_exit=60000000"], stderr=subprocess.DEVNULL)
    wait_until(lambda: not any("TracerPid:\t0" in text for text in of_threads("status")), "all its threads are traced")
    with open(f"{top}/etc/hosts", "a") as replaced:
        command = subprocess.Popen([COMMAND, "--root", host.root, "restore", "late@{one}:etc/hosts"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: read(f"{top}/etc/hosts") == "one", "it is exchanged")
        replaced.write(" and late")
    host.daemon.kill()
    tracer.kill()  # which else holds the dead
    tracer.wait()
    host.kill()
    command.wait()
    host.start()
    wait_until(lambda: not leftovers("late"), "the private directory is gone")
    etc = f"{host.path('late')}/etc"
    equal(read(f"{etc}/hosts"), "one", "what was restored")
    equal([read(f"{etc}/{name}") for name in os.listdir(etc) if name.startswith("hosts.replaced-")],
          ["two and late"], "what was written late")


@test
def in_a_directory_without_root():
    """Contents are copied there, and the worker is shut in by a user namespace."""
    with Host(user=STRANGER) as other:
        place = f"{other.file_system('ext4')}/pool"
        os.mkdir(place)
        os.chown(place, STRANGER, STRANGER)
        other.run("pool", "create", "--directory", place)
        other.run("create", "data")
        top = other.path("data")
        write(f"{top}/etc/hosts", "one")
        write(f"{top}/etc/more/deep", "deep")
        subprocess.run(["chown", "-R", f"{STRANGER}:{STRANGER}", f"{top}/etc"], check=True)
        before = digest(f"{top}/etc")
        other.run("snapshot", "data", "--name", "one")
        write(f"{top}/etc/hosts", "two")
        other.run("restore", "data@{one}:etc/hosts")
        equal(read(f"{top}/etc/hosts"), "one", "a file")
        subprocess.run(["rm", "-r", f"{top}/etc/more"], check=True)
        other.run("restore", "data@{one}:etc")
        equal(digest(f"{top}/etc"), before, "a directory")
        equal(os.listdir(top), ["etc"], "nothing is left")
        equal(other.run("cat", "stash/1@data:etc/hosts"), "two", "stashed")


if __name__ == "__main__":
    main()
