// What kernels of TVM 0.27 ask of a runtime: threads, scratch memory, a place for messages.
#include "threads.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <new>

namespace sparsetvm {
namespace {

thread_local Threads* in_use = nullptr;
thread_local std::string message;

// The `count` fastest of the cores that this process may use; false where all are alike, or where
// the system does not say.
bool fastest(int count, cpu_set_t* chosen) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return false;
  std::vector<std::pair<long, int>> cores;  // (-kHz, number)
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                       "/cpufreq/cpuinfo_max_freq");
    long khz = 0;
    file >> khz;
    cores.emplace_back(-khz, cpu);
  }
  std::sort(cores.begin(), cores.end());
  if (cores.empty() || cores.front().first == cores.back().first) return false;
  CPU_ZERO(chosen);
  for (int i = 0; i < std::min<int>(count, cores.size()); ++i) CPU_SET(cores[i].second, chosen);
  return true;
}

// A thread keeps what it once asked for: kernels want the same again at every run.
class Scratch {
 public:
  void* take(size_t bytes) {
    auto fits = [&](const Block& block) { return block.is_free && block.bytes >= bytes; };
    auto block = std::find_if(blocks_.begin(), blocks_.end(), fits);
    if (block == blocks_.end()) {
      blocks_.push_back({operator new(bytes, kAlignment, std::nothrow), bytes, false});
      block = blocks_.end() - 1;
    }
    block->is_free = false;
    return block->data;
  }

  void give(void* data) {
    for (Block& block : blocks_) block.is_free |= block.data == data;
  }

  ~Scratch() {
    for (Block& block : blocks_) operator delete(block.data, kAlignment);
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Block {
    void* data;
    size_t bytes;
    bool is_free;
  };
  std::vector<Block> blocks_;
};

thread_local Scratch scratch;

}  // namespace

Threads::Threads(int count) : group_{this, count}, has_fast_(fastest(count, &fast_)) {
  for (int i = 1; i < count; ++i) workers_.emplace_back([this, i] { work(i); });
}

Threads::~Threads() {
  task_ = nullptr;
  ++round_;
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Threads::work(int number) {
  if (has_fast_) sched_setaffinity(0, sizeof(fast_), &fast_);
  for (uint32_t seen = 0;; ++seen) {
    round_.wait(seen);
    if (task_ == nullptr) return;
    if (task_(number, &group_, data_) != 0) failed_ = 1;
    if (--running_ == 0) running_.notify_one();
  }
}

int Threads::launch(Task* task, void* data) {
  task_ = task;
  data_ = data;
  failed_ = 0;
  running_ = static_cast<int>(workers_.size());
  ++round_;
  round_.notify_all();
  if (task(0, &group_, data) != 0) failed_ = 1;
  for (int left; (left = running_) != 0;) running_.wait(left);
  return failed_ ? -1 : 0;
}

void Threads::meet() {
  uint32_t meeting = meeting_;
  if (++met_ == group_.tasks) {
    met_ = 0;
    ++meeting_;
    meeting_.notify_all();
  } else {
    meeting_.wait(meeting);
  }
}

Threads::Use::Use(Threads& threads) {
  in_use = &threads;
  if (sched_getaffinity(0, sizeof(before_), &before_) == 0 && threads.has_fast_) {
    sched_setaffinity(0, sizeof(threads.fast_), &threads.fast_);
  }
}

Threads::Use::~Use() {
  if (in_use->has_fast_) sched_setaffinity(0, sizeof(before_), &before_);
  in_use = nullptr;
}

std::string last_error() { return message; }

}  // namespace sparsetvm

using sparsetvm::Group;
using sparsetvm::Task;

namespace {

// Kernels ask for as many tasks as there are threads, which they say by 0.
int launch(Task* task, void* data, int) { return sparsetvm::in_use->launch(task, data); }

int meet(int, Group* group) {
  static_cast<sparsetvm::Threads*>(group->threads)->meet();
  return 0;
}

void* take(int, int, uint64_t bytes, int, int) { return sparsetvm::scratch.take(bytes); }

int give(int, int, void* data) {
  sparsetvm::scratch.give(data);
  return 0;
}

}  // namespace

// Kernels look for these names.
extern "C" {
int (*__TVMBackendParallelLaunch)(Task*, void*, int) = launch;
int (*__TVMBackendParallelBarrier)(int, Group*) = meet;
void* (*__TVMBackendAllocWorkspace)(int, int, uint64_t, int, int) = take;
int (*__TVMBackendFreeWorkspace)(int, int, void*) = give;

void TVMFFIErrorSetRaisedFromCStrParts(const char* kind, const char** parts, int32_t count) {
  sparsetvm::message = std::string(kind) + ": ";
  for (int i = 0; i < count; ++i) {
    if (parts[i] != nullptr) sparsetvm::message += parts[i];
  }
}
}
