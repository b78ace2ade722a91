"""How plausible text is in the encodings of Chinese, Japanese and Korean, of two bytes a letter."""

import re
from collections.abc import Mapping
from types import MappingProxyType

_USUAL, _SIGN, _RARE, _NEVER = 1.0, 0.9, 0.3, 0.0
_Spans = tuple[tuple[int, int, float], ...]
_LEADS: Mapping[str, _Spans] = MappingProxyType(
    {  # by its first byte; the usual letters of each standard have rows of their own
        "GB18030": ((0xA1, 0xA3, _SIGN), (0xA6, 0xA7, _USUAL), (0xB0, 0xD7, _USUAL), (0xD8, 0xF7, 0.5)),
        "Big5": ((0xA1, 0xA3, _SIGN), (0xA4, 0xC6, _USUAL), (0xC9, 0xF9, _RARE)),
        "EUC-KR": ((0xA1, 0xA3, _SIGN), (0xB0, 0xC8, _USUAL)),
        "CP949": ((0xA1, 0xA3, _SIGN), (0xB0, 0xC8, _USUAL), (0x81, 0xA0, _RARE)),
        "CP932": (
            (0x81, 0x81, _SIGN),
            (0x82, 0x83, _USUAL),
            (0x88, 0x97, _SIGN),
            (0x98, 0x9F, _RARE),
            (0xE0, 0xEA, _RARE),
        ),
        "EUC-JP": ((0xA1, 0xA3, _SIGN), (0xA4, 0xA5, _USUAL), (0xB0, 0xCF, _SIGN), (0xD0, 0xF4, _RARE)),
    }
)
ENCODINGS = frozenset(_LEADS)
_WORD = re.compile(r"\w*[^\W\x00-\x7f]\w*")
_MOST_WORDS, _ENOUGH = 500, 12
_MIXED, _DOUBTFUL, _LESS_LIKELY = 0.3, 0.8, 0.97
_MARGIN, _SURE = 0.1, 0.85


def ranked_syllables(data: bytes, *, sure: bool = False) -> list[tuple[str, float]]:
    """Return encodings in which bytes are whole text, and how much of that are usual letters, the best first.

    A word of Latin letters and of others is none. Where several fit alike, letters that each would use often and that
    do not come decide.

    Args:
        data: Text, which may end within a letter.
        sure: Leave out all where there are few letters, or a second one fits nearly as well.
    """
    texts = {name: text for name in _LEADS if (text := _decoded(data, name))}
    scores = {name: _score(text, name) for name, text in texts.items()}
    found = sorted(scores.items(), key=lambda each: -each[1])
    if "CP949" in scores and "EUC-KR" in scores:  # the one has all of the other
        found = [each for each in found if each[0] != "CP949"]
    if sure and found:
        best, score = found[0]
        second = found[1][1] if len(found) > 1 else 0.0
        enough = len({letter for letter in texts[best] if not letter.isascii()}) >= _ENOUGH
        return found if enough and score >= _SURE and score - second >= _MARGIN else []
    return found


def shown_word(data: bytes, encoding: str, count: int = 1) -> str:
    """Return the first words beyond ASCII, decoded."""
    return " ".join(list(dict.fromkeys(_WORD.findall(_decoded(data, encoding))))[:count])


def _decoded(data: bytes, encoding: str) -> str:
    for cut in range(4):
        try:
            return data[: len(data) - cut].decode(encoding)
        except UnicodeDecodeError as err:
            if err.start < len(data) - 4:
                break
    return ""


def _score(text: str, encoding: str) -> float:
    words = list(dict.fromkeys(_WORD.findall(text)))[:_MOST_WORDS]
    letters = {letter for word in words for letter in word if not letter.isascii()}
    coded = {letter: letter.encode(encoding) for letter in letters}
    weights = {letter: _weight(code, encoding) for letter, code in coded.items()}
    score = sum(_of_word(word, weights) for word in words) / max(len(words), 1)
    high = max((code[0] for code in coded.values()), default=0)
    unused = {
        "GB18030": high <= 0xC8,  # half of all Chinese letters stand behind
        "EUC-JP": not any(code[0] in (0xA4, 0xA5) for code in coded.values()),
        "Big5": all(code[-1] >= 0xA1 for code in coded.values()),
    }
    if any("\ue000" <= letter <= "\uf8ff" for letter in set(text)):  # those that have no meaning
        return score / 2
    if unused.get(encoding):
        return score * (_DOUBTFUL if len(letters) >= _ENOUGH else _LESS_LIKELY)
    return score * 0.9 if encoding == "GB18030" and high <= 0xCF and len(letters) >= 2 * _ENOUGH else score


def _of_word(word: str, weights: Mapping[str, float]) -> float:
    found = [weights[letter] for letter in word if not letter.isascii()]
    latin = any(letter.isascii() and letter.isalpha() for letter in word)
    return sum(found) / len(found) * (_MIXED if latin else 1.0)


def _weight(code: bytes, encoding: str) -> float:
    if len(code) != 2:
        return _RARE if encoding == "CP932" else _NEVER
    if encoding in ("GB18030", "CP949") and code[1] < 0xA1:  # of the letters that were added later
        return _RARE if encoding == "CP949" else _NEVER
    return next((weight for low, high, weight in _LEADS[encoding] if low <= code[0] <= high), _NEVER)
