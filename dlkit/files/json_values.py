"""Values as JSON has them."""

import math
from collections.abc import Mapping
from typing import Any


def finite(value: Any) -> Any:
    """Put None in the place of NaN and infinities, which JSON does not have, at any depth; tuples become lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: finite(item) for name, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value
