#include "metrics/published_weights.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "base/error.h"
#include "base/file.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

fs::path shared_data() {
  const char* folder = std::getenv("NIBBLE_SHARED_DATA");
  return folder != nullptr ? fs::path(folder) : fs::path(NIBBLE_SOURCE_DIR) / ".." / "shared" / "data";
}

std::string message_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(PublishedWeights, Rows_have_names_of_their_own_and_are_complete) {
  std::set<std::string> names;
  for (const PublishedWeights& row : published_weights()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(row.sha256.empty() || row.sha256.size() == 8 || row.sha256.size() == 64) << row.name;
    EXPECT_EQ(row.sha256.find_first_not_of("0123456789abcdef"), std::string_view::npos) << row.name;
    EXPECT_NE(row.lines > 0, !row.tensors.empty()) << row.name;
    EXPECT_EQ(&find_published_weights(row.name), &row);
  }
  EXPECT_NE(message_of([] { find_published_weights("clip"); }).find("clip-vit-l-14"), std::string::npos);
}

TEST(PublishedWeights, An_absent_file_is_named_with_its_source_and_the_command) {
  ::setenv("NIBBLE_CACHE", (fs::temp_directory_path() / "nibble-no-such-cache").c_str(), 1);
  const std::string message = message_of([] { require_weights("image-reward"); });
  for (const char* part : {"image-reward.pt", "THUDM/ImageReward", "nibble weights add image-reward ImageReward.pt"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(PublishedWeights, Real_files_have_the_structure_of_their_row_and_no_other) {
  const fs::path heads = shared_data() / "lpips", vocabulary = shared_data() / "bert" / "vocab.txt";
  if (!fs::exists(heads)) GTEST_SKIP() << "no " << heads << "; set NIBBLE_SHARED_DATA";
  for (const char* name : {"alex", "vgg", "squeeze"}) {
    for (const char* wanted : {"alex", "vgg", "squeeze"}) {
      const PublishedWeights& row = find_published_weights(std::string("lpips-") + wanted);
      const std::string message =
          message_of([&] { check_weights_structure(row, heads / (std::string(name) + ".pth")); });
      EXPECT_EQ(message.empty(), std::string(name) == wanted) << name << " as " << wanted << ": " << message;
    }
  }
  check_weights_structure(find_published_weights("bert-vocabulary"), vocabulary);
  const std::string message =
      message_of([&] { check_weights_structure(find_published_weights("bert-vocabulary"), heads / "alex.pth"); });
  EXPECT_NE(message.find("want the 30522 lines"), std::string::npos) << message;
  check_weights_structure(find_published_weights("aesthetic"),
                          shared_data() / "aesthetic" / "sac+logos+ava1-l14-linearMSE.pth");
}

}  // namespace
}  // namespace nibble
