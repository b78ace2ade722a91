import numpy as np
import pytest

from dlkit.plotting.samples import plot_samples


def drawn(figure):
    return [axes.images[0] for axes in figure.get_axes() if axes.images]


@pytest.mark.parametrize(
    ("channels", "shape"),
    [(1, (8, 6)), (2, (8, 6)), (3, (8, 6, 3)), (5, (8, 6, 3))],
    ids=lambda value: str(value),
)
def test_plot_samples_draws_any_number_of_channels(channels, shape):
    images = np.random.default_rng(0).random((4, 8, 6, channels))
    shown = drawn(plot_samples(images, list("abcd")))
    assert len(shown) == 4
    assert shown[3].get_array().shape == shape
    assert np.array_equal(shown[3].get_array(), images[3][..., 0] if len(shape) == 2 else images[3][..., :3])


def test_plot_samples_shows_the_whole_range_and_not_each_images_own():
    shown = drawn(plot_samples(np.full((1, 4, 4, 1), 0.5), ["a"]))[0]
    assert shown.get_clim() == (0, 1)
    assert shown.get_interpolation() == "nearest"


def test_plot_samples_cuts_off_what_lies_outside():
    shown = drawn(plot_samples(np.array([-1.0, 2.0]).reshape(1, 1, 2, 1), ["a"]))[0]
    assert shown.get_array().tolist() == [[0, 1]]


def test_plot_samples_puts_each_title_over_its_image():
    figure = plot_samples(np.zeros((7, 4, 4, 1)), ["a", "_b", "$c", "d\x1b", "e" * 40, "f", "g"])
    titles = [axes.get_title() for axes in figure.get_axes() if axes.images]
    assert titles[:4] == ["a", "_b", "$c", "d\N{REPLACEMENT CHARACTER}"]
    assert len(titles[4]) == 12
    figure.draw_without_rendering()


@pytest.mark.parametrize("count", [1, 2, 10, 64])
def test_plot_samples_fits_a_page_in_width(count):
    figure = plot_samples(np.zeros((count, 4, 4, 1)), ["a"] * count)
    assert len(drawn(figure)) == count
    assert figure.get_figwidth() <= 16 / 2.54


@pytest.mark.parametrize(
    ("shape", "count"),
    [((0, 4, 4, 1), 0), ((2, 4, 4, 1), 3), ((2, 4, 4), 2)],
    ids=["none", "titles", "no-channels"],
)
def test_plot_samples_refuses_what_is_no_grid(shape, count):
    with pytest.raises(ValueError, match=f"{count} titles for images of shape"):
        plot_samples(np.zeros(shape), ["a"] * count)
