#!/usr/bin/python3
"""The EXAMPLES of flocker(1), run in their order as they stand there, against a private daemon.

Only the place of the pool and the size of its file are other ones than on the page.
"""

import os
import pathlib
import re
import subprocess

import tap
from flocker import COMMAND, TOP, Host
from tap import equal, test, tests_for, true

host = Host()
host.start()


def examples():
    page = (TOP / "man/flocker.1.scd").read_text(encoding="utf-8")
    section = re.search(r"^# EXAMPLES\n(.*?)^# [A-Z ]+$", page, re.M | re.S).group(1)
    blocks = re.findall(r"^```\n(.*?)^```$", section, re.M | re.S)
    return [line.removeprefix("# ") for block in blocks for line in block.splitlines()]


def run(line):
    here = line.replace("/var/lib/flocker", host.directory).replace("--size 20G", "--size 512M")
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", here], capture_output=True, text=True,
                          check=False, timeout=120, cwd=host.directory,
                          env={**os.environ, "FLOCKER_SOCKET": host.socket,
                               "PATH": f"{pathlib.Path(COMMAND).parent}:{os.environ['PATH']}"})
    true(done.returncode == 0 and not done.stderr,
         f"$ {line}\nexit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@test
def there_are_examples():
    true(len(examples()) > 10, f"only these are found: {examples()}")


@tests_for(examples())
def example(line):
    run(line)


@test
def and_they_left_what_they_say():
    equal(sorted(v["name"] for v in host.items("/v1/volumes")), ["mydata"], "volumes")
    equal([t["ref"] for t in host.items("/v1/tags", ref="mydata")], ["v1@mydata"], "tags")
    equal(os.listdir(host.path("mydata")), ["hostname"], "the files after the second rollback")
    equal(len(host.items("/v1/stashes", ref="mydata")), 3, "stashes: each way back left one")


if __name__ == "__main__":
    tap.main()
