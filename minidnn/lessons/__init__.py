"""The lessons of ``minidnn reproduce``: the folders ``examples/chapter``, ``reuse`` and ``deploy``, installed."""
