"""Names of the parts of data, train, val and test, as people spell them."""

import re
import unicodedata

PARTS = {
    **dict.fromkeys(("train", "training", "entrenamiento", "treino", "treinamento", "entrainement"), "train"),
    **dict.fromkeys(("apprentissage", "addestramento", "trainings", "trening"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(
        ("validacion", "validacao", "validazione", "validierung", "validierungs", "validatie"), "val"
    ),
    **dict.fromkeys(("test", "testing", "tests", "prueba", "pruebas", "teste", "testes", "essai"), "test"),
}
_FILLERS = (
    "set",
    "data",
    "daten",
    "dataset",
    "images",
    "image",
    "imgs",
    "img",
    "split",
    "folder",
    "samples",
    "files",
)
_GLUED = re.compile(f"({'|'.join(PARTS)})({'|'.join(_FILLERS)})")


def part_of(name: str) -> tuple[str, bool] | None:
    """Return the part that a name may mean, and whether the name says nothing else; None for other names.

    Names are English, or as people write them in Spanish, Portuguese, French, Italian, German or Dutch.

    `Training`, `train_set`, `TestData` and `val2017` say nothing else, `seg_train` and `test_tube` do.
    """
    letters = unicodedata.normalize("NFKD", name)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    words = re.split("[^a-z]+", re.sub("(?<=[a-z])(?=[A-Z])", " ", plain).lower())
    words = [part for word in words for part in _unglued(word)]
    parts = {PARTS[word] for word in words if word in PARTS}
    if len(parts) != 1:
        return None
    return parts.pop(), all(word in PARTS or word in _FILLERS for word in words if word)


def _unglued(word: str) -> tuple[str, ...]:
    match = _GLUED.fullmatch(word)
    return (word,) if match is None else match.groups()
