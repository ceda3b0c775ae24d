"""l1 regularization by hand: the penalty is written into the loss, in a hand-written training loop.

784-300-10 ReLU, 0.001 times the absolute weights of both layers, plain gradient descent at 0.01, batches of 200,
5 epochs.

    python examples/notebook/l1_manual.py --seeds 1
"""

import sys

from minidnn import cli, data, nn, ops, optim, training
from minidnn.data import Splits

PUBLISHED = {1: 0.8357, 2: 0.8713, 3: 0.8819, 4: 0.8911, 5: 0.8954}
EPOCHS = 5


def run(mnist: Splits, epochs: int = EPOCHS, progress: bool = True) -> list[float]:
    hidden1 = nn.Dense(784, 300, activation="relu", name="hidden1")
    outputs = nn.Dense(300, 10, name="outputs")
    model = nn.Sequential(hidden1, outputs)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    accuracies = []
    for epoch in range(1, epochs + 1):
        for x, y in data.batches(mnist.train, batch_size=200):
            cross_entropy = nn.softmax_cross_entropy(model(x), y)
            penalty = ops.abs(hidden1.kernel).sum() + ops.abs(outputs.kernel).sum()
            loss = cross_entropy + 0.001 * penalty
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        accuracies.append(training.evaluate(model, mnist.test).accuracy)
        if progress:
            print(f"epoch {epoch}/{epochs}  test_accuracy {accuracies[-1]:.4f}")
    return accuracies


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "l1-manual", *sys.argv[1:]]))
