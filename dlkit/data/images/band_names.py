"""What names bands and channels in the names of files: B02, red, ch00, dapi."""

import re

_COLOURS = (
    *("red", "green", "blue", "nir", "nir2", "swir", "swir1", "swir2", "rededge", "rededge[1-4]", "re[1-4]"),
    *("coastal", "cirrus", "pan", "thermal", "lwir", "mwir", "vv", "vh", "hh", "hv"),
)
_STAINS = (
    *("dapi", "hoechst", "gfp", "rfp", "cfp", "yfp", "mcherry", "fitc", "tritc", "cy[357]", "texasred"),
    *("actin", "tubulin", "mito", "er", "rna", "agp", "dna", "bf", "brightfield"),
)
LETTERS = frozenset("rgb")
TOKENS = "|".join(
    (
        r"b\d{1,3}a?|band[ _-]?\d{1,3}a?|ch?\d{1,2}|channel[ _-]?\d{1,2}|w\d{1,2}",
        *_COLOURS,
        *_STAINS,
        "[rgbn]",
    )
)


def order_of_bands(band: str) -> tuple[str, int, str]:
    """Order bands by their numbers: b2, b8, b8a, b11; colours in the order of their letters."""
    word, number, rest = re.fullmatch(r"(\D*)(\d*)(.*)", band.lower()).groups()  # type: ignore[union-attr]
    return word, int(number or 0), rest
