"""Which arrays of a file are inputs and which targets, by their names, and by their shapes where names do not tell."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from dlkit.data.arrays.axes import OTHER, readings
from dlkit.data.arrays.headers import ArrayEntry, read_entries
from dlkit.data.arrays.names import ASIDE, INPUT_NAMES, TARGET, TARGET_NAMES, has_word, split_name
from dlkit.errors import DataError, did_you_mean, first_of, printable
from dlkit.settings.spec import Spec, parse_code

JOINED = (
    "join them with numpy.concatenate((x1, x2), 1), and split them in forward, e.g. x1, x2 = x.chunk(2, 1)"
)
_SHOWN = 8
_FEW = 2000


def find_roles(
    entries: Mapping[str, ArrayEntry],
    source: str,
    features: str | None,
    target: str | None,
    *,
    need_train: bool = True,
) -> dict[str, tuple[str, str]]:
    """Return which arrays are inputs and which targets.

    Args:
        entries: The arrays of the file.
        source: What the file is called in messages.
        features: What --features names; None takes the usual names.
        target: What --target names, likewise.
        need_train: Parts without one to train on are refused.

    Returns:
        Names of inputs and targets by part: `train`, `val`, `test`, or `all` where there are no parts.

    Raises:
        DataError: There are none, there are several that may be meant, or a part lacks one.
    """
    found: dict[str, list[str]] = {}
    for option, typed, usual in (
        ("--features", features, INPUT_NAMES),
        ("--target", target, TARGET_NAMES),
    ):
        by_part = _by_part(entries, (typed,) if typed is not None else usual, exact=typed is not None)
        if not by_part and typed is None and (stem := _by_shape(entries, option, features, target)):
            by_part = _by_part(entries, (stem,), exact=True)
        if not by_part:
            what = "inputs" if option == "--features" else "targets"
            problem = (
                f"has no array {printable(typed)}"
                if typed
                else f"has no array of {what} that its name identifies"
            )
            raise DataError(
                f"{option + ' ' + printable(typed) + ': ' if typed else ''}{source} {problem}",
                did_you_mean(typed or "", entries) or _naming(option, entries, usual, need_train=need_train),
            )
        for part, names in by_part.items():
            if len(names) > 1:
                raise DataError(
                    f"{source} holds {' and '.join(map(printable, names))}, which may all be {option[2:]}",
                    f"{option} NAME names the one to take",
                )
            found.setdefault(part, []).append(f"{option}={names[0]}")
    return _paired(found, source, entries, need_train=need_train)


def note_of(roles: Mapping[str, tuple[str, str]], entries: Mapping[str, ArrayEntry], typed: bool) -> str:
    """Return a message where names alone did not tell the roles, or a part has no targets: what was left out.

    Args:
        roles: What `find_roles` returned.
        entries: The arrays of the file.
        typed: The command line names both.
    """
    inputs, targets = next(iter(roles.values()))
    usual = split_name(inputs)[1].lower() in INPUT_NAMES and split_name(targets)[1].lower() in TARGET_NAMES
    taken = {name for pair in roles.values() for name in pair}
    if typed or usual or not targets:
        same = [
            name for name in entries if split_name(name)[1] == split_name(inputs)[1] and name not in taken
        ]
        return (
            f"{', '.join(map(printable, same))} left out: there are no targets for it"
            if same and targets
            else ""
        )
    others = [entry.shown() for name, entry in entries.items() if name not in taken]
    left = f"; left out: {', '.join(others[:_SHOWN])}" if others else ""
    return (
        f"the inputs are {entries[inputs].shown()}, the targets {entries[targets].shown()}{left}; "
        "--features NAME and --target NAME choose others"
    )


def find_inputs(
    entries: Mapping[str, ArrayEntry], features: str | None, target: str | None
) -> dict[str, str]:
    """Return which arrays are inputs, by part, where the file holds nothing else; else nothing.

    Args:
        entries: The arrays of the file.
        features: What --features named in the data trained on; None takes the usual names.
        target: What --target named.
    """
    if len(entries) == 1:
        (name,) = entries
        return {} if name == target or name.lower() in TARGET_NAMES else {"all": name}
    by_part = _by_part(entries, (features,), exact=True) if features is not None else {}
    by_part = by_part or _by_part(entries, INPUT_NAMES, exact=False)
    found = {part: names[0] for part, names in by_part.items()}
    return found if len(found) == len(entries) else {}


def _naming(
    option: str, entries: Mapping[str, ArrayEntry], usual: tuple[str, ...], *, need_train: bool
) -> str:
    """Return the ways out where no array is called as inputs or targets are."""
    ways = [
        f"{option} NAME names one",
        f"it holds {_list(entries)}",
        f"recognised names are {', '.join(usual[:-1])}",
    ]
    if option == "--target" and not need_train:
        ways.append("without labels, leave out all but the inputs")
    targets = [name for part in (_by_part(entries, TARGET_NAMES, exact=False)).values() for name in part]
    if option == "--features" and len(entries) - len(targets) > 1:
        ways.append(f"for several, {JOINED}")
    return "; ".join(ways)


def recipe_of(spec: Spec, given: Mapping[str, Any]) -> str:
    """Return the recipe that suits the inputs in a file: `image` for images, `table` for rows of numbers or sequences.

    A network of the user's own gets `few` for few of them, since it may be one layer, which needs many steps.

    Raises:
        DataError: It is missing or damaged, or the inputs cannot be found.
    """
    assert spec.path is not None, "arrays lie in a file"
    entries = read_entries(spec.path)
    features, target = given.get("features"), given.get("target")
    roles = {} if "" in entries else find_roles(entries, str(spec.path), features, target)
    inputs = next(iter(roles.values()))[0] if roles else ""
    first = readings(entries[inputs].shape, entries[inputs].dtype, given, inputs or spec.name)[0]
    if first.is_image or first.layout == OTHER:
        return "image"
    few = (
        math.prod(entries[inputs].shape[:1]) <= _FEW and parse_code(str(given.get("model") or "")) is not None
    )
    return "few" if few else "table"


def _by_part(
    entries: Mapping[str, ArrayEntry], wanted: Iterable[str], *, exact: bool
) -> dict[str, list[str]]:
    """Return the arrays of the wanted names by the part that their names tell, as in `x_train` and `train_x`."""
    found: dict[str, list[str]] = {}
    wanted = tuple(wanted)
    for name in entries:
        if exact and name == wanted[0]:
            return {"all": [name]}
        part, plain = split_name(name)
        if plain in wanted or (not exact and plain.lower() in wanted):
            found.setdefault(part, []).append(name)
    return found


def _by_shape(
    entries: Mapping[str, ArrayEntry], option: str, features: str | None, target: str | None
) -> str:
    """Return the name, without its part, of the only arrays that can be the inputs or the targets; else nothing.

    Inputs are numbers of two or more axes; targets, one value for each of them, or called as targets are.
    """
    plain: dict[str, list[ArrayEntry]] = {}
    for name, entry in entries.items():
        plain.setdefault(split_name(name)[1], []).append(entry)
    rows = {name: [_count(entry.shape) for entry in each] for name, each in plain.items()}
    named = {name for name in plain if has_word(name, TARGET) or name == target}
    wide = [
        name
        for name, each in plain.items()
        if name not in named
        and all(
            entry.kind in "OV" or (entry.kind in "fiubc" and not _is_single(entry.shape)) for entry in each
        )
        and any(rows[other] == rows[name] for other in plain if other != name)
    ]
    wide = [name for name in wide if not has_word(name, ASIDE)] or wide
    usual = [name for name in plain if name.lower() in INPUT_NAMES]
    inputs = [features] if features in plain else usual or wide
    if option == "--features" or len(inputs) != 1:
        return inputs[0] if option == "--features" and len(inputs) == 1 else ""
    single = [
        name
        for name, each in plain.items()
        if name not in inputs
        and rows[name] == rows[inputs[0]]
        and (name in named or (not has_word(name, ASIDE) and all(_is_single(entry.shape) for entry in each)))
    ]
    best = [name for name in single if name in named] or single
    return best[0] if len(best) == 1 else ""


def _is_single(shape: tuple[int, ...]) -> bool:
    """Return whether an array holds one value for each sample: (N,), (N, 1) or (1, N); or one value alone."""
    return math.prod(shape) == max(shape, default=1)


def _count(shape: tuple[int, ...]) -> int:
    """Return the number of samples in an array; MATLAB saves a row for one value each."""
    return shape[1] if len(shape) == 2 and shape[0] == 1 else (shape or (0,))[0]


def _paired(
    found: Mapping[str, list[str]], source: str, entries: Mapping[str, ArrayEntry], *, need_train: bool
) -> dict[str, tuple[str, str]]:
    """Check that each part has inputs and targets, and that there is a part to train on."""
    pairs: dict[str, tuple[str, str]] = {}
    for part, names in found.items():
        if len(names) < 2:
            option, _, name = names[0].partition("=")
            if option == "--features" and part != "train" and len(found.get("train", ())) == 2:
                continue  # to be predicted, as challenges have it
            other = "targets" if option == "--features" else "inputs"
            raise DataError(
                f"{source} holds {printable(name)} without the {other} that belong to it",
                f"it holds {_list(entries)}",
            )
        inputs, targets = (name.partition("=")[2] for name in names)
        pairs[part] = (inputs, targets)
    if "all" in pairs and len(pairs) > 1:
        extra = ", ".join(part for part in pairs if part != "all")
        raise DataError(
            f"{source} holds arrays of {extra} and others that belong to no part", "name all or none by part"
        )
    if need_train and "all" not in pairs and "train" not in pairs:
        raise DataError(
            f"{source} holds no arrays to train on, only {', '.join(pairs)}", "add x_train and y_train"
        )
    return pairs


def _list(entries: Mapping[str, ArrayEntry]) -> str:
    return first_of([entry.shown() for entry in entries.values()], longest=200) or "no arrays"
