# cython: boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The loops over examples, compiled: the names, signatures and bits of `minidnn.pipeline.reference`, which documents them.

Each function allocates the array that it returns, so its shape always fits. Only the values of ``order`` have to be
checked before a loop runs without the GIL.
"""

from cython cimport view
from libc.math cimport floorf
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

import numpy as np


cdef extern from *:
    void prefetch "__builtin_prefetch" (const void*) noexcept nogil


cdef int _check_aligned(str what, size_t places, size_t size) except -1:
    # In C, reading a misaligned number is undefined behaviour. places: the address, ored with all strides that differ
    # from the item size. Rows that are only copied (memcpy) need no alignment.
    if places % size:
        raise ValueError(f"{what} is not aligned in memory; pass a copy, such as numpy.array(x)")
    return 0


# Philox 4x32-10

cdef struct Block:
    uint32_t w0, w1, w2, w3


cdef inline Block _philox(Block c, uint32_t k0, uint32_t k1) noexcept nogil:
    cdef uint64_t product0, product1
    for _ in range(10):
        product0, product1 = <uint64_t> 0xD2511F53U * c.w0, <uint64_t> 0xCD9E8D57U * c.w2
        c.w0, c.w1 = <uint32_t> (product1 >> 32) ^ c.w1 ^ k0, <uint32_t> product1
        c.w2, c.w3 = <uint32_t> (product0 >> 32) ^ c.w3 ^ k1, <uint32_t> product0
        k0 += <uint32_t> 0x9E3779B9U
        k1 += <uint32_t> 0xBB67AE85U
    return c


def philox(const uint32_t[:, :] counter, key):
    cdef uint32_t k0 = key[0], k1 = key[1]
    cdef Py_ssize_t i
    cdef Block block
    if counter.shape[0] != 4:
        raise ValueError(f"philox: counter has {counter.shape[0]} rows, must have 4")
    _check_aligned("philox: counter", <size_t> &counter[0, 0] | counter.strides[0] | counter.strides[1], 4)
    words = np.empty((4, counter.shape[1]), np.uint32)
    cdef uint32_t[:, ::1] out = words
    with nogil:
        for i in range(counter.shape[1]):
            block.w0, block.w1, block.w2, block.w3 = counter[0, i], counter[1, i], counter[2, i], counter[3, i]
            block = _philox(block, k0, k1)
            out[0, i], out[1, i], out[2, i], out[3, i] = block.w0, block.w1, block.w2, block.w3
    return words


cdef void _random_group(
    uint32_t group, uint64_t seed, uint32_t stream, uint64_t draw, uint32_t* words
) noexcept nogil:
    # 64 words of the draw: word w of block b is element 16 * w + b.
    cdef uint32_t b
    cdef Block block
    for b in range(16):
        block.w0, block.w1, block.w2, block.w3 = 16 * group + b, <uint32_t> draw, <uint32_t> (draw >> 32), stream
        block = _philox(block, <uint32_t> seed, <uint32_t> (seed >> 32))
        words[b], words[16 + b], words[32 + b], words[48 + b] = block.w0, block.w1, block.w2, block.w3


# Order

cdef inline int64_t _below(uint64_t count, uint32_t low, uint32_t high) noexcept nogil:
    # floor(count * (high * 2**32 + low) / 2**64) in 64 bits, which hold every step while count <= 2**32.
    return <int64_t> ((count * high + ((count * low) >> 32)) >> 32)


def permutation(int64_t n, uint64_t seed, uint32_t stream, uint64_t draw):
    order = np.arange(n, dtype=np.int64)
    cdef int64_t[::1] position = order
    cdef uint32_t[64] words
    cdef int64_t i, j, first, end = n
    with nogil:
        while end > 0:
            first = (end - 1) // 32 * 32  # the 64 words of a group serve 32 positions
            _random_group(<uint32_t> (first // 32), seed, stream, draw, words)
            for i in range(end - 1, first - 1, -1):
                j = _below(<uint64_t> i + 1, words[2 * (i - first)], words[2 * (i - first) + 1])
                position[i], position[j] = position[j], position[i]
            end = first
    return order


# Gathering

cdef int _check_place(Py_ssize_t i, int64_t place, Py_ssize_t n) except -1:
    if not 0 <= place < n:
        raise IndexError(f"gather: order[{i}] is {place}, must be in [0, {n})")
    return 0


# Another thread may change the order after this check. So the loops below read each place once, and stop at a wrong one.
cdef int _check_order(const int64_t[::1] order, Py_ssize_t n) except -1:
    cdef Py_ssize_t i
    _check_aligned("gather: order", <size_t> &order[0], 8)
    for i in range(order.shape[0]):
        _check_place(i, order[i], n)
    return 0


cdef inline void _fetch(const void* row, Py_ssize_t size) noexcept nogil:
    # Shuffled rows are read from memory, not from a cache; prefetching them halves the time of an epoch.
    cdef Py_ssize_t i
    for i in range(0, size, 64):
        prefetch(<const char*> row + i)


def gather_bytes(const uint8_t[:, ::view.contiguous] examples, const int64_t[::1] order):
    cdef Py_ssize_t batch = order.shape[0], n_in = examples.shape[1], i = 0, j
    cdef const uint8_t* example
    cdef float* row
    # byte / 255 as the sum of two products, which for each of the 256 bytes rounds to the quotient; division is slow.
    cdef float high = 257.0 / 65536, low = 1.0 / 255 - 257.0 / 65536
    cdef Py_ssize_t n = examples.shape[0]
    cdef int64_t place = 0
    _check_order(order, n)
    gathered = np.empty((batch, n_in), np.float32)
    cdef float[:, ::1] x = gathered
    with nogil:
        for i in range(batch if n_in > 0 else 0):
            if i + 2 < batch:
                _fetch(&examples[order[i + 2], 0], n_in)
            place = order[i]
            if not 0 <= place < n:
                break
            example, row = &examples[place, 0], &x[i, 0]
            for j in range(n_in):
                row[j] = <float> example[j] * high + <float> example[j] * low
    if batch > 0:
        _check_place(i, place, n)
    return gathered


ctypedef fused Element:
    float
    int64_t


cdef _gather(const Element[:, ::view.contiguous] examples, const int64_t[::1] order, gathered):
    cdef Py_ssize_t n = examples.shape[0], batch = order.shape[0], size = examples.shape[1] * sizeof(Element), i = 0
    cdef int64_t place = 0
    _check_order(order, n)
    cdef Element[:, ::1] x = gathered
    with nogil:
        for i in range(batch if size > 0 else 0):
            if i + 2 < batch:
                _fetch(&examples[order[i + 2], 0], size)
            place = order[i]
            if not 0 <= place < n:
                break
            memcpy(&x[i, 0], &examples[place, 0], size)
    if batch > 0:
        _check_place(i, place, n)
    return gathered


def gather_floats(const float[:, ::view.contiguous] examples, const int64_t[::1] order):
    return _gather(examples, order, np.empty((order.shape[0], examples.shape[1]), np.float32))


def gather_integers(const int64_t[:, ::view.contiguous] examples, const int64_t[::1] order):
    return _gather(examples, order, np.empty((order.shape[0], examples.shape[1]), np.int64))


def gather_labels(const int64_t[:] labels, const int64_t[::1] order):
    cdef Py_ssize_t n = labels.shape[0], i = 0
    cdef int64_t place = 0
    _check_order(order, n)
    _check_aligned("gather: labels", <size_t> &labels[0] | labels.strides[0], 8)
    gathered = np.empty(order.shape[0], np.int64)
    cdef int64_t[::1] y = gathered
    with nogil:
        for i in range(order.shape[0]):
            place = order[i]
            if not 0 <= place < n:
                break
            y[i] = labels[place]
    if order.shape[0] > 0:
        _check_place(i, place, n)
    return gathered


# Metrics

cdef inline bint _is_largest(const float* row, Py_ssize_t classes, Py_ssize_t label) noexcept nogil:
    cdef float own = row[label]
    cdef bint largest = own - own == 0  # finite
    cdef Py_ssize_t j
    for j in range(label):
        largest &= row[j] < own
    for j in range(label + 1, classes):
        largest &= row[j] <= own
    return largest


def is_largest(const float[:, ::view.contiguous] rows, const int64_t[::1] labels):
    cdef Py_ssize_t n = labels.shape[0], classes = rows.shape[1], i
    cdef int64_t label = 0
    if rows.shape[0] != n:
        raise ValueError(f"is_largest: there are {rows.shape[0]} rows and {n} labels")
    _check_aligned("is_largest: rows", <size_t> &rows[0, 0] | rows.strides[0], 4)
    _check_aligned("is_largest: labels", <size_t> &labels[0], 8)
    found = np.empty(n, np.bool_)
    cdef uint8_t[::1] out = found.view(np.uint8)
    with nogil:
        for i in range(n):
            label = labels[i]  # read once, since another thread may change it
            if not 0 <= label < classes:
                break
            out[i] = _is_largest(&rows[i, 0], classes, label)
    if n > 0 and not 0 <= label < classes:
        raise IndexError(f"labels[{i}] is {label}, must be in [0, {classes})")
    return found


# Augmentation

def example_bits(const int64_t[::1] examples, uint32_t n, uint64_t seed, uint32_t stream, uint64_t draw, uint32_t place):
    words = np.empty((examples.shape[0], n), np.uint32)
    cdef uint32_t[:, ::1] out = words
    cdef Py_ssize_t i, j, last
    cdef Block block
    _check_aligned("example_bits: examples", <size_t> &examples[0], 8)
    with nogil:
        for i in range(examples.shape[0]):
            for j in range(0, n, 4):
                block.w0, block.w1 = <uint32_t> examples[i], place + 256 * <uint32_t> (j // 4)
                block.w2, block.w3 = <uint32_t> draw, stream ^ <uint32_t> 0x61756721
                block = _philox(block, <uint32_t> seed, <uint32_t> (seed >> 32))
                last = n - j
                out[i, j] = block.w0
                if last > 1:
                    out[i, j + 1] = block.w1
                if last > 2:
                    out[i, j + 2] = block.w2
                if last > 3:
                    out[i, j + 3] = block.w3
    return words


cdef inline float _pixel(
    const float* image, Py_ssize_t h, Py_ssize_t w, Py_ssize_t c, Py_ssize_t row, Py_ssize_t column, Py_ssize_t k, float fill
) noexcept nogil:
    if 0 <= row < h and 0 <= column < w:
        return image[(row * w + column) * c + k]
    return fill


def resample(
    const float[:, :, :, ::1] images, const float[:, :, ::1] maps, const float[:, :, :, ::1] fields, float fill
):
    cdef Py_ssize_t n = images.shape[0], h = images.shape[1], w = images.shape[2], c = images.shape[3]
    cdef Py_ssize_t i, row, column, k, top, left
    cdef float y, x, source_y, source_x, floor_y, floor_x, dy, dx, upper, lower
    cdef float one = 1  # a plain 1 would make the arithmetic double
    cdef const float* image
    if maps.shape[0] != n or maps.shape[1] != 2 or maps.shape[2] != 3:
        raise ValueError(f"resample: maps must be ({n}, 2, 3)")
    if fields.shape[0] != 0 and (
        fields.shape[0] != n or fields.shape[1] != 2 or fields.shape[2] != h or fields.shape[3] != w
    ):
        raise ValueError(f"resample: fields must be ({n}, 2, {h}, {w}), or empty")
    _check_aligned("resample: images", <size_t> &images[0, 0, 0, 0], 4)
    _check_aligned("resample: maps", <size_t> &maps[0, 0, 0], 4)
    _check_aligned("resample: fields", <size_t> &fields[0, 0, 0, 0], 4)
    resampled = np.empty((n, h, w, c), np.float32)
    cdef float[:, :, :, ::1] out = resampled
    cdef bint displaced = fields.shape[0] != 0
    with nogil:
        for i in range(n if h * w * c > 0 else 0):
            image = &images[i, 0, 0, 0]
            for row in range(h):
                for column in range(w):
                    y, x = <float> row, <float> column
                    if displaced:
                        y, x = y + fields[i, 0, row, column], x + fields[i, 1, row, column]
                    source_y = maps[i, 0, 0] * y + maps[i, 0, 1] * x + maps[i, 0, 2]
                    source_x = maps[i, 1, 0] * y + maps[i, 1, 1] * x + maps[i, 1, 2]
                    # Far outside the result is fill, and the position may overflow an integer.
                    if not (-2 < source_y < h + 1 and -2 < source_x < w + 1):
                        for k in range(c):
                            out[i, row, column, k] = fill
                        continue
                    floor_y, floor_x = floorf(source_y), floorf(source_x)
                    dy, dx = source_y - floor_y, source_x - floor_x
                    top, left = <Py_ssize_t> floor_y, <Py_ssize_t> floor_x
                    for k in range(c):
                        upper = _pixel(image, h, w, c, top, left, k, fill) * (one - dx) + _pixel(
                            image, h, w, c, top, left + 1, k, fill) * dx
                        lower = _pixel(image, h, w, c, top + 1, left, k, fill) * (one - dx) + _pixel(
                            image, h, w, c, top + 1, left + 1, k, fill) * dx
                        out[i, row, column, k] = upper * (one - dy) + lower * dy
    return resampled
