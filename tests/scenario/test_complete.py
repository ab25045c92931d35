#!/usr/bin/python3
"""Completing a command line: what `flocker complete` answers, and bash, zsh and fish as they are."""

import os
import pathlib
import pty
import re
import signal
import socket
import subprocess
import threading

import cleanup
import tap
from flocker import COMMAND, TOP, host_with_pool
from tap import equal, test, tests_for, true

host = host_with_pool()
SCRIPTS = TOP / "completions"
DAY = "[0-9-]{10}T[0-9:]{8}"


def lines(*words, **env):
    """[(candidate, description)]; the last word is the one at the cursor."""
    done = subprocess.run([COMMAND, "complete", "--", *words], capture_output=True, text=True,
                          check=False, timeout=60, cwd=host.directory,
                          env={**os.environ, "FLOCKER_SOCKET": host.socket, **env})
    equal((done.returncode, done.stderr), (0, ""), f"status and errors for {words}")
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


def offers(*words, **env):
    return [line[0] for line in lines(*words, **env)]


def prepare():
    host.create("mydata", description="data\tof\n it; $(touch gone) 'é\"", metadata={"team": "a", "tier": "1"})
    host.create("other")
    host.snapshot("mydata", name="before-upgrade", message="first: [x] {y}")
    host.snapshot("mydata", metadata={"reason": "why"})
    host.branch("mydata/test")
    host.branch("mydata/next.1")
    host.tag("v1@mydata")
    host.tag("v2@mydata")
    host.rollback("mydata", "mydata@{before-upgrade}")
    host.create("gone")
    host.delete("/v1/volume", "gone")
    pathlib.Path(host.directory, "a file.img").touch()
    pathlib.Path(host.directory, "a folder").mkdir()


prepare()
IDS = [s["id"][:8] for s in host.log_of("mydata")]

# What is typed -> what is offered.
CASES = {
    ("ro",): ["rollback"],
    ("po",): ["pool"],
    ("stash", "re"): ["restore"],
    ("help", "tra"): ["trash"],
    ("help", "trash", "e"): ["empty"],
    ("help", "trash", "empty", ""): [],
    ("nosuch", ""): [],
    ("pool", "nosuch", ""): [],
    ("complet",): [],
    ("--json", "--root", "list", "untag"): ["untag"],
    ("log", "--co"): ["--count"],
    ("log", "-n", "5", "--co"): [],
    ("create", "--set", "a=b", "--s"): ["--set", "--socket"],
    ("create", "--", "--s"): [],
    ("list", "--fro"): [],
    ("pool", "create", "--driver", ""): ["btrfs", "zfs"],
    ("pool", "create", "--driver=b"): ["--driver=btrfs"],
    ("pool", "create", "--file", "x"): [":files"],
    ("pool", "create", "--directory", "x"): [":directories"],
    ("pool", "grow", ""): [],
    ("create", "--mount-path", "/"): [],
    ("create", "my"): [],
    ("tags", ""): ["mydata", "other"],
    ("tags", "mydata", ""): [],
    ("show", ""): ["mydata", "other"],
    ("show", "o"): ["other"],
    ("show", "my"): ["mydata", "mydata/trunk", "mydata/next.1", "mydata/test"],
    ("show", "mydata/"): ["mydata/trunk", "mydata/next.1", "mydata/test"],
    ("show", "mydata/t"): ["mydata/trunk", "mydata/test"],
    ("show", "v"): ["v1@mydata", "v2@mydata"],
    ("show", "v1@"): ["v1@mydata"],
    ("show", "sta"): ["stash/1@mydata"],
    ("show", "stash/1@my"): ["stash/1@mydata"],
    ("show", "mydata@{b"): ["mydata@{before-upgrade}"],
    ("show", "mydata@{l"): ["mydata@{latest}"],
    ("show", "other@{"): [],
    ("show", "nosuch@{"): [],
    ("show", "@{"): [],
    ("show", "}{"): [],
    ("create", "new", "--from", "mydata@{b"): ["mydata@{before-upgrade}"],
    ("create", "new", "--from=mydata@{b"): ["--from=mydata@{before-upgrade}"],
    ("rollback", "mydata", "--to=v1"): ["--to=v1@mydata"],
    ("destroy", "mydata", "o"): ["other"],
    ("destroy", "other", "o"): [],
    ("rename", "mydata", ""): [],
    ("tag", "new@"): ["new@mydata", "new@other"],
    ("untag", ""): ["v1@mydata", "v2@mydata"],
    ("branch", ""): ["mydata/", "other/"],
    ("branch", "mydata/n"): [],
    ("stash", "drop", ""): ["stash/1@mydata"],
    ("trash", "restore", ""): ["gone"],
    ("trash", "empty", "g"): ["gone"],
    ("set", "mydata", "t"): ["team=", "tier="],
    ("unset", "mydata", "t"): ["team", "tier"],
    ("unset", "mydata", "team", ""): ["tier"],
    ("unset", "mydata@{-1}", ""): [],
}


@tests_for(CASES, " ".join)
def offered(words):
    equal(sorted(offers(*words)), sorted(CASES[words]), "candidates")


@test
def points_are_latest_names_and_ids():
    found = offers("show", "mydata@{")
    equal(found[:2], ["mydata@{latest}", "mydata@{before-upgrade}"], "the first")
    equal(found[2:], [f"mydata@{{{i}}}" for i in IDS], "the ids")
    equal(offers("show", "mydata@")[:1], ["mydata@{latest}"], "without the brace")
    for point in found:
        host.run("show", point)


@test
def names_of_snapshots_that_are_offered_exist_on_that_branch():
    for point in offers("show", "mydata/test@{"):
        host.run("show", point)


@test
def keys_of_a_snapshot():
    equal(offers("unset", "v1@mydata", ""), [], "no metadata")
    of = next(s for s in host.log_of("mydata/test") if s["metadata"])
    equal(offers("unset", f"mydata/test@{{{of['id']}}}", ""), ["reason"], "keys")


@test
def descriptions_are_one_clean_field():
    texts = dict(lines("tags", ""))
    equal(texts["mydata"], "data?of? it; $(touch gone) 'é\"", "of a volume")
    texts = dict(lines("show", "mydata@{b"))
    true(re.fullmatch(rf"{DAY} first: \[x\] \{{y\}}", texts["mydata@{before-upgrade}"]), texts)
    true(dict(lines("ro"))["rollback"], "of a command")


@test
def a_uuid_of_the_trash_once_it_is_begun():
    uuid = host.get("/v1/trash")["items"][0]["uuid"]
    equal(offers("trash", "restore", uuid[:9]), [uuid], "candidates")


@test
def root_and_socket_of_the_line_are_asked():
    elsewhere = {"FLOCKER_SOCKET": "/nonexistent/socket"}
    equal(offers("tags", "", **elsewhere), [], "nobody listens")
    equal(offers("--root", host.root, "tags", "o", **elsewhere), ["other"], "--root")
    equal(offers("tags", f"--socket={host.socket}", "o", **elsewhere), ["other"], "--socket")
    equal(offers("--root", host.root, "--socket", "x", "tags", ""), [], "both are refused")


@test
def without_a_daemon_all_but_names_is_offered():
    equal(offers("ro", FLOCKER_SOCKET="/nonexistent"), ["rollback"], "a command")
    equal(offers("log", "--co", FLOCKER_SOCKET="/nonexistent"), ["--count"], "an option")


@test
def a_daemon_that_does_not_answer_is_left():
    path = f"{host.directory}/slow.sock"
    with socket.socket(socket.AF_UNIX) as slow:
        slow.bind(path)
        slow.listen()
        equal(offers("tags", "", FLOCKER_SOCKET=path), [], "names")
        equal(offers("ro", FLOCKER_SOCKET=path), ["rollback"], "commands")


@test
def a_daemon_that_answers_nonsense_offers_nothing():
    path = f"{host.directory}/odd.sock"
    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind(path)
        odd.listen()

        def answer():
            connection, _ = odd.accept()
            with connection:
                connection.recv(65536)
                body = b'{"items": [1, null, {"name": 3, "branches": {"a": 1}}, []], "next": null}'
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

        thread = threading.Thread(target=answer)
        thread.start()
        equal(offers("tags", "m", FLOCKER_SOCKET=path), [], "names")
        thread.join()


# --- the shells ----------------------------------------------------------------------------

ENVIRONMENT = {**os.environ, "FLOCKER_SOCKET": host.socket, "HOME": host.directory, "TERM": "dumb",
               "PATH": f"{pathlib.Path(COMMAND).parent}:{os.environ['PATH']}", "INPUTRC": "/dev/null"}


class Terminal:
    """An interactive shell, typed into."""

    def __init__(self, *command):
        pid, self.fd = pty.fork()
        if pid == 0:
            os.chdir(host.directory)
            os.execvpe(command[0], command, {**ENVIRONMENT, "PS1": "", "PS2": ""})
        self.pid = pid
        self.seen = ""
        cleanup.record(f"{host.directory}/daemons", pid)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            if not data:
                return
            self.seen += data.decode(errors="replace")

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, pattern):
        """The first match in what is on the terminal."""
        tap.wait_until(lambda: re.search(pattern, self.seen), f"{pattern!r} is shown: {self.seen!r}")
        return re.search(pattern, self.seen)

    def completes(self, typed):
        """The words of the line after <TAB>, as the shell itself takes them."""
        self.seen = ""
        self.type(f"{typed}\t\n")
        got = self.wait(r"\[\[(.*)\]\]")[1]
        self.wait(r"done\.")
        return got.split("|")[1:]

    def close(self):
        os.kill(self.pid, signal.SIGKILL)  # interactive shells do not mind less
        os.waitpid(self.pid, 0)
        os.close(self.fd)


# Typed, then <TAB> -> the words that the command gets.  A quote that is open is closed by the shell.
TYPED = {
    "flocker ro": ["rollback"],
    "flocker stash dr": ["stash", "drop"],
    "flocker log --cou": ["log", "--count"],
    "flocker show mydata@{b": ["show", "mydata@{before-upgrade}"],
    "flocker show 'mydata@{b": ["show", "mydata@{before-upgrade}"],
    "flocker show \"mydata@{b": ["show", "mydata@{before-upgrade}"],
    "flocker show mydata/te": ["show", "mydata/test"],
    "flocker show stash/": ["show", "stash/1@mydata"],
    "flocker untag v1@": ["untag", "v1@mydata"],
    "flocker create x --from=mydata@{b": ["create", "x", "--from=mydata@{before-upgrade}"],
    "flocker create x --from mydata@{b": ["create", "x", "--from", "mydata@{before-upgrade}"],
    "flocker --root=/tmp/../nonexistent tags o": ["--root=/tmp/../nonexistent", "tags", "o"],
    "flocker branch ot": ["branch", "other/"],
    "flocker set mydata te": ["set", "mydata", "team="],
    "flocker pool create --directory=a": ["pool", "create", "--directory=a folder/"],
}


@tests_for(TYPED)
def bash(typed):
    shell = Terminal("bash", "--norc", "--noprofile", "-i")
    try:
        shell.type("bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; "
                   f"source {SCRIPTS}/flocker.bash; "
                   "say() { printf '[['; printf '|%s' \"$@\"; printf ']] %s.\\n' done; }; "
                   "shopt -s expand_aliases; alias flocker='say'; complete -F _flocker_here say; "
                   "echo rea''dy\n")
        shell.wait(r"ready\r")
        # Completed as the command, run as something that shows its words.
        shell.type(f"_flocker_here() {{ _flocker {COMMAND} \"$2\" \"$3\"; }}; "
                   "complete -F _flocker_here flocker; echo rea''dy2\n")
        shell.wait(r"ready2\r")
        equal(shell.completes(typed), TYPED[typed], "words")
    finally:
        shell.close()


FISH = {
    "flocker ro": ["rollback"],
    "flocker pool create --fi": ["--file"],
    "flocker show mydata@{b": ["mydata@{before-upgrade}"],
    "flocker show \'mydata@{b": ["mydata@{before-upgrade}"],
    "flocker show mydata/te": ["mydata/test"],
    "flocker untag v1@": ["v1@mydata"],
    "flocker create x --from=mydata@{b": ["--from=mydata@{before-upgrade}"],
    "flocker pool create --directory=a": ["--directory=a folder/"],
    "flocker nosuch ": [],
}


@tests_for(FISH)
def fish(typed):
    done = subprocess.run(["fish", "--no-config", "-c", f"source {SCRIPTS}/flocker.fish; complete -C \"$TYPED\""],
                          env={**ENVIRONMENT, "TYPED": typed}, cwd=host.directory, check=False,
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    equal(done.stderr, "", "errors")
    equal([line.split("\t")[0] for line in done.stdout.splitlines()], FISH[typed], "candidates")


ZSH = r"""
compadd() { local a=${argv[-1]}; printf '[[%s]]\n' "${(@P)a}"; }
compset() { print "<$2>" }
_files() { print "files $*" }
CURRENT=$#words
PREFIX=$words[-1]
source "$SCRIPT"
"""


def zsh_offers(*words):
    typed = " ".join(f"'{word}'" for word in words)
    done = subprocess.run(["zsh", "-f", "-c", f"() {{ local -a words=(flocker {typed}); {ZSH} }}"],
                          env={**ENVIRONMENT, "SCRIPT": str(SCRIPTS / "_flocker")}, check=False,
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    equal(done.stderr, "", "errors")
    return [line for line in done.stdout.splitlines() if line != "[[]]"]


@test
def zsh():
    equal(zsh_offers("ro"), ["[[rollback]]"], "a command")
    equal(zsh_offers("show", "mydata@{b"), ["[[mydata@{before-upgrade}]]"], "a snapshot")
    equal(zsh_offers("create", "x", "--from=mydata@{b"), ["[[--from=mydata@{before-upgrade}]]"], "attached")
    equal(zsh_offers("branch", "o"), ["[[other/]]"], "something follows")
    equal(zsh_offers("pool", "create", "--directory=a"), ["<--directory=>", "files -/"], "a path")


if __name__ == "__main__":
    tap.main()
