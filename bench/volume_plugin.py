"""What container engines wait for: requests of the volume plugin, and a list of 1,000 volumes.

Beside each request stands the work itself: the same question to the daemon's own API, each on a
connection of its own, as engines ask.
"""

import json
import os
import pathlib
import shutil
import subprocess
import time

from host import MIB, Connection, Host

VOLUMES = 1000
DIRECTORY = "/run/docker/plugins"


def timed(function):
    began = time.monotonic()
    function()
    return time.monotonic() - began


class Plugin:
    def __init__(self, bench):
        self.bench = bench
        self.driver = f"flocker-bench-{os.getpid()}"
        self.socket = f"{DIRECTORY}/{self.driver}.sock"
        self.host = Host(bench.host.build, bench.directory, "plugin")
        settings = pathlib.Path(f"{self.host.root}/etc/flocker.ini")
        settings.parent.mkdir()
        settings.write_text(f"[docker]\nplugin = {self.socket}\n")
        settings.chmod(0o600)
        self.host.start()
        self.host.pool(1024 * MIB)
        for number in range(VOLUMES):
            self.host.call("POST", "/v1/volumes", {"name": f"v{number}"})

    def ask(self, verb, body):
        connection = Connection(self.socket)
        connection.request("POST", f"/VolumeDriver.{verb}", json.dumps(body) + "\n")
        answer = json.loads(connection.getresponse().read())
        connection.close()
        assert not answer["Err"], answer
        return answer

    def requests(self):
        for verb, path, query in (("Get", "/v1/branch", {"ref": "v500"}), ("Mount", "/v1/branch", {"ref": "v500"}),
                                  ("Path", "/v1/branch", {"ref": "v500"}), ("List", "/v1/branches", {})):
            body = {} if verb == "List" else {"Name": "v500", "ID": "x"}
            asked, bare = [], []
            for _ in range(self.bench.samples * 5):
                asked.append(timed(lambda: self.ask(verb, body)))
                bare.append(timed(lambda: self.host.call("GET", path, **query)))
            limit = sorted(bare)[len(bare) // 2] + 0.001
            what = f"plugin {verb}" + (f" of {VOLUMES:,}" if verb == "List" else "")
            self.bench.row(what, asked, "x + 1 ms", bare, limit)

    def listing(self):
        """By the engine's command, beside a list of the engine's own volumes, of which there are none."""
        if not (shutil.which("dockerd") and os.path.exists("/usr/bin/docker")):
            return
        import engines
        with engines.Docker(self.bench.directory) as docker:
            def run(*filters):
                return lambda: subprocess.run(docker.command(["volume", "ls", "-q", *filters]), check=True,
                                              capture_output=True, env=docker.environment())
            ours, bare = [], []
            run()()
            for _ in range(self.bench.samples):
                ours.append(timed(run("--filter", f"driver={self.driver}")))
                bare.append(timed(run("--filter", "driver=local")))
            self.bench.row(f"docker volume ls, {VOLUMES:,} volumes", ours, "50 ms", bare, 0.050)


def measure(bench):
    plugin = Plugin(bench)
    try:
        plugin.requests()
        plugin.listing()
    finally:
        plugin.host.stop()
