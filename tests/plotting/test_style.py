import io
import itertools

import matplotlib as mpl
import pytest

from dlkit.plotting.figure_file import figure_bytes, look
from dlkit.plotting.lr_range import plot_lr_range
from dlkit.plotting.style import PALETTES, house_style, plain_number, shorten


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.01, "0.01"),
        (20.0, "20"),
        (-0.001, "-0.001"),
        (1e-6, "1e-6"),
        (2e-4, "2e-4"),
        (-1e8, "-1e8"),
    ],
)
def test_plain_number_takes_few_letters(value, text):
    assert plain_number(value) == text


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("short", 5, "short"),
        ("layer1.conv.weight", 10, "laye\N{HORIZONTAL ELLIPSIS}eight"),
        ("a\x1b[2Jb\u202e", 20, "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_shorten_cuts_the_middle_out(text, limit, shown):
    assert shorten(text, limit) == shown
    assert len(shown) <= limit


def test_house_style_ends_with_its_block():
    before = mpl.rcParams["font.size"]
    with house_style():
        assert mpl.rcParams["font.size"] == 7
    assert mpl.rcParams["font.size"] == before


@pytest.mark.parametrize("palette", PALETTES)
def test_colours_of_neighbouring_runs_differ_in_grey_and_from_the_paper(palette):
    from matplotlib.colors import to_rgb

    colours, (_, paper, _) = PALETTES[palette]
    grey = [
        0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in map(to_rgb, [paper, *colours])
    ]
    assert all(abs(one - next_one) > 0.1 for one, next_one in itertools.pairwise(grey))
    assert all(abs(one - grey[0]) > 0.3 for one in grey[1:])


@pytest.mark.parametrize(("name", "pixels"), [("paper", 944), ("screen", 755), ("dark", 755)])
def test_look_decides_size_and_ground(name, pixels):
    from PIL import Image

    with look(name):
        image = Image.open(
            io.BytesIO(
                figure_bytes(plot_lr_range([0.1, 1.0], [2.0, 1.0], [2.0, 1.0], half_way=0, suggested=0.5))
            )
        )
    assert image.width == pytest.approx(pixels, abs=2)
    assert (sum(image.convert("RGB").getpixel((2, 2))) < 150) == (name == "dark")
