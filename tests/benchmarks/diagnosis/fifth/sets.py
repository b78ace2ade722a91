"""The data of the fifth part: tables, images, series, words, graphs, sets and places that the others do not have."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from tests.benchmarks.diagnosis.heldout.data import SHARED

Rows = tuple[np.ndarray, np.ndarray]  # inputs (N, ...), targets (N,) or (N, K)


def _table(name: str) -> pd.DataFrame:
    path = SHARED.parent / "tables" / f"{name}.csv.gz"
    return pd.read_csv(path, keep_default_na=False, na_values=[""]).dropna(axis=1)


def terms() -> Rows:
    """Return whether a loan is for three or for five years, by numbers and words."""
    frame = _table("lending_club").drop(columns=["Class", "addr_state"])
    frame = frame.groupby("term", sort=True).sample(650, random_state=6)
    return frame.drop(columns="term").to_numpy(object), (frame["term"] == "term_60").to_numpy(int)


def incomes() -> Rows:
    """Return the mean income of a district, from 0 to 9, by 84 shares of its people and what they insure."""
    frame = _table("caravan").drop(columns="Purchase").sample(1200, random_state=6)
    return frame.drop(columns="MINKGEM").to_numpy(float), frame["MINKGEM"].to_numpy(float)


def concrete() -> Rows:
    """Return the strength of concrete by what a cubic metre is made of, in kilograms, and its age in days."""
    draw = np.random.default_rng(61)
    cement, slag, ash = draw.uniform((120, 0, 0), (500, 220, 160), (1200, 3)).T
    water, softener = draw.uniform((140, 0), (230, 25), (1200, 2)).T
    gravel, sand, age = (
        draw.normal(970, 80, 1200),
        draw.normal(770, 80, 1200),
        draw.choice([3, 7, 28, 90], 1200),
    )
    binder = cement + 0.7 * slag * (age > 7) + 0.4 * ash * (age > 20)
    strength = 105 * np.exp(-1.6 * (water - 1.5 * softener) / binder) * np.log1p(age) / np.log(91)
    x = np.stack([cement, slag, ash, water, softener, gravel, sand, age], 1)
    return x, strength + draw.normal(0, 1.5, 1200)


def crops() -> Rows:
    """Return which of four crops grows best, by 10 measures of soil and weather that count otherwise in hills."""
    draw = np.random.default_rng(62)
    x = draw.normal(size=(1400, 10))
    worth = draw.normal(size=(2, 10, 4))
    hills = (x[:, 0] + 0.3 * x[:, 1] > 0)[:, None]
    yields = np.where(hills, x @ worth[0], x @ worth[1]) + 0.3 * draw.normal(size=(1400, 4))
    return x * draw.uniform(1, 40, 10) + draw.uniform(0, 100, 10), yields.argmax(1)


def odours() -> Rows:
    """Return which of three gases is in a chamber, and whether as much as usual, by 10 sensors and how damp it is."""
    draw = np.random.default_rng(63)
    gas = draw.integers(0, 3, 1300)
    amount, damp = np.exp(draw.normal(1, 0.8, (1300, 1))), draw.uniform(0.2, 0.9, (1300, 1))
    answer, power = draw.uniform(0.3, 1.5, (3, 10)), draw.uniform(0.3, 0.9, (3, 10))
    x = answer[gas] * amount ** power[gas] * (1 + 0.6 * damp) + 0.8 * damp
    unusual = abs(np.log(amount[:, 0]) - 1) > 0.55
    return x * np.exp(0.06 * draw.normal(size=x.shape)), 2 * gas + unusual


def leaves() -> Rows:
    """Return coloured images of leaves without lobes or with two, three or four, 20 x 20 x 3."""
    draw = np.random.default_rng(64)
    labels = draw.integers(0, 4, 700)
    rows, columns = np.mgrid[:20, :20] - 9.5
    images = draw.integers(30, 130, (700, 20, 20, 3))
    for image, label in zip(images, labels, strict=True):
        down, right = rows - draw.uniform(-1.5, 1.5), columns - draw.uniform(-1.5, 1.5)
        edge = draw.uniform(5, 6.5) * (
            1 + 0.45 * (label > 0) * np.cos((label + 1) * (np.arctan2(down, right) - draw.uniform(-0.2, 0.2)))
        )
        inside = np.hypot(down, right) < edge
        image[inside] = draw.integers((20, 110, 20), (120, 240, 90)) + draw.integers(
            -25, 25, (inside.sum(), 3)
        )
    return np.clip(images, 0, 255).astype("uint8"), labels


def dials() -> Rows:
    """Return what the pointer of a gauge shows, from 0 to 10, in a grey image of 18 x 18."""
    draw = np.random.default_rng(65)
    rows, columns = np.mgrid[:18, :18] - 8.5
    reading = draw.uniform(0, 10, 720)
    images = []
    for value in reading:
        angle = np.radians(-120 + 24 * value)
        down, right = rows - draw.uniform(-0.7, 0.7), columns - draw.uniform(-0.7, 0.7)
        along, across = (
            right * np.sin(angle) - down * np.cos(angle),
            right * np.cos(angle) + down * np.sin(angle),
        )
        pointer = (along > -1) & (along < 7) & (abs(across) < 1.1)
        rim = abs(np.hypot(down, right) - 8) < 0.6
        images.append(60 + 120 * pointer + 60 * rim + draw.normal(0, 18, (18, 18)))
    return np.clip(images, 0, 255).astype("uint8"), reading


def flags() -> Rows:
    """Return coloured images of flags, 16 x 16 x 3: stripes across or down, a cross, a diagonal or a corner."""
    draw = np.random.default_rng(66)
    labels = draw.integers(0, 5, 640)
    rows, columns = np.mgrid[:16, :16]
    images = []
    for label in labels:
        down, right = rows - draw.integers(-1, 2), columns - draw.integers(-1, 2)
        where = (
            down // 6 % 3,
            right // 6 % 3,
            (abs(down - 7.5) < 2) | (abs(right - 6) < 2),
            down > right,
            (down < 8) & (right < 8),
        )[label]
        colours = draw.integers(20, 120, (3, 3))
        colours[np.arange(3), draw.permutation(3)] = draw.integers(160, 250, 3)
        images.append(colours[where.astype(int)] + draw.normal(0, 30, (16, 16, 3)))
    return np.clip(images, 0, 255).astype("uint8"), labels


def gestures() -> Rows:
    """Return five movements of a hand by 24 times of 3 accelerations: circles, shaking, a swipe or knocks."""
    draw = np.random.default_rng(67)
    labels = draw.integers(0, 5, 750)
    x = 0.8 * draw.normal(size=(750, 24, 3))
    for series, label in zip(x, labels, strict=True):
        times = np.arange(24) * draw.uniform(0.4, 0.6) + draw.uniform(0, 6.28)
        start, strength = draw.integers(3, 12), draw.uniform(0.8, 1.2)
        match label:
            case 0 | 1:
                series[:, 0] += strength * np.cos(times)
                series[:, 1] += strength * np.sin(times) * (1 if label else -1)
            case 2:
                series[:, 0] += 1.3 * strength * np.sign(np.sin(2 * times))
            case 3:
                series[start : start + 5, 0] += 1.8 * strength
                series[start + 5 : start + 10, 0] -= 1.8 * strength
            case 4:
                series[[start, start + 5, start + 10], 2] += 3 * strength
    return x * [9.8, 9.8, 9.8] + [0, 0, 9.8], labels


def tides() -> Rows:
    """Return the height of water in an hour, above or below the usual, by 20 hours of heights and winds."""
    draw = np.random.default_rng(68)
    hours = np.arange(21)
    moon, sun = draw.uniform(0, 6.28, (2, 900, 1))
    wind = 0.8 * draw.normal(size=(900, 21)).cumsum(1)
    height = 150 * np.cos(hours / 12.4 * 6.28 + moon) + 50 * np.cos(hours / 12 * 6.28 + sun)
    height += 25 * np.roll(wind, 2, 1) + draw.normal(0, 6, height.shape)
    return np.stack([height, wind], 2)[:, :20], height[:, 20]


def reviews() -> Rows:
    """Return whether 8 to 16 words praise or blame; `not` turns the next word round; zeros fill them up to 18."""
    draw = np.random.default_rng(69)
    texts, labels = [], []
    while len(texts) < 1300:
        words = draw.integers(19, 40, 16)
        chosen = draw.choice(8, 5, replace=False) * 2 + 1
        signs = draw.choice([-1, 1], 5, p=(0.3, 0.7) if len(texts) % 2 else (0.7, 0.3))
        denied = draw.random(5) < 0.3
        words[chosen] = np.where(signs > 0, 1, 9) + draw.integers(0, 8, 5)
        words[chosen[denied] - 1] = 17
        sense = np.where(denied, -signs, signs)
        length = draw.integers(8, 17)
        sum_of_all = sense[chosen < length].sum()
        if sum_of_all:
            texts.append(np.concatenate([np.where(np.arange(16) < length, words, 0), [0, 0]]))
            labels.append(int(sum_of_all > 0))
    return np.array(texts), np.array(labels)


def societies() -> Rows:
    """Return who knows whom among 10 people: a ring, a star, two circles of friends, or a tree; (10, 12)."""
    draw = np.random.default_rng(70)
    labels = draw.integers(0, 4, 800)
    graphs = []
    for label in labels:
        known = np.zeros((10, 10))
        person = np.arange(10)
        match label:
            case 0:
                known[person, (person + 1) % 10] = 1
            case 1:
                known[0, 1:] = 1
            case 2:
                known[:5, :5] = known[5:, 5:] = draw.random((5, 5)) < 0.7
            case 3:
                known[[draw.integers(0, other) for other in range(1, 10)], person[1:]] = 1
        known = np.triu(np.maximum(known, known.T), 1)
        known[tuple(np.sort(draw.choice(10, 2, replace=False)))] = 1
        order = draw.permutation(10)
        known = (known + known.T)[order][:, order]
        graphs.append(np.concatenate([known, draw.normal(size=(10, 2))], 1))
    return np.array(graphs), labels


def baskets() -> Rows:
    """Return what a basket of up to 8 goods costs and its postage; a good has price, number, rebate and weight."""
    draw = np.random.default_rng(71)
    price, rebate = np.exp(draw.normal(1, 0.6, (1000, 8))), draw.uniform(0, 0.5, (1000, 8))
    number, weight = draw.integers(1, 5, (1000, 8)), draw.gamma(2, 0.4, (1000, 8))
    there = np.arange(8) < draw.integers(2, 9, (1000, 1))
    cost = (price * number * (1 - rebate) * there).sum(1)
    postage = 4 + 2.5 * np.ceil((weight * number * there).sum(1) / 3)
    x = np.stack([price, number, rebate, weight], 2) * there[:, :, None]
    y = np.stack([cost, postage], 1) + draw.normal(0, 0.5, (1000, 2))
    return x, y - y.mean(0)


def wells() -> Rows:
    """Return the depth of ground water by place in kilometres, height of the ground and clay."""
    draw = np.random.default_rng(72)
    east, north = draw.uniform(0, 20, (2, 900))
    ground = 100 + 12 * np.sin(east / 3) + 8 * np.cos(north / 4) + draw.normal(0, 3, 900)
    clay = draw.uniform(5, 60, 900)
    level = 80 + 6 * np.sin(east / 2.5 + north / 5) + 5 * np.cos(north / 2)
    return np.stack([east, north, ground, clay], 1), level - 0.3 * (ground - 100) + draw.normal(0, 0.7, 900)


SETS: dict[str, Callable[[], Rows]] = {
    function.__name__: function
    for function in (
        terms,
        incomes,
        concrete,
        crops,
        odours,
        leaves,
        dials,
        flags,
        gestures,
        tides,
        reviews,
        societies,
        baskets,
        wells,
    )
}
