"""Asynchronous updates compared with updates in a fixed order: speed, accuracy, reproducibility.

Three ways to train 784-300-50-10 on MNIST with several workers, by plain gradient descent:

- *shards* (`minidnn.training.fit`): each batch is cut, and the gradients are added in a fixed order.
- *Hogwild* (Recht, Re, Wright, Niu 2011): the weights lie in memory that all workers share; each reads them, computes
  the gradient of its own batch, and subtracts it while the others do the same, without any lock.
- *parameter server* (Dean et al. 2012): a server holds the weights; a worker gets a copy, sends back a gradient, and
  the server subtracts it at once, though others have changed the weights since that copy.

Each way uses every example once an epoch, in batches of 50, and runs twice from one seed: only the first one gives the
same bytes both times. Seconds include the start of the workers.

Usage: python -P examples/asynchronous.py [--workers 2] [--epochs 5] [--examples 55000]
"""

import argparse
import hashlib
import multiprocessing
import time
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.shared_memory import SharedMemory

import numpy as np

import minidnn
from minidnn import data, nn, optim, training
from minidnn.columns import columns

BATCH, RATE, SEED = 50, 0.1, 0


def network():
    minidnn.manual_seed(SEED)
    return nn.Sequential(nn.Dense(784, 300, "relu"), nn.Dense(300, 50, "relu"), nn.Dense(50, 10))


def flat(model):
    return np.concatenate([parameter.data.ravel() for parameter in model.parameters()])


def put(model, weights):
    """Copies the numbers of one array into the parameters."""
    start = 0
    for parameter in model.parameters():
        parameter.data[...] = weights[start : start + parameter.size].reshape(parameter.shape)
        start += parameter.size


def gradients(worker, workers, epochs, examples):
    """Yields for each batch of a worker a function from weights to the gradient; it computes on one thread."""
    minidnn.set_num_threads(1)
    train, model = data.load_mnist().train[:examples], network()
    own = train[worker::workers]

    def gradient(x, y, weights):
        put(model, weights)
        for parameter in model.parameters():
            parameter.grad = None
        nn.softmax_cross_entropy(model(x), y).backward()
        return np.concatenate([parameter.grad.ravel() for parameter in model.parameters()])

    order = minidnn.Generator(SEED, worker)
    for _ in range(epochs):
        for x, y in data.batches(own, BATCH, rng=order):
            yield partial(gradient, x, y)


def shards(workers, epochs, examples):
    model = network()
    train = data.load_mnist().train[:examples]
    optimizer = optim.SGD(model.parameters(), RATE)
    options = {"epochs": epochs, "batch_size": BATCH - BATCH % workers, "shards": workers}
    training.fit(model, train, optimizer=optimizer, progress=False, **options)
    return flat(model)


def hogwild_worker(name, barrier, *which):
    memory = SharedMemory(name)
    weights = np.ndarray(memory.size // 4, np.float32, memory.buf)
    barrier.wait()
    for gradient in gradients(*which):
        weights -= RATE * gradient(weights)  # others write there at this moment, too
    del weights
    memory.close()


def hogwild(workers, epochs, examples):
    start = flat(network())
    memory, context = SharedMemory(create=True, size=start.nbytes), multiprocessing.get_context("spawn")
    try:
        weights = np.ndarray(start.size, np.float32, memory.buf)
        weights[...] = start
        barrier = context.Barrier(workers)
        crew = [
            context.Process(target=hogwild_worker, args=(memory.name, barrier, worker, workers, epochs, examples))
            for worker in range(workers)
        ]
        run(crew)
        result = weights.copy()
        del weights
        return result
    finally:
        memory.close()
        memory.unlink()


def server_worker(connection, *which):
    for gradient in gradients(*which):
        connection.send(gradient(connection.recv()))
    connection.close()


def parameter_server(workers, epochs, examples):
    weights, context = flat(network()), multiprocessing.get_context("spawn")
    ends = [context.Pipe() for _ in range(workers)]
    crew = [
        context.Process(target=server_worker, args=(theirs, worker, workers, epochs, examples))
        for worker, (_, theirs) in enumerate(ends)
    ]
    open_ends = [ours for ours, _ in ends]

    def serve():
        for _, theirs in ends:
            theirs.close()  # else recv() would not notice that a worker has ended
        for connection in open_ends:
            connection.send(weights)
        while open_ends:
            for connection in wait(open_ends):
                try:
                    weights[...] -= RATE * connection.recv()
                    connection.send(weights)
                except (EOFError, OSError):  # the worker has finished
                    open_ends.remove(connection)

    run(crew, serve)
    return weights


def run(crew, meanwhile=lambda: None):
    for process in crew:
        process.start()
    meanwhile()
    for process in crew:
        process.join()
    if any(process.exitcode for process in crew):
        raise RuntimeError("a worker ended with an error")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--examples", type=int, default=55_000)
    arguments = parser.parse_args()
    test, model = data.load_mnist().test, network()
    rows = [("way", "accuracy", "again", "max. weight diff", "seconds", "same bytes")]
    for way in (shards, hogwild, parameter_server):
        begin = time.perf_counter()
        first, again = (way(arguments.workers, arguments.epochs, arguments.examples) for _ in range(2))
        seconds = (time.perf_counter() - begin) / 2
        accuracies = []
        for weights in (first, again):
            put(model, weights)
            accuracies.append(f"{training.evaluate(model, test).accuracy:.4f}")
        same = hashlib.sha256(first).digest() == hashlib.sha256(again).digest()
        apart = f"{np.abs(first - again).max():.2g}"
        rows.append((way.__name__.replace("_", " "), *accuracies, apart, f"{seconds:.1f}", "yes" if same else "no"))
    print(columns(rows))


if __name__ == "__main__":
    main()
