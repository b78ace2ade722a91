"""One file over HTTP: resumed where it was cut off, never longer than published, checked before it is kept."""

import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dlkit import __version__
from dlkit.data.builtin.part_file import PartFile, difference
from dlkit.errors import DataError, printable
from dlkit.files.atomic import make_folder
from dlkit.settings.catalogue import RemoteFile

Progress = Callable[[int, int], None]
Note = Callable[[str], None]

_CHUNK_BYTES = 256 * 1024
_MAX_REDIRECTS = 5
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a download waits and how often it tries again.

    Args:
        timeout: Seconds to wait for a connection, and for the next bytes.
        bytes_per_second: A server that gives less, averaged over `timeout`, counts as stalled.
        tries: How often each mirror is asked at most.
        pause: Seconds before the second try; doubled before each later one.
    """

    timeout: float = 20.0
    bytes_per_second: float = 512.0
    tries: int = 4
    pause: float = 0.5


PATIENCE = Patience()


def say_nothing(*_: object) -> None:
    """Stand in where nobody wants to hear of progress or notes."""


def fetch_file(
    file: RemoteFile,
    mirrors: Sequence[str],
    folder: Path,
    *,
    patience: Patience = PATIENCE,
    progress: Progress = say_nothing,
    note: Note = say_nothing,
) -> Path:
    """Bring a file into a folder, unless it is there already.

    What arrives is kept as `<name>.part` until it is whole and has the right SHA-256; a later call goes on
    from there. Only one process may fetch into a folder at a time.

    Args:
        file: Its name, size and SHA-256.
        mirrors: Base URLs to which the name is appended, tried in turn.
        folder: Where it is kept.
        patience: Timeouts and tries.
        progress: Called with the bytes that are here and the bytes wanted.
        note: Told about everything that did not go straight.

    Returns:
        The place of the whole, checked file.

    Raises:
        DataError: No mirror gave the file.
        DlkitError: It cannot be written.
    """
    target = folder / file.name
    if not difference(target, file):
        progress(file.size, file.size)
        return target
    make_folder(folder)
    part = PartFile(target)
    urls = [f"{mirror.rstrip('/')}/{file.name}" for mirror in mirrors]
    failures: dict[str, str] = {}
    untold = ""
    for turn in range(patience.tries):
        if turn and urls:
            time.sleep(patience.pause * 2 ** (turn - 1))
        for url in tuple(urls):
            if untold:
                note(untold)
            try:
                _Try(url, file, part, patience, progress, note).run()
                return target
            except _Failed as failure:
                failures[url], untold = failure.reason, f"{url} {failure.reason}"
                if not failure.again:
                    urls.remove(url)
    raise DataError(_all_failed(file, target, failures, part.size()))


class _Failed(Exception):  # noqa: N818 - one try of several
    """A try that gave no file: why, to be read after its URL, and whether another may."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again


@dataclass(frozen=True)
class _Try:
    """One request to one mirror for what is missing of a file."""

    url: str
    file: RemoteFile
    part: PartFile
    patience: Patience
    progress: Progress
    note: Note

    def run(self) -> None:
        """Fetch what is missing, and keep the file if it is whole and right.

        Raises:
            _Failed: It is not; what came stays for the next try unless it is wrong.
        """
        have = self.part.size()
        if have < self.file.size:
            try:
                with _open(self._request(have), self.patience.timeout) as response:
                    begin = self._begin(response, have)
                    self.part.append(self._chunks(response, begin))
            except urllib.error.HTTPError as err:
                with err:
                    raise self._refused(err, have) from err
            except (OSError, http.client.HTTPException) as err:
                raise self._broken(err) from err
            except KeyboardInterrupt:
                self.note(
                    f"{self.part.path} is kept; the same command goes on from byte {self.part.size():,}"
                )
                raise
        self._keep_if_right(resumed=have > 0)

    def _request(self, have: int) -> urllib.request.Request:
        headers = {"User-Agent": f"dlkit/{__version__}", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if (tag := self.part.tag(self.url)) is not None:
                headers["If-Range"] = tag
        return urllib.request.Request(self.url, headers=headers)  # noqa: S310 - the opener knows HTTP alone

    def _begin(self, response: http.client.HTTPResponse, have: int) -> int:
        """Check what the server is about to send, and give the byte at which it begins."""
        tag = response.headers.get("ETag")
        if response.status == 206:
            wanted = f"bytes {have}-{self.file.size - 1}/"
            given = response.headers.get("Content-Range", "")
            if not have or given not in (f"{wanted}{self.file.size}", f"{wanted}*"):
                self.part.drop()
                raise _Failed(f"sent '{printable(given)}', not '{wanted}{self.file.size}'", again=True)
            if tag is not None and self.part.tag(self.url) not in (None, tag):
                self.part.drop()
                raise _Failed("has changed since it was cut off", again=True)
            self._check_length(response, self.file.size - have)
            return have
        if response.status != 200:
            raise _Failed(f"answered {response.status} {printable(response.reason)}", again=False)
        self._check_length(response, self.file.size)
        if have:
            self.note(f"{self.url} does not go on from byte {have:,}, so it starts anew")
        self.part.begin(self.url, tag)
        return 0

    def _check_length(self, response: http.client.HTTPResponse, wanted: int) -> None:
        length = response.headers.get("Content-Length")
        if length is not None and length.strip() != str(wanted):
            raise _Failed(f"offers {printable(length)} bytes, not {wanted}", again=False)

    def _chunks(self, response: http.client.HTTPResponse, here: int) -> Iterator[bytes]:
        """Give the bytes as they come, never one too many, as long as they come fast enough."""
        size = self.file.size
        since, fresh = time.monotonic(), 0
        self.progress(here, size)
        while here < size and (chunk := response.read1(min(_CHUNK_BYTES, size - here))):
            yield chunk
            here += len(chunk)
            fresh += len(chunk)
            self.progress(here, size)
            passed = time.monotonic() - since
            if passed >= self.patience.timeout:
                if fresh < self.patience.bytes_per_second * passed:
                    raise _Failed(
                        f"gave only {fresh:,} bytes in {passed:.0f} s, up to byte {here:,}", again=True
                    )
                since, fresh = time.monotonic(), 0

    def _keep_if_right(self, *, resumed: bool) -> None:
        here = self.part.size()
        if here < self.file.size:
            raise _Failed(f"was cut off at byte {here:,} of {self.file.size:,}", again=True)
        if wrong := difference(self.part.path, self.file):
            self.part.drop()
            raise _Failed(wrong, again=resumed)
        self.part.keep()

    def _refused(self, err: urllib.error.HTTPError, have: int) -> _Failed:
        if err.code == 416 and have:
            self.part.drop()
            return _Failed("does not go on from the part that was here", again=True)
        if 300 <= err.code < 400:
            return _Failed(f"leads in a circle, on more than {_MAX_REDIRECTS} times, or nowhere", again=False)
        return _Failed(f"answered {err.code} {printable(err.reason)}", again=err.code in _TRY_AGAIN)

    def _broken(self, err: OSError | http.client.HTTPException) -> _Failed:
        """Say in a few words what the network did, and whether asking again may help."""
        reason = err.reason if isinstance(err, urllib.error.URLError) else err
        where = f"at byte {self.part.size():,} of {self.file.size:,}"
        if isinstance(err, urllib.error.URLError):
            reset = isinstance(reason, ConnectionResetError)
            return _Failed(f"cannot be reached: {_in_words(reason)}", again=reset)
        if isinstance(reason, TimeoutError):
            return _Failed(f"went silent for {self.patience.timeout:g} s {where}", again=True)
        return _Failed(f"was cut off {where} ({_in_words(reason)})", again=True)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, none of them away from TLS."""

    max_redirections = _MAX_REDIRECTS

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Refuse to go from https to anything else."""
        if req.type == "https" and not newurl.lower().startswith("https:"):
            fp.close()
            raise _Failed(f"leads away from TLS to {printable(newurl)}", again=False)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.UnknownHandler(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    response = opener.open(request, timeout=timeout)
    assert isinstance(response, http.client.HTTPResponse), "the opener knows HTTP alone"
    return response


def _in_words(reason: object) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({reason.verify_message})"
    if isinstance(reason, socket.gaierror):
        return "the host's name is not known here"
    if isinstance(reason, TimeoutError):
        return "no answer"
    text = (isinstance(reason, OSError) and reason.strerror) or str(reason) or type(reason).__name__
    return printable(text).lower()


def _all_failed(file: RemoteFile, target: Path, failures: Mapping[str, str], kept: int) -> str:
    tries = "; ".join(f"{url} {reason}" for url, reason in failures.items())
    rest = f"; the part is kept, the next try goes on from byte {kept:,}" if kept else ""
    return f"{tries}{rest}; wanted: {target} with the SHA-256 {file.sha256}"
