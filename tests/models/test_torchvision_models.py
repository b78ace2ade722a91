import sys
from pathlib import Path

import pytest
import torch
from refusals import assert_reports

from dlkit.errors import ConfigError, MissingError
from dlkit.models.torchvision_models import build_torchvision_model
from dlkit.settings.models import TORCHVISION_MODELS


@pytest.fixture(scope="module")
def _torchvision() -> None:
    import torchvision  # noqa: F401 - takes two seconds, once


pytestmark = pytest.mark.usefixtures("_torchvision")

_SMALL = [(1, 8, 8), (3, 32, 32)]
_MORE = [(1, 28, 28), (5, 16, 16), (2, 17, 40), (3, 64, 64)]


def count_parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", TORCHVISION_MODELS)
@pytest.mark.parametrize(
    "input_shape", [*_SMALL, *(pytest.param(shape, marks=pytest.mark.slow) for shape in _MORE)], ids=str
)
@pytest.mark.quick(1)
def test_network_trains_on_a_batch_of_two(name: str, input_shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    model = build_torchvision_model(name, input_shape, 7, stem="auto").train()

    outputs = model(torch.randn(2, *input_shape))
    outputs.square().sum().backward()

    assert outputs.shape == (2, 7)
    assert outputs.isfinite().all()
    assert all(parameter.grad is not None for parameter in model.parameters())


# Counts of torchvision's documentation for 1,000 classes, less 990 outputs of the last layer.
@pytest.mark.parametrize(
    ("name", "published", "last_width"),
    [
        ("resnet18", 11_689_512, 512),
        ("resnet34", 21_797_672, 512),
        ("resnet50", 25_557_032, 2048),
        ("mobilenet_v3_small", 2_542_856, 1024),
        ("efficientnet_b0", 5_288_548, 1280),
        ("convnext_tiny", 28_589_128, 768),
    ],
)
def test_full_stem_on_colour_images_is_the_published_network(
    name: str, published: int, last_width: int
) -> None:
    with torch.device("meta"):
        model = build_torchvision_model(name, (3, 224, 224), 10, stem="full")

    assert count_parameters(model) == published - 990 * (last_width + 1)


def first_step(name: str, input_shape: tuple[int, int, int], stem: str) -> tuple[int, ...]:
    """Return the shape behind the first layer, and behind the max pool of a ResNet."""
    with torch.no_grad(), torch.device("meta"):
        model = build_torchvision_model(name, input_shape, 2, stem=stem).eval()
        inputs = torch.zeros(1, *input_shape)
        if name.startswith("resnet"):
            return tuple(model.maxpool(model.conv1(inputs)).shape[1:])
        return tuple(model.features[0](inputs).shape[1:])


@pytest.mark.parametrize(
    ("name", "size", "stem", "expected"),
    [
        ("resnet18", 32, "small", (64, 32, 32)),
        ("resnet18", 32, "full", (64, 8, 8)),
        ("resnet18", 63, "auto", (64, 63, 63)),
        ("resnet18", 64, "auto", (64, 16, 16)),
        ("mobilenet_v3_small", 32, "small", (16, 32, 32)),
        ("mobilenet_v3_small", 64, "auto", (16, 32, 32)),
        ("efficientnet_b0", 32, "auto", (32, 32, 32)),
        ("efficientnet_b0", 32, "full", (32, 16, 16)),
        ("convnext_tiny", 32, "small", (96, 16, 16)),
        ("convnext_tiny", 12, "small", (96, 12, 12)),
        ("convnext_tiny", 32, "full", (96, 8, 8)),
    ],
    ids=str,
)
@pytest.mark.parametrize("bands", [1, 3])
def test_stem_decides_what_is_left_of_the_resolution(
    name: str, size: int, stem: str, expected: tuple[int, ...], bands: int
) -> None:
    assert first_step(name, (bands, size, size), stem) == expected


@pytest.mark.parametrize(
    ("name", "size", "needed"),
    [("resnet18", 16, 17), ("efficientnet_b0", 8, 17), ("convnext_tiny", 31, 32)],
    ids=str,
)
def test_full_stem_is_refused_when_the_images_are_too_small(name: str, size: int, needed: int) -> None:
    with pytest.raises(ConfigError) as caught:
        build_torchvision_model(name, (1, size, size + 5), 10, stem="full")

    assert_reports(caught.value, name, f"{needed} x {needed}", f"{size} x {size + 5}", "-s stem=small")


@pytest.mark.parametrize("size", [17, 32])
def test_full_stem_works_from_the_smallest_size_on(size: int) -> None:
    name = "convnext_tiny" if size == 32 else "resnet18"

    assert build_torchvision_model(name, (1, size, size), 3, stem="full")(
        torch.randn(2, 1, size, size)
    ).shape == (2, 3)


@pytest.mark.slow
def test_new_first_layer_starts_with_the_spread_of_the_published_one() -> None:
    torch.manual_seed(0)
    for name, layer in (
        ("resnet18", "conv1"),
        ("efficientnet_b0", "features.0.0"),
        ("convnext_tiny", "features.0.0"),
    ):
        published = build_torchvision_model(name, (3, 64, 64), 2, stem="full").get_submodule(layer).weight
        ours = build_torchvision_model(name, (1, 64, 64), 2, stem="full").get_submodule(layer).weight
        assert ours.std().item() == pytest.approx(published.std().item(), rel=0.1)


@pytest.mark.parametrize(
    "body",
    [
        "raise RuntimeError('operator torchvision::nms does not exist')",
        "raise ImportError('operator torchvision::nms does not exist')",
    ],
    ids=["other torch", "not installed"],
)
def test_torchvision_that_cannot_be_imported_is_reported_with_its_fix(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(body)
    for module in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(MissingError) as caught:
        build_torchvision_model("resnet18", (3, 32, 32), 10, stem="auto")

    assert caught.value.exit_code == 7
    assert_reports(caught.value, "MODEL resnet18", "torchvision::nms", "install torch")
