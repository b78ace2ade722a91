"""Settings that are a number or a word, or a list: what their text says."""

from dlkit.errors import ConfigError, did_you_mean

LOGS = ("tensorboard", "jsonl")
_MOST_THREADS = 1024


def parse_threads(text: str) -> int | None:
    """Read a number of threads; None for `auto`.

    Raises:
        ConfigError: It is neither.
    """
    if text == "auto":
        return None
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= _MOST_THREADS):
        raise ConfigError(
            f"--threads {text} is not auto or a number from 1 to {_MOST_THREADS}",
            "auto chooses by network, batch and cores",
        )
    return int(text)


def parse_log(text: str | None) -> tuple[str, ...]:
    """Read the names of logs, separated by commas; none for None.

    Raises:
        ConfigError: One is not known.
    """
    if text is None:
        return ()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in LOGS:
            raise ConfigError(
                f"--log {name or text} is not known; choose from {', '.join(LOGS)}",
                did_you_mean(name, LOGS) or "for example --log tensorboard,jsonl",
            )
    return names
