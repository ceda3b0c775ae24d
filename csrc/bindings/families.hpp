// One file per family of kernels; module.cpp lists them.
#pragma once
#include <pybind11/pybind11.h>

#include "kernels/table.hpp"
#include "runtime/parallel.hpp"

namespace minidnn {

void bind_activations(pybind11::module_& m);
void bind_arithmetic(pybind11::module_& m);
void bind_config(pybind11::module_& m);
void bind_embedding(pybind11::module_& m);
void bind_fingerprint(pybind11::module_& m);
void bind_inference(pybind11::module_& m);
void bind_matmul(pybind11::module_& m);
void bind_memory(pybind11::module_& m);
void bind_normalization(pybind11::module_& m);
void bind_optim(pybind11::module_& m);
void bind_program(pybind11::module_& m);
void bind_random(pybind11::module_& m);
void bind_rows(pybind11::module_& m);
void bind_weights(pybind11::module_& m);

// "relu" and so on; ValueError with the choices for any other name.
Act activation_named(const char* op, const char* name);
bool derivative_reads_output(Act act);

// The least number of columns that a thread sums: whole cache lines, so that no two threads write to one.
inline std::size_t column_grain(std::size_t rows) { return (kGrain / (rows + 1) / 16 + 1) * 16; }
// The least number of rows for a thread.
inline std::size_t row_grain(std::size_t columns) { return kGrain / (columns + 1) + 1; }

}  // namespace minidnn
