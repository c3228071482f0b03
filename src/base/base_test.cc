#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <filesystem>
#include <numeric>
#include <vector>

#include "base/context.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/random.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

std::vector<float> randn(Generator& generator, size_t n) {
  std::vector<float> out(n);
  generator.randn(out);
  return out;
}

// Values of torch.randn with a CPU generator; the tolerance is the distance of libm to torch's vectorised log and sin.
constexpr float kTolerance = 3e-7f;

TEST(Random, Randn_equals_torch_blocked_path) {
  Generator g(0);
  const std::vector<float> x = randn(g, 256);
  const float want[] = {-1.12583983f, -1.15236020f, -0.25057858f, -0.43387881f, 0.84871036f, 0.69200915f};
  for (size_t i = 0; i < std::size(want); ++i) EXPECT_NEAR(x[i], want[i], kTolerance) << i;
  EXPECT_NEAR(std::accumulate(x.begin(), x.end(), 0.0), 6.590076299675, 256 * kTolerance);
}

// torch's generator: seeds 1 and 699053952 (a name's hash), and the one latent of MLPerf, 1x4x128x128 of seed 0.
TEST(Random, Randn_of_other_seeds_and_of_a_whole_latent) {
  struct Known {
    uint64_t seed;
    float first[4];
    double sum;
  };
  for (const Known& known : {Known{1, {-1.52559590f, -0.75023180f, -0.65398091f, -1.60948479f}, 13.236989},
                             Known{699053952, {0.41918138f, 1.09414458f, 0.74330771f, 0.50010949f}, -24.824720}}) {
    Generator g(known.seed);
    const std::vector<float> x = randn(g, 256);
    for (size_t i = 0; i < std::size(known.first); ++i) EXPECT_NEAR(x[i], known.first[i], kTolerance) << known.seed;
    EXPECT_NEAR(std::accumulate(x.begin(), x.end(), 0.0), known.sum, 256 * kTolerance) << known.seed;
  }
  Generator g(0);
  const std::vector<float> latent = randn(g, 4 * 128 * 128);
  const double count = static_cast<double>(latent.size());
  double mean = 0, square = 0;
  for (const float v : latent) mean += static_cast<double>(v) / count;
  for (const float v : latent) square += std::pow(static_cast<double>(v) - mean, 2) / count;
  EXPECT_NEAR(mean, -0.0037218016, kTolerance);
  EXPECT_NEAR(std::sqrt(square), 0.9987400951, kTolerance);
}

TEST(Random, Randn_equals_torch_serial_path_and_keeps_the_cached_value) {
  Generator g(0);
  const std::vector<float> five = randn(g, 5);
  const float want[] = {1.54099607f, -0.29342890f, -2.17878938f, 0.56843126f, -1.08452237f};
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(five[i], want[i], kTolerance) << i;
}

TEST(Random, Randn_of_a_length_that_is_no_multiple_of_16_redraws_the_tail) {
  Generator g(0);
  const std::vector<float> x = randn(g, 20), y = randn(g, 3);
  const float want[] = {0.59883946f, -1.55509508f, -0.34136039f, 1.85300612f};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(x[4 + i], want[i], kTolerance) << i;
  const float next[] = {-0.89199531f, -1.50910771f, 0.37039354f};
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(y[i], next[i], kTolerance) << i;
}

TEST(Random, Rand_equals_torch_exactly) {
  Generator g(0);
  std::vector<float> x(3);
  g.rand(x);
  EXPECT_FLOAT_EQ(x[0], 0.49625659f);
  EXPECT_FLOAT_EQ(x[1], 0.76822180f);
  EXPECT_FLOAT_EQ(x[2], 0.08847743f);
}

TEST(ThreadPool, Covers_every_item_once_in_grains) {
  for (int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads);
    for (int64_t count : {0, 1, 5, 64, 1000}) {
      std::vector<int> hits(static_cast<size_t>(count), 0);
      pool.run(count, 8, [&](int64_t begin, int64_t end, int thread) {
        EXPECT_LT(thread, threads);
        EXPECT_EQ(begin % 8, 0);
        for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
      });
      for (int hit : hits) EXPECT_EQ(hit, 1);
    }
  }
}

TEST(ThreadPool, Forwards_the_error_of_a_part_and_stays_usable) {
  ThreadPool pool(3);
  EXPECT_THROW(pool.run(3, 1, [](int64_t begin, int64_t, int) { if (begin == 2) fail(ErrorCode::Io, "disk"); }), Error);
  int64_t sum = 0;
  pool.run(1, 1, [&](int64_t, int64_t end, int) { sum += end; });
  EXPECT_EQ(sum, 1);
}

TEST(Cpu, Mask_names_imply_what_they_build_on) {
  EXPECT_EQ(to_string(parse_cpu_mask("avx512")), "avx512 avx2 scalar");
  EXPECT_THROW(parse_cpu_mask("mmx"), Error);
  EXPECT_TRUE(detect_cpu().has(Isa::Scalar));
  std::string all;
  for (const CpuMask mask : narrower_masks(parse_cpu_mask("avx512vnni"))) all += to_string(mask) + "; ";
  EXPECT_EQ(all, "scalar; avx2 scalar; avx512 avx2 scalar; avx512vnni avx512 avx2 scalar; ");
}

class Files : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  const fs::path folder_ = fs::temp_directory_path() / format("nibble-base-test-{}", ::getpid());
};

TEST_F(Files, Atomic_write_replaces_or_leaves_untouched) {
  const fs::path file = folder_ / "a.txt";
  write_file(file, "one");
  {
    AtomicFile half(file);
    half.write("tw", 2);
  }
  EXPECT_EQ(read_file(file), "one");
  write_file(file, "two");
  EXPECT_EQ(read_file(file), "two");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
  EXPECT_EQ(MappedFile::open(file)->bytes().size(), 3u);
}

TEST_F(Files, A_full_disk_leaves_the_old_file) {
  const fs::path file = folder_ / "b.bin";
  write_file(file, "old");
  const rlimit small{1024, 1024};
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{small.rlim_cur, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  EXPECT_THROW(write_file(file, std::string(1 << 16, 'x')), Error);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(read_file(file), "old");
}

TEST_F(Files, Missing_file_is_not_found_and_names_it) {
  try {
    read_file(folder_ / "missing.json");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::NotFound);
    EXPECT_NE(std::string(e.what()).find("missing.json"), std::string::npos);
  }
}

TEST(JsonText, Bad_and_too_deep_documents_are_corrupt) {
  EXPECT_EQ(parse_json("{\"a\": 1}", "x")["a"], 1);
  EXPECT_THROW(parse_json("{\"a\": ", "x"), Error);
  EXPECT_THROW(parse_json(std::string(100000, '['), "x"), Error);
}

}  // namespace
}  // namespace nibble
