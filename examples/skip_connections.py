"""A hundred layers, with and without skip connections (He et al. 2016), and a picture of both.

The plain network's gradients do not reach its lower layers, so it learns nothing; with a skip connection around each
pair of layers, the same hundred layers learn from the first step.

    python examples/skip_connections.py          # writes runs/skip_connections/curves.png
    python examples/skip_connections.py --examples 2000 --epochs 1
"""

import argparse
from pathlib import Path

import minidnn
from minidnn import data, nn, optim, plot, training

LAYERS, UNITS = 100, 50


def pair() -> nn.Sequential:
    return nn.Sequential(
        nn.Dense(UNITS, UNITS, "relu", "he_normal"),
        # The last layer of a block starts at zero, so the block starts as the identity (Zhang et al. 2019).
        nn.Dense(UNITS, UNITS, None, "zeros"),
    )


def plain() -> nn.Sequential:
    hidden = [nn.Dense(UNITS, UNITS, "relu") for _ in range(LAYERS - 2)]
    return nn.Sequential(nn.Dense(784, UNITS, "relu"), *hidden, nn.Dense(UNITS, 10))


def residual() -> nn.Sequential:
    blocks = [nn.Residual(pair()) for _ in range((LAYERS - 2) // 2)]
    return nn.Sequential(nn.Dense(784, UNITS, "relu"), *blocks, nn.Dense(UNITS, 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--examples", type=int, default=55_000, help="how many of the training set")
    parser.add_argument("--output", type=Path, default=Path("runs/skip_connections"))
    arguments = parser.parse_args()

    mnist = data.load_mnist()
    histories = {}
    for name, build in (("plain", plain), ("residual", residual)):
        minidnn.manual_seed(42)
        model = build()
        histories[name] = training.fit(
            model,
            mnist.train[: arguments.examples],
            optimizer=optim.SGD(model.parameters(), lr=0.01, momentum=0.9),
            epochs=arguments.epochs,
            batch_size=100,
            valid=mnist.valid,
        )
        print(f"{LAYERS} layers, {name}: validation accuracy {histories[name]['valid_accuracy'][-1]:.4f}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    plot.learning_curves(histories, arguments.output / "curves.png")
    print(f"saved {arguments.output / 'curves.png'}")


if __name__ == "__main__":
    main()
