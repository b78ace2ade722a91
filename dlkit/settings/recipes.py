"""What a recipe sets apart from the defaults of TrainConfig."""

from collections.abc import Mapping

RECIPES: Mapping[str, Mapping[str, str | int | float]] = {
    "image": {"optimizer": "sgd", "lr": 0.01, "batch_size": 64, "schedule": "none"},
    "table": {
        "optimizer": "adamw",
        "lr": 0.002,
        "batch_size": 256,
        "schedule": "cosine",
        "epochs": 100,
        "patience": 20,
    },
    "few": {
        "optimizer": "adamw",
        "lr": 0.005,
        "batch_size": 32,
        "schedule": "cosine",
        "epochs": 100,
        "patience": 20,
    },
    "spatial": {
        "optimizer": "adamw",
        "lr": 4e-3,
        "batch_size": 256,
        "schedule": "onecycle",
        "weight_decay": 0.01,
        "ema": 0.99,
        "epochs": 12,
    },
    "torchvision": {
        "optimizer": "sgd",
        "lr": 0.05,
        "batch_size": 128,
        "schedule": "onecycle",
        "weight_decay": 5e-4,
    },
    "pbpk": {
        "optimizer": "adam",
        "lr": 0.02,
        "batch_size": 64,
        "schedule": "onecycle",
        "grad_clip": 1.0,
        "val": 0.2,
        "target_weights": "blood=2,liver=2,kidney=2,brain=2",
        "epochs": 50,
    },
}
