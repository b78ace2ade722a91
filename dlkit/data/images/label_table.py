"""A table that names image files and their labels, as challenges hand them out: found, and the way to read it."""

import csv
import itertools
import json
import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkit.data.images.band_names import TOKENS, order_of_bands
from dlkit.data.images.kind import IMAGE_SUFFIXES
from dlkit.data.part_names import part_of
from dlkit.errors import DataError, printable

_ROWS, _FOLDERS, _DEPTH, _TABLES, _LOOKED_FOR = 200, 300, 3, 20, 3
_NO_LABELS = re.compile("sample|submission|test", re.IGNORECASE)
_LABEL = re.compile("labels?|class(es)?|target|category|y", re.IGNORECASE)
_SIZE = 64
_OTHERS = (
    (".npy", "numpy", "np.load(p)"),
    (".dcm", "pydicom", 'pydicom.dcmread(p).pixel_array.astype("float32")'),
    (".nii.gz", "nibabel", "nibabel.load(p).get_fdata()"),
    (".nii", "nibabel", "nibabel.load(p).get_fdata()"),
)
_SUFFIXES = "(" + ", ".join(f'"{suffix}"' for suffix in IMAGE_SUFFIXES) + ")"


@dataclass(frozen=True)
class LabelTable:
    """A table whose rows are image files with labels.

    Args:
        path: The table.
        delimiter: What separates its columns.
        column: The column of the file names.
        before: What stands before a file name in its path, as a folder with a slash.
        after: What stands after it, as `.jpg`.
        labels: The columns that may be predicted; several where they are one-hot.
        parts: The column of train, val and test; empty without one.
        columns: All that may be predicted.
        bands: How the names of the files of one image end, where each band has one.
    """

    path: Path
    delimiter: str
    column: str
    before: str
    after: str
    labels: Sequence[str]
    parts: str = ""
    columns: Sequence[str] = ()
    bands: Sequence[str] = ()

    def command(self, target: str | None = None, size: int | None = None) -> str:
        """Return the command that makes arrays of the images and a label, and how they are read.

        Args:
            target: The column to predict; None takes the likeliest.
            size: Of the images, in pixels.
        """
        asked = [name.strip() for name in target.split(",")] if target else []
        labels = asked if asked and set(asked) <= {*self.columns} else self.labels
        table, column, before, after, out = map(
            json.dumps, (str(self.path), self.column, self.before, self.after, f"{self.path.stem}-images.npz")
        )
        chosen = json.dumps(labels[0] if len(labels) == 1 else list(labels))
        kept = "x=x, y=y"
        if self.parts:
            parts = f"t[{json.dumps(self.parts)}]"
            kept = f'**{{f"{{k}}_{{p}}": v[{parts} == p] for p in {parts}.unique() for k, v in (("x", x), ("y", y))}}'
        code = (
            f"import numpy as np, pandas as pd{', tifffile' * bool(self.bands)}; from PIL import Image, ImageOps; "
            f"t = pd.read_csv({table}, sep={json.dumps(self.delimiter)}, skipinitialspace=True, "
            f"dtype={{{column}: str}}); {_reader(size, self._of_bands(size))}; "
            f"v = [read({before} + f + {after}) for f in t[{column}]]; t = t[[i is not None for i in v]]; "
            "x = np.stack([i for i in v if i is not None]); "
            f"y = np.array(t[{chosen}].to_numpy().tolist()); np.savez({out}, {kept})"
        )
        of = ", ".join(map(printable, labels))
        made = f"{self.path.stem}-images.npz"
        bands = f", {len(self.bands)} files of bands each," if self.bands else ""
        return f"arrays of the images{bands} and {of}: python -c {shlex.quote(code)}; then --data {shlex.quote(made)}"

    def _of_bands(self, size: int | None) -> str:
        """Return how the bands of an image are read whose files begin with `p`; empty where it has one file."""
        if not self.bands:
            return ""
        tiff = all(name.lower().endswith((".tif", ".tiff")) for name in self.bands)
        read = "tifffile.imread(p + e)" if tiff else "np.asarray(Image.open(p + e))"
        return (
            f'[np.asarray(Image.fromarray({read}.astype("float32")).resize(({size or _SIZE}, {size or _SIZE}))) '
            f"for e in {json.dumps(list(self.bands))}]"
        )


def _image(size: int | None) -> str:
    """Return how an image `p` is read, as colours of one size."""
    return (
        'ImageOps.fit(ImageOps.exif_transpose(Image.open(p)).convert("RGB"), '
        f"({size or _SIZE}, {size or _SIZE}))"
    )


def _reader(size: int | None, image: str = "") -> str:
    """Return code, in one line, that defines `read(p)`: an array, or None for a file that it names as not readable."""
    code = (
        f"def read(p):\n try: return np.asarray({image or _image(size)})\n"
        ' except Exception as err: print("left out:", p, err)'
    )
    return f"exec({json.dumps(code)})"


def command_for_names(folder: Path, names: Sequence[str], size: int | None = None) -> str:
    """Return the command that makes arrays of images and the numbers that their names begin with; empty without them.

    Args:
        folder: Where they lie.
        names: The files.
        size: Of the images, in pixels.
    """
    first = [re.match(r"(\d+(?:\.\d+)?)[_ -]", name) for name in names]
    numbers = {match[1] for match in first if match}
    if not names or not all(first) or not 1 < len(numbers) < len(names):
        return ""
    code = (
        "import glob, os, re, numpy as np; from PIL import Image, ImageOps; "
        f"f = sorted(p for p in glob.glob({json.dumps(str(folder) + '/*')}) if p.lower().endswith({_SUFFIXES})); "
        f"{_reader(size)}; v = [read(p) for p in f]; f = [p for p, i in zip(f, v) if i is not None]; "
        "x = np.stack([i for i in v if i is not None]); "
        'y = np.array([float(re.match("[0-9.]+", os.path.basename(p))[0]) for p in f]); '
        f"np.savez({json.dumps(f'{folder.name}.npz')}, x=x, y=y)"
    )
    return (
        f"if the first number of a name, as in {printable(names[0], 60)}, is to be predicted: python -c "
        f"{shlex.quote(code)}; then --data {shlex.quote(folder.name)}.npz"
    )


def command_for_classes(
    root: Path, suffixes: Collection[str], size: int | None, *, numbers: bool = False
) -> str:
    """Return the command that makes arrays of class folders of other files, or of folders whose names are numbers.

    Args:
        root: The folder above them.
        suffixes: How the names of files end that lie there.
        size: Of images, in pixels.
        numbers: The names of the folders are numbers to predict, and the files images.
    """
    readers = [(suffix, module, read) for suffix, module, read in _OTHERS if suffix in suffixes]
    suffix, module, read = ("", "pathlib", _image(size)) if numbers else (readers or [("", "", "")])[0]
    if not module:
        return ""
    label = "float(p.parent.name)" if numbers else "p.parent.name"
    code = (
        f"import numpy as np, pathlib{f', {module}' if suffix else ''}; from PIL import Image, ImageOps; "
        f"f = sorted(p for p in pathlib.Path({json.dumps(str(root))}).glob({json.dumps(f'*/*{suffix}')})); "
        f"{_reader(size, read)}; v = [read(p) for p in f]; f = [p for p, i in zip(f, v) if i is not None]; "
        f"np.savez({json.dumps(f'{root.name}.npz')}, x=np.stack([i for i in v if i is not None]), "
        f"y=np.array([{label} for p in f]))"
    )
    return f"arrays of them: python -c {shlex.quote(code)}; then --data {shlex.quote(root.name)}.npz"


def command_for_parts(folder: Path, size: int | None = None) -> str:
    """Return the command that makes arrays of folders for train, val and test with a table of labels each; else empty.

    Args:
        folder: Where the folders lie.
        size: Of the images, in pixels.
    """
    inside = [
        each for each in sorted(folder.absolute().iterdir()) if each.is_dir() and _tells_part([each.name])
    ]
    tables = [table for each in inside if (table := _own_table(each)) is not None]
    parts = [str((part_of(each.name) or ("",))[0]) for each in inside]
    alike = {(table.delimiter, table.column, table.after, *table.labels) for table in tables}
    if not len(inside) == len(tables) == len(set(parts)) or len(alike) != 1:
        return ""
    first, name = tables[0], f"{folder.absolute().name}.npz"
    several = len(first.labels) > 1
    label = (
        f"d[{json.dumps(list(first.labels))}].idxmax(axis=1)"
        if several
        else f"d[{json.dumps(first.labels[0])}]"
    )
    paths = {part: (str(table.path), table.before) for part, table in zip(parts, tables, strict=True)}
    code = (
        "import numpy as np, pandas as pd; from PIL import Image, ImageOps; "
        f"t = {{k: (b, pd.read_csv(p, sep={json.dumps(first.delimiter)}, skipinitialspace=True, "
        f"dtype={{{json.dumps(first.column)}: str}})) for k, (p, b) in {json.dumps(paths)}.items()}}; "
        f"{_reader(size)}; v = {{k: [read(b + f + {json.dumps(first.after)}) for f in d[{json.dumps(first.column)}]] "
        "for k, (b, d) in t.items()}; "
        "t = {k: (b, d[[i is not None for i in v[k]]]) for k, (b, d) in t.items()}; "
        'x = {"x_" + k: np.stack([i for i in v[k] if i is not None]) for k in t}; '
        f'y = {{"y_" + k: np.array({label}.tolist()) for k, (b, d) in t.items()}}; '
        f"np.savez({json.dumps(name)}, **x, **y)"
    )
    of = ", ".join(map(printable, first.labels))
    return (
        f"{first.path.name} in each has the labels; arrays of the images and {of}: python -c {shlex.quote(code)}; then "
        f"--data {shlex.quote(name)}"
    )


def _own_table(folder: Path) -> LabelTable | None:
    return next(
        (found for path in sorted(folder.glob("*.[ct]sv")) if (found := read_label_table(path))), None
    )


def find_label_table(folder: Path) -> LabelTable | None:
    """Return a table in a folder, or in the one above it, that names images and their labels; None without one."""
    places = itertools.chain.from_iterable(
        sorted(place.glob("*.[ct]sv")) for place in (folder, folder.parent)
    )
    tables = sorted(itertools.islice(places, _TABLES), key=lambda path: bool(_NO_LABELS.search(path.name)))
    return next((found for path in tables if (found := read_label_table(path)) is not None), None)


def read_label_table(path: Path) -> LabelTable | None:
    """Return a table that names images; None for another."""
    try:
        with path.open(newline="", errors="replace") as file:
            header = file.readline().lstrip("\ufeff")
            delimiter = max(",;\t", key=header.count)
            names = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True), [])
            rows = list(itertools.islice(csv.reader(file, delimiter=delimiter, skipinitialspace=True), _ROWS))
    except (OSError, csv.Error):
        return None
    rows = [row for row in rows if len(row) == len(names)]
    if not rows or len(names) < 2 or len(set(names)) < len(names):
        return None
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    for name, values in columns.items():
        place = _files(path.parent, values[:_LOOKED_FOR]) if _may_be_names(values) else None
        bands = _bands(path.parent, values[:_LOOKED_FOR]) if _may_be_names(values) and not place else None
        if place or bands:
            others = {other: each for other, each in columns.items() if other not in (name, "")}
            parts = next((other for other, each in others.items() if _tells_part(each)), "")
            others.pop(parts, None)
            known = tuple(others)
            before, after = place or (bands[0] if bands else "", "")
            named = bands[1] if bands else ()
            return (
                LabelTable(path, delimiter, name, before, after, _labels(others), parts, known, named)
                if others
                else None
            )
    return None


def refuse_label_table(path: Path | None, target: str | None, size: int | None = None) -> None:
    """Refuse a table that names images, which a network for images cannot read.

    Raises:
        DataError: It does.
    """
    table = None if path is None or path.suffix.lower() not in (".csv", ".tsv") else read_label_table(path)
    if table is not None:
        raise DataError(
            f"--data {printable(str(path), 300)}: the column {printable(table.column)} names image files, which a "
            "table cannot hold",
            table.command(target, size),
        )


def command_with_target(path: Path | None, target: str, size: int | None = None) -> str:
    """Return the command for a folder of images beside a table that has the column to predict; empty without one."""
    if path is None or not path.is_dir():
        return ""
    table = find_label_table(path)
    if table is not None and {name.strip() for name in target.split(",")} <= {*table.columns}:
        return f"without --target, {table.command(target, size)}"
    command = command_for_parts(path, size)
    return f"without --target: {command}" if command else ""


def _may_be_names(values: Sequence[str]) -> bool:
    """Return whether values are different texts; a single one without a point tells nothing."""
    return all(values) and len(set(values)) == len(values) and (len(values) > 1 or "." in values[0])


def _files(folder: Path, values: Sequence[str]) -> tuple[str, str] | None:
    """Return what stands before and after file names in the paths of the files that they name; None without files."""
    if any("\0" in value or len(value) > 255 for value in values):
        return None
    suffixes = ["", *IMAGE_SUFFIXES, *(suffix.upper() for suffix in IMAGE_SUFFIXES)]
    for inside in itertools.islice(_folders(folder, _DEPTH), _FOLDERS):
        for suffix in suffixes:
            paths = [inside / f"{value}{suffix}" for value in values]
            if all(path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() for path in paths):
                return f"{inside}/", suffix
    return None


def _bands(folder: Path, values: Sequence[str]) -> tuple[str, Sequence[str]] | None:
    """Return what stands before the names of images with a file for each band, and what behind; None without them."""
    ending = re.compile(rf"[ ._-]({TOKENS})(_[126]0m)?\.\w+", re.IGNORECASE)
    for inside in itertools.islice(_folders(folder, _DEPTH), _FOLDERS):
        names = [each.name for each in inside.iterdir() if each.suffix.lower() in IMAGE_SUFFIXES]
        ends = [
            {
                name[len(value) :]
                for name in names
                if name.startswith(value) and ending.fullmatch(name, len(value))
            }
            for value in values
        ]
        if len(ends[0]) > 1 and all(each == ends[0] for each in ends):
            return f"{inside}/", sorted(ends[0], key=lambda end: order_of_bands(ending.fullmatch(end)[1]))  # type: ignore[index]
    return None


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """Yield a folder and those inside it, the upper ones first."""
    level = [folder]
    for _ in range(depth):
        yield from level
        level = [each for parent in level for each in sorted(parent.iterdir()) if each.is_dir()]


def _tells_part(values: Sequence[str]) -> bool:
    found = [part_of(value) for value in dict.fromkeys(values)]
    return all(each is not None and each[1] for each in found)


def _labels(columns: dict[str, list[str]]) -> Sequence[str]:
    """Return the column of labels by its name, all columns of one-hot rows, or the first column."""
    called = [name for name in columns if _LABEL.fullmatch(name)]
    if called:
        return called[:1]
    rows = zip(*columns.values(), strict=True)
    one_hot = len(columns) > 1 and all(sorted(row) == ["0"] * (len(columns) - 1) + ["1"] for row in rows)
    return list(columns) if one_hot else list(columns)[:1]
