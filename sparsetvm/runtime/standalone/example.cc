// Runs the net once on raw input files and writes what it gives; then says how long a run takes.
//
//     example weights.bin input0.bin [input1.bin ...]      writes output0.bin ...
#include <algorithm>
#include <chrono>
#include <exception>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>

#include "net.h"

namespace {

void print(const sparsetvm::Tensor& tensor) {
  std::cout << tensor.name << " " << tensor.dtype << " [";
  for (int i = 0; i < tensor.dimensions; ++i) std::cout << (i ? ", " : "") << tensor.shape[i];
  std::cout << "]\n";
}

void read(const char* path, const sparsetvm::Tensor& tensor) {
  std::ifstream file(path, std::ios::binary);
  if (!file.read(static_cast<char*>(tensor.data), static_cast<std::streamsize>(tensor.bytes))) {
    throw std::runtime_error(std::string(path) + " holds less than " +
                             std::to_string(tensor.bytes) + " bytes");
  }
}

void write(const std::string& path, const sparsetvm::Tensor& tensor) {
  std::ofstream file(path, std::ios::binary);
  file.write(static_cast<const char*>(tensor.data), static_cast<std::streamsize>(tensor.bytes));
}

double milliseconds(sparsetvm::Net& net) {
  auto start = std::chrono::steady_clock::now();
  net.run();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int count, char** arguments) try {
  if (count < 2) throw std::runtime_error("say where weights.bin is, then a file for each input");
  sparsetvm::Net net(arguments[1]);
  if (count != 2 + net.inputs()) {
    throw std::runtime_error("the net takes " + std::to_string(net.inputs()) + " input files");
  }
  for (int i = 0; i < net.inputs(); ++i) {
    print(net.input(i));
    read(arguments[2 + i], net.input(i));
  }
  net.run();
  for (int i = 0; i < net.outputs(); ++i) {
    print(net.output(i));
    write("output" + std::to_string(i) + ".bin", net.output(i));
  }
  double fastest = milliseconds(net);
  for (int i = 0; i < 9; ++i) fastest = std::min(fastest, milliseconds(net));
  std::cout << "fastest of 10 runs: " << fastest << " ms\n";
} catch (const std::exception& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
