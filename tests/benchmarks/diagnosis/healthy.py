"""Healthy variants of a base: what people change without doing anything wrong."""

from collections.abc import Iterator

from tests.benchmarks.diagnosis.bases import Base, Value
from tests.benchmarks.diagnosis.cases import Case, Change

_FACTORS = {"third": 1 / 3, "same": 1.0, "triple": 3.0}


def healthy_cases(base: Base, seeds: range) -> Iterator[Case]:
    """Yield every healthy run of a base."""
    for name, change in _variants(base):
        for seed in seeds:
            yield Case(base=base, name=name, change=change, seed=seed, part=base.part)


def _variants(base: Base) -> Iterator[tuple[str, Change]]:
    yield "base", Change()
    yield from _optimizers(base)
    for batch in {16, 64, 512} - {base.batch}:
        if batch < 512 or base.epochs >= 12:
            # The same number of epochs; the rate follows the root of the batch, as is usual.
            yield (
                f"batch-{batch}",
                Change(settings={"batch-size": batch, "lr": base.lr * (batch / base.batch) ** 0.5}),
            )
    yield from _regularised(base)
    if base.own or base.model == "mlp":
        yield from _networks(base)
    if base.form:
        yield from _data(base)
    yield "long", Change(settings={"epochs": base.epochs * 4})
    yield "fine-tuned", Change(settings={"lr": base.lr / 3}, start_from_base=True)
    if base.model != "spatial":
        yield "quarter", Change(settings={"limit": 200}, own_band=True)


def _optimizers(base: Base) -> Iterator[tuple[str, Change]]:
    for optimizer, rate in (("sgd", base.lrs[0]), ("adam", base.lrs[1]), ("rmsprop", base.lrs[1] / 2)):
        for name, factor in _FACTORS.items():
            if optimizer != base.optimizer or name != "same":
                settings: dict[str, Value | None] = {"optimizer": optimizer, "lr": rate * factor}
                if optimizer != "sgd" and "nesterov" in base.settings:
                    settings["nesterov"] = None
                yield f"{optimizer}-{name}", Change(settings=settings)


def _regularised(base: Base) -> Iterator[tuple[str, Change]]:
    yield "weight-decay", Change(settings={"weight-decay": 1e-3})
    yield "clipped", Change(settings={"grad-clip": 1.0})
    yield "average", Change(settings={"ema": 0.95})
    yield "warm-up", Change(settings={"warmup-steps": 20})
    yield "cosine", Change(settings={"schedule": "cosine"})
    yield "plateau", Change(settings={"schedule": "plateau"})
    yield "accumulated", Change(settings={"accumulate": 2, "batch-size": base.batch // 2})
    if "classes" in base.traits:
        yield "smoothed", Change(settings={"label-smoothing": 0.1})
        yield "balanced", Change(settings={"balance": "loss"})
    if "image" in base.traits and base.data != "digits":
        yield "augmented", Change(settings={"augment": "light"})


def _networks(base: Base) -> Iterator[tuple[str, Change]]:
    key = "act" if base.own else "activation"
    for activation in ("relu", "gelu", "tanh"):
        if base.arguments.get(key) != activation:
            yield activation, Change(arguments={key: activation})
    yield "dropout", Change(arguments={"dropout": 0.2})
    for norm in ("batch", "layer"):
        yield f"{norm}-norm", Change(arguments={"norm": norm})
    width = "width" if base.own else "hidden"
    yield "wide", Change(arguments={width: 128})


def _data(base: Base) -> Iterator[tuple[str, Change]]:
    yield "label-noise", Change(data="noise5", own_band=True)
    if "classes" in base.traits:
        monitor = {"monitor": "val_balanced_accuracy"}
        for name, balance in (("imbalanced", "none"), ("imbalanced-balanced", "sampler")):
            yield (
                name,
                Change(
                    data="imbalance8",
                    settings={**monitor, "balance": balance},
                    own_band=True,
                    metric="balanced_accuracy",
                ),
            )
