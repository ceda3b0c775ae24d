"""Learning-rate scheduling: the rate falls exponentially from 0.1, to a tenth in 10,000 steps.

784-300-50-10 ReLU, momentum 0.9, batches of 50, 5 epochs.

    python examples/notebook/lr_schedule.py --seeds 1
"""

import sys

from minidnn import cli, nn, optim, schedules, training
from minidnn.data import Splits

PUBLISHED = {1: 0.9550, 2: 0.9696, 3: 0.9752, 4: 0.9769, 5: 0.9790}
EPOCHS = 5


def run(mnist: Splits, epochs: int = EPOCHS, progress: bool = True) -> list[float]:
    model = nn.Sequential(
        nn.Dense(784, 300, activation="relu", name="hidden1"),
        nn.Dense(300, 50, activation="relu", name="hidden2"),
        nn.Dense(50, 10, name="outputs"),
    )
    rate = schedules.exponential(0.1, decay_rate=1 / 10, decay_steps=10_000)
    optimizer = optim.SGD(model.parameters(), rate, momentum=0.9)
    history = training.fit(
        model,
        mnist.train,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=50,
        callbacks=[training.Evaluate(mnist.test, "test")],
        progress=progress,
    )
    return history["test_accuracy"]


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "lr-schedule", *sys.argv[1:]]))
