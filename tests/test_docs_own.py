"""The pages on images, arrays and own code match the code: every example runs, and they have every name."""

import re
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dlkit.data.arrays.names import INPUT_NAMES, TARGET_NAMES
from dlkit.data.images.frame import MAX_PIXELS
from dlkit.files.description import DataDescription
from dlkit.models.constructor import known_of_data
from dlkit.settings.config import FIELDS

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = ("images", "arrays", "own-code")


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / f"{page}.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_examples_run_one_after_the_other(page: str, dlkit: Callable[..., Any], home: Path) -> None:
    from torchvision.models import resnet18  # takes seconds

    for source in blocks(page, "python"):
        (home / source.split()[1]).write_text(source)  # its first line is a comment with its name

    torch.save(resnet18().state_dict(), "resnet18.pth")  # noqa: TID251 - as others write it
    for line in "".join(blocks(page, "sh")).splitlines():
        program, *words = shlex.split(line)
        if program == "python":
            runpy.run_path(words[0])
        else:
            result = dlkit(*words)
            assert result.code == 0, f"{line}: {result.stderr}"


def test_page_on_code_shows_what_the_commands_print(dlkit: Callable[..., Any], home: Path) -> None:
    (home / "net.py").write_text(blocks("own-code", "python")[0])
    dlkit("train", "net.py:Net", "--data", "digits", "--epochs", "1", "--no-plot", "--out", "first")

    for shown in blocks("own-code", "text"):
        command, *lines = shown.splitlines()
        result = dlkit(*shlex.split(command)[2:])
        printed = result.stderr.replace(str(home), "/home/ada").splitlines()
        assert lines == [line for line in printed if not line.startswith("running your own code")]


def test_every_argument_filled_from_the_data_is_on_the_page() -> None:
    images = DataDescription(
        name="x",
        task="classification",
        input_shape=(1, 8, 8),
        class_names=("a", "b"),
        split_sizes={},
        source="x",
        fingerprint="",
    )
    page = (DOCS / "own-code.md").read_text()

    assert [name for name in known_of_data(images) if f"`{name}`" not in page] == []


def test_every_name_of_an_array_is_on_the_page() -> None:
    page = (DOCS / "arrays.md").read_text()

    assert ", ".join(f"`{name}`" for name in INPUT_NAMES) in page
    assert ", ".join(f"`{name}`" for name in TARGET_NAMES) in page


def test_page_on_images_has_every_augmentation_and_the_largest_image() -> None:
    page = (DOCS / "images.md").read_text()

    for kind in FIELDS["augment"].metadata["choices"]:
        assert f"| `{kind}` |" in page
    assert f"2^{MAX_PIXELS.bit_length() - 1} pixels" in page
