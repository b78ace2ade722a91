"""An HTTP server on this machine that serves bytes as well or as badly as a test asks."""

import contextlib
import functools
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

Reply = Callable[["Handler", bytes], None]


class Server:
    """Files by path, the replies to the coming requests in order, and the requests that came.

    Once the replies are used up, `whole` answers.
    """

    def __init__(self, files: dict[str, bytes], url: str) -> None:
        self.files = files
        self.url = url
        self.replies: list[Reply] = []
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of each request."""
        return [headers.get("Range") for _, headers in self.requests]


class Handler(BaseHTTPRequestHandler):
    """Answers one request as the server's next reply says."""

    def __init__(self, loopback: Server, *rest: object) -> None:
        self.loopback = loopback
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.loopback.requests.append((self.path, dict(self.headers.items())))
        reply = self.loopback.replies.pop(0) if self.loopback.replies else whole
        name = self.path.lstrip("/")
        if name not in self.loopback.files:
            reply = status(404)
        with contextlib.suppress(ConnectionError):
            reply(self, self.loopback.files.get(name, b""))

    def log_message(self, *_: object) -> None:
        pass

    def head(self, code: int, **headers: object) -> None:
        """Send a status and headers, `Content_Length=3` for `Content-Length: 3`."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def wanted_start(self) -> int:
        """The first byte asked for."""
        wanted = self.headers.get("Range", "bytes=0-")
        return int(wanted.removeprefix("bytes=").removesuffix("-"))


def send(handler: Handler, content: bytes, body: bytes | None = None) -> None:
    """Answer a request for a range rightly; `body` is sent in place of what is right."""
    start = handler.wanted_start()
    length = len(content) - start
    if start:
        handler.head(
            206, Content_Length=length, Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}"
        )
    else:
        handler.head(200, Content_Length=length)
    handler.wfile.write(content[start:] if body is None else body)


whole = send


def cut(count: int) -> Reply:
    """Close the connection after `count` bytes."""
    return lambda handler, content: send(handler, content, content[handler.wanted_start() :][:count])


def silent_after(count: int, seconds: float) -> Reply:
    """Send `count` bytes and then nothing for a while."""

    def reply(handler: Handler, content: bytes) -> None:
        cut(count)(handler, content)
        time.sleep(seconds)

    return reply


def drip(step: int, seconds: float) -> Reply:
    """Send `step` bytes at a time with a pause between."""

    def reply(handler: Handler, content: bytes) -> None:
        start = handler.wanted_start()
        send(handler, content, b"")
        for first in range(start, len(content), step):
            handler.wfile.write(content[first : first + step])
            time.sleep(seconds)

    return reply


def flipped(handler: Handler, content: bytes) -> None:
    """Send the right number of bytes, the last of them wrong."""
    body = content[handler.wanted_start() :]
    send(handler, content, body[:-1] + bytes([body[-1] ^ 1]))


def without_ranges(handler: Handler, content: bytes) -> None:
    """Send everything, whatever was asked for."""
    handler.head(200, Content_Length=len(content))
    handler.wfile.write(content)


def without_length(handler: Handler, content: bytes) -> None:
    """Send everything and more, and do not say how much."""
    handler.head(200)
    handler.wfile.write(content + b"and more")


def claiming(length: object) -> Reply:
    """Claim another length."""

    def reply(handler: Handler, content: bytes) -> None:
        handler.head(200, Content_Length=length)
        handler.wfile.write(content)

    return reply


def status(code: int) -> Reply:
    """Refuse."""
    return lambda handler, _content: handler.head(code, Content_Length=0)


def wrong_range(text: str) -> Reply:
    """Answer 206 with a Content-Range of one's own."""

    def reply(handler: Handler, content: bytes) -> None:
        handler.head(206, Content_Length=len(content) - handler.wanted_start(), Content_Range=text)
        handler.wfile.write(content)

    return reply


def redirect(location: str) -> Reply:
    """Lead on to another address."""
    return lambda handler, _content: handler.head(302, Location=location, Content_Length=0)


def hang_up(handler: Handler, _content: bytes) -> None:
    """Say nothing at all."""
    handler.connection.close()


@contextlib.contextmanager
def serve(files: dict[str, bytes], certificate: Path | None = None) -> Iterator[Server]:
    """Serve files on a free port of the loopback interface until the block ends; over TLS with a certificate."""
    loopback = Server(files, "")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, loopback))
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    loopback.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}/"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield loopback
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port_url() -> str:
    """A URL on this machine at which nobody listens."""
    with serve({}) as server:
        return server.url


def make_certificate(folder: Path) -> Path:
    """Make a certificate for this machine that nobody trusts; skips the test where openssl is missing."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here to make a certificate")
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    subprocess.run(
        [
            "openssl",
            *words.split(),
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both
