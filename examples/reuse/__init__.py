"""Lessons on reusing and pretraining networks, a file each; ``minidnn reproduce`` runs them over several seeds.

The package has them as ``minidnn.lessons.reuse``. Each defines ``run(seeds, quick, progress)``, which trains every
method with every seed (``quick``: less of everything, for a look) and returns a `minidnn.study.Study`, or several one
after the other.
"""
