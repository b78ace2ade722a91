"""Processes that begin at once prepare data once; the others wait and map what the first wrote."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

COUNT = """
import sys, time
from pathlib import Path
from dlkit.cli.app import run
import dlkit.training.run
import dlkit.data.{module} as module

own, others = Path(sys.argv[1]), int(sys.argv[2])
prepare = {owner}.{function}

def counted(*arguments):
    (own / "prepared").open("a").write("once\\n")
    time.sleep(1)
    return prepare(*arguments)

{owner}.{function} = counted
{more}
(own / f"ready-{{sys.argv[3]}}").touch()
while len(list(own.glob("ready-*"))) < others:
    time.sleep(0.01)
sys.exit(run(["train", "mlp", "--data", *sys.argv[4:], "--epochs", "1", "--no-plot", "--device", "cpu"]))
"""
IMAGES = COUNT.format(module="images.load", owner="module", function="prepare", more="")
TABLE = COUNT.format(
    module="tables.reading.table_file",
    owner="module._Reading",
    function="_read",
    more="module.PREPARED_FROM_BYTES = 100",
)


def start_together(code: str, folder: Path, *data: str) -> int:
    """Start three processes that load the same data at once, and return how often it was prepared."""
    words = [sys.executable, "-c", code, str(folder), "3"]
    processes = [
        subprocess.Popen(
            [*words, str(number), *data], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(3)
    ]
    ended = [process.communicate(timeout=200) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], ended
    return len((folder / "prepared").read_text().splitlines())


@pytest.mark.slow
def test_a_folder_of_images(home: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(40):
        place = home / "images" / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(place)

    assert start_together(IMAGES, home, str(home / "images")) == 1


@pytest.mark.slow
def test_a_large_table(home: Path) -> None:
    rng = np.random.default_rng(0)
    rows = "".join(f"{x:.4f},{2 * x:.4f}\n" for x in rng.normal(size=300))
    (home / "t.csv").write_text(f"x,y\n{rows}")

    assert start_together(TABLE, home, str(home / "t.csv"), "--target", "y", "--task", "regression") == 1
