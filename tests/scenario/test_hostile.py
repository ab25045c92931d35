#!/usr/bin/python3
"""Texts and names that want to be more than text: on terminals, in logs, in the audit log."""

import json
import os
import pathlib
import pty
import re
import subprocess

import tap
from flocker import COMMAND, Failure, host_with_pool
from tap import equal, tests_for, true

host = host_with_pool()
AUDIT = pathlib.Path(f"{host.root}/lib/audit/000001.log")

TEXTS = {
    "escape sequences": "a\x1b[31mred\x1b[0m",
    "a title": "a\x1b]0;owned\x07",
    "a C1 control": "a\x9b31mred",
    "newlines": "one\ntwo\r\n2026-11-21T00:00:00Z error forged=line",
    "tabs and backspaces": "a\tb\x08\x08\x7f",
    "quotes": "'\"`\\",
    "a command": "$(touch owned); `touch owned` | touch owned & ${HOME}",
    "leading dashes": "--json",
    "spaces": "  a  b  ",
    "255 bytes": "x" * 255,
    "a reversed line": "abc\u202egnp.exe\u2066\u2028",
    "what formats": "%s%n%1$s {0} \\033[31m",
}


def on_terminal(*arguments):
    """What a command shows on a terminal, both streams."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(host.directory)
        os.execve(COMMAND, [COMMAND, "--socket", host.socket, *arguments],
                  {**os.environ, "TERM": "dumb", "LC_ALL": "C.UTF-8"})
    shown = b""
    while True:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.waitpid(pid, 0)
    os.close(fd)
    return shown.decode()


CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def check_shown(shown, what):
    found = CONTROL.search(shown.replace("\r\n", "\n"))
    true(not found, f"{what} lets {found and found[0]!r} through: {shown!r}")


def check_all_shown():
    operations = [o["id"] for o in host.items("/v1/operations")]
    commands = [("list",), ("show", "data"), ("log", "data"), ("show", "data@{latest}"), ("audit",),
                ("audit", "-n", "1000"), ("operations",), ("tags", "data"), ("trash", "list"),
                ("pool", "show"), ("config", "list"), ("show", "nothing"), ("stash", "list", "data"),
                *(("operation", "show", identifier) for identifier in operations)]
    for command in commands:
        check_shown(on_terminal(*command), " ".join(command))


def check_logs():
    """Each record of the audit log and each event of the daemon's is one line of plain text."""
    raw = AUDIT.read_bytes()
    lines = raw.split(b"\n")
    equal(lines[-1], b"", "its end")
    for number, line in enumerate(lines[:-1], 1):
        equal(json.loads(line)["number"], number, "number")
        true(not re.search(rb"[\x00-\x1f\x7f]", line), f"raw control characters in {line}")
    equal(host.get("/v1/audit/verification")["records"], len(lines) - 1, "records")
    true(host.get("/v1/audit/verification")["intact"], "intact")
    for line in pathlib.Path(host.log).read_text(encoding="utf-8").splitlines():
        true(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info|warning|error) ", line), f"an event: {line!r}")
        check_shown(line, "the daemon's log")


def asked(method, path, body=None, **query):
    """Carried out or refused for what it is; never an accident."""
    try:
        return host.call(method, path, body, **query)
    except Failure as failure:
        true(failure.code in ("invalid", "not-found"), str(failure))
        return None


host.create("data")
host.write("data", "file", "x")
host.snapshot("data", name="first")
os.makedirs(f"{host.directory}/work")


@tests_for(TEXTS)
def as_a_text(name):
    text = TEXTS[name]
    if asked("PATCH", "/v1/volume", {"description": text}, ref="data"):
        equal(host.get("/v1/volume", ref="data")["description"], text, "description")
    if asked("POST", "/v1/snapshots", {"refs": ["data"], "message": text}):
        equal(host.log_of("data")[0]["message"], text, "message")
    if asked("PATCH", "/v1/volume", {"metadata": {"key": text}}, ref="data"):
        equal(host.get("/v1/volume", ref="data")["metadata"]["key"], text, "metadata")
    asked("PATCH", "/v1/volume", {"mount_path": text}, ref="data")
    asked("PATCH", "/v1/volume", {"metadata": {text: "value"}}, ref="data")
    check_all_shown()
    check_logs()


@tests_for(TEXTS)
def as_a_name(name):
    text = TEXTS[name]
    asked("POST", "/v1/volumes", {"name": text})
    asked("POST", "/v1/snapshots", {"refs": ["data"], "name": text})
    asked("POST", "/v1/tags", {"ref": f"{text}@data"})
    asked("POST", "/v1/branches", {"ref": f"data/{text}"})
    asked("DELETE", "/v1/branch", ref=text)
    asked("GET", "/v1/branch", ref=text)
    asked("POST", "/v1/trash/restore", {"item": text})
    asked("PATCH", "/v1/setting", {"value": text}, key="trash.keep")
    asked("PATCH", "/v1/setting", {"value": "1d"}, key=text)
    asked("POST", "/v1/operation/cancel", {"id": text})
    asked("POST", "/v1/imports", b"", ref=text)
    asked("POST", "/v1/imports", b"", ref="new", operation=text)
    host.exchange("GET", f"/v1/nothing", query={"ref": text}, headers={"X-Test": "a"})
    for verb in (("show", text), ("destroy", "--", text), ("tag", "--", text), ("operation", "show", "--", text),
                 ("import", "new", "--", text), ("config", "set", "--", text, "x"), (text,), ("list", text)):
        check_shown(on_terminal(*verb), " ".join(verb))
    check_all_shown()
    check_logs()


@tests_for(TEXTS)
def as_a_path(name):
    text = TEXTS[name]
    path = f"{host.directory}/work/{text.replace('/', '_')}"
    os.makedirs(path)
    with open(f"{path}/{text.replace('/', '_')}", "w", encoding="utf-8") as file:
        file.write("x")
    volume = "v" + name.replace(" ", "-")
    if asked("POST", "/v1/imports", None, ref=volume, directory=path):
        equal(os.listdir(host.path(volume)), [text.replace("/", "_")], "what was copied")
        host.run("export", volume, f"{path}/archive.tar")
        host.run("import", f"{volume}-again", f"{path}/archive.tar")
        equal(host.digest(f"{volume}-again"), host.digest(volume), "there and back")
    asked("POST", "/v1/imports", None, ref="nothing", directory=f"{path}/{text}/missing")
    asked("POST", "/v1/imports", None, ref="nothing", directory=f"{path}/missing")
    check_shown(on_terminal("create", "nothing", "--from-directory", f"{path}/missing"), "create")
    check_shown(on_terminal("export", "data", f"{path}/missing/archive"), "export")
    check_shown(on_terminal("pool", "create", "--file", path), "pool create")
    check_all_shown()
    check_logs()


@tests_for(TEXTS)
def in_an_archive(name):
    """What is refused there is told by its name."""
    tar = subprocess.run(["/usr/bin/python3", "-c", MAKE_DEVICE, TEXTS[name]], capture_output=True,
                         check=True).stdout
    status, answer = host.exchange("POST", "/v1/imports", tar, {"ref": "refused"},
                                   {"Content-Type": "application/x-tar"})
    equal((status, answer["error"]["code"]), (400, "invalid"), f"answer: {answer}")
    check_all_shown()
    check_logs()


MAKE_DEVICE = """
import sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
    info = tarfile.TarInfo(sys.argv[1])
    info.type, info.devmajor, info.devminor = tarfile.CHRTYPE, 1, 3
    tar.addfile(info)
"""

if __name__ == "__main__":
    tap.main()
