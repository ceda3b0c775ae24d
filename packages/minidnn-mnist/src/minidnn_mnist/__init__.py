"""The four files of MNIST, gzipped, in the folder ``mnist``; `minidnn.data.load_mnist` reads them."""
