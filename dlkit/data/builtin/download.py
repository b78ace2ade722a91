"""One file over HTTP: resumed where it was cut off, never longer than published, kept only with its SHA-256."""

import contextlib
import hashlib
import http.client
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dlkit import __version__
from dlkit.errors import DataError, printable
from dlkit.files.atomic import error_context, make_folder
from dlkit.settings.catalogue import RemoteFile

Progress = Callable[[int, int], None]
Note = Callable[[str], None]

_CHUNK_BYTES = 256 * 1024
_TRY_AGAIN = {408, 416, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a download waits and how often it tries again.

    Args:
        timeout: Seconds to wait for a connection, and for the next bytes.
        bytes_per_second: A server that sends less, averaged over `timeout`, counts as stalled.
        tries: How often each mirror is asked at most.
        pause: Seconds before the second try; doubled before each later one.
    """

    timeout: float = 20.0
    bytes_per_second: float = 512.0
    tries: int = 4
    pause: float = 0.5


PATIENCE = Patience()


class _Failed(Exception):  # noqa: N818 - one try of several
    """A try that brought no file: why, to be read after its URL, and whether another may."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again


def ignore(*_: object) -> None:
    """Stand in for a callback that nobody needs."""


def fetch_file(
    file: RemoteFile,
    mirrors: Sequence[str],
    folder: Path,
    *,
    patience: Patience = PATIENCE,
    progress: Progress = ignore,
    note: Note = ignore,
) -> Path:
    """Download a file into a folder, unless it is there already.

    What arrives is kept as `<name>.part` until it is whole and has the right SHA-256; a later call resumes it. Only one
    process may fetch into a folder at a time.

    Args:
        file: Its name, size and SHA-256.
        mirrors: Base URLs to which the name is appended, tried in turn.
        folder: Where it is kept.
        patience: Timeouts and tries.
        progress: Called with the bytes received and the bytes wanted.
        note: Called with a line about each try that failed.

    Raises:
        DataError: No mirror gave the file.
        DlkitError: It cannot be written.
    """
    target = folder / file.name
    if not difference(target, file):
        progress(file.size, file.size)
        return target
    make_folder(folder)
    part = target.with_name(f"{target.name}.part")
    urls = [f"{mirror.rstrip('/')}/{file.name}" for mirror in mirrors]
    failures: dict[str, str] = {}
    unreported = ""
    for turn in range(patience.tries):
        if turn and urls:
            time.sleep(patience.pause * 2 ** (turn - 1))
        for url in tuple(urls):
            if unreported:
                note(unreported)
            try:
                _fetch(url, file, part, patience, progress, note)
            except _Failed as failure:
                failures[url], unreported = failure.reason, f"{url} {failure.reason}"
                if not failure.again:
                    urls.remove(url)
                continue
            with error_context(target, "write"):
                part.replace(target)
            return target
    tried = "; ".join(f"{url} {reason}" for url, reason in failures.items())
    kept = (
        f"; the part is kept, and the next attempt resumes from byte {_size(part):,}" if _size(part) else ""
    )
    raise DataError(f"{tried}{kept}; wanted: {target} with the SHA-256 {file.sha256}")


def difference(path: Path, file: RemoteFile) -> str:
    """Say in which way a file on the disk is not the one published; empty when it is.

    Raises:
        DlkitError: It cannot be read.
    """
    with error_context(path, "read"):
        if not path.is_file():
            return "is not there"
        if (size := path.stat().st_size) != file.size:
            return f"has {size:,} bytes, not {file.size:,}"
        with path.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    return "" if found == file.sha256 else f"has the SHA-256 {found}, not {file.sha256}"


def _fetch(
    url: str, file: RemoteFile, part: Path, patience: Patience, progress: Progress, note: Note
) -> None:
    """Make one request for what is missing of a file, and check the whole.

    Raises:
        _Failed: It is not whole or not right; what arrived stays for the next try unless it is wrong.
    """
    have = _size(part)
    if have < file.size:
        try:
            opener = urllib.request.build_opener(_Redirects())
            with opener.open(_request(url, have), timeout=patience.timeout) as response:
                begin = _check_reply(response, have, file.size, part)
                if begin < have:
                    note(f"{url} does not resume from byte {have:,}, so the download starts again")
                _append(part, begin, _chunks(response, begin, file.size, patience, progress))
        except urllib.error.HTTPError as err:
            with err:
                raise _refused(err, part) from err
        except (OSError, http.client.HTTPException) as err:
            raise _broken(err, f"at byte {_size(part):,} of {file.size:,}", patience) from err
        except KeyboardInterrupt:
            note(f"{part} is kept; the same command resumes from byte {_size(part):,}")
            raise
    if _size(part) < file.size:
        raise _Failed(f"was cut off at byte {_size(part):,} of {file.size:,}", again=True)
    if wrong := difference(part, file):
        _drop(part)
        raise _Failed(f"sent a file that {wrong}", again=have > 0)


def _request(url: str, have: int) -> urllib.request.Request:
    headers = {"User-Agent": f"dlkit/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    return urllib.request.Request(url, headers=headers)  # noqa: S310 - mirrors are http or https


def _check_reply(response: http.client.HTTPResponse, have: int, size: int, part: Path) -> int:
    """Check what the server is about to send, and return the byte at which it begins."""
    begin = 0
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        given, wanted = response.headers.get("Content-Range", ""), f"bytes {have}-{size - 1}/{size}"
        if not have or given not in (wanted, f"bytes {have}-{size - 1}/*"):
            _drop(part)
            raise _Failed(f"sent '{printable(given)}', not '{wanted}'", again=True)
        begin = have
    elif response.status != http.HTTPStatus.OK:
        raise _Failed(f"answered {response.status} {printable(response.reason)}", again=False)
    length = response.headers.get("Content-Length")
    if length is not None and length.strip() != str(size - begin):
        raise _Failed(f"offers {printable(length)} bytes, not {size - begin}", again=False)
    return begin


def _refused(err: urllib.error.HTTPError, part: Path) -> _Failed:
    if 300 <= err.code < 400:
        return _Failed("redirects in a circle, too often, or nowhere", again=False)
    if err.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        _drop(part)
    return _Failed(f"answered {err.code} {printable(str(err.reason))}", again=err.code in _TRY_AGAIN)


def _chunks(
    response: http.client.HTTPResponse, here: int, size: int, patience: Patience, progress: Progress
) -> Iterator[bytes]:
    """Yield the bytes as they arrive, never one too many, as long as they arrive fast enough."""
    since, fresh = time.monotonic(), 0
    progress(here, size)
    while here < size and (chunk := response.read1(min(_CHUNK_BYTES, size - here))):
        yield chunk
        here += len(chunk)
        fresh += len(chunk)
        progress(here, size)
        passed = time.monotonic() - since
        if passed >= patience.timeout:
            if fresh < patience.bytes_per_second * passed:
                raise _Failed(f"sent only {fresh:,} bytes in {passed:.0f} s, up to byte {here:,}", again=True)
            since, fresh = time.monotonic(), 0


def _append(part: Path, begin: int, chunks: Iterator[bytes]) -> None:
    """Write what arrives behind the first `begin` bytes, and wait until it is on the disk."""
    with error_context(part, "write"):
        file = part.open("ab", buffering=0)
        file.truncate(begin)
    with file:
        for chunk in chunks:
            rest = memoryview(chunk)
            with error_context(part, "write"):
                while rest:
                    rest = rest[file.write(rest) :]
        with error_context(part, "write"):
            os.fsync(file.fileno())


def _broken(err: OSError | http.client.HTTPException, where: str, patience: Patience) -> _Failed:
    reason = err.reason if isinstance(err, urllib.error.URLError) else err
    if isinstance(err, urllib.error.URLError):
        again = isinstance(reason, ConnectionResetError)
        return _Failed(f"cannot be reached: {_in_words(reason)}", again=again)
    if isinstance(reason, TimeoutError):
        return _Failed(f"sent nothing for {patience.timeout:g} s {where}", again=True)
    return _Failed(f"was cut off {where} ({_in_words(reason)})", again=True)


def _in_words(reason: object) -> str:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({reason.verify_message})"
    if isinstance(reason, socket.gaierror):
        return "the host's name is not known here"
    if isinstance(reason, TimeoutError):
        return "no answer"
    text = (isinstance(reason, OSError) and reason.strerror) or str(reason) or type(reason).__name__
    return printable(text).lower()


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, none of them away from TLS."""

    max_redirections = 5

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Refuse to leave https, or http for anything but https."""
        if not newurl.lower().startswith(("https:", f"{req.type}:")):
            fp.close()
            raise _Failed(f"redirects away from {req.type} to {printable(newurl)}", again=False)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _size(part: Path) -> int:
    with error_context(part, "read"), contextlib.suppress(FileNotFoundError):
        return part.stat().st_size
    return 0


def _drop(part: Path) -> None:
    with error_context(part, "remove"):
        part.unlink(missing_ok=True)
