#include "bindings/arrays.hpp"
#include "bindings/families.hpp"
#include "dispatch.hpp"
#include "runtime/parallel.hpp"

namespace minidnn {
namespace {

// Which rows make up which bag. The constructor checks the arrays of this call; `check` runs in replays, too.
struct Chosen {
  Chosen(const char* name, Array indices_array, Array offsets_array, std::int64_t padding, bool mean,
         std::size_t rows_)
      : op(name), indices(indices_array, op, "indices"), rows(rows_) {
    bags = {indices.data, nullptr, indices.size, 0, 0, rows, padding, mean};
    if (offsets_array.object == Py_None) {
      if (indices.ndim != 2)
        throw py::value_error(std::string(op) + ": indices has shape " + indices.shape_text() +
                              ", must have 2 axes, or 1 and offsets");
      bags.count = indices.dim(0), bags.width = indices.dim(1);
    } else {
      const Integers offsets(offsets_array, op, "offsets");
      if (indices.ndim != 1 || offsets.ndim != 1)
        throw py::value_error(std::string(op) + ": indices has shape " + indices.shape_text() +
                              ", offsets has " + offsets.shape_text() + ": both must have 1 axis");
      if (offsets.size == 0 && indices.size != 0)
        throw py::value_error(std::string(op) + ": offsets is empty, there are " +
                              std::to_string(indices.size) + " indices");
      bags.count = offsets.size, bags.offsets = offsets.data;
    }
    check();
  }

  void check() const {
    for (std::size_t bag = 0; bags.offsets && bag < bags.count; ++bag) {
      const std::int64_t low = bag ? bags.offsets[bag - 1] : 0;
      if (bags.offsets[bag] < low || bags.offsets[bag] > static_cast<std::int64_t>(bags.entries) ||
          (bag == 0 && bags.offsets[0] != 0))
        throw py::value_error(std::string(op) + ": offsets[" + std::to_string(bag) + "] is " +
                              std::to_string(bags.offsets[bag]) +
                              ": they must start at 0, never fall, and not exceed the " +
                              std::to_string(bags.entries) + " indices");
    }
    for (std::size_t i = 0; i < bags.entries; ++i)
      if (const std::int64_t row = bags.indices[i];
          row != bags.padding && (row < 0 || static_cast<std::uint64_t>(row) >= rows))
        throw py::value_error(std::string(op) + ": indices holds " + std::to_string(row) +
                              ", must be in [0, " + std::to_string(rows) + ")");
  }

  // Raises if the kernel found an index out of range.
  void still(bool right) const {
    if (!right)
      throw py::value_error(std::string(op) + ": indices were changed meanwhile, must be in [0, " +
                            std::to_string(rows) + ")");
  }

  const char* op;
  Integers indices;
  std::size_t rows;
  Bags bags;
};

py::object embedding_bag(Array weight_array, Array indices, Array offsets, std::int64_t padding, bool mean) {
  const char* op = "embedding_bag";
  const In weight = matrix_in(weight_array, op, "weight");
  const Chosen chosen(op, indices, offsets, padding, mean, weight.dim(0));
  Empty<> y({static_cast<py::ssize_t>(chosen.bags.count), weight.dims[1]});
  run([=, y = y.data] {
    chosen.check();  // a replay has other indices
    const std::size_t n = weight.dim(1), entries = chosen.bags.entries / (chosen.bags.count + 1) + 1;
    if (n == 0) return;  // there may be 2**60 empty bags
    parallel_for(chosen.bags.count, row_grain(n * entries), [&](std::size_t first, std::size_t last) {
      chosen.still(kernels().embedding_bag(chosen.bags, weight.data, y, first, last, n));
    });
  });
  return y.take();
}

py::object embedding_bag_backward(Array dy_array, Array indices, Array offsets, std::int64_t padding,
                                  bool mean, std::int64_t rows) {
  const char* op = "embedding_bag_backward";
  if (rows < 0) throw py::value_error(std::string(op) + ": rows must not be negative");
  const In dy = matrix_in(dy_array, op, "dy");
  const Chosen chosen(op, indices, offsets, padding, mean, static_cast<std::size_t>(rows));
  if (dy.dim(0) != chosen.bags.count)
    throw py::value_error(std::string(op) + ": dy has shape " + dy.shape_text() + ", there are " +
                          std::to_string(chosen.bags.count) + " bags");
  Empty<> dw({static_cast<py::ssize_t>(rows), dy.dims[1]});
  Empty<> shares({mean ? dy.dims[0] : 0, dy.dims[1]});
  run([=, dw = dw.data, shares = shares.data] {
    chosen.check();
    const Table& table = kernels();
    const std::size_t n = dy.dim(1);
    if (n == 0) return;
    if (chosen.bags.mean) table.embedding_bag_shares(chosen.bags, dy.data, shares, n);
    parallel_for(chosen.rows, row_grain(n), [&](std::size_t first, std::size_t last) {
      const float* given = chosen.bags.mean ? shares : dy.data;
      chosen.still(table.embedding_bag_backward(chosen.bags, given, dw, first, last, n));
    });
  });
  return dw.take();
}

}  // namespace

void bind_embedding(py::module_& m) {
  m.def("embedding_bag", embedding_bag, py::arg("weight"), py::arg("indices"), py::arg("offsets"),
        py::arg("padding"), py::arg("mean"));
  m.def("embedding_bag_backward", embedding_bag_backward, py::arg("dy"), py::arg("indices"),
        py::arg("offsets"), py::arg("padding"), py::arg("mean"), py::arg("rows"));
}

}  // namespace minidnn
