"""The notebook's five experiments, one file each; ``minidnn reproduce`` runs them over several seeds.

They are installed as ``minidnn.notebook``. PUBLISHED of each file maps epochs to the published test accuracies;
``run(mnist, epochs, progress)`` trains and returns the test accuracy after every epoch.
"""
