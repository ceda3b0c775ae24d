"""The notebook's five experiments, a file each; ``minidnn reproduce`` runs them over several seeds.

The package has them as ``minidnn.notebook``. Each file tells the test accuracy PUBLISHED after which epoch, and defines
``run(mnist, epochs, progress)``, which trains and returns the test accuracy after every epoch.
"""
