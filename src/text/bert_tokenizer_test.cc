#include "text/bert_tokenizer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

fs::path shared_data() {
  const char* folder = std::getenv("NIBBLE_SHARED_DATA");
  return folder != nullptr ? fs::path(folder) : fs::path(NIBBLE_SOURCE_DIR) / ".." / "shared" / "data";
}

class Bert : public ::testing::Test {
 protected:
  void SetUp() override {
    const fs::path file = shared_data() / "bert" / "vocab.txt";
    if (!fs::exists(file)) GTEST_SKIP() << "no " << file << "; set NIBBLE_SHARED_DATA";
    tokenizer = std::make_unique<BertTokenizer>(BertTokenizer::load(file));
  }
  const GoldenFile golden{fs::path(NIBBLE_SOURCE_DIR) / "tests/golden/text/bert_wordpiece/data.safetensors"};
  std::unique_ptr<BertTokenizer> tokenizer;
};

TEST_F(Bert, Ids_equal_transformers_on_texts_that_stress_it) {
  const std::string text = golden.text("nasty.text");
  const auto text_end = golden["nasty.text_end"].values<int32_t>(), ids_end = golden["nasty.ids_end"].values<int32_t>();
  const auto ids = golden["nasty.ids"].values<int32_t>();
  size_t begin = 0;
  int64_t first = 0;
  for (size_t i = 0; i < text_end.size(); ++i) {
    const std::string sample = text.substr(begin, static_cast<size_t>(text_end[i]) - begin);
    const std::vector<int32_t> want(ids.begin() + first, ids.begin() + ids_end[i]);
    EXPECT_EQ(tokenizer->encode(sample), want) << '"' << sample << '"';
    begin = static_cast<size_t>(text_end[i]), first = ids_end[i];
  }
}

TEST_F(Bert, Ids_equal_transformers_on_published_prompts) {
  std::ifstream lines(shared_data() / "prompts" / "PartiPrompts.tsv");
  std::string line;
  std::getline(lines, line);
  const auto want = golden["captions"].values<int64_t>();
  size_t i = 0;
  for (; std::getline(lines, line) && i < want.size(); ++i) {
    const std::string prompt = line.substr(0, line.find('\t'));
    uint64_t hash = 0xCBF29CE484222325;
    for (const int32_t id : tokenizer->encode(prompt))
      for (int shift = 0; shift < 32; shift += 8)
        hash = (hash ^ (static_cast<uint32_t>(id) >> shift & 0xFF)) * 0x100000001B3;
    EXPECT_EQ(static_cast<int64_t>(hash), want[i]) << prompt;
  }
  EXPECT_EQ(i, want.size());
}

// Ids of the published vocabulary, padded to ImageReward's 35.
TEST_F(Bert, Padded_prompts_equal_the_numeric_cases) {
  const auto padded = [&](const std::string& text) { return tokenizer->encode_padded(text, 35); };
  const auto with_zeros = [](std::vector<int32_t> ids) {
    ids.resize(35);
    return ids;
  };
  EXPECT_EQ(padded("a photo of a cat").ids, with_zeros({101, 1037, 6302, 1997, 1037, 4937, 102}));
  EXPECT_EQ(padded("a photo of a cat").used, 7);
  EXPECT_EQ(padded("a painting of an ocean with clouds and birds, day time, low depth field effect").ids,
            with_zeros({101, 1037, 4169, 1997, 2019, 4153, 2007, 8044, 1998, 5055, 1010, 2154, 2051, 1010, 2659, 5995,
                        2492, 3466, 102}));
  EXPECT_EQ(
      padded(
          "beautiful British garden5, clear sky, unreal engine, detailed, tropical plants ,strong ambient lighting, "
          "volumetric lighting, forest plants and leaves, strong light, a lot of leaves in font, 3D effect, 8k render, "
          "bright color rendering ")
          .ids,
      (std::vector<int32_t>{101,  3376, 2329, 3871, 2629, 1010, 3154, 3712,  1010, 4895, 22852, 3194,
                            1010, 6851, 1010, 5133, 4264, 1010, 2844, 17093, 7497, 1010, 3872,  12412,
                            7497, 1010, 3224, 4264, 1998, 3727, 1010, 2844,  2422, 1010, 102}));
}

TEST(BertVocabulary, Wrong_files_are_named) {
  const auto message = [](const std::string& vocabulary) {
    try {
      BertTokenizer(vocabulary, "file v.txt");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(message("[PAD]\n[UNK]\n").find("file v.txt: want a BERT vocabulary, found no [CLS]"), std::string::npos);
  EXPECT_NE(message("a\nb\na\n").find("line 3: piece \"a\" appears twice"), std::string::npos);
  const BertTokenizer small("[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\nun\r\n##a\r\n##ff", "v");
  EXPECT_EQ(small.encode("unaff [SEP] unaffa unb un"), (std::vector<int32_t>{4, 5, 6, 3, 4, 5, 6, 5, 1, 4}));
  EXPECT_EQ(small.vocabulary_size(), 7);
}

}  // namespace
}  // namespace nibble
