"""Trains the models that the package ships (`minidnn.zoo`), and writes them with their cards.

Seeds are fixed: the bytes are the same at every thread count, and on x86-64-v3 and x86-64-v4 (the baseline differs in
the last bits); compare the printed checksums with those of the cards.

    python examples/zoo/train_zoo.py                      # into runs/zoo
    python examples/zoo/train_zoo.py mnist-selu-small     # one of them
    python examples/zoo/train_zoo.py --epochs 1 --examples 2000
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import minidnn
from minidnn import data, nn, optim, schedules, training
from minidnn.zoo import Card, Catalogue

LICENCE = "MIT"
TASK = "classification of handwritten digits, 10 classes; the outputs are logits"
DIGITS = "8 x 8 digits: 1,197 images of 8 x 8 pixels from 0 to 1, flattened; 300 validate, 300 test"
MNIST = "MNIST: 55,000 images of 28 x 28 pixels from 0 to 1, flattened; 5,000 validate, 10,000 test"


@dataclass(frozen=True)
class Recipe:
    """A model and how it is trained."""

    name: str
    description: str
    tags: tuple[str, ...]
    build: Callable[[], nn.Sequential]
    epochs: int
    batch_size: int
    lr: Callable[[int], schedules.Schedule]
    """The schedule for a number of steps."""
    nesterov: bool = False
    load: Callable[[], data.Splits] = data.load_mnist
    data: str = MNIST


def relu() -> nn.Sequential:
    return nn.Sequential(
        nn.Dense(784, 300, "relu", name="hidden1"),
        nn.Dense(300, 50, "relu", name="hidden2"),
        nn.Dense(50, 10, name="outputs"),
    )


def elu_batch_norm() -> nn.Sequential:
    return nn.Sequential(
        nn.Dense(784, 200, kernel_initializer="he_normal", name="hidden1"),
        nn.BatchNorm(200, momentum=0.9, name="norm1"),
        nn.ELU(name="elu1"),
        nn.Dropout(0.3, name="dropout1"),
        nn.Dense(200, 100, kernel_initializer="he_normal", name="hidden2"),
        nn.BatchNorm(100, momentum=0.9, name="norm2"),
        nn.ELU(name="elu2"),
        nn.Dropout(0.3, name="dropout2"),
        nn.Dense(100, 10, name="outputs"),
    )


def selu_small() -> nn.Sequential:
    return nn.Sequential(
        nn.Dense(784, 32, "selu", kernel_initializer="lecun_normal", name="hidden1"),
        nn.Dense(32, 10, name="outputs"),
    )


def tiny() -> nn.Sequential:
    return nn.Sequential(
        nn.Dense(64, 32, "relu", kernel_initializer="he_normal", name="hidden1"),
        nn.Dropout(0.2, name="dropout1"),
        nn.Dense(32, 10, name="outputs"),
    )


RECIPES = (
    Recipe(
        "mnist-relu",
        "The notebook's network: momentum 0.9, the learning rate falling exponentially from 0.1 by 1/10 every 10,000 "
        "steps, 5 epochs.",
        ("mnist", "notebook", "relu", "momentum"),
        relu,
        epochs=5,
        batch_size=50,
        lr=lambda steps: schedules.exponential(0.1, 1 / 10, 10_000),
    ),
    Recipe(
        "mnist-elu-bn",
        "Batch normalization before ELU, dropout 0.3, He initialization; Nesterov's momentum under a cosine schedule, "
        "30 epochs.",
        ("mnist", "elu", "batch-norm", "dropout", "nesterov"),
        elu_batch_norm,
        epochs=30,
        batch_size=100,
        lr=lambda steps: schedules.cosine(0.05, steps),
        nesterov=True,
    ),
    Recipe(
        "mnist-selu-small",
        "A small one, 100 kB, to try things on: SELU with LeCun's initialization, 10 epochs.",
        ("mnist", "selu", "small"),
        selu_small,
        epochs=10,
        batch_size=50,
        lr=lambda steps: schedules.cosine(0.02, steps),
    ),
    Recipe(
        "digits-tiny",
        "The smallest, 11 kB: ReLU, He initialization, dropout 0.2, 100 epochs.",
        ("relu", "small"),
        tiny,
        epochs=100,
        batch_size=20,
        lr=lambda steps: schedules.cosine(0.05, steps),
        load=data.load_digits_sample,
        data=DIGITS,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models to train; all by default")
    parser.add_argument("--epochs", type=int, help="of each model, in place of its recipe's")
    parser.add_argument("--examples", type=int, default=55_000, help="how many of the training set")
    parser.add_argument("--output", type=Path, default=Path("runs/zoo"), help="the catalogue's folder")
    arguments = parser.parse_args()

    catalogue = Catalogue(arguments.output)
    unknown = set(arguments.names) - {recipe.name for recipe in RECIPES}
    if unknown:
        parser.error(
            f"model {', '.join(sorted(unknown))} is unknown; give some of {', '.join(r.name for r in RECIPES)}"
        )
    for recipe in RECIPES:
        if arguments.names and recipe.name not in arguments.names:
            continue
        minidnn.manual_seed(42)
        model, (train, valid, test) = recipe.build(), recipe.load()
        train = train[: arguments.examples]
        epochs = arguments.epochs or recipe.epochs
        rate = recipe.lr(epochs * -(-len(train) // recipe.batch_size))
        optimizer = optim.SGD(model.parameters(), rate, momentum=0.9, nesterov=recipe.nesterov)
        training.fit(model, train, optimizer=optimizer, epochs=epochs, batch_size=recipe.batch_size, valid=valid)
        reached = {
            "valid_accuracy": round(training.evaluate(model, valid).accuracy, 4),
            "test_accuracy": round(training.evaluate(model, test).accuracy, 4),
        }
        card = Card(
            name=recipe.name,
            task=TASK,
            data=recipe.data,
            metrics=reached,
            licence=LICENCE,
            description=recipe.description,
            tags=("digits", *recipe.tags),
        )
        added = catalogue.add(model, card, replace=True)
        accuracies = "validation {valid_accuracy:.4f}, test {test_accuracy:.4f}".format(**reached)
        print(f"{added.name}: {accuracies}, {added.sha256[:16]}, {added.size:,} bytes")


if __name__ == "__main__":
    main()
