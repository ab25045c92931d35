"""The volume plugin of a host, asked as container engines ask.

Engines find plugins below one directory of the machine, so each host's has a
name of its own.  The file there goes with the host's directory: the keeper
that made it sees that go.
"""

import json
import pathlib

import engines
import tap
from flocker import PATIENCE, Connection, Host


class PluginHost(Host):
    """A host whose driver is `driver` for engines.  Without `plugin` it has none until set_plugin().
    `elsewhere`: engines find it by a spec file."""

    def __init__(self, plugin=True, elsewhere=False, **options):
        super().__init__(**options)
        self.driver = engines.plugin_name()
        self.plugin = engines.plugin_socket(self.driver, self.directory if elsewhere else None)
        if plugin:
            self.set_plugin(self.plugin)

    def set_plugin(self, path, engine=""):
        """Counts from the daemon's next start on.  `engine`: the socket of one that is asked, too."""
        file = pathlib.Path(f"{self.root}/etc/flocker.ini")
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"[docker]\nplugin = {path}\nsocket = {engine}\n", encoding="utf-8")
        file.chmod(0o600)

    def send(self, verb, body):
        """Sends a request, or leaves it in the backlog; the connection."""
        connection = Connection(self.plugin, PATIENCE)
        path = verb if verb.startswith("/") else f"/VolumeDriver.{verb}"
        if not isinstance(body, bytes):
            body = json.dumps(body).encode() + b"\n"
        connection.putrequest("POST", path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", "")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return connection

    def ask(self, verb, body=b""):
        """What the plugin answers; its Err is "" where it says nothing of one."""
        answer = take_answer(self.send(verb, body))
        return {"Err": "", **answer}

    def done(self, verb, **body):
        """A request that must succeed."""
        answer = self.ask(verb, body)
        tap.equal(answer["Err"], "", f"Err of {verb} {body}")
        return answer

    def refused(self, says, verb, body):
        """A request that must be refused with these words."""
        error = self.ask(verb, body)["Err"]
        for word in [says] if isinstance(says, str) else says:
            tap.true(word in error, f"{word!r} is not in {error!r}, the answer to {verb} {body}")
        return error

    def waiting(self):
        """How many requests the plugin has not answered."""
        return connections(self.plugin)


def connections(path):
    """How many there are to the socket at this path, in its backlog too."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        return sum(line.rstrip().endswith(" " + path) for line in file) - 1


def take_answer(connection):
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    decoded = json.loads(text)
    tap.equal(answer.status, 500 if decoded.get("Err") else 200, f"status of {text}")
    return decoded


def plugin_host(**options):
    """With a pool; lasts as long as the test program."""
    host = PluginHost(**options)
    host.start()
    host.pool()
    return host
