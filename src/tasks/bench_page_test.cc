#include "tasks/bench_page.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace nibble {
namespace {

ModelBench model(const char* name, const char* precision, double seconds) {
  ModelBench b;
  b.model = name, b.weights = "f16", b.precision = precision, b.size = 512, b.steps = 20, b.guided = true;
  for (const char* pass : {"unet", "unet, guided", "decode"}) {
    PassBench p;
    p.name = pass, p.seconds = seconds, p.bound_seconds = seconds / 2;
    b.passes.push_back(p);
  }
  return b;
}

int count(const std::string& text, std::string_view what) {
  int n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(BenchPage, Rows_are_replaced_where_they_stand_and_others_stay) {
  const std::string start = "# Mine\n\nabove\n" + new_bench_page() + "below\n";
  std::string page =
      updated_bench_page(start, "page.md", "machine one", {{model("a", "f32", 1), model("a", "bf16", 2)}, {}, {}});
  EXPECT_NE(page.find("| a | f16 | f32 | 512² | 0 | 1.000 s | 50 % | 1.000 s | 1.000 s | 50 % | 20 steps: 21.00 s |"),
            std::string::npos)
      << page;
  page = updated_bench_page(page, "page.md", "machine one",
                            {{}, {{"layer w8a8", "M 1 N 2 K 3", 1e9, 0.5, 4e9}}, {{"gemm", "M 1", 1e9, 0.5, 0}}});
  EXPECT_NE(page.find("| layer w8a8 | M 1 N 2 K 3 | 500.000 ms | 2.0 G/s | 50 % |\n"), std::string::npos) << page;
  EXPECT_NE(page.find("| gemm | M 1 | 500.000 ms | 2.0 G/s | — |\n"), std::string::npos);
  page = updated_bench_page(page, "page.md", "machine one", {{model("a", "f32", 3), model("b", "f32", 4)}, {}, {}});
  EXPECT_EQ(count(page, "| a | f16 | f32 |"), 1);
  EXPECT_LT(page.find("| 3.000 s |"), page.find("| a | f16 | bf16 |"));
  EXPECT_LT(page.find("| a | f16 | bf16 |"), page.find("| b | f16 | f32 |"));
  EXPECT_EQ(count(page, "| layer w8a8 |"), 1);
  EXPECT_TRUE(page.starts_with("# Mine\n\nabove\n") && page.ends_with("<!-- end -->\nbelow\n")) << page;
  EXPECT_EQ(updated_bench_page(page, "page.md", "machine one", {}), page);
}

TEST(BenchPage, Another_machine_starts_anew) {
  const std::string page =
      updated_bench_page(new_bench_page(), "page.md", "machine one", {{model("a", "f32", 1)}, {}, {}});
  const std::string other = updated_bench_page(page, "page.md", "machine two", {{model("b", "f32", 1)}, {}, {}});
  EXPECT_EQ(count(other, "| a |"), 0);
  EXPECT_EQ(count(other, "| b |"), 1);
  EXPECT_EQ(count(other, "machine one"), 0);
}

TEST(BenchPage, A_page_without_the_marks_is_refused) {
  EXPECT_THROW(updated_bench_page("# Page\n", "page.md", "machine", {}), Error);
}

}  // namespace
}  // namespace nibble
