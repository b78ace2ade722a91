import hashlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import loopback
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limits import file_size_limit

from dlkit.data.builtin.download import Patience, difference, fetch_file
from dlkit.errors import DataError, DlkitError
from dlkit.settings.catalogue import RemoteFile

CONTENT = bytes(range(256)) * 400  # 102,400 bytes
FILE = RemoteFile(name="images.gz", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
QUICK = Patience(timeout=0.4, tries=3, pause=0.01)
ONCE = Patience(timeout=0.4, tries=1, pause=0.01)


@pytest.fixture
def server() -> Iterator[loopback.Server]:
    with loopback.serve({FILE.name: CONTENT}) as running:
        yield running


def fetch(server: loopback.Server, folder: Path, patience: Patience = QUICK, **options: object) -> Path:
    return fetch_file(FILE, (server.url,), folder, patience=patience, **options)


def part(folder: Path) -> Path:
    return folder / f"{FILE.name}.part"


def assert_whole(folder: Path) -> None:
    assert (folder / FILE.name).read_bytes() == CONTENT
    assert [path.name for path in folder.iterdir()] == [FILE.name]


def test_file_is_whole_and_alone_when_the_server_is_well(server: loopback.Server, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    path = fetch(
        server, tmp_path / "new" / "folder", progress=lambda done, total: calls.append((done, total))
    )
    assert path == tmp_path / "new" / "folder" / FILE.name
    assert_whole(path.parent)
    assert calls[0] == (0, FILE.size)
    assert calls[-1] == (FILE.size, FILE.size)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_no_request_is_made_when_the_file_is_here(server: loopback.Server, tmp_path: Path) -> None:
    fetch(server, tmp_path)
    before = (tmp_path / FILE.name).stat()
    fetch(server, tmp_path)
    assert len(server.requests) == 1
    assert (tmp_path / FILE.name).stat() == before


def test_damaged_file_is_replaced_when_fetched_again(server: loopback.Server, tmp_path: Path) -> None:
    (tmp_path / FILE.name).write_bytes(CONTENT[:-1] + b"!")
    fetch(server, tmp_path)
    assert_whole(tmp_path)


@pytest.mark.parametrize("count", [1, 1000, len(CONTENT) - 1])
def test_download_goes_on_from_the_part_when_it_was_cut_off(
    server: loopback.Server, tmp_path: Path, count: int
) -> None:
    server.replies = [loopback.cut(count)]
    notes: list[str] = []
    fetch(server, tmp_path, note=notes.append)
    assert_whole(tmp_path)
    assert server.ranges == [None, f"bytes={count}-"]
    assert notes == [f"{server.url}{FILE.name} was cut off at byte {count:,} of 102,400"]


def test_next_call_goes_on_from_the_part_when_the_tries_are_used_up(
    server: loopback.Server, tmp_path: Path
) -> None:
    server.replies = [loopback.cut(4000)]
    with pytest.raises(DataError) as caught:
        fetch(server, tmp_path, ONCE)
    assert "was cut off at byte 4,000 of 102,400" in caught.value.message
    assert "the next attempt resumes from byte 4,000" in caught.value.message
    assert part(tmp_path).read_bytes() == CONTENT[:4000]
    assert not (tmp_path / FILE.name).exists()
    fetch(server, tmp_path, ONCE)
    assert_whole(tmp_path)
    assert server.ranges == [None, "bytes=4000-"]


def test_part_is_said_to_be_kept_when_the_user_stops(server: loopback.Server, tmp_path: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    server.replies = [loopback.cut(4000)]
    notes: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path, progress=stop, note=notes.append)
    kept = part(tmp_path).stat().st_size
    assert kept > 0
    assert notes == [f"{part(tmp_path)} is kept; the same command resumes from byte {kept:,}"]
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    assert server.ranges == [None, f"bytes={kept}-"]


@given(cuts=st.lists(st.integers(min_value=0, max_value=len(CONTENT) - 1), max_size=4))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_file_is_whole_however_often_it_was_cut(
    server: loopback.Server, tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    server.replies = [loopback.cut(count) for count in cuts]
    fetch(server, folder, Patience(timeout=2, tries=len(cuts) + 1, pause=0))
    assert_whole(folder)


def test_download_starts_anew_when_the_server_ignores_ranges(server: loopback.Server, tmp_path: Path) -> None:
    server.replies = [loopback.cut(4000), loopback.without_ranges]
    notes: list[str] = []
    fetch(server, tmp_path, note=notes.append)
    assert_whole(tmp_path)
    assert (
        notes[-1] == f"{server.url}{FILE.name} does not resume from byte 4,000, so the download starts again"
    )


def test_download_starts_anew_when_the_published_file_replaced_another(
    server: loopback.Server, tmp_path: Path
) -> None:
    part(tmp_path).write_bytes(CONTENT[:3000] + b"x" * 1000)
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    assert server.ranges == ["bytes=4000-", None]


def test_other_mirror_goes_on_from_the_part_when_the_first_one_cuts_off(
    server: loopback.Server, tmp_path: Path
) -> None:
    server.replies = [loopback.cut(4000)]
    with loopback.serve({FILE.name: CONTENT}) as other:
        fetch_file(FILE, (server.url, other.url), tmp_path, patience=ONCE)
        assert other.ranges == ["bytes=4000-"]
    assert_whole(tmp_path)


@pytest.mark.parametrize(
    "content_range",
    [
        "",
        "bytes 0-102399/102400",
        "bytes 4001-102399/102400",
        "bytes 4000-102399/102401",
        "bytes 4000-5000/102400",
    ],
    ids=["missing", "from the start", "one late", "of a longer file", "short"],
)
def test_range_is_refused_when_it_is_not_the_one_asked_for(
    server: loopback.Server, tmp_path: Path, content_range: str
) -> None:
    server.replies = [loopback.cut(4000), loopback.wrong_range(content_range)]
    notes: list[str] = []
    fetch(server, tmp_path, note=notes.append)
    assert_whole(tmp_path)
    assert notes[-1] == f"{server.url}{FILE.name} sent '{content_range}', not 'bytes 4000-102399/102400'"
    assert server.ranges == [None, "bytes=4000-", None]


def test_range_is_refused_when_none_was_asked_for(server: loopback.Server, tmp_path: Path) -> None:
    server.replies = [loopback.wrong_range("bytes 0-102399/102400")]
    with pytest.raises(DataError, match="sent 'bytes 0-102399/102400'"):
        fetch(server, tmp_path, ONCE)
    assert not part(tmp_path).exists()


def test_download_starts_anew_when_the_range_cannot_be_satisfied(
    server: loopback.Server, tmp_path: Path
) -> None:
    server.replies = [loopback.cut(4000), loopback.status(416)]
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    assert server.ranges == [None, "bytes=4000-", None]


def test_both_digests_are_named_when_a_byte_is_wrong(server: loopback.Server, tmp_path: Path) -> None:
    server.replies = [loopback.flipped] * 3
    with pytest.raises(DataError) as caught:
        fetch(server, tmp_path)
    found = hashlib.sha256(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])).hexdigest()
    assert f"has the SHA-256 {found}, not {FILE.sha256}" in caught.value.message
    assert len(server.requests) == 1, "the same mirror would give the same bytes"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [CONTENT, CONTENT + b"more"], ids=["whole", "too long"])
def test_part_is_judged_when_it_has_all_the_bytes(
    server: loopback.Server, tmp_path: Path, content: bytes
) -> None:
    part(tmp_path).write_bytes(content)
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    assert len(server.requests) == (0 if content == CONTENT else 1)


def test_next_mirror_is_asked_when_one_gives_wrong_bytes(server: loopback.Server, tmp_path: Path) -> None:
    server.replies = [loopback.flipped]
    with loopback.serve({FILE.name: CONTENT}) as other:
        fetch_file(FILE, (server.url, other.url), tmp_path, patience=QUICK)
    assert_whole(tmp_path)


def test_url_digest_and_target_are_named_when_the_connection_is_refused(tmp_path: Path) -> None:
    url = loopback.closed_port_url()
    with pytest.raises(DataError) as caught:
        fetch_file(FILE, (url,), tmp_path, patience=QUICK)
    assert caught.value.exit_code == 3
    assert caught.value.message == (
        f"{url}{FILE.name} cannot be reached: connection refused; "
        f"wanted: {tmp_path / FILE.name} with the SHA-256 {FILE.sha256}"
    )


def test_host_is_said_to_be_unknown_when_there_is_no_such_name(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"http://no\.such\.host\.invalid/images\.gz cannot be reached: the host's name"
    ):
        fetch_file(FILE, ("http://no.such.host.invalid",), tmp_path, patience=ONCE)


@pytest.mark.parametrize(
    ("code", "requests"), [(403, 1), (404, 1), (410, 1), (429, 3), (500, 3), (503, 3), (204, 1)]
)
def test_status_decides_whether_the_mirror_is_asked_again(
    server: loopback.Server, tmp_path: Path, code: int, requests: int
) -> None:
    server.replies = [loopback.status(code)] * 3
    with pytest.raises(DataError, match=f"answered {code}"):
        fetch(server, tmp_path)
    assert len(server.requests) == requests


@pytest.mark.parametrize("reply", [loopback.status(503), loopback.hang_up], ids=["503", "hangs up"])
def test_file_comes_when_the_server_was_unwell_once(
    server: loopback.Server, tmp_path: Path, reply: loopback.Reply
) -> None:
    server.replies = [reply]
    fetch(server, tmp_path)
    assert_whole(tmp_path)


def test_download_goes_on_when_the_server_fell_silent(server: loopback.Server, tmp_path: Path) -> None:
    server.replies = [loopback.silent_after(4000, seconds=1.0)]
    notes: list[str] = []
    fetch(server, tmp_path, note=notes.append)
    assert_whole(tmp_path)
    assert notes == [f"{server.url}{FILE.name} sent nothing for 0.4 s at byte 4,000 of 102,400"]


def test_download_goes_on_when_the_server_drips(server: loopback.Server, tmp_path: Path) -> None:
    server.replies = [loopback.drip(step=8, seconds=0.05)]
    notes: list[str] = []
    start = time.monotonic()
    fetch(server, tmp_path, note=notes.append)
    assert time.monotonic() - start < 2
    assert_whole(tmp_path)
    assert "sent only" in notes[0]
    assert int(server.ranges[1].removeprefix("bytes=").removesuffix("-")) > 0


def test_slow_server_is_borne_when_it_is_fast_enough(server: loopback.Server, tmp_path: Path) -> None:
    server.replies = [loopback.drip(step=10_000, seconds=0.05)]
    fetch(server, tmp_path, ONCE)
    assert_whole(tmp_path)


def test_redirect_is_followed_with_its_range(server: loopback.Server, tmp_path: Path) -> None:
    server.files["elsewhere/" + FILE.name] = CONTENT
    to = loopback.redirect(f"/elsewhere/{FILE.name}")
    server.replies = [to, loopback.cut(4000), to]
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    assert server.ranges == [None, None, "bytes=4000-", "bytes=4000-"]


@pytest.mark.parametrize("location", [f"/{FILE.name}", "file:///etc/passwd"], ids=["circle", "file"])
def test_redirect_is_refused_when_it_leads_nowhere(
    server: loopback.Server, tmp_path: Path, location: str
) -> None:
    server.replies = [loopback.redirect(location)] * 20
    with pytest.raises(DataError, match="redirects in a circle, too often, or nowhere"):
        fetch(server, tmp_path)
    assert len(server.requests) <= 6
    assert list(tmp_path.iterdir()) == []


def test_redirect_is_refused_when_it_leads_on_and_on(server: loopback.Server, tmp_path: Path) -> None:
    for number in range(20):
        server.files[f"{number}/{FILE.name}"] = CONTENT
        server.replies.append(loopback.redirect(f"/{number}/{FILE.name}"))
    with pytest.raises(DataError, match="redirects in a circle, too often, or nowhere"):
        fetch(server, tmp_path)
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "length", [len(CONTENT) + 1, 10**12, 7, "seven"], ids=["longer", "huge", "short", "a word"]
)
def test_nothing_is_written_when_another_length_is_offered(
    server: loopback.Server, tmp_path: Path, length: object
) -> None:
    server.replies = [loopback.claiming(length)]
    with pytest.raises(DataError, match=f"offers {length} bytes, not 102400"):
        fetch(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_byte_too_many_is_kept_when_the_server_does_not_say_its_length(
    server: loopback.Server, tmp_path: Path
) -> None:
    server.replies = [loopback.without_length]
    fetch(server, tmp_path)
    assert_whole(tmp_path)


def test_file_comes_over_tls_only_when_the_certificate_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = loopback.make_certificate(tmp_path)
    with loopback.serve({FILE.name: CONTENT}, certificate) as server:
        with pytest.raises(DataError, match="cannot be reached: its certificate is not trusted"):
            fetch(server, tmp_path / "to")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        fetch(server, tmp_path / "to")
    assert_whole(tmp_path / "to")


def test_redirect_is_refused_when_it_leads_away_from_tls(
    server: loopback.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = loopback.make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with loopback.serve({FILE.name: CONTENT}, certificate) as secure:
        secure.replies = [loopback.redirect(f"{server.url}{FILE.name}")]
        with pytest.raises(DataError, match=f"redirects away from https to {server.url}{FILE.name}"):
            fetch(secure, tmp_path / "to")
    assert server.requests == []


def test_full_disk_is_named_and_the_part_is_kept_when_there_is_no_room(
    server: loopback.Server, tmp_path: Path
) -> None:
    with file_size_limit(50_000), pytest.raises(DlkitError) as caught:
        fetch(server, tmp_path)
    assert caught.value.exit_code == 1
    assert str(part(tmp_path)) in caught.value.message
    assert part(tmp_path).stat().st_size == 50_000
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    assert server.ranges == [None, "bytes=50000-"]


@pytest.mark.parametrize(
    ("content", "difference_is"),
    [(None, "is not there"), (b"", "has 0 bytes, not 102,400"), (CONTENT[:-1] + b"!", "has the SHA-256")],
    ids=["missing", "empty", "another"],
)
def test_difference_names_what_is_wrong_with_a_file(
    tmp_path: Path, content: bytes | None, difference_is: str
) -> None:
    if content is not None:
        (tmp_path / FILE.name).write_bytes(content)
    assert difference(tmp_path / FILE.name, FILE).startswith(difference_is)


def test_folder_is_named_when_it_cannot_be_made(server: loopback.Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DlkitError) as caught:
        fetch(server, tmp_path / "file" / "downloads")
    assert caught.value.exit_code == 1
    assert str(tmp_path / "file" / "downloads") in caught.value.message


def test_folder_is_named_when_it_is_read_only(server: loopback.Server, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(DlkitError) as caught:
        fetch(server, tmp_path)
    assert caught.value.exit_code == 1
    assert caught.value.message.startswith(f"cannot write {tmp_path}")
    assert caught.value.message.endswith(": permission denied")


def test_download_goes_on_when_the_process_was_killed(server: loopback.Server, tmp_path: Path) -> None:
    server.replies = [loopback.drip(step=10_000, seconds=0.2)]
    program = (
        "from pathlib import Path; from dlkit.settings.catalogue import RemoteFile;"
        "from dlkit.data.builtin.download import fetch_file;"
        f"fetch_file({FILE!r}, ({server.url!r},), Path({str(tmp_path)!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        for _ in itertools.repeat(None, 500):
            if part(tmp_path).exists() and part(tmp_path).stat().st_size >= 20_000:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    here = part(tmp_path).stat().st_size
    assert 20_000 <= here < FILE.size
    fetch(server, tmp_path)
    assert_whole(tmp_path)
    assert server.ranges == [None, f"bytes={here}-"]
