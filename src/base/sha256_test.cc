#include "base/sha256.h"

#include <gtest/gtest.h>

namespace nibble {
namespace {

std::string sha256(const std::string& text) {
  Sha256 hash;
  hash.add(text.data(), text.size());
  return hash.hex();
}

// FIPS 180-4's examples.
TEST(Sha256, Equals_the_published_examples) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, Pieces_give_the_hash_of_the_whole) {
  for (size_t length = 0; length < 200; ++length) {
    std::string text(length, '\0');
    for (size_t i = 0; i < length; ++i) text[i] = static_cast<char>(31 * i);
    for (const size_t step : {1, 63, 64, 65}) {
      Sha256 hash;
      for (size_t at = 0; at < length; at += step) hash.add(text.data() + at, std::min(step, length - at));
      ASSERT_EQ(hash.hex(), sha256(text)) << length << " in steps of " << step;
    }
  }
}

}  // namespace
}  // namespace nibble
