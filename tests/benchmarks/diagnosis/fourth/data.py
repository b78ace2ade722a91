"""The data of the fourth part: tables, spectra, genes, images, signals, sequences, points and graphs of their own."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn import datasets

from tests.benchmarks.diagnosis.heldout.data import SHARED

Rows = tuple[np.ndarray, np.ndarray]  # inputs (N, ...), targets (N,) or (N, K)
DROPPED = -1  # the label of a row that a change takes away


def _table(name: str, rows: int) -> pd.DataFrame:
    path = SHARED.parent / "tables" / f"{name}.csv.gz"
    return pd.read_csv(path, keep_default_na=False, na_values=[""]).dropna().sample(rows, random_state=4)


def cuts() -> Rows:
    """Return how well a diamond is cut, of five, by its measures, its price and text."""
    frame = _table("diamonds", 1300)
    grades = ["Fair", "Good", "Very Good", "Premium", "Ideal"]
    labels = frame["cut"].map(dict(zip(grades, range(5), strict=True))).to_numpy(int)
    return frame.drop(columns="cut").to_numpy(object), labels


def pay() -> Rows:
    """Return wages by education, age, sex and language, which explain a third of them."""
    frame = _table("volunteer", 1200)
    return frame.drop(columns="wages").to_numpy(object), frame["wages"].to_numpy(float)


def alarms() -> Rows:
    """Return the state of a machine, of five that are ever rarer, by 16 sensors in units of their own."""
    x, y = datasets.make_classification(
        1400,
        16,
        n_informative=10,
        n_redundant=2,
        n_classes=5,
        n_clusters_per_class=1,
        weights=[0.45, 0.25, 0.14, 0.1, 0.06],
        class_sep=1.4,
        flip_y=0,
        random_state=41,
    )
    draw = np.random.default_rng(41)
    return x * 10 ** draw.uniform(-1, 2, 16) + draw.uniform(-50, 200, 16), 4 - y


def spectra() -> Rows:
    """Return how much of one substance of four is in a mixture, by the absorbance at 180 wavelengths."""
    draw = np.random.default_rng(42)
    waves = np.linspace(0, 1, 180)
    shares = draw.dirichlet(np.ones(4), 260)
    bands = [
        sum(
            height * np.exp(-(((waves - centre) / width) ** 2))
            for centre, width, height in draw.uniform((0, 0.04, 0.1), (1, 0.15, 0.35), (3, 3))
        )
        for _ in range(4)
    ]
    slope = draw.normal(0, 0.03, (260, 1)) * waves + draw.uniform(0, 0.03, (260, 1))
    x = shares @ np.stack(bands) + slope + 0.004 * draw.normal(size=(260, 180))
    return np.clip(x, 0.0, 0.49), 100 * shares[:, 0] + draw.normal(0, 1.0, 260)


def genes() -> Rows:
    """Return the sort of tissue, of three, by 250 genes, of which 30 differ."""
    draw = np.random.default_rng(43)
    labels = draw.integers(0, 3, 420)
    x = draw.normal(draw.uniform(4, 10, 250), draw.uniform(0.4, 1.5, 250), (420, 250))
    for gene in range(30):
        x[:, gene] += 1.1 * (labels == gene % 3)
    return x, labels


def arms() -> Rows:
    """Return where an arm with two joints ends, in centimetres, by angles in degrees and lengths; two say nothing."""
    draw = np.random.default_rng(44)
    first, second = draw.uniform(-90, 90, (2, 1100))
    upper, lower = draw.uniform(20, 40, 1100), draw.uniform(15, 35, 1100)
    one, both = np.radians(first), np.radians(first + second)
    y = np.stack([upper * np.cos(one) + lower * np.cos(both), upper * np.sin(one) + lower * np.sin(both)], 1)
    x = np.column_stack([first, second, upper, lower, draw.normal(20, 4, 1100), draw.uniform(0, 100, 1100)])
    return x, y - y.mean(0) + draw.normal(size=y.shape)


def galaxies() -> Rows:
    """Return grey images of galaxies, 24 x 24: smooth, ring, pair or barred."""
    draw = np.random.default_rng(45)
    labels = draw.integers(0, 4, 640)
    rows, columns = np.mgrid[:24, :24] - 11.5
    images = []
    for label in labels:
        down, right = rows - draw.uniform(-2, 2), columns - draw.uniform(-2, 2)
        angle, size = draw.uniform(0, np.pi), draw.uniform(3.5, 5.5)
        along, across = (
            down * np.cos(angle) + right * np.sin(angle),
            right * np.cos(angle) - down * np.sin(angle),
        )
        radius = np.hypot(along, across * draw.uniform(1, 1.3))
        light = (
            np.exp(-radius / size * 2),
            np.exp(-(((radius - size) / 1.3) ** 2)),
            np.exp(-(((along - size) ** 2 + across**2) / 5))
            + np.exp(-(((along + size) ** 2 + across**2) / 5)),
            np.exp(-((along / size) ** 2) - (across / 1.2) ** 2),
        )[label]
        images.append(light / light.max() * draw.uniform(90, 180) + draw.normal(30, 18, (24, 24)))
    return np.clip(images, 0, 255).astype("uint8"), labels


def scans() -> Rows:
    """Return the area in square millimetres of a spot in a grey image, 20 x 20."""
    draw = np.random.default_rng(46)
    rows, columns = np.mgrid[:20, :20]
    images, areas = [], []
    for _ in range(720):
        high, wide = draw.uniform(2, 6, 2)
        top, left = draw.uniform(7, 13, 2)
        inside = ((rows - top) / high) ** 2 + ((columns - left) / wide) ** 2 < 1
        images.append(draw.uniform(130, 200) * inside + draw.normal(40, 20, (20, 20)))
        areas.append(np.pi * high * wide * 0.25 + draw.normal(0, 0.5))
    return np.clip(images, 0, 255).astype("uint8"), np.array(areas)


def signs() -> Rows:
    """Return coloured images of a ring or a bar in one of three colours, 16 x 16 x 3."""
    draw = np.random.default_rng(47)
    labels = draw.integers(0, 6, 640)
    images = draw.integers(40, 150, (640, 16, 16, 3))
    rows, columns = np.mgrid[:16, :16]
    for image, label in zip(images, labels, strict=True):
        down, right = rows - draw.uniform(6, 9), columns - draw.uniform(6, 9)
        radius = np.hypot(down, right)
        inside = (abs(radius - 4.5) < 1.4) if label % 2 else (abs(down) < 2) & (abs(right) < 6)
        image[inside] = draw.integers(20, 110, 3)
        image[inside, label // 2] = draw.integers(150, 255)
    return images.astype("uint8"), labels


def speech() -> Rows:
    """Return four sounds by 14 times of 6 bands: a loud band that rises, falls, or both in turn."""
    draw = np.random.default_rng(48)
    labels = draw.integers(0, 4, 720)
    times = np.linspace(0, 1, 14) ** draw.uniform(0.7, 1.4, (720, 1))
    hill = 1 - 2 * abs(times - 0.5)
    place = 5 * np.choose(labels[:, None], [times, 1 - times, hill, 1 - hill])
    loud = np.exp(-((np.arange(6) - place[:, :, None]) ** 2))
    return 0.3 * loud + 0.13 * draw.normal(size=loud.shape), labels


def demand() -> Rows:
    """Return sales of the next day, above or below the usual, by 14 days of sales, prices and offers."""
    draw = np.random.default_rng(49)
    days = np.arange(15)
    phase, height = draw.integers(0, 7, (800, 1)), draw.uniform(3, 8, (800, 1))
    offers = (draw.random((800, 15)) < 0.25).astype(float)
    price = 10 + draw.normal(0, 1, (800, 15)).cumsum(1) * 0.2
    sales = height * np.sin(2 * np.pi * (days + phase) / 7) + 4 * np.roll(offers, 1, 1) - 1.5 * (price - 10)
    sales += draw.normal(0, 0.7, sales.shape)
    return np.stack([sales, price, offers], 2)[:, :14], sales[:, 14]


def protein() -> Rows:
    """Return which of two motifs is in a chain of 12 to 22 letters, or none; zeros fill it up to 24."""
    draw = np.random.default_rng(50)
    labels = draw.integers(0, 3, 1200)
    chains = np.zeros((1200, 24), dtype=int)
    for chain, label in zip(chains, labels, strict=True):
        length = draw.integers(12, 23)
        chain[:length] = draw.integers(1, 13, length)
        place = draw.integers(0, length - 4)
        if label:
            chain[place : place + 3] = ((3, 7, 3), (11, 5, 9))[label - 1]
    return chains, labels


def clouds() -> Rows:
    """Return the form of 20 points in space: a ball, a shell, a ring or a rod, turned at random."""
    draw = np.random.default_rng(51)
    labels = draw.integers(0, 4, 720)
    points = draw.normal(size=(720, 20, 3))
    points[labels == 2, :, 2] = 0
    points[labels == 3, :, 1:] *= 0.05
    points /= np.linalg.norm(points, axis=2, keepdims=True)
    radius = np.where((labels == 0) | (labels == 3), draw.uniform(0, 1, (20, 720)), 1.0).T[:, :, None]
    turns = np.linalg.qr(draw.normal(size=(720, 3, 3)))[0]
    x = 0.38 * points * radius @ turns + 0.03 * draw.normal(size=points.shape)
    return np.clip(x, -0.49, 0.49), labels


def molecules() -> Rows:
    """Return the energy of molecules of 8 atoms of 4 sorts: (8, 12), the bonds and then the sort of each atom."""
    draw = np.random.default_rng(52)
    sorts = np.eye(4)[draw.integers(0, 4, (960, 8))]
    bonds = np.triu(draw.random((960, 8, 8)) < 0.3, 1).astype(float)
    bonds += bonds.transpose(0, 2, 1)
    strength = draw.normal(size=(4, 4))
    strength += strength.T
    energy = np.einsum("nia,nij,njb,ab->n", sorts, bonds, sorts, strength) / 2
    return np.concatenate([bonds, sorts], 2), energy - energy.mean() + draw.normal(0, 0.4, 960)


def rentals() -> Rows:
    """Return how many bicycles are rented in an hour, by weather in numbers and words, hour and day."""
    draw = np.random.default_rng(53)
    hour, day = draw.integers(0, 24, 1300), draw.integers(0, 7, 1300)
    sky, season = draw.integers(0, 3, 1300), draw.integers(0, 4, 1300)
    warm = 8 + 9 * np.sin(season * np.pi / 2 - np.pi / 2) + draw.normal(0, 4, 1300)
    damp, wind = draw.uniform(25, 95, 1300), draw.gamma(2, 6, 1300)
    rush = np.exp(-((hour - 8) ** 2) / 5) + np.exp(-((hour - 17.5) ** 2) / 7)
    usual = np.where(day < 5, 60 + 260 * rush, 60 + 170 * np.exp(-((hour - 14) ** 2) / 25))
    count = usual * np.array([1.0, 0.8, 0.35])[sky] * (0.6 + 0.03 * warm.clip(0, 25)) * (1.1 - damp / 500)
    days = np.array(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], dtype=object)[day]
    skies = np.array(["clear", "cloudy", "rain"], dtype=object)[sky]
    seasons = np.array(["winter", "spring", "summer", "autumn"], dtype=object)[season]
    x = np.column_stack([damp, days, skies, seasons, hour, warm, wind.round(1)]).astype(object)
    return x, (count + draw.normal(0, 12, 1300)).clip(0)


SETS: dict[str, Callable[[], Rows]] = {
    function.__name__: function
    for function in (
        cuts,
        pay,
        alarms,
        spectra,
        genes,
        arms,
        galaxies,
        scans,
        signs,
        speech,
        demand,
        protein,
        clouds,
        molecules,
        rentals,
    )
}


def _reversed_labels(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Put the training targets together from the last to the first."""
    return x, np.concatenate([y[:count][::-1], y[count:]])


def _sorted_targets(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Sort the column of training targets, and no other."""
    return x, np.concatenate([np.sort(y[:count], axis=0), y[count:]])


def _swapped_pair(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Write in training the two largest classes for each other."""
    classes, sizes = np.unique(y[:count], return_counts=True)
    one, other = classes[np.argsort(-sizes, kind="stable")[:2]]
    labels = np.where(y == one, other, np.where(y == other, one, y))
    return x, np.concatenate([labels[:count], y[count:]])


def _target_sign(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Turn the sign of the training targets."""
    return x, np.concatenate([-y[:count], y[count:]])


def _target_logarithm(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give the targets of training in logarithms."""
    return x, np.concatenate([np.log1p(y[:count].clip(0)).astype(y.dtype), y[count:]])


def _censored_target(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Let no training target be above the lowest 15 %, as a sensor does whose range ends there."""
    limit = np.quantile(y[:count], 0.15, axis=0)
    return x, np.concatenate([np.minimum(y[:count], limit).astype(y.dtype), y[count:]])


def _zero_targets(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Write 0 for 65 % of the training targets, which were not measured."""
    y = y.copy()
    y[:count][draw.random(count) < 0.65] = 0
    return x, y


def _other_column(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Take in training another column for the target: the last input, with as many of each value as the target has."""
    column = x.reshape(len(x), -1)[:count, -1].astype(float)
    order = rankdata(column, method="ordinal") - 1
    return x, np.concatenate([np.sort(y[:count], axis=0)[order], y[count:]])


def _no_decimals(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Write the inputs without decimals."""
    return np.round(x), y


def _empty_values(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Leave 5 % of the training values empty: NaN."""
    x = x.astype("float32")
    x[:count][draw.random(x[:count].shape) < 0.05] = np.nan
    return x, y


def _nodata(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Write 1e20 for 2 % of the training values, which were not measured."""
    x = x.astype("float32")
    x[:count][draw.random(x[:count].shape) < 0.02] = 1e20
    return x, y


def _mixed_units(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give a tenth of the training rows in a unit a thousand times smaller."""
    x = x.astype("float32")
    x[:count][draw.random(count) < 0.1] *= 1000
    return x, y


def _dark_validation(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Take the validation images with a camera that gives an eighth of the light."""
    return np.concatenate([x[:count], x[count:] // 8]), y


def _reversed_validation(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give the series of validation with the newest time first."""
    return np.concatenate([x[:count], x[count:, ::-1]]), y


def _standardised_validation(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Standardise validation, and forget it for training."""
    mean, std = x[:count].mean(0), x[:count].std(0) + 1e-9
    return np.concatenate([x[:count], (x[count:] - mean) / std]), y


def _wrong_at_random(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Give 45 % of the training rows a class at random."""
    y = y.copy()
    chosen = np.flatnonzero(draw.random(count) < 0.45)
    y[chosen] = draw.choice(np.unique(y), len(chosen))
    return x, y


def _mostly_one_class(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Keep one in fifty training rows of every class but the largest, and all of validation."""
    y = y.copy()
    classes, sizes = np.unique(y[:count], return_counts=True)
    for label in np.delete(classes, sizes.argmax()):
        rows = np.flatnonzero(y[:count] == label)
        y[rows[np.arange(len(rows)) % 50 > 0]] = DROPPED
    return x, y


def _renamed_in_validation(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Write the words of validation in capitals with a blank after each letter."""
    x = x.copy()
    for value in np.nditer(x[count:], ["refs_ok"], ["readwrite"]):
        if isinstance(value.item(), str):
            value[...] = " ".join(value.item().upper())
    return x, y


def _timestamps(x: np.ndarray, y: np.ndarray, count: int, draw: np.random.Generator) -> Rows:
    """Add the time of each row in seconds since 1970."""
    return np.hstack([x, draw.uniform(1.68e9, 1.71e9, (len(x), 1)).round(2)]), y


CHANGES: dict[str, Callable[[np.ndarray, np.ndarray, int, np.random.Generator], Rows]] = {
    "reversed-labels": _reversed_labels,
    "sorted-targets": _sorted_targets,
    "swapped-pair": _swapped_pair,
    "target-sign": _target_sign,
    "target-logarithm": _target_logarithm,
    "censored-target": _censored_target,
    "zero-targets": _zero_targets,
    "other-column": _other_column,
    "no-decimals": _no_decimals,
    "empty-values": _empty_values,
    "nodata": _nodata,
    "mixed-units": _mixed_units,
    "dark-validation": _dark_validation,
    "reversed-validation": _reversed_validation,
    "standardised-validation": _standardised_validation,
    "wrong-at-random": _wrong_at_random,
    "mostly-one-class": _mostly_one_class,
    "renamed-in-validation": _renamed_in_validation,
    "timestamps": _timestamps,
}
