// Files as they were published, and YAML as PyYAML reads it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "data/choose.h"
#include "data/formats.h"
#include "data/text_table.h"
#include "data/yaml_prompts.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;
using Texts = std::vector<std::string>;

fs::path shared_data() {
  const char* named = std::getenv("NIBBLE_SHARED_DATA");
  return named ? fs::path(named) : fs::path(NIBBLE_SOURCE_DIR) / "../shared/data";
}

TEST(YamlPrompts, Scalars) {
  const auto rows = parse_yaml_prompts(
      "---\n# note\na: plain text # comment\n'b c': 'it''s\n  folded'\n\"d\": \"tab\\t\\u00e9\\\n  joined  \n\n  "
      "line\"\ne:\n  below\n  it\nf: x:y\ng: ''\n",
      "y");
  ASSERT_EQ(rows.size(), 6u);
  const Texts want = {"plain text",
                      "it's folded",
                      "tab\té"
                      "joined\nline",
                      " below it",
                      "x:y",
                      ""};
  EXPECT_EQ(rows[1].name, "b c");
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(std::string(trimmed(rows[i].text)), std::string(trimmed(want[i]))) << i;
}

TEST(YamlPrompts, Everything_else_is_refused_with_its_line) {
  for (const char* text : {"- a\n", "a: [b]\n", "a: {b: c}\n", "a: |\n  b\n", "a: &x b\n", "a\n", "a: 'open\n",
                           "a: \"open", "a: \"\\q\"\n", "a: \"\\uD800\"\n", "  a: b\n", "a: b: c\n", "a: 'b' c\n",
                           "a: \"\\u00", "'", "\"\\", "a: \"\\\n"}) {
    EXPECT_THROW(parse_yaml_prompts(text, "y"), Error) << text;
  }
  EXPECT_TRUE(parse_yaml_prompts("", "y").empty());
}

TEST(PublishedData, Mlperf_captions) {
  const fs::path file = shared_data() / "coco/captions_source.tsv";
  if (!fs::exists(file)) GTEST_SKIP() << file << " is absent";
  const CaptionSet set = read_captions("", {file, ""});
  EXPECT_EQ(set.format, "mlperf");
  ASSERT_EQ(set.items.size(), 5000u);
  require_sound(set, false);
  EXPECT_EQ(set.items[0].name, "COCO_val2014_000000227049");
  EXPECT_EQ(set.items[0].captions, (Texts{"A city at night with people walking around."}));
  // Quoted in the file, with doubled quotes inside.
  EXPECT_TRUE(std::any_of(set.items.begin(), set.items.end(), [](const CaptionItem& item) {
    return item.captions[0] ==
           "A man in glasses sitting next to a woman and holding up a red frisbee that says \"Cheese Shop\" on it.";
  }));
}

TEST(PublishedData, Parti_prompts) {
  const fs::path file = shared_data() / "prompts/PartiPrompts.tsv";
  if (!fs::exists(file)) GTEST_SKIP() << file << " is absent";
  const CaptionSet set = read_captions("", {file, ""});
  EXPECT_EQ(set.format, "partiprompts");
  EXPECT_EQ(set.items.size(), 1632u);
  require_sound(set, false);
  const auto domains = count_domains(set);
  EXPECT_EQ(domains.size(), 12u);
  EXPECT_EQ(domains[0].name, "Animals");
  EXPECT_EQ(domains[0].items, 314);
}

// The hash is of PyYAML's answer: FNV-1a 64 over "name\0text\0" of all entries in order.
TEST(PublishedData, Qdiff_prompts_equal_what_PyYAML_reads) {
  const fs::path file = shared_data() / "prompts/qdiff.yaml";
  if (!fs::exists(file)) GTEST_SKIP() << file << " is absent";
  const CaptionSet set = read_captions("", {file, ""});
  ASSERT_EQ(set.items.size(), 1024u);
  uint64_t hash = 0xCBF29CE484222325;
  const auto add = [&](const std::string& text) {
    for (const char c : text + '\0') hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  };
  for (const CaptionItem& item : set.items) {
    add(item.name);
    add(item.captions[0]);
  }
  EXPECT_EQ(hash, 0xef30215bfa7a775du);
}

}  // namespace
}  // namespace nibble
