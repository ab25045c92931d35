#!/usr/bin/python3
"""The client library as a stranger has it: a program compiled against what is installed, and nothing of this tree."""

import functools
import glob
import json
import os
import re
import subprocess

from flocker import BUILD, PATIENCE, host_with_pool
from tap import equal, main, test, true

host = host_with_pool()
TREE = f"{host.directory}/installed"
PROGRAM = """
#include <flocker/flocker.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	struct fl_answer answer = { 0 };
	struct fl_client *client = NULL;
	struct fl_error err;
	int r = argc == 3 ? fl_client_open(argv[1], &client, &err) : -1;

	if (r == 0)
		r = fl_client_call(client, "GET", argv[2], NULL, &answer, &err);
	if (r == 0)
		fwrite(answer.bytes, 1, answer.length, stdout);
	else if (argc == 3)
		fprintf(stderr, "%s\\n%s\\n", err.text, err.hint);
	fl_answer_done(&answer);
	fl_client_close(client);
	return -r;
}
"""
# Their numbers in <flocker/error.h>.
NOT_FOUND, UNREACHABLE = 2, 10


def done(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=True, **options).stdout


def installed(pattern):
    found = glob.glob(f"{TREE}/**/{pattern}", recursive=True)
    true(found, f"no {pattern} is installed")
    return found[0]


@functools.cache
def install():
    """The program, compiled and ready to run."""
    done("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", TREE)
    here = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(installed("flocker.pc")), "PKG_CONFIG_SYSROOT_DIR": TREE}
    flags = done("pkg-config", "--cflags", "--libs", "flocker", env=here).split()
    with open(f"{host.directory}/program.c", "w", encoding="utf-8") as file:
        file.write(PROGRAM)
    program = f"{host.directory}/program"
    done("gcc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", program, f"{program}.c", *flags)
    return program


def run(program, socket, target):
    library = os.path.dirname(installed("libflocker.so.0"))
    return subprocess.run([program, socket, target], capture_output=True, text=True, timeout=PATIENCE, check=False,
                          env={**os.environ, "LD_LIBRARY_PATH": library})


@test
def a_stranger_can_use_it():
    program = install()
    answer = run(program, host.socket, "/v1/version")
    equal(answer.returncode, 0, answer.stderr)
    equal(json.loads(answer.stdout), host.get("/v1/version"), "the answer")
    refused = run(program, host.socket, "/v1/volume?ref=nothing")
    equal(refused.returncode, NOT_FOUND, refused.stderr)
    true("nothing" in refused.stderr, refused.stderr)
    nobody = run(program, f"{host.directory}/nobody.sock", "/v1/version")
    equal(nobody.returncode, UNREACHABLE, nobody.stderr)


@test
def it_shows_what_its_header_declares():
    install()
    with open(installed("flocker/flocker.h"), encoding="utf-8") as file:
        header = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
    symbols = done("nm", "-D", "--defined-only", installed("libflocker.so.0"))
    shown = {name.split("@")[0] for name in re.findall(r" T (\S+)", symbols)}
    equal(shown, set(re.findall(r"\b(fl_\w+)\s*\(", header)), "functions")


if __name__ == "__main__":
    main()
