"""Run shell lines in which `dlkit` is the one under test."""

import os
import subprocess
import sys


def in_shell(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line as a script under `set -eu` would; the exit codes of `dlkit` are printed on stderr."""
    script = f'dlkit() {{ code=0; "{sys.executable}" -m dlkit "$@" || code=$?; echo "code $code" >&2; return $code; }}'
    return subprocess.run(
        ["sh", "-euc", f"{script}\n{line}"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
