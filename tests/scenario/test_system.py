#!/usr/bin/python3
"""User systems: a branch that holds an operating system, run by a real OCI runtime.

Most of the trees hold busybox, and an init that says something and waits for its signal.
"""

import concurrent.futures
import fcntl
import os
import pathlib
import pty
import re
import select
import struct
import subprocess
import tarfile
import termios
import threading
import time

import cleanup
import tap
from engines import POSTGRES, Tree, postgres_tree
from flocker import CODES, COMMAND, LONG, MIB, Failure, host_with_pool
from tap import Skip, equal, test, true

host = host_with_pool(size=1024 * MIB)

# Says that it has begun; ends when it is told to.  A shell as init waits for what it started.
INIT = """#!/bin/sh
trap 'echo "$(cat /etc/word) ends"; exit 0' TERM
echo "$(cat /etc/word) begins on $(hostname)"
while :; do sleep 1000 & wait $!; done
"""


def busybox_tree(init=INIT, word="it", extra=()):
    tree = Tree()
    tree.busybox()
    tree.directory("sbin")
    tree.add("sbin/init", data=init.encode())
    tree.add("etc/word", mode=0o644, data=f"{word}\n".encode())
    for member in extra:
        tree.add(**member)
    return tree.bytes()


def archive(name, contents):
    path = f"{host.directory}/{name}.tar"
    pathlib.Path(path).write_bytes(contents)
    return path


def make(name, *settings, tree=None):
    words = [word for setting in settings for word in ("--set", setting)]
    host.run("system", "create", name, "--from", archive(name, tree or busybox_tree(word=name)), *words)


DEAF = "#!/bin/sh\ntrap '' TERM\necho up\nwhile :; do sleep 1; done\n"
SYSTEMS = {
    "cmd": ["env.COLOUR=green"], "small": ["memory=64M", "pids=32", "cpus=0.5"], "lonely": [],
    "open": ["network=host"], "back": [], "again": ["restart=always"], "stubborn": ["stop-timeout=1s"],
    "prod": [], "held": [],
}
MADE = set()


def use(name):
    """One of SYSTEMS, which runs.  A start takes two seconds, so all are started at once, by whoever comes first."""
    if not MADE:
        for each, settings in SYSTEMS.items():
            make(each, *settings, tree=busybox_tree(DEAF) if each == "stubborn" else None)
            MADE.add(each)
        with concurrent.futures.ThreadPoolExecutor(len(SYSTEMS)) as pool:
            list(pool.map(lambda each: host.run("system", "start", each), SYSTEMS))
        for each in SYSTEMS:
            watch(each)
    return show(name)["pid"]


def show(name):
    return host.json("system", "show", name)


def watch(name):
    """What runs is ended should this test be killed: the keeper's child goes first."""
    pid = show(name)["pid"]
    if pid:
        cleanup.record(f"{host.directory}/daemons", pid)


def run_in(name, *command, **options):
    return host.run("system", "exec", name, "--", *command, **options)


def exec_fails(code, *words, says, hint=None):
    """As host.fails(); what follows "--" is the command's, --json too."""
    ran = host.try_run("--json", "system", "exec", *words)
    error = ran.json["error"]
    equal((ran.status, error["code"]), (CODES[code][1], code), str(ran))
    true(says in error["message"] and (hint or "") in (error["hint"] or ""), str(ran))


def console(name, *options):
    return host.run("system", "console", name, *options)


def await_console(name, words, count=1):
    tap.wait_until(lambda: console(name).count(words) >= count, f"{words!r} on the console of {name}")


def drop(*names):
    for name in names:
        if any(row["ref"].startswith(f"{name}/") for row in host.items("/v1/systems")):
            host.run("system", "destroy", name)
        host.run("destroy", name)
    host.post("/v1/trash/empty")


@tap.finally_
def stop_all():
    if host.daemon and not host.dead():
        for row in host.items("/v1/systems"):
            host.try_run("system", "stop", row["ref"])


def has_ended(pid, began):
    """The process, which began then: the number may be somebody else's by now."""
    return cleanup.start_time(pid) != began


@test
def a_system_lives():
    """From an archive to its end; what it is like is told at each step."""
    path = host.run("system", "create", "web", "--from", archive("web", busybox_tree(word="web"))).strip()
    equal(path, host.path("web"), "where its tree is")
    equal(show("web")["state"], "stopped", "state")
    ran = host.json("system", "start", "web")
    watch("web")
    equal((ran["state"], ran["wanted"], ran["ref"]), ("running", True, "web/trunk"), "after its start")
    true(os.path.exists(f"/proc/{ran['pid']}"), "its init runs")
    await_console("web", "web begins on web-trunk\n")
    equal(host.json("system", "start", "web")["pid"], ran["pid"], "a second start leaves it as it is")
    true("web/trunk" in [row["ref"] for row in host.json("system", "list")], "it is in the list")
    true(re.search(r"state: +running", host.run("system", "show", "web")), "show says that it runs")
    first = cleanup.start_time(ran["pid"])
    again = host.json("system", "restart", "web")
    watch("web")
    true(again["pid"] != ran["pid"] and has_ended(ran["pid"], first), "restart makes another init")
    await_console("web", "web begins", 2)  # a first process that has no handler yet is spared the signal
    second = cleanup.start_time(again["pid"])
    equal(host.json("system", "stop", "web")["state"], "stopped", "after its stop")
    true(has_ended(again["pid"], second), "nothing of it runs")
    await_console("web", "web ends", 2)
    equal(console("web", "--tail", "5"), "ends\n", "the end of the console")
    drop("web")


@test
def a_command_runs_in_it():
    use("cmd")
    equal(run_in("cmd", "sh", "-c", "hostname; echo $COLOUR; cat /etc/word"), "cmd-trunk\ngreen\ncmd\n", "its output")
    ran = host.try_run("system", "exec", "cmd", "--", "sh", "-c", "echo out; echo err >&2; exit 9")
    equal((ran.status, ran.out, ran.err), (9, "out\n", "err\n"), "streams and status")
    equal(run_in("cmd", "cat"), "", "without -i there is nothing to read")
    equal(host.run("system", "exec", "-i", "cmd", "--", "cat", input="words\n" * 50000), "words\n" * 50000, "input")
    equal(host.run("system", "exec", "--user", "7:8", "cmd", "--", "id", "-u"), "7\n", "another user")
    exec_fails("invalid", "--user", "root", "cmd", "--", "id", says="user", hint="UID")
    exec_fails("invalid", "-t", "cmd", "--", "id", says="no terminal")
    ran = host.try_run("system", "exec", "cmd", "--", "nonsense")
    equal((ran.status, ran.out, ran.err), (127, "", "flocker: there is no program 'nonsense' in the system cmd/trunk\n"))
    for status, program in (127, "/bin/nonsense"), (126, "/etc/word"), (126, "/etc"):
        ran = host.try_run("system", "exec", "cmd", "--", program)
        equal((ran.status, ran.out), (status, ""), f"{ran}")
        true(ran.err.startswith(f"flocker: '{program}' can't be run in the system cmd/trunk: "), f"{ran}")
    ran = host.try_run("system", "exec", "cmd", "--", "sh", "-c", "echo time= level=error >&2; exit 255")
    equal((ran.status, ran.err), (255, "time= level=error\n"), "what a command says itself stays as it is")
    ran = subprocess.run(f"{COMMAND} system exec cmd -- yes | head -n 2", shell=True, capture_output=True, text=True,
                         timeout=60, env={**os.environ, "FLOCKER_SOCKET": host.socket}, check=False)
    equal(ran.stdout, "y\ny\n", "a reader that goes away")
    tap.wait_until(lambda: "yes" not in run_in("cmd", "ps"), "the command ends with its reader")


def read_until(fd, words, seconds=60):
    seen, deadline = "", time.monotonic() + seconds
    while words not in seen:
        true(time.monotonic() < deadline, f"{words!r} in {seen!r}")
        if select.select([fd], [], [], 0.1)[0]:
            seen += os.read(fd, 4096).decode(errors="replace")
    return seen


@test
def a_terminal_is_the_command_s():
    """Keys go there one by one, the size too; afterwards the terminal is as it was."""
    use("cmd")
    pid, fd = pty.fork()
    if pid == 0:
        os.execve("/bin/sh", ["sh", "-c", f"stty rows 30 cols 90; {COMMAND} system exec -it cmd -- sh; "
                              "echo status $?; stty -a | grep -ow '.icanon\\|icanon'"],
                  {**os.environ, "FLOCKER_SOCKET": host.socket})
    cleanup.record(f"{host.directory}/daemons", pid)
    read_until(fd, "# ")
    os.write(fd, b"stty size; tty\n")
    true("30 90" in read_until(fd, "/dev/"), "it has the size of ours")
    # Another number than that of the init's sleep: a key that comes before the command is nobody's.
    os.write(fd, b"sleep 2000\n")
    read_until(fd, "sleep 2000")
    tap.wait_until(lambda: "sleep 2000" in run_in("cmd", "ps").replace("{sleep}", ""), "sleep runs")
    os.write(fd, b"\x03echo inter''rupted\n")
    read_until(fd, "interrupted")
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 99, 0, 0))
    os.write(fd, b"while [ \"$(stty size)\" != '44 99' ]; do :; done; echo res''ized\n")
    read_until(fd, "resized")
    os.write(fd, b"exit 5\n")
    seen = read_until(fd, "icanon")
    true("status 5" in seen and "-icanon" not in seen, f"the terminal is as it was: {seen!r}")
    os.waitpid(pid, 0)


@test
def a_command_is_not_there_where_nothing_runs():
    make("off")
    exec_fails("unreachable", "off", "--", "id", says="does not run", hint="system start off")
    host.create("plain")
    exec_fails("not-found", "plain", "--", "id", says="plain")
    host.fails("not-found", "system", "start", "plain", hint="system create")
    host.fails("exists", "system", "create", "off", says="off is a system already", hint="flocker system set off;")
    taken = archive("taken", busybox_tree())
    host.fails("exists", "system", "create", "plain", "--from", taken, says="'plain'", hint="flocker system create plain, without --from")
    host.fails("invalid", "system", "create", "initless", "--from", archive("initless", Tree().bytes()),
               says="what was imported for 'initless' is in the trash now")
    try:
        host.get("/v1/system/exec/output", id="0f5e7a52-3f0a-4d7c-9d3a-6b1c2d3e4f50")
        raise AssertionError("a command that there is not was read")
    except Failure as failure:
        equal(failure.code, "not-found", "code")
    drop("off", "plain")


@test
def the_console_is_followed():
    use("cmd")
    with subprocess.Popen([COMMAND, "system", "console", "-f", "cmd"], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "FLOCKER_SOCKET": host.socket}) as follower:
        cleanup.record(f"{host.directory}/daemons", follower.pid)
        equal(follower.stdout.readline(), "cmd begins on cmd-trunk\n", "what was there")
        run_in("cmd", "sh", "-c", "echo later >/proc/1/fd/1")
        equal(follower.stdout.readline(), "later\n", "what comes")
        follower.terminate()


@test
def limits_are_in_force():
    pid = use("small")
    groups = dict(line.split(":")[1:] for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines())

    def limit(controller, *names):
        for found, path in groups.items():
            for name in names:
                for place in (f"/sys/fs/cgroup/{controller}{path}", f"/sys/fs/cgroup{path}"):
                    if controller in found.split(",") + [""] and os.path.exists(f"{place}/{name}"):
                        return pathlib.Path(f"{place}/{name}").read_text().split()[0]
        raise AssertionError(f"no {names} in {groups}")

    equal(int(limit("memory", "memory.max", "memory.limit_in_bytes")), 64 * MIB, "memory")
    equal(int(limit("pids", "pids.max")), 32, "pids")
    equal(int(limit("cpu", "cpu.max", "cpu.cfs_quota_us")), 50000, "quota of 100 ms")
    # They outlast the loop, however slow it is, and who waits for its output does not wait for them.
    ran = host.try_run("system", "exec", "small", "--", "sh", "-c",
                       "for i in $(seq 64); do sleep 1000 >/dev/null 2>&1 & done; wait")
    true(ran.status != 0 and "fork" in ran.err, f"more processes than it may have:\n{ran}")
    drop("small")


@test
def a_network_is_none_or_the_host_s():
    use("lonely")
    equal(set(run_in("lonely", "sh", "-c", "tail -n +3 /proc/net/dev | cut -d: -f1").split()), {"lo"}, "of its own")
    true("lo" in run_in("open", "sh", "-c", "tail -n +3 /proc/net/dev | cut -d: -f1").split(), "what it sees")
    equal(os.readlink(f"/proc/{show('open')['pid']}/ns/net"), os.readlink("/proc/self/ns/net"), "ours")
    running = {row["ref"] for row in host.json("system", "list") if row["state"] == "running"}
    true(running >= {"cmd/trunk", "lonely/trunk", "open/trunk"}, "they run side by side")
    drop("lonely", "open")


@test
def settings_are_changed():
    make("sets")
    host.run("system", "set", "sets", "hostname=other", "memory=32M")
    equal(show("sets")["settings"], {"hostname": "other", "memory": "32M"}, "settings")
    host.run("system", "set", "sets", "memory=")
    equal(show("sets")["settings"], {"hostname": "other"}, "without one")
    true(re.search(r"default: +memory=0", host.run("system", "show", "sets")), "its default is shown")
    host.fails("invalid", "system", "set", "sets", "memory=much", says="memory", hint="a size from 4M")
    host.fails("invalid", "system", "set", "sets", "colour=red", says="colour", hint="init, env.NAME")
    equal(show("sets")["settings"], {"hostname": "other"}, "what was refused changed nothing")
    host.run("system", "start", "sets")
    watch("sets")
    equal(run_in("sets", "hostname"), "other\n", "its host's name")
    drop("sets")


@test
def what_ends_at_once_says_why():
    make("short", "init=/bin/sh -c 'echo no such disk; exit 3'", "restart=no")
    tried = []

    def is_refused():
        """Where the machine is so slow that its end comes later than "at once", the start is none that failed."""
        tried.append(host.try_run("system", "start", "short"))
        return tried[-1].status == CODES["system"][1]

    tap.wait_until(is_refused, "it ends at once")
    true("no such disk" in tried[-1].err, f"its last words:\n{tried[-1]}")
    equal(show("short")["exit_status"], 3, "exit status")
    drop("short")


@test
def a_runtime_that_others_can_replace_is_not_run():
    """Who may talk to the daemon may name it, and it is run as root."""
    directory = pathlib.Path(host.directory, "mine")
    directory.mkdir()
    program, proof = directory / "runtime", directory / "ran"
    program.write_text(f"#!/bin/sh\necho ran >>{proof}\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    make("foreign", "restart=no")
    host.run("config", "set", "system.runtime", str(program))
    try:
        for path in (program, directory):
            os.chown(path, 65534, 65534)
            host.fails("denied", "system", "start", "foreign", says=str(path), hint=True)
            os.chown(path, 0, 0)
            path.chmod(0o777)
            host.fails("denied", "system", "start", "foreign", says=str(path), hint=True)
            path.chmod(0o755)
        equal(proof.exists(), False, "it was run")
        true(host.try_run("system", "start", "foreign").status, "root's is run, and it is no runtime")
        equal(proof.exists(), True, "root's is run")
    finally:
        host.run("config", "set", "system.runtime", "")
    drop("foreign")


@test
def without_its_init_a_tree_is_no_system():
    """What was imported for it goes to the trash; of a branch that was there nothing does."""
    before = host.items("/v1/volumes")
    tree = archive("headless", busybox_tree())
    error = host.fails("invalid", "system", "create", "headless", "--from", tree, "--set", "init=/sbin/missing",
                       says=("/sbin/missing", "trash"))
    true(error["message"], "it says why")
    equal(host.items("/v1/volumes"), before, "volumes")
    host.post("/v1/trash/empty")
    host.create("plain")
    host.fails("invalid", "system", "create", "plain", says="plain/trunk")
    true(os.path.isdir(host.path("plain")), "the branch stays")
    host.fails("invalid", "system", "create", "plain@{latest}", says="past", hint="branch")
    host.fails("invalid", "system", "create", "plain", "--quota", "1G", says="--from")
    # Before anything is sent.
    host.fails("invalid", "system", "create", "other", "--from", tree, "--set", "restart=maybe", hint="on-failure")
    drop("plain")


def evil(*members):
    """A tree with these beside: (name, type, link)."""
    tree = Tree()
    tree.directory("sbin")
    tree.add("sbin/init", data=INIT.encode())
    for name, kind, link in members:
        tree.add(name, kind, link=link, data=b"" if link else b"evil")
    return tree.bytes()


@test
def an_archive_does_not_leave_its_tree():
    outside = f"{host.directory}/outside"
    os.mkdir(outside)
    cases = {
        "dots": evil((f"../../../..{outside}/file", tarfile.REGTYPE, "")),
        "absolute": evil((f"{outside}/file", tarfile.REGTYPE, "")),
        "symlink": evil(("way", tarfile.SYMTYPE, outside), ("way/file", tarfile.REGTYPE, "")),
        "hardlink": evil(("link", tarfile.LNKTYPE, "/etc/passwd")),
        "device": evil(("disk", tarfile.CHRTYPE, "")),
    }
    for name, contents in cases.items():
        before = host.items("/v1/volumes"), host.items("/v1/trash")
        ran = host.try_run("system", "create", f"evil-{name}", "--from", archive(name, contents))
        if ran.status == 0:  # taken as a path in the tree, which is as good
            true(name == "absolute", f"{name} was taken:\n{ran}")
            drop(f"evil-{name}")
        equal((host.items("/v1/volumes"), host.items("/v1/trash")), before, f"what there is after {name}")
        equal(os.listdir(outside), [], f"outside after {name}")


@test
def a_broken_pipe_leaves_nothing():
    before = host.items("/v1/volumes")
    contents = busybox_tree()
    with subprocess.Popen([COMMAND, "system", "create", "half", "--from", "-"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**os.environ, "FLOCKER_SOCKET": host.socket}) as command:
        command.communicate(contents[:len(contents) // 2])
        true(command.returncode != 0, "half an archive is refused")
    equal(host.items("/v1/volumes"), before, "volumes")


def asked(ref):
    """What a rollback says on a terminal before it is answered no."""
    master, slave = pty.openpty()
    said = b""
    with subprocess.Popen([COMMAND, "--root", host.root, "--no-color", "rollback", ref],
                          stdin=slave, stdout=slave, stderr=slave):
        os.close(slave)
        os.write(master, b"n\n")
        while True:
            try:
                said += os.read(master, 4096)
            except OSError:  # so a terminal ends
                break
    os.close(master)
    return said.decode()


@test
def who_is_stopped_is_told_before():
    use("back")
    host.snapshot("back", name="now")
    true("stopped for it, and started again: back/trunk\r\n" in asked("back@{now}"), asked("back@{now}"))
    host.branch("back/apart")
    host.snapshot("back/apart", name="now")
    true("stopped for it" not in asked("back/apart@{now}"), "a branch that nothing runs on")
    host.run("destroy", "back/apart")
    lines = host.run("show", "back").splitlines()
    equal([line.split(None, 1)[1] for line in lines if line.startswith("system:")], ["back/trunk, running"], "show")
    true(not any(line.endswith(" in ") for line in lines), f"a process is in no container: {lines}")


@test
def a_rollback_takes_the_whole_system_back():
    first = use("back")
    snapshot = host.snapshot("back")
    run_in("back", "sh", "-c", "rm -rf /bin/ls /etc/passwd; echo worse >/etc/word; sync")
    host.run("rollback", "back", "--to", snapshot["ref"])
    tap.wait_until(lambda: show("back")["state"] == "running", "it runs again")
    watch("back")
    true(show("back")["pid"] != first, "it was stopped and started")
    equal(run_in("back", "sh", "-c", "cat /etc/word; ls /etc/passwd"), "back\n/etc/passwd\n", "what it was")
    await_console("back", "back begins", 2)
    stash, = host.items("/v1/stashes", ref="back")
    equal(host.run("cat", f"{stash['ref']}:/etc/word"), "worse\n", "what it was before is stashed")
    host.run("system", "stop", "back")
    host.run("rollback", "back", "--to", stash["ref"])
    equal(show("back")["state"], "stopped", "one that is stopped stays so")
    drop("back")


@test
def it_outlives_the_daemon():
    pid = use("cmd")
    host.kill()
    true(os.path.exists(f"/proc/{pid}"), "it goes on without the daemon")
    host.start()
    report = show("cmd")
    equal((report["state"], report["pid"]), ("running", pid), "it is found again")
    equal(run_in("cmd", "cat", "/etc/word"), "cmd\n", "and can be used")
    host.restart()
    equal(show("cmd")["pid"], pid, "after an orderly restart too")


@test
def one_that_was_killed_meanwhile_is_started():
    pid = use("cmd")
    host.kill()
    os.kill(pid, 9)
    tap.wait_until(lambda: cleanup.start_time(pid) is None, "it has ended")
    host.start()
    tap.wait_until(lambda: show("cmd")["state"] == "running" and show("cmd")["pid"] != pid, "it is started again")
    watch("cmd")


@test
def it_is_started_again_by_its_policy():
    pid = use("again")
    os.kill(pid, 9)
    tap.wait_until(lambda: show("again")["state"] == "running" and show("again")["pid"] != pid, "another init")
    watch("again")
    true(show("again")["restarts"] >= 1, "restarts are counted")
    host.run("system", "set", "again", "restart=no")
    # Whoever started it may have it in hand for a moment after it is told to run.
    tap.wait_until(lambda: host.try_run("system", "restart", "again").status == 0, "it is restarted")
    watch("again")
    pid = show("again")["pid"]
    os.kill(pid, 9)
    tap.wait_until(lambda: show("again")["state"] == "failed", "it is left alone")
    equal(show("again")["exit_status"], 137, "how it ended")
    tap.wait_until(lambda: [f["object"] for f in host.get("/v1/status")["failing"]] == ["again/trunk"], "status tells")
    drop("again")
    tap.wait_until(lambda: not host.get("/v1/status")["failing"], "and no more")


@test
def what_does_not_end_is_killed():
    pid = use("stubborn")
    began = cleanup.start_time(pid)
    host.run("system", "stop", "stubborn")
    true(has_ended(pid, began), "nothing of it is left")
    drop("stubborn")


@test
def the_daemon_does_not_wait_for_one_for_hours():
    """It is told to end; the next daemon knows that nobody wants it."""
    if not LONG:
        raise Skip("with --long")
    make("slow", "stop-timeout=1h", tree=busybox_tree(DEAF))
    host.run("system", "start", "slow")
    watch("slow")
    pid = show("slow")["pid"]
    stopping = threading.Thread(target=host.try_run, args=("system", "stop", "slow"))
    stopping.start()
    tap.wait_until(lambda: not show("slow")["wanted"], "it is being stopped")
    equal(host.stop(), 0, "it ends by itself, within the minute that this waits")
    stopping.join()
    true(os.path.exists(f"/proc/{pid}"), "it still runs")
    host.start()
    equal(show("slow")["wanted"], False, "nobody wants it")
    os.kill(pid, 9)
    tap.wait_until(lambda: show("slow")["state"] in ("stopped", "failed"), "it is over")
    drop("slow")


@test
def destroying_keeps_the_data():
    use("cmd")
    host.fails("busy", "destroy", "cmd", says="system")
    host.run("system", "destroy", "cmd")
    host.fails("not-found", "system", "show", "cmd")
    equal(host.read("cmd", "etc/word"), "cmd\n", "its tree")
    host.run("system", "create", "cmd")
    equal(show("cmd")["state"], "stopped", "it can be one again")
    drop("cmd")


@test
def a_branch_of_a_system_is_another():
    use("prod")
    host.run("branch", "prod/test")
    host.run("system", "create", "prod/test", "--set", "env.STAGE=test")
    host.run("system", "start", "prod/test")
    watch("prod/test")
    equal(run_in("prod/test", "hostname"), "prod-test\n", "its own name")
    run_in("prod/test", "sh", "-c", "echo changed >/etc/word")
    equal(run_in("prod", "cat", "/etc/word"), "prod\n", "the other is as it was")
    host.run("system", "destroy", "prod/test")
    drop("prod")


@test
def postgresql_is_an_init():
    """The database itself is the first process; SIGINT is its way to stop."""
    host.run("system", "create", "pg", "--from", archive("pg", postgres_tree()), "--set", "init=/start",
             "--set", "stop-signal=SIGINT", "--set", "stop-timeout=5m", "--set", "env.PGDATA=/data",
             "--set", f"env.PATH={POSTGRES}/bin:/bin:/usr/bin", "--set", "env.LC_ALL=C",
             "--set", "env.PGUSER=postgres", "--set", "env.PGHOST=/run/postgresql")
    host.run("system", "start", "pg")
    watch("pg")

    def sql(statement):
        return run_in("pg", "psql", "-v", "ON_ERROR_STOP=1", "-Atc", statement).strip()

    def answers():
        return host.try_run("system", "exec", "pg", "--", "psql", "-Atc", "SELECT 1").status == 0

    tap.wait_until(answers, "PostgreSQL answers")
    sql("CREATE TABLE t (n int); INSERT INTO t SELECT generate_series(1, 1000)")
    snapshot = host.snapshot("pg")
    sql("DELETE FROM t WHERE n > 10")
    host.run("rollback", "pg", "--to", snapshot["ref"])
    watch("pg")
    tap.wait_until(answers, "PostgreSQL answers after the rollback")
    equal(sql("SELECT count(*) FROM t"), "1000", "rows")
    host.run("system", "stop", "pg")
    equal(show("pg")["exit_status"], 0, "it was shut down in order")
    drop("pg")


@test
def debian_is_booted():
    """A minbase tree with sysvinit: its own init, its own shutdown."""
    if not LONG:
        raise Skip("only with --long: debootstrap takes a minute")
    tree = f"{host.directory}/debian"
    subprocess.run(["debootstrap", "--variant=minbase", "--include=sysvinit-core", "bookworm", tree], check=True,
                   capture_output=True, timeout=1200)
    with subprocess.Popen(["tar", "-C", tree, "--exclude=./dev/*", "-c", "."], stdout=subprocess.PIPE) as tar:
        subprocess.run([COMMAND, "system", "create", "debian", "--from", "-", "--set", "init=/sbin/init",
                        "--set", "stop-signal=SIGINT", "--set", "stop-timeout=60s"], stdin=tar.stdout, check=True,
                       env={**os.environ, "FLOCKER_SOCKET": host.socket}, capture_output=True)
    host.run("system", "start", "debian")
    watch("debian")
    true("VERSION_ID=\"12\"" in run_in("debian", "cat", "/etc/os-release"), "it is Debian")
    snapshot = host.snapshot("debian")
    run_in("debian", "rm", "/usr/bin/apt-get")
    host.run("rollback", "debian", "--to", snapshot["ref"])
    watch("debian")
    run_in("debian", "apt-get", "--version")
    host.run("system", "stop", "debian")
    equal(show("debian")["exit_status"], 129, "its own shutdown was over in time: the end of a reboot within")
    drop("debian")


@test
def it_stands_still_for_snapshots_at_one_instant():
    use("held")

    def taken():
        try:
            return host.post("/v1/snapshots", refs=["held"], together=True)
        except Failure as failure:  # a machine on which to stand still takes longer than a second
            equal(failure.code, "busy", str(failure))
            return None

    together = tap.wait_until(taken, "it stands still in time")["together"]
    equal(len(together["groups"]), 1, "groups")
    true(together["groups"][0]["cgroup"].startswith("/flocker/"), f"its group: {together}")
    equal((together["unheld"], show("held")["state"]), ([], "running"), "it goes on")
    drop("held")


if __name__ == "__main__":
    tap.main()
