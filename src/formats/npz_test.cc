#include "formats/npz.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "formats/weight_file.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(NIBBLE_SOURCE_DIR) / "tests/golden/formats/npz";

class Npz : public ::testing::Test {
 protected:
  void SetUp() override { file_ = fs::path(::testing::TempDir()) / format("nibble-npz-{}.npz", ::getpid()); }
  void TearDown() override { fs::remove(file_); }
  fs::path file_;
};

void expect_equal(const Tensor& a, const Tensor& b, const std::string& name) {
  ASSERT_EQ(a.dtype(), b.dtype()) << name;
  ASSERT_EQ(a.shape(), b.shape()) << name;
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.bytes()), 0) << name;
}

TEST_F(Npz, Holds_what_numpy_wrote_stored_and_deflated) {
  const WeightFile want = open_weights(kGolden / "data.safetensors");
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const std::map<std::string, Tensor> found = read_npz(kGolden / name);
    EXPECT_EQ(found.size(), want.tensors().size()) << name;
    for (const TensorInfo& info : want.tensors()) {
      ASSERT_TRUE(found.contains(info.name)) << name << " " << info.name;
      expect_equal(found.at(info.name), want.get(info.name), info.name);
    }
  }
}

TEST_F(Npz, Is_written_as_numpy_writes_it) {
  const WeightFile want = open_weights(kGolden / "data.safetensors");
  write_npz(file_, {{"mu", want.get("mu")}, {"sigma", want.get("sigma")}, {"odd", want.get("odd")}});
  const std::map<std::string, Tensor> found = read_npz(file_);
  ASSERT_EQ(found.size(), 3u);
  for (const auto& [name, tensor] : found) expect_equal(tensor, want.get(name), name);
  // The first entry of both files is mu: the same checksum in the entry's header, so the same header of the array.
  constexpr size_t kChecksum = 14;
  const std::string ours = read_file(file_), theirs = read_file(kGolden / "stored.npz");
  EXPECT_EQ(ours.substr(kChecksum, 4), theirs.substr(kChecksum, 4));
  write_npz(file_, {{"mu", want.get("mu")}, {"sigma", want.get("sigma")}, {"odd", want.get("odd")}});
  EXPECT_EQ(read_file(file_), ours);
}

// An error or arrays, whatever the damage; a cut file is always an error.
TEST_F(Npz, Damaged_files_are_errors) {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const std::string good = read_file(kGolden / name);
    for (size_t length = 0; length < good.size(); length += 29) {
      write_file(file_, std::string_view(good).substr(0, length));
      EXPECT_THROW(read_npz(file_), Error) << name << " cut to " << length;
    }
    for (size_t at = 0; at < good.size(); at += 5) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 0x55);
      write_file(file_, bad);
      try {
        read_npz(file_);
      } catch (const Error&) {
      }
    }
  }
}

// A directory that promises an array of 4 GB.
TEST_F(Npz, Large_promises_are_refused_before_unpacking) {
  std::string bytes = read_file(kGolden / "deflated.npz");
  constexpr size_t kSize = 24;  // of the unpacked entry, within a directory's row
  const uint32_t promise = std::numeric_limits<uint32_t>::max() - 1;
  std::memcpy(&bytes[bytes.find("PK\x01\x02") + kSize], &promise, sizeof promise);
  write_file(file_, bytes);
  try {
    read_npz(file_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::Corrupt);
    EXPECT_NE(std::string(error.what()).find("4294967294 bytes, want at most"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace nibble
