"""What answers as dockerd does, as far as Flocker asks, so that a test can say what happens in between.

    with FakeEngine(f"{host.directory}/fake.sock") as engine:
        engine.on_create = lambda name, body: (500, {"message": "no"})
"""

import http.server
import json
import socketserver
import threading
import urllib.parse


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128  # who asks is not turned away while we are not let run


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Docker/20.10.24 (linux)", ""

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass

    def answer(self, status, value):
        body = b"" if status == 304 else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Length", str(len(body)))
        try:
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            pass  # it was not waited for

    def take(self):
        engine = self.server.engine
        target = urllib.parse.urlsplit(self.path)
        path = "/" + target.path.split("/", 2)[2] if target.path.startswith("/v1.") else target.path
        query = urllib.parse.parse_qs(target.query)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path == "/events":
            self.send_response(200)
            self.end_headers()
            engine.over.wait()
        elif path == "/containers/json":
            self.answer(200, [listed(made) for made in engine.containers])
        elif path.startswith("/containers/") and path.endswith("/json"):
            found = [made for made in engine.containers if path.split("/")[2] in (made["Id"], made["Name"])]
            self.answer(*((200, found[0]) if found else (404, {"message": "no such container"})))
        elif path.startswith("/containers/") and path.endswith("/stop"):
            self.answer(*engine.on_stop())
        elif path == "/volumes":
            self.answer(200, {"Volumes": []})
        elif path == "/containers/create":
            self.answer(*engine.on_create(query["name"][0], json.loads(body)))
        elif path == "/_ping":
            self.answer(200, "OK")
        else:
            self.answer(404, {"message": f"nothing at {path}"})

    do_GET = do_POST = do_DELETE = take


def container(name, source, **config):
    """One that runs, and has this directory of the host in it."""
    return {"Id": name.encode().hex().ljust(64, "0"), "Name": f"/{name}", "Config": config, "HostConfig": {},
            "State": {"Running": True, "Pid": 0, "StartedAt": "2026-01-01T00:00:00Z"},
            "Mounts": [{"Type": "bind", "Source": source, "Destination": "/data", "RW": True}]}


def listed(made):
    """As a list has it."""
    return {"Id": made["Id"], "Names": [made["Name"]], "Mounts": made["Mounts"], "Image": "it", "Labels": {},
            "State": "running" if made["State"]["Running"] else "exited"}


class FakeEngine:
    def __init__(self, path):
        self.over = threading.Event()
        self.containers = []
        self.on_stop = lambda: (304, "")
        self.on_create = lambda name, body: (500, {"message": "it makes nothing"})
        self.server = Server(path, Handler)
        self.server.engine = self

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
