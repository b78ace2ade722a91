"""The data of the sixth part: tables, images, series, pairs, words and places that the others do not have."""

from collections.abc import Callable

import numpy as np
from sklearn import datasets

Rows = tuple[np.ndarray, np.ndarray]  # inputs (N, ...), targets (N,) or (N, K)


def patients() -> Rows:
    """Return who comes back to a hospital within a month, by four numbers and three words."""
    draw = np.random.default_rng(81)
    age, pressure, sugar = draw.normal((62, 130, 6), (14, 18, 1.5), (1300, 3)).T
    stays = draw.poisson(1.5, 1300)
    ward, illness, insurer = draw.integers(0, (5, 8, 3), (1300, 3)).T
    risk = 1.6 * (stays - 1.5) + 2.5 * np.sin(illness * 2.1) + np.where(ward == 2, 1.5, -0.4)
    risk += np.where(illness % 2 == 0, 1, -1) * (age - 62) / 7 + 0.5 * (sugar - 6)
    numbers = np.stack([age, pressure, sugar, stays.astype(float)], 1).round(2).astype(object)
    named = (("ward", ward), ("icd", illness), ("payer", insurer))
    words = np.array([[f"{name}{value}" for value in values] for name, values in named], object).T
    return np.hstack([numbers, words]), (risk + draw.logistic(0, 0.3, 1300) > 0).astype(int)


def engines() -> Rows:
    """Return what an engine burns in an hour, by nine measures in units of their own, of which three say nothing."""
    draw = np.random.default_rng(82)
    litres, turns, load = draw.uniform((1, 800, 0.1), (4, 6000, 1), (1200, 3)).T
    heat, wear, humid = draw.normal((90, 120, 0.5), (12, 40, 0.1), (1200, 3)).T
    burnt = 0.002 * litres * turns * (0.25 + load**1.4) * (1 + 0.012 * abs(heat - 90)) + 0.01 * wear * load
    others = draw.normal((12, 1013, 40), (0.6, 9, 15), (1200, 3))
    x = np.column_stack([litres, turns, load, heat, wear, humid, others])
    return x, burnt + draw.normal(0, 0.8, 1200)


def minerals() -> Rows:
    """Return which of six minerals, of which each comes in three varieties, by the shares of 12 elements."""
    x, variety = datasets.make_blobs(1500, 12, centers=18, cluster_std=2.6, random_state=83)
    return (x + 30) * np.geomspace(0.5, 8, 12), variety % 6


def phases() -> Rows:
    """Return by how much the current in a circuit lags, Friedman's third function, beside two inputs of no use."""
    x, y = datasets.make_friedman3(1200, noise=0.05, random_state=95)
    return np.hstack([x, np.random.default_rng(95).normal(5, 2, (1200, 2))]), y


def solar() -> Rows:
    """Return the power of a roof with solar cells, by the time, the weather and how the roof lies."""
    draw = np.random.default_rng(84)
    hour, day = draw.uniform((5, 1), (21, 365), (1300, 2)).T
    cloud, heat, dust = draw.uniform((0, -10, 0), (100, 38, 5), (1300, 3)).T
    tilt, turn = draw.uniform((0, -90), (60, 90), (1300, 2)).T
    height = np.sin((hour - 5) / 16 * np.pi) * (0.65 - 0.35 * np.cos((day - 10) / 365 * 2 * np.pi))
    facing = 0.6 + 0.4 * np.cos(np.radians(turn - (hour - 13) * 15)) * np.sin(np.radians(tilt + 20))
    power = 5000 * height * facing * (1 - 0.75 * (cloud / 100) ** 2) * (1 - 0.05 * dust)
    x = np.column_stack([hour, day, cloud, heat, dust, tilt, turn])
    return x, power * (1 - 0.004 * (heat - 25)) + draw.normal(0, 60, 1300)


def beans() -> Rows:
    """Return which of five sorts a bean is, by its area in pixels, its edge and seven measures of its form."""
    draw = np.random.default_rng(85)
    labels = draw.integers(0, 5, 1200)
    long = np.array([210, 235, 250, 285, 260])[labels] * np.exp(0.09 * draw.normal(size=1200))
    ratio = np.array([1.2, 1.5, 1.3, 1.9, 1.65])[labels] + 0.09 * draw.normal(size=1200)
    bent = np.array([0.01, 0.05, 0.04, 0.03, 0.1])[labels] + 0.012 * draw.normal(size=1200)
    broad = long / ratio
    area = np.pi / 4 * long * broad * (1 - bent)
    edge = np.pi * (long + broad) / 2 * (1 + bent)
    x = np.stack([area, edge, long, broad, ratio, 4 * np.pi * area / edge**2, bent], 1)
    x = np.column_stack([x * np.exp(0.01 * draw.normal(size=x.shape)), draw.normal(size=(1200, 2))])
    return x, labels


def ratings() -> Rows:
    """Return the rating of a film by a viewer, of the numbers of both: 0 to 39, and 0 to 29."""
    draw = np.random.default_rng(86)
    viewer, film = draw.integers(0, 40, 1800), draw.integers(0, 30, 1800)
    taste, kind = draw.normal(0, 0.7, (40, 2)), draw.normal(0, 0.7, (30, 2))
    liked = draw.normal(0, 0.8, 40)[viewer] + draw.normal(0, 1.2, 30)[film] + 6
    return np.stack([viewer, film], 1), liked + (taste[viewer] * kind[film]).sum(1) + draw.normal(
        0, 0.2, 1800
    )


def glyphs() -> Rows:
    """Return grey images of eight letters of strokes, 14 x 14, shifted, of different strength and with noise."""
    draw = np.random.default_rng(87)
    labels = draw.integers(0, 8, 800)
    down, right = np.mgrid[:8, :8]
    strokes = np.stack(
        [
            (right < 2) | (down > 5),
            (down < 2) | (abs(right - 3.5) < 1),
            (abs(down - right) < 2) | (abs(down + right - 7) < 2),
            (right < 2) | (right > 5) | (abs(down - 3.5) < 1),
            (right < 2) | (right > 5) | (down < 2) | (down > 5),
            (down < 2) | (down > 5) | (abs(down + right - 7) < 2),
            (right < 2) | (down < 2) | (abs(down - 3.5) < 1),
            (right < 2) | (right > 5) | (down > 5),
        ]
    )
    images = draw.normal(45, 14, (800, 14, 14))
    for image, label, top, left in zip(images, labels, *draw.integers(1, 5, (2, 800)), strict=True):
        image[top : top + 8, left : left + 8] += strokes[label] * draw.uniform(70, 160)
    return np.clip(images, 0, 255).astype("uint8"), labels


def cells() -> Rows:
    """Return how many cells lie in a grey image of 20 x 20, one to nine."""
    draw = np.random.default_rng(88)
    numbers = draw.integers(1, 10, 700)
    down, right = np.mgrid[:20, :20]
    images = draw.normal(40, 10, (700, 20, 20))
    for image, number in zip(images, numbers, strict=True):
        places = draw.choice(25, number, replace=False)
        for top, left in zip(places // 5 * 4 + 1.5, places % 5 * 4 + 1.5, strict=True):
            apart = np.hypot(down - top - draw.uniform(-0.7, 0.7), right - left - draw.uniform(-0.7, 0.7))
            image += draw.uniform(110, 150) * np.exp(-((apart / draw.uniform(1.1, 1.5)) ** 2))
    return np.clip(images, 0, 255).astype("uint8"), numbers.astype(float)


def tiles() -> Rows:
    """Return coloured images of tiles, 16 x 16 x 3: squares, bricks, dots, rings or waves."""
    draw = np.random.default_rng(89)
    labels = draw.integers(0, 5, 640)
    rows, columns = np.mgrid[:16, :16]
    images = []
    for label in labels:
        down, right = rows + draw.integers(0, 8), columns + draw.integers(0, 8)
        where = (
            (down // 4 + right // 4) % 2,
            (down % 5 == 0) | ((right + 4 * (down // 5)) % 8 == 0),
            np.hypot(down % 6 - 2.5, right % 6 - 2.5) < 1.8,
            np.hypot(rows - 7.5, columns - 7.5) % 5 < 2,
            np.sin(down * 0.9 + 1.5 * np.sin(right * 0.8)) > 0.2,
        )[label]
        colours = np.stack([draw.integers(20, 110, 3), draw.integers(130, 250, 3)])
        images.append(colours[where.astype(int)] + draw.normal(0, 22, (16, 16, 3)))
    return np.clip(images, 0, 255).astype("uint8"), labels


def motors() -> Rows:
    """Return what ails a motor by 64 times of its vibration: nothing, its balance, a bearing or a gear."""
    draw = np.random.default_rng(90)
    labels = draw.integers(0, 4, 800)
    speed, phase = draw.uniform(0.35, 0.5, (800, 1)), draw.uniform(0, 6.28, (800, 1))
    turn = speed * np.arange(64) + phase
    size = draw.uniform(0.8, 1.2, (800, 1))
    signal = 0.5 * np.sin(turn)
    signal += (labels[:, None] == 1) * 0.8 * size * np.sin(turn + 1)
    signal += (labels[:, None] == 2) * 1.6 * size * np.maximum(0, np.cos(3.3 * turn)) ** 12
    signal += (labels[:, None] == 3) * 0.8 * size * np.sin(5 * turn) * (1 + 0.6 * np.sin(turn))
    return (0.02 + signal + 0.35 * draw.normal(size=signal.shape))[:, :, None], labels


def loads() -> Rows:
    """Return what a town needs in an hour and in four hours, in megawatts, by 24 hours of need and warmth."""
    draw = np.random.default_rng(91)
    hours = np.arange(28) + draw.integers(0, 24, (700, 1))
    warmth = draw.uniform(-5, 25, (700, 1)) + 5 * np.sin((hours - 9) / 24 * 6.28)
    warmth += 0.5 * draw.normal(size=(700, 28)).cumsum(1)
    need = 300 + 60 * np.sin((hours - 7) / 24 * 6.28) + 35 * np.sin((hours - 3) / 12 * 6.28)
    need += 2.2 * np.maximum(0, 15 - np.roll(warmth, 2, 1)) * (1 + 0.5 * np.sin((hours - 7) / 24 * 6.28))
    need += draw.normal(0, 3, need.shape)
    return np.stack([need, warmth], 2)[:, :24], need[:, [24, 27]]


def events() -> Rows:
    """Return which of three states a machine gets into: its event follows a start; 16 of 30 events, as numbers."""
    draw = np.random.default_rng(92)
    labels = draw.integers(0, 3, 1000)
    lists = draw.integers(8, 30, (1000, 16))
    for row, label in zip(lists, labels, strict=True):
        start = draw.integers(0, 7) * 2
        row[[start, start + 1]] = 4, 5 + label
        for place in draw.choice(np.setdiff1d(np.arange(0, 16, 2), [start]), 3, replace=False):
            row[place] = draw.integers(5, 8)
    return lists, labels


def twins() -> Rows:
    """Return whether two sets of 8 measures, (2, 8), are of the same one of 30 animals."""
    draw = np.random.default_rng(93)
    animals = draw.normal(size=(30, 8))
    first, other = draw.integers(0, 30, 1400), draw.integers(1, 30, 1400)
    labels = draw.integers(0, 2, 1400)
    second = np.where(labels == 1, first, (first + other) % 30)
    x = animals[np.stack([first, second], 1)] + 0.3 * draw.normal(size=(1400, 2, 8))
    return x * np.geomspace(1, 20, 8) + np.linspace(5, 90, 8), labels


def soils() -> Rows:
    """Return how acid the soil is by place in metres, height and rain."""
    draw = np.random.default_rng(94)
    east, north = draw.uniform(0, 1000, (2, 900))
    height = 200 + 60 * np.exp(-(((east - 400) / 220) ** 2) - ((north - 600) / 260) ** 2)
    height += draw.normal(0, 4, 900)
    rain = draw.uniform(500, 1100, 900)
    acid = 6 + 0.9 * np.sin(east / 120) * np.cos(north / 150) + 0.5 * np.sin(north / 90)
    return np.stack([east, north, height, rain], 1), acid - 0.0012 * rain + draw.normal(0, 0.1, 900)


SETS: dict[str, Callable[[], Rows]] = {
    function.__name__: function
    for function in (
        patients,
        engines,
        minerals,
        phases,
        solar,
        beans,
        ratings,
        glyphs,
        cells,
        tiles,
        motors,
        loads,
        events,
        twins,
        soils,
    )
}
