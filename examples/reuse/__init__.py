"""Lessons on reusing and pretraining networks, one file each; ``minidnn reproduce`` runs them over several seeds.

They are installed as ``minidnn.lessons.reuse``. Each defines ``run(seeds, quick, progress)``, which trains every method
with every seed (``quick``: less data and fewer epochs) and returns a `minidnn.study.Study`, or yields several.
"""
