"""What stands between a command and its daemon, and stops in the middle of a stream."""

import socket
import threading

import tap


class Relay:
    """Stops in the middle of the first connection's answers."""

    ENOUGH = 100000

    def __init__(self, host, name):
        self.host = host
        self.path = f"{host.directory}/{name}.sock"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen()
        self.stopped = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def wait(self):
        tap.true(self.stopped.wait(60), "it is in the middle")

    def accept(self):
        limit = self.ENOUGH
        while True:
            client = self.listener.accept()[0]
            daemon = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            daemon.connect(self.host.socket)
            threading.Thread(target=self.copy, args=(client, daemon, None), daemon=True).start()
            threading.Thread(target=self.copy, args=(daemon, client, limit), daemon=True).start()
            limit = None

    def copy(self, source, target, limit):
        try:
            while limit is None or limit > 0:
                data = source.recv(min(limit or 65536, 65536))
                if not data:
                    break
                target.sendall(data)
                if limit is not None:
                    limit -= len(data)
            else:
                self.stopped.set()
                return
        except OSError:
            pass  # the other direction has ended
        source.shutdown(socket.SHUT_RDWR)
        target.shutdown(socket.SHUT_RDWR)
