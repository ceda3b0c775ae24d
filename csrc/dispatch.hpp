// Which instruction set runs: the best table that this machine can run, or the one given by name.
#pragma once
#include <string>
#include <vector>

#include "kernels/table.hpp"

namespace minidnn {

const Table& kernels();                  // the table in use
std::vector<std::string> usable_isas();  // best first
bool has_vnni();                         // in addition to AVX-512: products of bytes in one instruction
void use_isa(const std::string& name);   // throws std::invalid_argument, listing the choices

}  // namespace minidnn
