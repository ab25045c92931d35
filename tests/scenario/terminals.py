"""Interactive shells, typed into."""

import os
import pathlib
import pty
import re
import signal
import threading

import cleanup
import tap
from flocker import COMMAND, PATIENCE, TOP

SCRIPTS = TOP / "completions"

PROMPT = "type> "  # shown when the shell has the terminal: what is typed before is no line to complete in

# Completed as the command is, run as something that keeps its words.
SAY = "say() { printf '%s\\0' \"$@\" >\"$SAID\"; echo do''ne.; }\nalias flocker=say\n"
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], f"""
bind 'set enable-bracketed-paste off'; bind 'set bell-style none'
source {SCRIPTS}/flocker.bash
_flocker_here() {{ _flocker flocker "$2" "$3"; }}
complete -F _flocker_here flocker
{SAY}"""),
    "zsh": (["zsh", "-f", "-i"], f"""
fpath=({SCRIPTS} $fpath); autoload -U compinit; compinit -u -D; compdef _flocker flocker
bindkey '\\t' complete-word; unsetopt beep zle_bracketed_paste; setopt complete_aliases
{SAY}"""),
}


# `flocker complete` gives up after a moment, by SIGALRM, and offers nothing: a busy machine may need longer.
PATIENT = ["env", "--block-signal=ALRM", COMMAND]


def environment(host):
    """With a `flocker` that has patience."""
    programs = pathlib.Path(host.directory, "patient")
    programs.mkdir(exist_ok=True)
    (programs / "flocker").write_text(f'#!/bin/sh\nexec {" ".join(PATIENT)} "$@"\n', encoding="utf-8")
    (programs / "flocker").chmod(0o755)
    return {**os.environ, "FLOCKER_SOCKET": host.socket, "HOME": host.directory, "TERM": "dumb",
            "PATH": f"{programs}:{os.environ['PATH']}", "INPUTRC": "/dev/null",
            "LC_ALL": "C.UTF-8"}


class Terminal:
    def __init__(self, host, place, shell="bash"):
        command, preparation = SHELLS[shell]
        self.said = f"{host.directory}/said"
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(place)
            os.execvpe(command[0], command, {**environment(host), "PS1": PROMPT, "PS2": "", "SAID": self.said})
        self.seen = ""  # the reader's alone: who looks at what comes from now on remembers how long it is
        cleanup.record(f"{host.directory}/daemons", self.pid)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.type(preparation + "echo rea''dy.\n")
        self.wait(rf"ready\.\r(.|\n)*{PROMPT}")

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

    def wait(self, pattern, since=0):
        try:
            tap.wait_until(lambda: re.search(pattern, self.seen[since:]), f"{pattern!r} is shown", PATIENCE)
        except AssertionError as failure:
            raise AssertionError(f"{failure}: {self.seen[since:]!r}") from None

    def completes(self, typed):
        """The words of the line after <TAB>, as the shell itself takes them."""
        before = len(self.seen)
        self.type(f"{typed}\t\n")
        self.wait(rf"done\.\r(.|\n)*{PROMPT}", before)
        return pathlib.Path(self.said).read_text(encoding="utf-8").split("\0")[:-1]

    def close(self):
        os.kill(self.pid, signal.SIGKILL)  # interactive shells do not mind less
        os.waitpid(self.pid, 0)
        self.reader.join(PATIENCE)  # before the number is another terminal's, whose output it would take
        tap.true(not self.reader.is_alive(), "nothing that the shell began has the terminal")
        os.close(self.fd)
