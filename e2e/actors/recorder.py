"""A door in front of a gateway that passes every byte on and notes each request, so that retries can be counted.

It changes nothing, not even the Host header; the gateway's public address is the recorder's. Loopback only.
"""

import contextlib
import dataclasses
import socket
import threading

CHUNK_BYTES = 65536
HEAD_BYTES_MAX = 256 * 1024


@dataclasses.dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str] = dataclasses.field(hash=False, compare=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Recorder:
    """Listens on a free port at once; passes on to the address that `to` names later."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._target: tuple[str, int] | None = None
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def to(self, port: int) -> None:
        self._target = ("127.0.0.1", port)

    def close(self) -> None:
        self._listener.close()

    def forget(self) -> None:
        with self._lock:
            self._requests.clear()

    def seen(self, path: str = "") -> list[Request]:
        """The requests so far whose path, without its query, is this one; all without one."""
        with self._lock:
            return [one for one in self._requests if not path or one.path.split("?")[0] == path]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:
            client.close()
            return
        threading.Thread(target=_pump, args=(client, server, _Heads(self._note).feed), daemon=True).start()
        # what the gateway says goes on even when it no longer listens: it may refuse a body that is still coming
        _pump(server, client, None)
        for end in (client, server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _note(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)


class _Heads:
    """Finds the head of each request in the bytes a client sends over one connection."""

    def __init__(self, note):
        self._note = note
        self._held = b""
        # bytes of the present body still to come; None within a chunked body
        self._body: int | None = 0

    def feed(self, data: bytes) -> None:
        self._held += data
        while self._held:
            if self._body is None:
                end = self._held.find(b"0\r\n\r\n")
                if end < 0:
                    self._held = self._held[-4:]
                    return
                self._held, self._body = self._held[end + 5 :], 0
            elif self._body:
                taken = min(self._body, len(self._held))
                self._held, self._body = self._held[taken:], self._body - taken
            else:
                head, found, rest = self._held.partition(b"\r\n\r\n")
                if not found:
                    assert len(head) < HEAD_BYTES_MAX, "a head without an end"
                    return
                self._held = rest
                self._begin(head.decode("latin-1").split("\r\n"))

    def _begin(self, lines: list[str]) -> None:
        method, path, _ = lines[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self._note(Request(method, path, headers))
        chunked = "chunked" in headers.get("transfer-encoding", "")
        self._body = None if chunked else int(headers.get("content-length", 0))


def _pump(source: socket.socket, sink: socket.socket, watch) -> None:
    """Passes bytes on until one side is gone."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK_BYTES):
            if watch:
                watch(data)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
