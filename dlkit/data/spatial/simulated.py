"""Observations simulated from value = sin(t) lat + cos(t) lon and noise."""

import hashlib

import numpy as np

from dlkit.data.tables.table import Table, table_of


def simulate_points(*, n: int, noise: float, t_max: float, seed: int) -> Table:
    """Draw observations at random places and times.

    Args:
        n: How many.
        noise: Standard deviation of the normal error of a value.
        t_max: Times are uniform from 0 to here.
        seed: Of the draws.

    Returns:
        The columns `t`, `lat` and `lon`, both uniform from 0 to 1, and `value`.
    """
    random = np.random.RandomState(seed)  # the stream that NumPy promises never to change
    t = random.uniform(0, t_max, n)
    lat, lon = random.uniform(0, 1, n), random.uniform(0, 1, n)
    value = np.sin(t) * lat + np.cos(t) * lon + noise * random.standard_normal(n)
    columns = {"t": t, "lat": lat, "lon": lon, "value": value}
    digest = hashlib.sha256(np.stack(list(columns.values())).tobytes()).hexdigest()
    return table_of("spatial", columns, digest)
