#!/usr/bin/env bash
# Everything that needs a GPU, in at most eight minutes: tests/benchmarks/gpu.sh [--from DIR] [--only NAME,...]
# Without a GPU it lists what it would do. See gpu.py.
cd "$(dirname "$0")/../.." || exit 1
[ -x .venv/bin/python ] && default=.venv/bin/python
exec "${PYTHON:-${default:-python}}" tests/benchmarks/gpu.py "$@"
