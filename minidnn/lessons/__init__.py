"""The lessons of ``minidnn reproduce``: here the folders ``examples/reuse`` and ``examples/deploy`` are installed."""
