#include "leat/base/move_only_function.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

namespace leat {
namespace {

static_assert(sizeof(void*) != 8 || sizeof(MoveOnlyFunction<void()>) == 32);
static_assert(!std::is_copy_constructible_v<MoveOnlyFunction<void()>>);
static_assert(std::is_nothrow_move_constructible_v<MoveOnlyFunction<void()>>);
static_assert(!std::is_constructible_v<MoveOnlyFunction<void()>, int (*)(int)>);
static_assert(!std::is_constructible_v<MoveOnlyFunction<std::string()>, int (*)()>);

/// Counts how many of it live, and takes the size it is told to.
template <std::size_t kExtra>
struct Tracked {
  explicit Tracked(int& live) : live_(&live) { ++*live_; }
  Tracked(const Tracked& other) : live_(other.live_) { ++*live_; }
  Tracked(Tracked&& other) noexcept : live_(other.live_) { ++*live_; }
  Tracked& operator=(const Tracked&) = delete;
  ~Tracked() { --*live_; }
  int operator()() const { return *live_; }

  int* live_;
  std::array<char, kExtra> extra_{};
};
using Small = Tracked<8>;
using Large = Tracked<64>;

TEST(MoveOnlyFunction, IsEmptyAtFirstAndAfterNull) {
  MoveOnlyFunction<void()> f;
  EXPECT_FALSE(f);
  EXPECT_FALSE(MoveOnlyFunction<void()>(nullptr));
  f = [] {};
  EXPECT_TRUE(f);
  f = nullptr;
  EXPECT_FALSE(f);
}

TEST(MoveOnlyFunction, ANullFunctionPointerMakesAnEmptyOne) {
  int (*none)(int) = nullptr;
  EXPECT_FALSE(MoveOnlyFunction<int(int)>(none));
  std::size_t (std::string::*no_member)() const = nullptr;
  EXPECT_FALSE(MoveOnlyFunction<std::size_t(const std::string&)>(no_member));
  const MoveOnlyFunction<int(int)> f(+[](int x) { return x + 1; });
  ASSERT_TRUE(f);
  EXPECT_EQ(f(1), 2);
}

TEST(MoveOnlyFunction, CallsMembers) {
  const MoveOnlyFunction<std::size_t(const std::string&)> size(&std::string::size);
  EXPECT_EQ(size("leat"), 4u);
}

/// A capture of so many pointers, which counts the times when it is put on the heap.
template <std::size_t kPointers>
struct Pointers {
  static void* operator new(std::size_t size) {
    ++allocations;
    return ::operator new(size);
  }
  static void operator delete(void* p) {
    --allocations;
    ::operator delete(p);
  }
  int operator()() const {
    int sum = 0;
    for (const int* p : pointers) sum += *p;
    return sum;
  }
  inline static int allocations = 0;
  std::array<const int*, kPointers> pointers;
};

TEST(MoveOnlyFunction, ThreePointersFitInside) {
  const int a = 1;
  const int b = 2;
  const int c = 3;
  MoveOnlyFunction<int()> f(Pointers<3>{{&a, &b, &c}});
  const MoveOnlyFunction<int()> g(std::move(f));
  EXPECT_EQ(Pointers<3>::allocations, 0);
  EXPECT_EQ(g(), 6);
}

TEST(MoveOnlyFunction, FourPointersTakeOneAllocationAndNoneToMove) {
  const int a = 1;
  const int b = 2;
  const int c = 3;
  const int d = 4;
  {
    MoveOnlyFunction<int()> f(Pointers<4>{{&a, &b, &c, &d}});
    const MoveOnlyFunction<int()> g(std::move(f));
    EXPECT_EQ(Pointers<4>::allocations, 1);
    EXPECT_EQ(g(), 10);
  }
  EXPECT_EQ(Pointers<4>::allocations, 0);
}

TEST(MoveOnlyFunction, KeepsAStricterAlignmentOnTheHeap) {
  struct alignas(64) Aligned {
    std::uintptr_t operator()() const { return reinterpret_cast<std::uintptr_t>(this) % 64; }
  };
  MoveOnlyFunction<std::uintptr_t()> f{Aligned{}};
  const MoveOnlyFunction<std::uintptr_t()> g(std::move(f));
  EXPECT_EQ(g(), 0u);
}

TEST(MoveOnlyFunction, OwnsWhatCannotBeCopied) {
  auto value = std::make_unique<int>(5);
  const MoveOnlyFunction<int()> f([value = std::move(value)] { return *value; });
  EXPECT_EQ(f(), 5);
}

TEST(MoveOnlyFunction, ACallThroughAConstObjectMayChangeTheCapture) {
  const MoveOnlyFunction<int()> count([n = 0]() mutable { return ++n; });
  EXPECT_EQ(count(), 1);
  EXPECT_EQ(count(), 2);
}

TEST(MoveOnlyFunction, PassesArgumentsOn) {
  const MoveOnlyFunction<std::unique_ptr<int>(std::unique_ptr<int>, int&)> f(
      [](std::unique_ptr<int> p, int& out) {
        out = *p;
        return p;
      });
  int out = 0;
  EXPECT_EQ(*f(std::make_unique<int>(9), out), 9);
  EXPECT_EQ(out, 9);
}

TEST(MoveOnlyFunction, ReturningVoidDropsTheValue) {
  int calls = 0;
  const MoveOnlyFunction<void()> inside([&calls] { return ++calls; });
  const MoveOnlyFunction<void()> heap(
      [&calls, extra = std::array<char, 64>{}] { return ++calls + extra[0]; });
  inside();
  heap();
  EXPECT_EQ(calls, 2);
}

template <typename T>
class MoveOnlyFunctionOwns : public testing::Test {};
using Sizes = testing::Types<Small, Large>;
TYPED_TEST_SUITE(MoveOnlyFunctionOwns, Sizes);

TYPED_TEST(MoveOnlyFunctionOwns, OneCaptureAtEachTime) {
  int live = 0;
  {
    MoveOnlyFunction<int()> f{TypeParam(live)};
    EXPECT_EQ(live, 1);
    EXPECT_EQ(f(), 1);
    MoveOnlyFunction<int()> g(std::move(f));
    EXPECT_EQ(live, 1);
    EXPECT_FALSE(f);  // NOLINT(bugprone-use-after-move): that it is empty is what is tested
    f = TypeParam(live);
    EXPECT_EQ(live, 2);
    f = std::move(g);
    EXPECT_EQ(live, 1);
    EXPECT_FALSE(g);  // NOLINT(bugprone-use-after-move)
    MoveOnlyFunction<int()>& same = f;
    f = std::move(same);
    EXPECT_TRUE(f);
    EXPECT_EQ(live, 1);
    f = nullptr;
    EXPECT_EQ(live, 0);
    f = TypeParam(live);
  }
  EXPECT_EQ(live, 0);
}

TYPED_TEST(MoveOnlyFunctionOwns, CopiesAnLvalue) {
  int live = 0;
  TypeParam callable(live);
  const MoveOnlyFunction<int()> f(callable);
  EXPECT_EQ(live, 2);
}

TEST(MoveOnlyFunction, TheOldCaptureMayReachTheFunctionItIsReplacedIn) {
  struct Owner {
    MoveOnlyFunction<int()> callback;
    int seen = 0;
  } owner;
  struct OnDestroy {
    explicit OnDestroy(Owner& o) : owner(&o) {}
    OnDestroy(OnDestroy&& other) noexcept : owner(std::exchange(other.owner, nullptr)) {}
    OnDestroy& operator=(OnDestroy&&) = delete;
    ~OnDestroy() {
      if (owner != nullptr) owner->seen = owner->callback();
    }
    int operator()() const { return 1; }
    Owner* owner;
  };
  owner.callback = OnDestroy(owner);
  owner.callback = MoveOnlyFunction<int()>([] { return 2; });
  EXPECT_EQ(owner.seen, 2);
}

template <std::size_t kExtra>
struct ThrowsWhenCopied {
  explicit ThrowsWhenCopied(int& live) : tracked(live) {}
  ThrowsWhenCopied(const ThrowsWhenCopied& other) : tracked(other.tracked) {
    throw std::runtime_error("copy");
  }
  ThrowsWhenCopied(ThrowsWhenCopied&&) noexcept = default;
  void operator()() const {}
  Tracked<kExtra> tracked;
};

TEST(MoveOnlyFunction, AThrowingCopyLeavesNothingBehind) {
  int live = 0;
  const ThrowsWhenCopied<8> small(live);
  const ThrowsWhenCopied<64> large(live);
  EXPECT_THROW(MoveOnlyFunction<void()>{small}, std::runtime_error);
  EXPECT_THROW(MoveOnlyFunction<void()>{large}, std::runtime_error);
  EXPECT_EQ(live, 2);
}

#if defined(LEAT_ASSERTIONS) && LEAT_ASSERTIONS
TEST(MoveOnlyFunctionDeathTest, CallingAnEmptyOneIsABrokenPrecondition) {
  const MoveOnlyFunction<void()> f(nullptr);
  EXPECT_DEATH(f(), "empty function");
}
#endif

TEST(MoveOnlyFunction, MadeFromAnEmptyCallableIsEmpty) {
  EXPECT_FALSE(MoveOnlyFunction<void()>(std::function<void()>()));
  using Pointer = void (*)();
  EXPECT_FALSE(MoveOnlyFunction<void()>(Pointer{nullptr}));
  EXPECT_TRUE(MoveOnlyFunction<void()>(std::function<void()>([] {})));
}

}  // namespace
}  // namespace leat
