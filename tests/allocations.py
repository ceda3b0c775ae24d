"""Counts the memory allocations of a compiled model, in C++ and in all threads; see `test_deploy_allocations.py`.

The preloaded `native/mallocs.c` counts calls of malloc; the output is JSON. Python's small objects come from its own
pools, which request memory 256 kB or more at a time, and not from malloc.
"""

import ctypes
import json

import numpy as np

import minidnn
from minidnn import deploy, nn

SHIM = ctypes.CDLL(None)
SHIM.mallocs_stop.restype = ctypes.c_long
BATCHES = (1, 16, 300)
CALLS = 50
FORMS = {
    "dense": {"sparse": False},
    "sparse": {"sparse": True},
    "bfloat16": {"dtype": "bfloat16", "sparse": False},
    "sparse bfloat16": {"dtype": "bfloat16", "sparse": True},
    "int8": {"dtype": "int8", "sparse": False},
    "sparse int8": {"dtype": "int8", "sparse": True},
}


def counted(act):
    SHIM.mallocs_start()
    act()
    return SHIM.mallocs_stop()


def network():
    """A network with every kind of stage, and a layer that is large enough for threads to share."""
    minidnn.manual_seed(1)
    model = nn.Sequential(
        nn.Dense(100, 1200, "elu"),
        nn.BatchNorm(1200),
        nn.SkipConcat(nn.Sequential(nn.LayerNorm(1200), nn.Dense(1200, 20), nn.PReLU(20))),
        nn.Dense(1220, 40),
        nn.Residual(nn.Dense(40, 40, "tanh")),
        nn.Tanh(),
        nn.Dense(40, 30),
        nn.Softmax(),
    ).eval()
    deploy.prune(model, fraction=0.5)
    return model


def first_and_later(model, batch):
    """The allocations of the first call with a batch size, and of many later calls together."""
    x, out = minidnn.Generator(2).normal((batch, model.n_in)), np.empty((batch, model.n_out), np.float32)

    def repeat():
        for _ in range(CALLS):
            model.predict(x, out=out)

    first = counted(lambda: model.predict(x, out=out))
    repeat()  # a thread allocates when it takes part for the first time
    return first, counted(repeat)


def main():
    model, examples = network(), minidnn.Generator(3).normal((50, 100))
    first, later = {}, {}
    for threads in (1, 2):
        minidnn.set_num_threads(threads)
        for name, options in FORMS.items():
            compiled = deploy.compile(model, calibration=examples, **options)
            for batch in BATCHES:
                case = f"{name}, {batch} examples, {threads} threads"
                first[case], later[case] = first_and_later(compiled, batch)
    arrays = counted(lambda: [np.empty(10_000) for _ in range(7)])
    print(json.dumps({"seven arrays": arrays, "first": first, "later": later}))


if __name__ == "__main__":
    main()
