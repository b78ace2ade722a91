"""Encodings of text other than UTF-8: which one a file is in, by how its words would look."""

import codecs
import re
import shlex
import unicodedata
from collections.abc import Sequence
from typing import BinaryIO

from dlkit.errors import printable

ENCODING_BYTES = 8 * 2**20
_WORD_BYTES, _MOST_WORDS, _FEWEST_ALIKE = 2**18, 500, 0.8
_SHOWN = 4
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f]")
_MIXED = re.compile(rb"[\xc3\xc5][\x80-\xbf]|\xe2\x80[\x90-\xa6]")
_PAIRED = re.compile(rb"[\x80-\xff]{2,}")
_IN_A_WORD = re.compile(r"[a-z](?:[\u201a-\u203a\u0192\u02c6\u02dc][a-z]|[\u0152\u0160\u0178\u017d])")
_KANA = re.compile(r"[\u3041-\u30ff]{2}")
_WORD = re.compile(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*")
_OF_LETTERS = (  # a byte is a letter
    "Windows-1252",
    "Windows-1251",
    "Windows-1250",
    "Macintosh",
    "CP850",
    "KOI8-R",
    "CP866",
    "Windows-1253",
    "Windows-1254",
)
_OF_SYLLABLES = ("GB18030", "Big5", "EUC-KR", "CP932")
_UPPER = 0.9  # words in capitals alone are rarer than others


def foreign_encoding(file: BinaryIO) -> tuple[str, str]:
    """Return the encoding of text that is not UTF-8, and a word that shows it; empty where it is, or is uncertain.

    Western letters stand alone among plain ones: that is Windows-1252, unless signs would stand within words. Japanese
    is known by its syllables, other encodings of one byte a letter by words that look as words do. A file with UTF-8 in
    other places is a mixture, which nothing reads.

    Args:
        file: Is read from its beginning, 8 MiB at most, and left there.
    """
    file.seek(0)
    data = file.read(ENCODING_BYTES)
    file.seek(0)
    if data.isascii() or _CONTROL.search(data) or _is_text(data, "utf-8"):
        return "", ""
    high = len(data.translate(None, bytes(range(128))))
    paired, mixed = sum(map(len, _PAIRED.findall(data))), _MIXED.search(data)
    western = _is_text(data, "windows-1252") if paired < high / 2 and not mixed else ""
    if western and not _IN_A_WORD.search(western):
        return "Windows-1252", _example(western)
    if (text := _is_text(data, "cp932")) and _KANA.search(text):
        return "CP932", _example(text)
    best, share = _ranked(_words(data[:_WORD_BYTES]))[0]
    text = "" if mixed or share < _FEWEST_ALIKE else _is_text(data, best)
    return (best, _example(text)) if text else ("", "")


def wide_encoding(start: bytes) -> str:
    """Return the encoding of text of two or four bytes a letter, by its mark or its zeros; empty for any other."""
    if start[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return "UTF-32"
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "UTF-16"
    zeros = [byte == 0 for byte in start[:4]]
    if zeros == [False, True, False, True]:
        return "UTF-16LE"
    return "UTF-16BE" if zeros == [True, False, True, False] else ""


def convert_by_hand(line: bytes, source: str) -> str:
    """Return commands that convert a file whose encoding is uncertain, with how they read the first words of a line.

    Args:
        line: It is not UTF-8.
        source: What the file is called.
    """
    words = _words(line)
    likely = [name for name, share in _ranked(words) if share >= 1 / 2]
    likely += [name for name in _OF_SYLLABLES if all(map(str.isalpha, _decoded(words, name)))]
    best, *others = likely or ["Windows-1252"]
    shown = {
        name: printable(" ".join(_decoded(words[:2], name)), 40) for name in (best, *others[: _SHOWN - 1])
    }
    more = ", ".join(f"{name} '{text}'" for name, text in shown.items() if name != best)
    return (
        f"iconv -f {best.upper()} -t UTF-8 {shlex.quote(source)} > utf8.csv reads it as '{shown[best]}'"
        + (f"; if that is wrong, by another name: {more}" if more else "")
    )


def _words(data: bytes) -> list[bytes]:
    """Return different words with letters beyond ASCII, in their order."""
    return list(dict.fromkeys(_WORD.findall(data)))[:_MOST_WORDS]


def _decoded(words: Sequence[bytes], encoding: str) -> list[str]:
    return [word.decode(encoding, errors="replace") for word in words]


def _ranked(words: Sequence[bytes]) -> list[tuple[str, float]]:
    """Return encodings of one byte a letter, and the share of words that look as words do, the best first."""
    shares = {name: sum(map(_likeness, _decoded(words, name))) / max(len(words), 1) for name in _OF_LETTERS}
    return sorted(shares.items(), key=lambda each: -each[1])


def _likeness(word: str) -> float:
    """Return 1 for a word of one script, small but for its first letter; 0.9 for one in capitals, 0 for others."""
    foreign = [letter for letter in word if not letter.isascii()]
    scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in word}
    if (
        not word.isalpha()
        or len(scripts) > 1
        or (scripts == {"LATIN"} and 4 * len(foreign) > 3 * len(word) > 6)
    ):
        return 0.0
    return 1.0 if word[1:] == word[1:].lower() else _UPPER * word.isupper()


def _is_text(data: bytes, encoding: str) -> str:
    """Return bytes decoded, but for a letter cut at their end; empty where they are not of an encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return ""


def _example(text: str) -> str:
    match = re.search(r"\w*[^\W\x00-\x7f]\w*", text) or re.search(r"\S*[^\x00-\x7f]\S*", text)
    return match[0] if match else ""
