// The threads that kernels share their loops among.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace sparsetvm {

// What a kernel hands each of its tasks (TVMParallelGroupEnv of TVM 0.27).
struct Group {
  void* threads;
  int32_t tasks;
};
using Task = int(int number, Group* group, void* data);

// Where cores differ (big.LITTLE), threads run on the fastest: one slow core would hold up all.
class Threads {
 public:
  explicit Threads(int count);
  ~Threads();

  // While it lives, the caller's kernels run on these threads, the caller being the first.
  class Use {
   public:
    explicit Use(Threads& threads);
    ~Use();

   private:
    cpu_set_t before_;
  };

  int launch(Task* task, void* data);
  void meet();  // returns when all tasks are here

 private:
  void work(int number);

  std::vector<std::thread> workers_;
  Group group_;
  bool has_fast_;
  cpu_set_t fast_;
  Task* task_ = nullptr;
  void* data_ = nullptr;
  std::atomic<uint32_t> round_{0}, meeting_{0};
  std::atomic<int> running_{0}, met_{0}, failed_{0};
};

// What the last kernel that failed in this thread said.
std::string last_error();

}  // namespace sparsetvm
