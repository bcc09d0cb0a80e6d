// What tables.cc, which is generated for each net, tells net.cc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sparsetvm {

// A kernel is called as TVM 0.27 calls it (apache-tvm-ffi, c_api.h): with values, here all of them
// tensors, which are described as DLPack does.
struct DLTensor {
  void* data;
  int32_t device, device_number;
  int32_t dimensions;
  uint8_t code, bits;
  uint16_t lanes;
  const int64_t* shape;
  const int64_t* strides;  // null: rows lie one after the other
  uint64_t byte_offset;
};

struct Value {
  int32_t type;
  uint32_t zero;
  union {
    DLTensor* tensor;
    int64_t number;
  };
};

using Kernel = int(void* self, const Value* arguments, int32_t count, Value* result);

struct Array {
  bool is_weight;   // lies in weights.bin, else in the net's own memory
  uint64_t offset;  // bytes
  uint64_t bytes;
  int32_t dimensions;
  const int64_t* shape;
  uint8_t code, bits;  // as DLPack says it
};

struct Named {
  const char* name;
  const char* dtype;
  int32_t array;
};

struct Step {
  const char* name;
  Kernel* kernel;
  const int32_t* arguments;  // places in `arrays`
  int32_t count;
};

struct Tables {
  const Array* arrays;
  int32_t array_count;
  const Step* steps;
  int32_t step_count;
  const Named* inputs;
  int32_t input_count;
  const Named* outputs;
  int32_t output_count;
  uint64_t memory;        // bytes of inputs, activations and outputs
  uint64_t weights;       // bytes of weights.bin
  uint32_t weights_crc;   // as zlib counts it
  int32_t threads;
};

extern const Tables tables;

}  // namespace sparsetvm
