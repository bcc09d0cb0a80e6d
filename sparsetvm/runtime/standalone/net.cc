// Runs the steps of tables.cc, one kernel after the other, in memory that is laid out beforehand.
#include "net.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <vector>

#include "tables.h"
#include "threads.h"

namespace sparsetvm {
namespace {

constexpr int32_t kTensor = 7;  // kTVMFFIDLTensorPtr
constexpr int32_t kCpu = 1;     // kDLCPU
constexpr std::align_val_t kAlignment{64};  // what kernels load whole vectors at

// A file that is read where it lies, once it is found to be the one that was written.
class Mapped {
 public:
  Mapped(const std::string& path, size_t bytes, uint32_t crc) : bytes_(bytes) {
    int file = open(path.c_str(), O_RDONLY);
    struct stat found {};
    if (file < 0 || fstat(file, &found) != 0) {
      throw std::runtime_error("cannot read " + path + ": " + std::strerror(errno));
    }
    bool whole = static_cast<size_t>(found.st_size) == bytes;
    if (whole) data_ = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (!whole || data_ == MAP_FAILED || checksum() != crc) {
      if (whole && data_ != MAP_FAILED) munmap(data_, bytes);
      throw std::runtime_error(path + " is not the file that belongs to this net; copy it again");
    }
  }
  Mapped(const Mapped&) = delete;
  ~Mapped() { munmap(data_, bytes_); }

  char* data() const { return static_cast<char*>(data_); }

 private:
  uint32_t checksum() const {
    uint32_t table[256];
    for (uint32_t i = 0; i < 256; ++i) {
      table[i] = i;
      for (int bit = 0; bit < 8; ++bit) table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xEDB88320 : 0);
    }
    uint32_t crc = ~0u;
    for (size_t i = 0; i < bytes_; ++i) {
      crc = crc >> 8 ^ table[(crc ^ static_cast<uint8_t>(data()[i])) & 255];
    }
    return ~crc;
  }

  void* data_ = MAP_FAILED;
  size_t bytes_;
};

struct Memory {
  explicit Memory(size_t bytes) : data(static_cast<char*>(operator new(bytes, kAlignment))) {
    std::memset(data, 0, bytes);
  }
  Memory(const Memory&) = delete;
  ~Memory() { operator delete(data, kAlignment); }
  char* data;
};

}  // namespace

struct Net::State {
  State(const std::string& path, int count)
      : weights(path, tables.weights, tables.weights_crc),
        memory(tables.memory),
        threads(count > 0 ? count : tables.threads) {
    for (int i = 0; i < tables.array_count; ++i) {
      const Array& a = tables.arrays[i];
      char* start = a.is_weight ? weights.data() : memory.data;
      tensors.push_back({start + a.offset, kCpu, 0, a.dimensions, a.code, a.bits, 1, a.shape,
                         nullptr, 0});
    }
  }

  Tensor tensor(const Named& named) const {
    const Array& array = tables.arrays[named.array];
    return {named.name,       named.dtype, array.shape, array.dimensions,
            tensors[named.array].data, array.bytes};
  }

  Mapped weights;
  Memory memory;
  Threads threads;
  std::vector<DLTensor> tensors;
};

Net::Net(const std::string& weights, int threads)
    : state_(std::make_unique<State>(weights, threads)) {}

Net::~Net() = default;

int Net::inputs() const { return tables.input_count; }
int Net::outputs() const { return tables.output_count; }

Tensor Net::input(int i) const {
  if (i < 0 || i >= inputs()) throw std::runtime_error("there is no input " + std::to_string(i));
  return state_->tensor(tables.inputs[i]);
}

Tensor Net::output(int i) const {
  if (i < 0 || i >= outputs()) throw std::runtime_error("there is no output " + std::to_string(i));
  return state_->tensor(tables.outputs[i]);
}

void Net::run() {
  Threads::Use use(state_->threads);
  std::vector<Value> arguments;
  for (int i = 0; i < tables.step_count; ++i) {
    const Step& step = tables.steps[i];
    arguments.clear();
    for (int j = 0; j < step.count; ++j) {
      Value value{kTensor, 0, {&state_->tensors[step.arguments[j]]}};
      arguments.push_back(value);
    }
    Value result{};
    if (step.kernel(nullptr, arguments.data(), step.count, &result) != 0) {
      throw std::runtime_error(std::string(step.name) + ": " + last_error());
    }
  }
}

}  // namespace sparsetvm
