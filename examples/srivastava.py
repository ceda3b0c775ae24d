"""Dropout and max-norm without augmentation, as in Srivastava et al. (2014), who report 98.94 % on MNIST.

Three hidden layers of 1,024 ReLU units; dropout 0.2 on the inputs and 0.5 on the hidden units; the norm of each unit's
incoming weights at most 2; momentum 0.95 with a high rate that falls exponentially. The paper's last step, kept here:
train on the training and the validation set together, with the settings chosen on the validation set before.

    python examples/srivastava.py                 # 98.71 % on the test set; 29 minutes with one thread
    python examples/srivastava.py --epochs 1 --examples 2000
"""

import argparse
import time
from itertools import pairwise

import minidnn
from minidnn import data, nn, optim, schedules, training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--examples", type=int, default=60_000, help="how many of the training and validation set")
    parser.add_argument(
        "--choose", action="store_true", help="train without the validation set, and print its accuracy"
    )
    parser.add_argument("--lr", type=float, default=0.02, help="the rate of the first step; it falls to a hundredth")
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()

    minidnn.manual_seed(arguments.seed)
    mnist = data.load_mnist()
    train = mnist.train if arguments.choose else mnist.train + mnist.valid
    train = train[: arguments.examples]
    sizes = [784, 1024, 1024, 1024]
    layers: list[nn.Module] = [nn.Dropout(0.2)]
    for i, (n_in, n_out) in enumerate(pairwise(sizes), start=1):
        layers.append(nn.Dense(n_in, n_out, "relu", "he_normal", kernel_constraint=nn.max_norm(2.0), name=f"hidden{i}"))
        layers.append(nn.Dropout(0.5))
    model = nn.Sequential(*layers, nn.Dense(1024, 10, kernel_constraint=nn.max_norm(2.0), name="outputs"))

    steps = arguments.epochs * -(-len(train) // 100)
    rate = schedules.exponential(arguments.lr, decay_rate=1 / 100, decay_steps=steps)
    start = time.perf_counter()
    training.fit(
        model,
        train,
        optimizer=optim.SGD(model.parameters(), rate, momentum=0.95),
        epochs=arguments.epochs,
        batch_size=100,
        valid=mnist.valid if arguments.choose else None,
    )
    minutes = (time.perf_counter() - start) / 60
    part, name = (mnist.valid, "validation") if arguments.choose else (mnist.test, "test")
    accuracy = training.evaluate(model, part).accuracy
    print(f"{name} {accuracy:.4f}, {minutes:.1f} minutes with {minidnn.get_num_threads()} threads")


if __name__ == "__main__":
    main()
