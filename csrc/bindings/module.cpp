// The table of contents of minidnn._core. Types and docs live in minidnn/_core.pyi.
#include "bindings/families.hpp"
#include "runtime/parallel.hpp"

PYBIND11_MODULE(_core, m) {
  minidnn::survive_fork();
  minidnn::thread_limit();  // stores OpenMP's number of threads
  minidnn::bind_config(m);
  minidnn::bind_fingerprint(m);
  minidnn::bind_activations(m);
  minidnn::bind_arithmetic(m);
  minidnn::bind_matmul(m);
  minidnn::bind_rows(m);
  minidnn::bind_embedding(m);
  minidnn::bind_random(m);
  minidnn::bind_optim(m);
  minidnn::bind_weights(m);
  minidnn::bind_memory(m);
  minidnn::bind_normalization(m);
  minidnn::bind_inference(m);
  minidnn::bind_program(m);
}
