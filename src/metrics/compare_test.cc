#include "metrics/compare.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "image/codec.h"
#include "image/noise_test.h"
#include "image/resize.h"
#include "metrics/difference.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

Image shifted(Image image, int step) {
  for (uint8_t& pixel : image.pixels) pixel = static_cast<uint8_t>(pixel / 2 + step);
  return image;
}

class CompareTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / format("nibble_compare_test-{}", ::getpid());
    fs::remove_all(root_);
    fs::create_directories(root_ / "a" / "deep");
    fs::create_directories(root_ / "b" / "deep");
    const Image base = shifted(noise(1, 20, 24), 0);
    write_png(root_ / "a" / "one.png", base);
    write_png(root_ / "b" / "one.png", shifted(noise(1, 20, 24), 1));
    write_png(root_ / "a" / "deep" / "ten.png", base);
    write_png(root_ / "b" / "deep" / "ten.PNG", shifted(noise(1, 20, 24), 10));
    write_png(root_ / "a" / "lost.png", base);
    write_png(root_ / "b" / "new.png", base);
    write_file(root_ / "a" / "notes.txt", "not a picture");
  }
  void TearDown() override { fs::remove_all(root_); }

  Comparison run(const char* first, const char* second, const char* metrics = "psnr,max") {
    return compare_pictures(context_, root_ / first, root_ / second, parse_pair_metrics(metrics));
  }

  fs::path root_;
  Context context_{2, usable_cpu()};
};

TEST_F(CompareTest, Folders_by_matching_names) {
  const Comparison comparison = run("a", "b");
  ASSERT_EQ(comparison.pairs.size(), 2u);
  EXPECT_EQ(comparison.pairs[0].name, "deep/ten");
  EXPECT_EQ(comparison.pairs[1].name, "one");
  EXPECT_NEAR(comparison.pairs[0].values[0], 28.1308036086791, 1e-12);
  EXPECT_NEAR(comparison.pairs[1].values[0], 48.1308036086791, 1e-12);
  EXPECT_EQ(comparison.pairs[0].values[1], 10);
  EXPECT_EQ(comparison.only_reference, std::vector<std::string>{"lost"});
  EXPECT_EQ(comparison.only_other, std::vector<std::string>{"new"});
  // The mean of the two values in dB, and the value of the pooled error.
  EXPECT_NEAR(comparison.mean(0), 38.1308036086791, 1e-12);
  EXPECT_NEAR(comparison.pooled_psnr(), 31.0978898274925, 1e-12);
  EXPECT_EQ(comparison.identical(), 0);

  const std::string text = comparison_text(comparison);
  EXPECT_LT(text.find("deep/ten"), text.find("one "));
  EXPECT_NE(text.find("38.131"), std::string::npos) << text;
  EXPECT_NE(text.find("31.098"), std::string::npos) << text;
  EXPECT_NE(text.find("lost"), std::string::npos) << text;
  EXPECT_NE(text.find("new"), std::string::npos) << text;
  EXPECT_NE(comparison_text(comparison, 1).find("1 better pairs are not shown"), std::string::npos);
}

TEST_F(CompareTest, Identical_pairs_are_counted_and_their_mean_kept_apart) {
  write_png(root_ / "b" / "lost.png", read_rgb(root_ / "a" / "lost.png"));
  const Comparison comparison = run("a", "b");
  EXPECT_EQ(comparison.identical(), 1);
  EXPECT_TRUE(std::isinf(comparison.mean(0)));
  EXPECT_NEAR(comparison.mean_of_different(0), 38.1308036086791, 1e-12);
  const OrderedJson json = comparison_json(comparison);
  EXPECT_EQ(json["count"], 3);
  EXPECT_EQ(json["identical"], 1);
  EXPECT_TRUE(json["mean"]["psnr"].is_null());
  EXPECT_EQ(json["pairs"][1]["name"], "lost");
  EXPECT_TRUE(json["pairs"][1]["psnr"].is_null());
  EXPECT_EQ(json["pairs"][1]["identical"], true);
  EXPECT_EQ(json["pairs"][2]["max"], 1.0);
  EXPECT_NE(comparison_text(comparison).find("mean of different"), std::string::npos);
}

TEST_F(CompareTest, Two_files_and_all_identical) {
  const Comparison comparison = run("a/one.png", "a/lost.png");
  ASSERT_EQ(comparison.pairs.size(), 1u);
  EXPECT_EQ(comparison.pairs[0].name, "lost.png");
  EXPECT_EQ(comparison.identical(), 1);
  EXPECT_TRUE(std::isnan(comparison.mean_of_different(0)));
  EXPECT_TRUE(comparison_json(comparison)["mean_of_different"]["psnr"].is_null());
  EXPECT_NE(comparison_text(comparison).find("identical"), std::string::npos);
}

TEST_F(CompareTest, Reference_of_another_size_is_resized) {
  const Image large = noise(9, 40, 48);
  write_png(root_ / "large.png", large);
  const Comparison comparison = run("large.png", "a/one.png", "psnr");
  EXPECT_TRUE(comparison.pairs[0].resized);
  EXPECT_EQ(comparison.pairs[0].values[0],
            psnr(resize(large, 24, 20, ResizeFilter::Bicubic), read_rgb(root_ / "a" / "one.png")));
  EXPECT_NE(comparison_text(comparison).find("resized"), std::string::npos);
}

TEST_F(CompareTest, Bad_input_is_named) {
  const auto code_of = [&](const char* first, const char* second) {
    try {
      run(first, second);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::Internal;
  };
  EXPECT_EQ(code_of("absent", "a"), ErrorCode::NotFound);
  EXPECT_EQ(code_of("a", "a/one.png"), ErrorCode::InvalidArgument);
  EXPECT_EQ(code_of("a/deep", "b"), ErrorCode::NotFound);
  EXPECT_EQ(code_of("a/notes.txt", "a/one.png"), ErrorCode::Unsupported);
  write_file(root_ / "b" / "lost.jpg", "broken");
  EXPECT_EQ(code_of("a", "b"), ErrorCode::Unsupported);
  write_png(root_ / "b" / "lost.png", noise(1, 4, 4));
  EXPECT_EQ(code_of("a", "b"), ErrorCode::InvalidArgument);
}

TEST_F(CompareTest, Reports_progress_and_stops_when_cancelled) {
  int64_t last = -1, total = -1;
  context_.progress = [&](const std::string& stage, int64_t done, int64_t all) {
    EXPECT_EQ(stage, "compare");
    last = done;
    total = all;
  };
  run("a", "b");
  EXPECT_EQ(last, 2);
  EXPECT_EQ(total, 2);
  context_.cancel = true;
  EXPECT_THROW(run("a", "b"), Error);
}

}  // namespace
}  // namespace nibble
