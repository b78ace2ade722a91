"""Lines of `sh` in which `dlkit` is this one, in processes of their own."""

import os
import subprocess
import sys


def in_shell(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line as a script under `set -eu` would; exit codes of `dlkit` are told on stderr too."""
    script = f'dlkit() {{ code=0; "{sys.executable}" -m dlkit "$@" || code=$?; echo "code $code" >&2; return $code; }}'
    return subprocess.run(
        ["sh", "-euc", f"{script}\n{line}"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
