#include "data/choose.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/random.h"

namespace nibble {
namespace {

std::vector<int64_t> first_sorted(int64_t n, int64_t count) {
  std::vector<int64_t> order = python_shuffle(n, 0);
  order.resize(static_cast<size_t>(count));
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<int64_t> head(const std::vector<int64_t>& values, size_t count) {
  return {values.begin(), values.begin() + static_cast<int64_t>(count)};
}

int64_t sum(const std::vector<int64_t>& values) { return std::accumulate(values.begin(), values.end(), int64_t{0}); }

CaptionSet three_items() {
  CaptionSet set{"prompts", "three.txt", {}, {}};
  set.items = {{"b", "", {"a dog", "a much longer dog"}, {"animal"}, ""},
               {"a", "", {" a \t red\x01\n car "}, {"vehicle", "outdoor"}, ""},
               {"c", "", {"a cat"}, {"animal"}, ""}};
  return set;
}

std::vector<std::string> names(const std::vector<ChosenPrompt>& prompts) {
  std::vector<std::string> out;
  for (const ChosenPrompt& prompt : prompts) out.push_back(prompt.name);
  return out;
}

// Numbers of Python's own random.Random(0) from here on.
TEST(PythonRandom, Words_of_seed_0) {
  Generator g = Generator::like_python(0);
  for (const uint32_t want : {3626764237u, 1654615998u, 3255389356u, 3823568514u}) EXPECT_EQ(g.next_u32(), want);
}

// random.Random(s).getrandbits(32) for seeds of one and of two words.
TEST(PythonRandom, Words_of_other_seeds) {
  EXPECT_EQ(Generator::like_python(1).next_u32(), 577090037u);
  EXPECT_EQ(Generator::like_python(42).next_u32(), 2746317213u);
  EXPECT_EQ(Generator::like_python(12345678901234567890u).next_u32(), 2199100970u);
}

TEST(PythonRandom, Small_shuffles) {
  EXPECT_EQ(python_shuffle(5, 0), (std::vector<int64_t>{2, 1, 0, 4, 3}));
  EXPECT_EQ(python_shuffle(10, 0), (std::vector<int64_t>{7, 8, 1, 5, 3, 4, 2, 0, 9, 6}));
  EXPECT_EQ(python_shuffle(20, 0),
            (std::vector<int64_t>{10, 18, 16, 14, 0, 17, 11, 2, 3, 9, 5, 7, 4, 19, 6, 15, 8, 1, 13, 12}));
  EXPECT_TRUE(python_shuffle(0, 0).empty());
  EXPECT_EQ(python_shuffle(1, 7), std::vector<int64_t>{0});
}

TEST(PythonRandom, Choices_of_the_published_sets) {
  EXPECT_EQ(head(python_shuffle(30000, 0), 12),
            (std::vector<int64_t>{27143, 21976, 9514, 6352, 1842, 17610, 16677, 13344, 23803, 20186, 20310, 23946}));
  EXPECT_EQ(head(first_sorted(30000, 5000), 12), (std::vector<int64_t>{6, 27, 28, 31, 36, 39, 47, 55, 62, 65, 66, 68}));
  EXPECT_EQ(sum(first_sorted(30000, 5000)), 73835855);
  EXPECT_EQ(head(python_shuffle(7805, 0), 12),
            (std::vector<int64_t>{4551, 1469, 6412, 1589, 6404, 2639, 2723, 841, 2345, 7588, 4807, 5719}));
  EXPECT_EQ(sum(first_sorted(7805, 5000)), 19533633);
  EXPECT_EQ(head(first_sorted(5000, 1024), 12), (std::vector<int64_t>{7, 13, 22, 25, 29, 32, 40, 48, 54, 56, 68, 73}));
  EXPECT_EQ(sum(first_sorted(5000, 1024)), 2552413);
}

TEST(NameHash, Published_values) {
  EXPECT_EQ(name_hash(""), 0u);
  EXPECT_EQ(name_hash("a"), 97u);
  EXPECT_EQ(name_hash("é"), 233u);
  EXPECT_EQ(name_hash("0000"), 1477632u);
  EXPECT_EQ(name_hash("0000-0"), 420005788u);
  EXPECT_EQ(name_hash("COCO_val2014_000000391895"), 696717631u);
  EXPECT_EQ(name_hash("COCO_val2014_000000391895") % 5, 1u);
  EXPECT_EQ(name_hash("126c23ae9a879fdc05f355f9a72b418d589f3926"), 699053952u);
  EXPECT_EQ(name_hash("sa_1543972"), 710192209u);
}

TEST(NameHash, Its_seed_gives_the_published_noise) {
  Generator g(name_hash("126c23ae9a879fdc05f355f9a72b418d589f3926"));
  std::vector<float> noise(256);
  g.randn(noise);
  const float want[] = {0.41918138f, 1.09414458f, 0.74330771f, 0.50010949f};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(noise[i], want[i], 3e-7);
}

TEST(ChoosePrompts, Orders) {
  const CaptionSet set = three_items();
  EXPECT_EQ(names(choose_prompts(set, {})), (std::vector<std::string>{"b", "a", "c"}));
  EXPECT_EQ(names(choose_prompts(set, {.count = 2})), (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(names(choose_prompts(set, {.order = PromptOrder::SvdQuant})), (std::vector<std::string>{"a", "b", "c"}));
  // Random(0).shuffle of three: 0 2 1, as Python gives it.
  EXPECT_EQ(python_shuffle(3, 0), (std::vector<int64_t>{0, 2, 1}));
  EXPECT_EQ(names(choose_prompts(set, {.count = 2, .order = PromptOrder::Random})),
            (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(names(choose_prompts(set, {.count = 2, .order = PromptOrder::SvdQuant})),
            (std::vector<std::string>{"b", "c"}));
}

TEST(ChoosePrompts, Captions_and_seeds) {
  const CaptionSet set = three_items();
  EXPECT_EQ(choose_prompts(set, {})[0].text, "a dog");
  EXPECT_EQ(choose_prompts(set, {.caption = CaptionChoice::Longest})[0].text, "a much longer dog");
  EXPECT_EQ(choose_prompts(set, {.caption = CaptionChoice::ByName})[0].text, "a dog");  // hash 98 is even
  EXPECT_EQ(choose_prompts(set, {})[0].seed, 98u);
  EXPECT_EQ(choose_prompts(set, {})[1].text, " a \t red\x01\n car ");
  EXPECT_EQ(choose_prompts(set, {.clean = true})[1].text, "a red car");
}

TEST(ChoosePrompts, A_random_caption_depends_on_seed_and_name_alone) {
  CaptionSet set = three_items();
  for (int i = 0; i < 30; ++i) set.items[0].captions.push_back(std::to_string(i));
  std::set<std::string> texts;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const PromptSelection all{.caption = CaptionChoice::Random, .seed = seed};
    const PromptSelection one{.count = 1, .caption = CaptionChoice::Random, .seed = seed};
    EXPECT_EQ(choose_prompts(set, all)[0].text, choose_prompts(set, one)[0].text);
    texts.insert(choose_prompts(set, one)[0].text);
  }
  EXPECT_GT(texts.size(), 5u);
}

TEST(ChoosePrompts, Domains) {
  const CaptionSet set = three_items();
  EXPECT_EQ(names(choose_prompts(set, {.domains = {"animal"}})), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(names(choose_prompts(set, {.domains = {"outdoor", "animal"}})).size(), 3u);
  EXPECT_THROW(choose_prompts(set, {.domains = {"plants"}}), Error);
  EXPECT_THROW(choose_prompts(set, {.domains = {"animal"}, .count = 3}), Error);
  const auto counts = count_domains(set);
  ASSERT_EQ(counts.size(), 3u);
  EXPECT_EQ(counts[0].name, "animal");
  EXPECT_EQ(counts[0].items, 2);
}

}  // namespace
}  // namespace nibble
