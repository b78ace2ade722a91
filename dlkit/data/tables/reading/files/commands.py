"""Commands in hints: they write a corrected copy of a file."""

import re
import shlex

_UNPACKED = {".gz": "gzip -dc", ".bz2": "bzip2 -dc", ".xz": "xz -dc", ".zst": "zstd -dc", ".zip": "unzip -p"}
PLAIN = "sep=None, engine='python'"


def other_file(source: str, suffix: str = "csv") -> str:
    """Return the name of a file for a corrected copy of another: new.csv, or new2.csv for a copy of that."""
    match = re.fullmatch(r"(?:.*/)?new(\d*)\.[ct]sv", source)
    return f"new{int(match[1] or 1) + 1}.{suffix}" if match else f"new.{suffix}"


def from_to(source: str) -> str:
    """Return the end of a command that writes a corrected copy of a file."""
    unpack = next((command for suffix, command in _UNPACKED.items() if source.endswith(suffix)), "")
    read = f"<({unpack} {shlex.quote(source)})" if unpack else shlex.quote(source)
    suffix = "tsv" if re.search(r"\.tsv(\.\w+)?$", source) else "csv"
    return f"{read} > {other_file(source, suffix)}"


def by_sed(source: str, before: str, sign: str, behind: str) -> str:
    """Return a command that writes a copy of a file, changed by a script for sed with a sign in it.

    A tab is written as a command, since it would come out of a terminal as blanks.

    Args:
        source: The file.
        before: The script up to the sign.
        sign: What stands between fields.
        behind: The script behind it.
    """
    if sign != "\t":
        return f"sed '{before}{sign}{behind}' {from_to(source)}"
    before = before.replace("$", r"\$")
    return f"sed \"{before}$(printf '\\t'){behind}\" {from_to(source)}"


def read_by_pandas(source: str, dialect: str) -> str:
    """Return the call that reads a file, `sys.argv[1]`.

    Args:
        source: The file.
        dialect: How pandas reads it: arguments of `read_csv`.
    """
    if source.endswith(".parquet"):
        return "pd.read_parquet(sys.argv[1])"
    return f"pd.read_csv(sys.argv[1], skipinitialspace=True, {dialect})"


def by_pandas(source: str, dialect: str, code: str, *words: str) -> str:
    """Return a command that writes a copy of a file as CSV, changed by pandas, with all fields as texts.

    Args:
        source: The file.
        dialect: How pandas reads it: arguments of `read_csv`.
        code: What changes the table `d`; knows `words` as `sys.argv[3:]`.
        words: Names that it needs, of columns for instance.
    """
    read = read_by_pandas(source, f"dtype=str, keep_default_na=False, {dialect}")
    script = f"import sys, pandas as pd; d = {read}; {code}; d.to_csv(sys.argv[2], index=False)"
    return f'python -c "{script}" {" ".join(map(shlex.quote, (source, other_file(source), *words)))}'
