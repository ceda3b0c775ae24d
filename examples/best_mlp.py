"""A plain multi-layer perceptron on MNIST, with all of the chapter's techniques that help.

Elastic and affine augmentation, He initialization, batch normalization, ReLU, dropout, max-norm, Nesterov's momentum
under a cosine schedule with warm-up, averaged weights. They were chosen on the validation set alone; the test set is
evaluated once, at the end.

    python examples/best_mlp.py                 # 99.33 % on the test set; 9 minutes on 2 cores
    python examples/best_mlp.py --epochs 1 --examples 2000
"""

import argparse
import json
import time
from pathlib import Path

import minidnn
from minidnn import data, nn, optim, recipes, schedules, training
from minidnn.data import augment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--hidden", type=int, nargs="+", default=[1024, 1024])
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--examples", type=int, default=55_000, help="how many of the training set")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--output", type=Path, default=Path("runs/best_mlp"))
    arguments = parser.parse_args()

    minidnn.manual_seed(arguments.seed)
    mnist = data.load_mnist()
    train = mnist.train[: arguments.examples]
    model = recipes.default_network(
        784, arguments.hidden, 10, activation="relu", dropout=arguments.dropout, kernel_constraint=nn.max_norm(3.0)
    )
    distortions = augment.Augment(
        [
            augment.elastic(34, 4.5),
            augment.rotate(12),
            augment.shear(10),
            augment.zoom(0.85, 1.15, stretch=True),
            augment.shift(2),
        ],
        image_shape=(28, 28),
    )
    steps = arguments.epochs * -(-len(train) // arguments.batch_size)
    warm = max(1, steps // 50)
    schedule = schedules.warm_up(warm, schedules.cosine(arguments.lr, max(1, steps - warm), final=arguments.lr / 1000))
    averaging = training.AverageWeights(decay=0.99, every=10)
    start = time.perf_counter()
    history = training.fit(
        model,
        train,
        optimizer=optim.SGD(model.parameters(), schedule, momentum=0.9, nesterov=True),
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        valid=mnist.valid,
        callbacks=[averaging],
        augment=distortions,
    )
    minutes = (time.perf_counter() - start) / 60

    # The model holds the averaged weights now.
    valid, test = (training.evaluate(model, part).accuracy for part in (mnist.valid, mnist.test))
    print(f"validation {valid:.4f}, test {test:.4f}, {minutes:.1f} minutes with {minidnn.get_num_threads()} threads")
    arguments.output.mkdir(parents=True, exist_ok=True)
    minidnn.save(model, arguments.output / "model.safetensors")
    results = {"valid_accuracy": valid, "test_accuracy": test, "minutes": minutes, "epochs": history.rows}
    (arguments.output / "results.json").write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
