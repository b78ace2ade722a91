"""Run the commands of docs/learn/7-curves.md, write what they print into it, and draw its figures."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
PAGES = [DOCS / folder / "7-curves.md" for folder in ("learn", "pt/learn")]
CURED = {
    "slow": "mlp --epochs 10 --lr 0.03",
    "fast": "mlp --epochs 10 --lr 0.03",
    "deep": "mlp -s hidden=64,64,64,64,64,64 -s activation=sigmoid -s norm=batch --epochs 10",
    "zeros": "mlp -s init=default --epochs 10",
    "cut": "whole.py:Net --data digits --epochs 10 --lr 0.05",
    "decay": "mlp --epochs 10 --weight-decay 0",
    "few": "mlp --epochs 100 --lr 0.05",
}
_FLAGS = re.MULTILINE | re.DOTALL
LABELS = {
    "slow": "lr 0.00001,lr 0.03",
    "fast": "lr 5,lr 0.03",
    "deep": "sigmoid,sigmoid with batch norm",
    "zeros": "zeros,random",
    "cut": "detach,without",
    "decay": "weight decay 1,none",
    "few": "60 samples,all",
}


def main() -> None:
    """Run the blocks of the English page in a folder of their own, and fill both pages."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        printed = run_blocks(PAGES[0].read_text(), folder)
        for page in PAGES:
            page.write_text(filled(page.read_text(), printed))
        (folder / "whole.py").write_text((folder / "net.py").read_text().replace(".detach()", ""))
        _dlkit(f"plot good -o {DOCS / 'learn' / '7-good.png'}", folder)
        for run, cure in CURED.items():
            _dlkit(f"train {cure} --out {run}-cured", folder)
            figure = DOCS / "learn" / f"7-{run}.png"
            command = [
                "plot",
                run,
                f"{run}-cured",
                "--label",
                LABELS[run],
                "-y",
                "train_loss,val_loss",
                "-o",
                str(figure),
            ]
            _dlkit(command, folder)


def filled(page: str, printed: list[str]) -> str:
    """Return a page with these texts in its blocks of text."""
    before, *parts = re.split(r"^```text\n.*?^```", page, flags=_FLAGS)
    return before + "".join(f"```text\n{text}```{part}" for text, part in zip(printed, parts, strict=True))


def run_blocks(page: str, folder: Path) -> list[str]:
    """Run the blocks of a page in a folder; return what the last command of each prints, where a text follows it."""
    printed, last = [], ""
    for language, source in re.findall(r"^```(\w+)\n(.*?)^```", page, flags=_FLAGS):
        if language == "python":
            (folder / source.split()[1]).write_text(source)
        elif language == "text":
            printed.append(last)
        else:
            for line in source.splitlines():
                last = _dlkit(line.partition("  #")[0].removeprefix("dlkit "), folder)
    return printed


def _dlkit(line: str | list[str], folder: Path) -> str:
    words = line.split() if isinstance(line, str) else line
    environment = {**os.environ, "DLKIT_HOME": str(folder / "home")}
    command = [sys.executable, "-m", "dlkit", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
