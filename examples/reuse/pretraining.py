"""Few labels, many images: unsupervised pretraining against training from scratch.

A network 784-500-500-10 learns MNIST from 100 to 5,000 labels. Pretraining has all 55,000 images without their labels,
and trains the hidden layers one by one: as restricted Boltzmann machines, or as sparse denoising autoencoders. Then
the whole network is fine-tuned on the labels. The baseline, from scratch, has the labels alone.

Each network is the best of a small grid on the validation set. The grid of the baseline is larger: sigmoid or ReLU,
with dropout or without, where the pretrained networks are sigmoid. The test set is not used to choose.

    python examples/reuse/pretraining.py             # or: minidnn reproduce pretraining
    python examples/reuse/pretraining.py --quick --seeds 1
"""

import sys
import time
from collections.abc import Iterable, Sequence

from minidnn import Generator, cli, data, manual_seed, nn, optim, pretraining, schedules, training
from minidnn.data import ArrayDataset, Splits
from minidnn.study import Study, uninterrupted

LABELS = (100, 300, 1000, 5000)
STEPS = {100: 400, 300: 600, 1000: 1000, 5000: 2000}
SCRATCH, RBM, AUTOENCODER = "from scratch", "RBMs", "autoencoders"


def network(activation: str, dropout: float = 0.0) -> nn.Sequential:
    """784-500-500-10, with dropout before each layer (on the pixels at most 0.2)."""
    initializer = "he_normal" if activation == "relu" else "glorot_uniform"
    layers: list[nn.Module] = []
    for i, (n_in, n_out) in enumerate([(784, 500), (500, 500)], start=1):
        layers.append(nn.Dropout(min(dropout, 0.2 if i == 1 else 1.0)))
        layers.append(nn.Dense(n_in, n_out, activation, initializer, name=f"hidden{i}"))
    return nn.Sequential(*layers, nn.Dropout(dropout), nn.Dense(500, 10, name="outputs"))


def pretrained(images: ArrayDataset, method: str, epochs: int) -> dict[str, data.types.Floats32]:
    """The hidden weights that a method finds in the images."""
    model = network("sigmoid")
    if method == RBM:
        histories = pretraining.pretrain_layers(model, images, "rbm", epochs=epochs, progress=False)
    else:
        histories = pretraining.pretrain_layers(
            model,
            images,
            "autoencoder",
            corruption=pretraining.masking(0.5),
            activity_regularizer=pretraining.kl_sparsity(0.1),
            epochs=epochs,
            progress=False,
        )
    for history in histories.values():
        uninterrupted(history)
    return {path: array for path, array in model.state_dict().items() if path.startswith("hidden")}


def few(train: ArrayDataset, n: int, seed: int) -> ArrayDataset:
    """n examples, the same number of each digit."""
    order = Generator(seed, stream=1).permutation(len(train))
    digits = train.y[order]
    chosen = [i for digit in range(10) for i in order[digits == digit][: n // 10]]
    return ArrayDataset(train.x[chosen], train.y[chosen])


def best(mnist: Splits, labelled: ArrayDataset, hidden: dict[str, data.types.Floats32] | None, steps: int) -> float:
    """The test accuracy of the network that is best on the validation set."""
    found = []
    for activation in ("sigmoid",) if hidden else ("sigmoid", "relu"):
        for dropout in (0.0, 0.5):
            model = network(activation, dropout)
            rate = schedules.cosine(0.1 if hidden else 0.001, steps)
            optimizer: optim.Optimizer = optim.Adam(model.parameters(), rate)
            if hidden:
                model.load_state_dict(hidden, strict=False)
                optimizer = optim.SGD(model.parameters(), rate, momentum=0.9)
            history = training.fit(
                model,
                labelled,
                optimizer=optimizer,
                epochs=steps * 50 // len(labelled),
                batch_size=50,
                progress=False,
            )
            uninterrupted(history)
            found.append([training.evaluate(model, part).accuracy for part in (mnist.valid, mnist.test)])
    return max(found, key=lambda accuracies: accuracies[0])[1]


def run(seeds: Iterable[int], quick: bool = False, progress: bool = True) -> Study:
    """Trains with each seed; ``quick`` with a tenth of the images, for one epoch, and with fewer labels and steps."""
    mnist = data.load_mnist()
    images, labels, epochs = (mnist.train[:5500], LABELS[:2], 1) if quick else (mnist.train, LABELS, 5)
    runs: dict[str, list[Sequence[float]]] = {SCRATCH: [], RBM: [], AUTOENCODER: []}
    seconds = dict.fromkeys((RBM, AUTOENCODER), 0.0)
    for seed in seeds:
        manual_seed(seed)
        for method in runs:
            hidden = None
            if method != SCRATCH:
                start = time.perf_counter()
                hidden = pretrained(images, method, epochs)
                seconds[method] += time.perf_counter() - start
            accuracies = [
                best(mnist, few(mnist.train, n, seed), hidden, STEPS[n] // (4 if quick else 1)) for n in labels
            ]
            runs[method].append(accuracies)
            if progress:
                print(f"seed {seed}, {method}: {' '.join(map('{:.4f}'.format, accuracies))}", file=sys.stderr)
    count = len(runs[SCRATCH])
    return Study(
        name="pretraining",
        title="Unsupervised pretraining on MNIST",
        x_label="labels",
        x=labels,
        runs=runs,
        measured={f"pretraining of {method}, s": value / count for method, value in seconds.items()},
        notes=[
            f"pretraining used {len(images):,} images and no labels; networks chosen on the validation set",
            *(["a quick run is much too short for a gain"] if quick else []),
        ],
    )


if __name__ == "__main__":
    sys.exit(cli.main(["reproduce", "pretraining", *sys.argv[1:]]))
