"""Words that people know from elsewhere, and the option or command that does it here; nothing of it is run."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import NamedTuple


class Alias(NamedTuple):
    """What to write in place of a foreign option.

    Args:
        words: The option, with what always follows it; ends in `=` where the value joins it.
        value: An example of its value; empty where it takes none.
        drops: The foreign option has a value that means nothing here.
    """

    words: str
    value: str = ""
    drops: bool = False


def _of(alias: Alias, names: str) -> dict[str, Alias]:
    return dict.fromkeys(names.split(), alias)


OPTIONS: Mapping[str, Alias] = {
    **_of(Alias("--lr", "0.01"), "learning-rate learning-rate-init learningrate eta"),
    **_of(Alias("--epochs", "10"), "epoch num-epochs n-epochs max-epochs nepochs"),
    **_of(Alias("--max-steps", "1000"), "steps iterations iters max-iter num-steps"),
    **_of(Alias("--batch-size", "64"), "bs batch batchsize minibatch-size"),
    **_of(
        Alias("-s hidden=", "64,64"), "hidden hidden-size hidden-dim hidden-units hidden-layers layers width"
    ),
    **_of(Alias("-s dropout=", "0.2"), "dropout"),
    **_of(Alias("-s activation=", "relu"), "activation"),
    **_of(Alias("--schedule", "cosine"), "lr-scheduler scheduler lr-schedule lr-decay-schedule sched"),
    **_of(Alias("--warmup-steps", "100"), "warmup lr-warmup"),
    **_of(Alias("--patience", "5"), "early-stopping early-stop es-patience"),
    **_of(Alias("--device auto"), "gpu gpus cuda use-gpu"),
    **_of(Alias("--device cpu"), "cpu no-cuda no-gpu"),
    **_of(Alias("--num-workers", "2"), "workers n-workers n-jobs"),
    **_of(Alias("--optimizer", "adam"), "opt optim optimiser"),
    **_of(Alias("--weight-decay", "0.01"), "wd l2 decay"),
    **_of(Alias("--grad-clip", "1"), "clip gradient-clip clip-grad max-grad-norm gradient-clip-val"),
    **_of(Alias("--accumulate", "4"), "grad-accum accumulate-grad-batches gradient-accumulation-steps"),
    **_of(Alias("--precision bf16"), "amp half mixed-precision bf16 autocast"),
    **_of(Alias("--data", "data.csv"), "dataset csv train-data input data-dir data-path root"),
    **_of(Alias("--target", "COLUMN"), "label labels y target-column label-column"),
    **_of(Alias("--val", "0.1"), "val-split validation-split val-size val-fraction validation"),
    **_of(Alias("--test", "0.2"), "test-size test-split test-fraction"),
    **_of(Alias("--folds", "5"), "cv kfold k-fold cross-validation n-splits"),
    **_of(Alias("--seed", "0"), "random-state random-seed rng"),
    **_of(Alias("--balance loss"), "class-weight class-weights balanced imbalance weighted"),
    **_of(Alias("--augment", "light", drops=True), "augmentation augmentations aug transforms"),
    **_of(Alias("--size", "64"), "image-size img-size imgsz resize"),
    **_of(Alias("--normalize", "auto"), "normalise normalization standardize"),
    **_of(Alias("--out", "RUN"), "output output-dir out-dir save-dir save run-name name"),
    **_of(Alias("--resume", "RUN"), "continue restart resume-from resume-from-checkpoint"),
    **_of(
        Alias("--init", "RUN"), "checkpoint ckpt load weights load-weights finetune fine-tune from-checkpoint"
    ),
    **_of(Alias("--log tensorboard"), "tensorboard tb"),
    **_of(Alias("--log tensorboard", drops=True), "logdir log-dir tensorboard-dir"),
    **_of(Alias("--device cpu --devices", "2"), "processes num-processes nproc cpus"),
    **_of(Alias("--devices", "2"), "nproc-per-node num-gpus n-gpus"),
    **_of(Alias("--sampler grid", drops=True), "grid grid-search"),
    **_of(Alias("--predict", "predictions.csv"), "predictions save-predictions"),
    **_of(Alias("--trials 20 --search", "lr=1e-4..1e-1:log"), "sweep tune hpo"),
    **_of(Alias("--baselines", drops=True), "baseline boosting gradient-boosting"),
    **_of(Alias("--importance"), "feature-importance feature-importances permutation-importance shap"),
    **_of(Alias("--min accuracy=", "0.9"), "min-accuracy min-acc"),
    **_of(Alias("--max loss=", "0.3"), "max-loss"),
    **_of(Alias("--label", "NAME"), "legend labels"),
    **_of(Alias("--deterministic"), "reproducible determinism"),
    **_of(Alias("--interval", "0.9"), "intervals prediction-interval prediction-intervals"),
}
"""By option without its dashes; taken where the command has what stands first."""

OF_PREDICTIONS: Mapping[str, Alias] = _of(
    Alias("--predict", "predictions.csv"), "output output-file out-file save csv"
)
"""The same for a command that writes predictions: these go before those above."""

COMMANDS: Mapping[str, str] = {
    **dict.fromkeys(("fit", "run", "finetune", "fine-tune"), "dlkit train mlp"),
    **dict.fromkeys(("test", "evaluate", "score", "validate", "metrics"), "dlkit eval RUN"),
    **dict.fromkeys(("predict", "infer", "inference", "apply"), "dlkit eval RUN --predict predictions.csv"),
    **dict.fromkeys(("resume", "continue", "restart"), "dlkit train --resume RUN"),
    **dict.fromkeys(("models", "list", "networks"), "dlkit train --list"),
    **dict.fromkeys(("ls", "datasets", "data-list"), "dlkit data ls"),
    **dict.fromkeys(("download", "fetch"), "dlkit data get mnist"),
    **dict.fromkeys(("visualize", "visualise", "draw", "curves", "figure", "tensorboard"), "dlkit plot RUN"),
    "report": "dlkit plot RUN --report report.html",
    **dict.fromkeys(
        ("sweep", "tune", "search", "hpo"), "dlkit train mlp --trials 20 --search lr=1e-4..1e-1:log"
    ),
    **dict.fromkeys(("compare", "diff", "leaderboard"), "dlkit eval RUN OTHER"),
    **dict.fromkeys(("runs", "status"), "dlkit inspect runs"),
    **dict.fromkeys(("info", "summary", "describe"), "dlkit inspect show RUN"),
    **dict.fromkeys(("diagnose", "diagnosis", "debug", "doctor"), "dlkit inspect run RUN"),
    **dict.fromkeys(("lr-find", "find-lr", "lr-finder"), "dlkit inspect lr mlp"),
    **dict.fromkeys(("validate-data", "lint"), "dlkit data check SPEC"),
    "version": "dlkit --version",
    "help": "dlkit --help",
    **dict.fromkeys(("inspect gradients", "inspect gradient"), "dlkit inspect grads RUN"),
    **dict.fromkeys(("inspect activations", "inspect activation"), "dlkit inspect acts RUN"),
    **dict.fromkeys(("inspect layers", "inspect summary"), "dlkit inspect model RUN"),
    "data list": "dlkit data ls",
    "data download": "dlkit data get mnist",
    "data info": "dlkit data show SPEC",
}
"""By the words after `dlkit`."""

KINDS: Mapping[str, str] = {
    **dict.fromkeys(("predicted", "predictions", "predicted-vs-true", "scatter"), "parity"),
    **dict.fromkeys(("loss", "history"), "curves"),
    **dict.fromkeys(("features", "shap"), "importance"),
    **dict.fromkeys(("confusion_matrix", "confusion-matrix", "cm"), "confusion"),
    **dict.fromkeys(("grads", "gradients", "weights", "acts", "activations"), "layers"),
    "reliability": "calibration",
}
"""Names of plots, and the kind here."""

SENTENCES: Mapping[str, str] = {
    "export": "best.safetensors in the run folder has the weights under their names in state_dict(): "
    "model.load_state_dict(safetensors.torch.load_file(path))",
    **dict.fromkeys(
        ("--confusion", "--confusion-matrix"),
        "dlkit eval RUN prints the confusion matrix, dlkit plot RUN --kind confusion draws it",
    ),
    "--seeds": "train once for each seed, as dlkit train mlp --seed 1; dlkit eval RUN OTHER compares the runs",
    **dict.fromkeys(("--model", "--arch", "--network"), "the network follows train: dlkit train mlp"),
    "--list": "dlkit train --list lists the networks, dlkit data ls the data sets",
    "--pretrained": "write a class whose constructor loads the weights, as torchvision.models.resnet18(weights="
    '"DEFAULT") does, and train it as file.py:Class; see Pretrained weights in own-code.md',
}
"""By option or command: what there is no command for."""


def instead_of_option(option: str, words: Sequence[str], options: Sequence[str]) -> str:
    """Return the command line with the options that the command has in place of foreign ones; empty if there is none.

    Args:
        option: The first that it does not have, with its dashes.
        words: All words after `dlkit`.
        options: Those of the command.
    """
    if _name(option) == "pretrained" and (path := _value_of(option, words)) and Path(path).exists():
        return f"--init {quote(path)} starts from the weights of a run"
    if sentence := SENTENCES.get(f"--{_name(option)}"):
        return sentence
    if _alias(option, options) is None:
        return ""
    found, rest = ["dlkit"], list(words)
    while rest:
        typed, joined, value = rest.pop(0).partition("=")
        alias = _alias(typed, options)
        if alias is None:
            found.append(quote(f"{typed}{joined}{value}"))
            continue
        if not joined and rest and (_is_value(rest[0], alias) or (alias.drops and rest[0][:1] != "-")):
            value = rest.pop(0)
        value = quote((value if not alias.drops else "") or alias.value) if alias.value else ""
        found.append(f"{alias.words}{'' if alias.words.endswith('=') or not value else ' '}{value}")
    return " ".join(found)


def instead_of_value(option: str, value: str) -> str:
    """Return how several values are tried, where an option takes one; empty where it is something else.

    Args:
        option: With its dashes.
        value: What was typed.
    """
    if not re.fullmatch(r"[^,\s]+(,[^,\s]+)+", value):
        return ""
    if option == "--seed":
        return SENTENCES["--seeds"]
    search = quote(f"{option.lstrip('-')}={value}")
    return f"--search {search} --sampler grid trains once with each value"


def _value_of(option: str, words: Sequence[str]) -> str:
    """Return what follows an option; empty where nothing does."""
    after = [word for place, word in enumerate(words) if place and words[place - 1] == option]
    joined = [word.partition("=")[2] for word in words if word.startswith(f"{option}=")]
    return next(iter([*after, *joined]), "")


def _name(option: str) -> str:
    return option.lstrip("-").replace("_", "-").lower()


def _alias(option: str, options: Sequence[str]) -> Alias | None:
    known = {**OPTIONS, **(OF_PREDICTIONS if "--predict" in options else {})}
    alias = known.get(_name(option)) if option.startswith("--") and option not in options else None
    return alias if alias is not None and alias.words.split()[0] in options else None


def _is_value(word: str, alias: Alias) -> bool:
    """Return whether the word after a foreign option is its value: a number where the option here takes one."""
    if not alias.value and word in ("auto", "balanced", "true"):
        return True
    number = not alias.value or alias.value[0].isdecimal()
    return not word.startswith("-") and (word[:1].isdecimal() or not number)


def instead_of_command(path: Sequence[str], groups: Mapping[str, Sequence[str]]) -> str:
    """Return the command that does what a foreign one names; empty where there is none.

    Args:
        path: The words after `dlkit` up to the foreign one.
        groups: Names of the commands of each group, as inspect.
    """
    words = " ".join(path).replace("_", "-").lower()
    if words in COMMANDS:
        return COMMANDS[words]
    if len(path) > 1 and path[0] == "inspect" and Path(path[-1]).exists():
        return f"dlkit inspect run {quote(path[-1])}"
    for group, names in groups.items():
        if len(path) == 1 and words in names:
            return f"dlkit {group} {words} --help"
    return SENTENCES.get(words, "")
