// A net that `sparsetvm bundle` made: open it, write its inputs, run, read its outputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace sparsetvm {

// An input or an output; `data` stays where it is as long as the net lives.
struct Tensor {
  const char* name;
  const char* dtype;  // as in numpy: "float32"
  const int64_t* shape;
  int32_t dimensions;
  void* data;
  size_t bytes;
};

// For one caller at a time; give each thread a net of its own.
class Net {
 public:
  // `weights` is the path of weights.bin; without `threads` there run as many as it was made for.
  // Throws std::runtime_error, as run() does.
  explicit Net(const std::string& weights, int threads = 0);
  ~Net();

  int inputs() const;
  int outputs() const;
  Tensor input(int i) const;
  Tensor output(int i) const;

  void run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sparsetvm
