// Damaged and hostile files: each must give nibble::Error within two seconds and 256 MB.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <random>

#include "base/file.h"
#include "formats/hostile_files.h"
#include "formats/model_folder.h"
#include "formats/weight_file.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define NIBBLE_UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define NIBBLE_UNDER_SANITIZER 1
#endif
#endif
#ifndef NIBBLE_UNDER_SANITIZER
#define NIBBLE_UNDER_SANITIZER 0
#endif

namespace nibble {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(NIBBLE_SOURCE_DIR) / "tests/golden/formats";
#ifdef NIBBLE_EMULATED
constexpr double kSeconds = 20;  // qemu-user takes about ten times as long
#else
constexpr double kSeconds = 2;
#endif
constexpr int64_t kKilobytes = 256'000;

int64_t status_field(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field)) return std::stoll(line.substr(field.size() + 1));
  return 0;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

enum class Outcome { Error, Opened };

class Hostile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / format("nibble-hostile-{}", ::getpid());
    fs::create_directories(folder_ / "folder");
    const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
    write_file(folder_ / "good.safetensors", hostile::safetensors(header, 1));
    write_file(folder_ / "empty.safetensors", "");
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Opens the file and reads every tensor, within the limits of time and memory. Processor time, since the machine may
  // be busy.
  Outcome open(const hostile::File& file) {
    write_file(folder_ / file.name, file.bytes);
    std::ofstream("/proc/self/clear_refs") << 5;  // resets the peak
    const int64_t resident = status_field("VmRSS:");
    const double start = cpu_seconds();
    Outcome outcome = Outcome::Error;
    try {
      const WeightFile weights = open_weights(folder_ / file.name);
      for (const TensorInfo& info : weights.tensors()) weights.get(info.name);
      outcome = Outcome::Opened;
    } catch (const Error& e) {
      EXPECT_NE(e.code(), ErrorCode::Internal) << file.what << ": " << e.what();
      EXPECT_GT(std::string_view(e.what()).size(), 20u) << file.what;
      EXPECT_LT(std::string_view(e.what()).size(), 3000u) << file.what;
    }
    const double seconds = cpu_seconds() - start;
    EXPECT_LT(seconds, kSeconds) << file.what;
    if (!NIBBLE_UNDER_SANITIZER) {
      EXPECT_LT(status_field("VmHWM:") - resident, kKilobytes) << file.what;
    }
    slowest_ = std::max(slowest_, seconds);
    fs::remove(folder_ / file.name);
    return outcome;
  }

  void expect_errors(const std::vector<hostile::File>& files) {
    for (const hostile::File& file : files)
      EXPECT_EQ(open(file), Outcome::Error) << file.what << " " << file.bytes.substr(0, 200);
    std::cout << files.size() << " files, slowest " << slowest_ << " s of processor time\n";
    RecordProperty("files", static_cast<int>(files.size()));
  }

  fs::path folder_;
  double slowest_ = 0;
};

TEST_F(Hostile, Safetensors) { expect_errors(hostile::safetensors_files()); }
TEST_F(Hostile, Pickles) { expect_errors(hostile::pickle_files()); }
TEST_F(Hostile, Zips) { expect_errors(hostile::zip_files()); }
TEST_F(Hostile, Npy) { expect_errors(hostile::npy_files()); }
TEST_F(Hostile, Indexes) { expect_errors(hostile::index_files()); }

constexpr const char* kValid[] = {"expected.safetensors", "dtypes.pth", "strided.pth", "legacy.pth", "array.npy"};

TEST_F(Hostile, TruncatedAtManyPoints) {
  std::vector<hostile::File> files;
  for (const std::string name : kValid) {
    const std::string whole = read_file(kGolden / name);
    for (int i = 0; i < 40; ++i) {
      const size_t size = i < 20 ? static_cast<size_t>(i) : whole.size() * static_cast<size_t>(i - 19) / 21;
      files.push_back({format("{} cut at {}", name, size), name, whole.substr(0, std::min(size, whole.size() - 1))});
    }
    files.push_back({name + " without its last byte", name, whole.substr(0, whole.size() - 1)});
  }
  expect_errors(files);
}

// A changed byte may leave a valid file; it must not do worse.
TEST_F(Hostile, RandomDamage) {
  constexpr uint32_t kSeed = 20240607;
  std::mt19937 random(kSeed);
  int errors = 0, opened = 0;
  for (const std::string name : kValid) {
    const std::string whole = read_file(kGolden / name);
    for (int i = 0; i < 200; ++i) {
      std::string bytes = whole;
      const size_t changes = 1 + random() % 8;
      for (size_t c = 0; c < changes; ++c) bytes[random() % bytes.size()] = static_cast<char>(random());
      if (random() % 4 == 0)
        bytes.insert(random() % bytes.size(), bytes.substr(random() % bytes.size(), random() % 64));
      (open({format("{} damaged, seed {} case {}", name, kSeed, i), name, bytes}) == Outcome::Error ? errors
                                                                                                    : opened) += 1;
    }
  }
  std::cout << errors << " errors, " << opened << " opened\n";
  EXPECT_GT(errors, 300);
}

TEST_F(Hostile, ModelFolders) {
  const std::string deep = hostile::times("[", 100'000);
  int files = 0;
  for (const std::string& text : std::vector<std::string>{"",
                                                          "{",
                                                          "[]",
                                                          "null",
                                                          "1",
                                                          "{}",
                                                          "{\"unet\": [1, 2]}",
                                                          "{\"unet\": [\"diffusers\"]}",
                                                          "{\"../unet\": [\"diffusers\", \"UNet2DConditionModel\"]}",
                                                          "{\"a/b\": [\"x\", \"y\"]}",
                                                          "{\"unet\": [[\"x\"], \"y\"]}",
                                                          "{\"x\": " + deep,
                                                          "{\"unet\": []}",
                                                          "{\"_class_name\": 5}",
                                                          "{\"a\": NaN}",
                                                          "{\"a\": 1e999}",
                                                          "\xff\xfe",
                                                          std::string("{\"a\": \"\0\"}", 10),
                                                          "{\"a\": \"\\ud800\"}",
                                                          "{'a': 1}",
                                                          "{\"x\": \"" + hostile::times("x", 9'000'000) + "\"}"}) {
    write_file(folder_ / "model_index.json", text);
    const double start = cpu_seconds();
    EXPECT_THROW(read_model_folder(folder_), Error) << text.substr(0, 80);
    EXPECT_LT(cpu_seconds() - start, kSeconds);
    ++files;
  }
  std::cout << files << " files\n";
}

}  // namespace
}  // namespace nibble
