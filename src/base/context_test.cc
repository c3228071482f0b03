#include "base/context.h"

#include <gtest/gtest.h>

#include <vector>

namespace nibble {
namespace {

TEST(QuietProgress, Only_the_owner_is_seen_and_the_sink_comes_back) {
  Context context(1);
  std::vector<std::string> seen;
  context.progress = [&](const std::string& stage, int64_t, int64_t) { seen.push_back(stage); };
  {
    const QuietProgress quiet(context);
    context.report("inner", 0, 1);
    context.progress = [](const std::string&, int64_t, int64_t) {};
    context.report("inner", 1, 1);
    quiet.report("outer", 1, 1);
  }
  context.report("after", 1, 1);
  EXPECT_EQ(seen, (std::vector<std::string>{"outer", "after"}));
}

TEST(QuietProgress, Nobody_may_listen) {
  Context context(1);
  const QuietProgress quiet(context);
  quiet.report("outer", 0, 1);
}

}  // namespace
}  // namespace nibble
