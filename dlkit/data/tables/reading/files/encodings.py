"""Encodings of text other than UTF-8: which one a file is in, by how its words would look."""

import codecs
import re
import shlex
import unicodedata
from collections.abc import Sequence
from typing import BinaryIO

from dlkit.data.tables.reading.files.syllables import ENCODINGS, ranked_syllables, shown_word
from dlkit.errors import printable

ENCODING_BYTES = 8 * 2**20
_WORD_BYTES, _MOST_WORDS, _FEWEST_ALIKE = 2**18, 500, 0.8
_SHOWN = 4
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f]")
_MIXED = re.compile(rb"[\xc3\xc5][\x80-\xbf]|\xe2\x80[\x90-\xa6]")
_PAIRED = re.compile(rb"[\x80-\xff]{2,}")
_IN_A_WORD = re.compile(
    r"[a-z](?:[\u201a-\u203a\u0192\u02c6\u02dc][a-z]|[\u0152\u0160\u0178\u017d]"
    r"|[\u00b1\u00b3\u00b6\u00b9\u00bc\u00bf][^\W\d_])"
)
_POLISH = re.compile(
    r"[a-z]\u00f1([bcdghjklmnprstvwz]|\b)|\u0153\u00e6|[a-z]\u0153[kpwz]"
)  # as Windows-1252 reads it
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
    "ISO-8859-2",
)
_LIKELY, _LESS = 0.3, 0.5
_UPPER = 0.9  # words in capitals alone are rarer than others


def foreign_encoding(file: BinaryIO) -> tuple[str, str]:
    """Return the encoding of text that is not UTF-8, and a word that shows it; empty where it is, or is uncertain.

    Western letters stand alone among plain ones: that is Windows-1252, unless signs would stand within words. Japanese
    is known by its syllables, other encodings of one byte a letter by words that look as words do, those of two bytes
    by letters that are in use. A file with UTF-8 in other places is a mixture, which nothing reads.

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
        name = _by_letters(western)
        return name, _example(_is_text(data, name))
    if (text := _is_text(data, "cp932")) and _KANA.search(text):
        return "CP932", _example(text)
    best, share = _ranked(_words(data[:_WORD_BYTES]))[0]
    if share >= _FEWEST_ALIKE:
        if best == "Windows-1252" and (text := _is_text(data, best)):
            best = _by_letters(text)
        text = "" if mixed else _is_text(data, best)
        return (best, _example(text)) if text else ("", "")
    found = ranked_syllables(data[:_WORD_BYTES], sure=True)
    text = _is_text(data, found[0][0]) if found else ""
    return (found[0][0], _example(text)) if text else ("", "")


def _by_letters(text: str) -> str:
    """Return the encoding of text of Windows whose letters stand alone, by those that no Western language has together.

    Czech and Slovak have ř where ø would be, beside ě, č, ů or ň for ì, è, ù, ò; Hungarian has ő for õ, without the
    ã of Portuguese and the ä of Estonian; Romanian has ţ for þ beside ă for ã; Turkish has ş and ğ for þ and ð,
    without the accents of Icelandic. Polish has ń for ñ before other letters than vowels and ść for œæ, or signs within
    words.

    Args:
        text: As Windows-1252 reads it.
    """
    has = {letter for letter in set(text) if letter > "\x7f"}
    czech = "\u00f8" in has and has & set("\u00ec\u00f9\u00f2\u00e8") and not has & set("\u00e5\u00e6")
    hungarian = "\u00f5" in has and has & set("\u00f6\u00fc\u00fb") and not has & set("\u00e3\u00e4")
    romanian = has & set("\u00fe\u00ba") and "\u00e3" in has and not has & set("\u00f5\u00e7")
    turkish = has & set("\u00fe\u00de\u00f0") and not has & set("\u00e1\u00e9\u00ed\u00fa\u00e6\u00e3")
    first = min((text.index(letter) for letter in "\u00f1\u0153" if letter in has), default=-1)
    polish = first >= 0 and _POLISH.search(text, max(0, first - 1), first + _WORD_BYTES)
    if czech or hungarian or romanian or polish:
        return "Windows-1250"
    return "Windows-1254" if turkish else "Windows-1252"


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
    high = len(line.translate(None, bytes(range(128))))
    paired = 2 * sum(map(len, _PAIRED.findall(line))) > high
    scores = {
        name: (score - _LESS * (not paired and score < _FEWEST_ALIKE), 0)
        for name, score in ranked_syllables(line)
    }
    scores |= {name: (share, -1) for name, share in _ranked(words)}
    likely = [name for name, (score, _) in scores.items() if score >= _LIKELY]
    best, *others = sorted(likely, key=lambda name: scores[name], reverse=True) or ["Windows-1252"]
    shown = {
        name: printable(
            shown_word(line, name, 2) if name in ENCODINGS else " ".join(_decoded(words[:2], name)), 40
        )
        for name in (best, *others[: _SHOWN - 1])
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
    """Return a word with a letter that Western languages lack, or else with any beyond ASCII, soon after the first."""
    first = re.search(r"\S*[^\x00-\x7f]", text)
    near = text[first.start() :][:_WORD_BYTES] if first else ""
    match = re.search(r"\w*[^\W\x00-\xff]\w*", near) or re.search(r"\w*[^\W\x00-\x7f]\w*", near)
    match = match or re.search(r"\S*[^\x00-\x7f]\S*", near)
    return match[0] if match else ""
