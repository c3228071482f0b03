#include "text/prompt.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "text/emphasis.h"

namespace nibble {
namespace {

std::string repeat(const std::string& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

// Weights are compared with a tolerance of a few roundings of double.
void expect_parts(const std::string& prompt, const std::vector<WeightedText>& want) {
  SCOPED_TRACE(prompt);
  const std::vector<WeightedText> got = parse_emphasis(prompt);
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got[i].text, want[i].text);
    EXPECT_NEAR(got[i].weight, want[i].weight, 1e-14 * std::abs(want[i].weight));
    EXPECT_EQ(got[i].is_break, want[i].is_break);
  }
}

WeightedText part(const std::string& text, double weight = 1) { return {text, weight, false}; }
const WeightedText kBreak = {"", 1, true};

TEST(Emphasis, Brackets_multiply) {
  expect_parts("normal text", {part("normal text")});
  expect_parts("an (important) word", {part("an "), part("important", 1.1), part(" word")});
  expect_parts("(((x)))", {part("x", 1.1 * 1.1 * 1.1)});
  expect_parts("[x]", {part("x", 1 / 1.1)});
  expect_parts("(x:1.3)", {part("x", 1.3)});
  expect_parts("(x: 0.5 ) y", {part("x", 0.5), part(" y")});
  expect_parts("(x:-1)(y:+2)(z:.25)", {part("x", -1), part("y", 2), part("z", 0.25)});
  expect_parts("((a:1.2) b [c])", {part("a", 1.2 * 1.1), part(" b ", 1.1), part("c", 1.1 / 1.1)});
  // The worked example of the web UI's own description.
  expect_parts("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
               {part("a "), part("house", 1.3 * 1.1 * 1.1), part(" ", 1.1), part("on", 1), part(" a ", 1.1),
                part("hill", 0.5 * 1.1), part(", sun, ", 1.1), part("sky", 1.1 * 1.1 * 1.1 * 1.1), part(".", 1.1)});
}

TEST(Emphasis, Unbalanced_and_escaped_brackets) {
  expect_parts("(unclosed", {part("unclosed", 1.1)});
  expect_parts("[[half", {part("half", 1 / 1.1 / 1.1)});
  expect_parts("surplus) here]", {part("surplus) here]")});
  expect_parts("x:1.3)", {part("x:1.3)")});
  expect_parts("(ratio 16:9)", {part("ratio 16", 9)});
  expect_parts("(time: noon)", {part("time: noon", 1.1)});
  expect_parts("(v:1.2.3)", {part("v:1.2.3", 1.1)});
  expect_parts("(v:inf)(w:nan)", {part("v:infw:nan", 1.1)});
  expect_parts("smile :\\) \\(literal\\) \\[too\\] \\\\", {part("smile :) (literal) [too] \\")});
  expect_parts("a\\b", {part("ab")});
  expect_parts("", {part("")});
  expect_parts("()", {part("")});
}

TEST(Emphasis, Break_is_a_word_in_capitals) {
  expect_parts("a BREAK b", {part("a"), kBreak, part("b")});
  expect_parts("a,\n BREAK\nb", {part("a,"), kBreak, part("b")});
  expect_parts("BREAKFAST DAYBREAK break", {part("BREAKFAST DAYBREAK break")});
  expect_parts("BREAK", {kBreak});
  const auto inside = parse_emphasis("(a BREAK b)");
  ASSERT_EQ(inside.size(), 3u);
  EXPECT_TRUE(inside[1].is_break);
  EXPECT_EQ(inside[2].text, "b");
  EXPECT_EQ(inside[2].weight, 1.1);
}

class PromptTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { tokenizer_ = std::make_unique<ClipTokenizer>(ClipTokenizer::packaged()); }
  static void TearDownTestSuite() { tokenizer_.reset(); }

  static Prompt plain(const std::string& text) { return parse_prompt(text, PromptSyntax::Plain, *tokenizer_); }
  static Prompt a1111(const std::string& text, int64_t backtrack = 20) {
    return parse_prompt(text, PromptSyntax::A1111, *tokenizer_, {.comma_backtrack = backtrack});
  }
  static std::vector<int32_t> words(const PromptChunk& chunk) {
    return {chunk.ids.begin() + 1, chunk.ids.begin() + chunk.end};
  }
  static void expect_framed(const PromptChunk& chunk) {
    ASSERT_EQ(chunk.ids.size(), 77u);
    ASSERT_EQ(chunk.weights.size(), 77u);
    EXPECT_EQ(chunk.ids.front(), tokenizer_->start_id());
    for (size_t i = static_cast<size_t>(chunk.end); i < 77; ++i) {
      EXPECT_EQ(chunk.ids[i], i == static_cast<size_t>(chunk.end) ? tokenizer_->end_id() : tokenizer_->pad_id());
      EXPECT_EQ(chunk.weights[i], 1.0f);
    }
  }

  static std::unique_ptr<ClipTokenizer> tokenizer_;
};
std::unique_ptr<ClipTokenizer> PromptTest::tokenizer_;

TEST_F(PromptTest, Plain_keeps_brackets_and_pads) {
  const Prompt prompt = plain("a (photo:1.3) BREAK [cat]");
  ASSERT_EQ(prompt.chunks.size(), 1u);
  expect_framed(prompt.chunks[0]);
  EXPECT_EQ(words(prompt.chunks[0]), tokenizer_->encode("a (photo:1.3) BREAK [cat]"));
  EXPECT_FALSE(prompt.weighted());
  EXPECT_EQ(prompt.cut, "");
}

TEST_F(PromptTest, Plain_cuts_at_75_words_and_says_which) {
  const Prompt exact = plain(repeat("cat ", 75));
  EXPECT_EQ(exact.chunks[0].end, 76);
  EXPECT_EQ(exact.cut, "");
  const Prompt prompt = plain(repeat("cat ", 74) + "red green blue");
  ASSERT_EQ(prompt.chunks.size(), 1u);
  expect_framed(prompt.chunks[0]);
  EXPECT_EQ(prompt.chunks[0].end, 76);
  EXPECT_EQ(prompt.chunks[0].ids[75], tokenizer_->encode("red")[0]);
  EXPECT_EQ(prompt.cut, "green blue");
}

TEST_F(PromptTest, Empty_prompts_are_one_empty_chunk) {
  for (const Prompt& prompt : {plain(""), a1111(""), a1111("  "), a1111("()")}) {
    ASSERT_EQ(prompt.chunks.size(), 1u);
    expect_framed(prompt.chunks[0]);
    EXPECT_EQ(prompt.chunks[0].end, 1);
  }
}

TEST_F(PromptTest, Weights_follow_the_words) {
  const Prompt prompt = a1111("a (cat:1.5), [dog]");
  ASSERT_EQ(prompt.chunks.size(), 1u);
  expect_framed(prompt.chunks[0]);
  EXPECT_EQ(words(prompt.chunks[0]), tokenizer_->encode("a cat, dog"));
  const std::vector<float> want = {1, 1, 1.5f, 1, static_cast<float>(1 / 1.1), 1};
  EXPECT_EQ(std::vector<float>(prompt.chunks[0].weights.begin(), prompt.chunks[0].weights.begin() + 6), want);
  EXPECT_TRUE(prompt.weighted());
}

TEST_F(PromptTest, Break_begins_a_chunk) {
  const Prompt prompt = a1111("red cat BREAK (blue:2) dog BREAK");
  ASSERT_EQ(prompt.chunks.size(), 2u);
  for (const PromptChunk& chunk : prompt.chunks) expect_framed(chunk);
  EXPECT_EQ(words(prompt.chunks[0]), tokenizer_->encode("red cat"));
  EXPECT_EQ(words(prompt.chunks[1]), tokenizer_->encode("blue dog"));
  EXPECT_EQ(prompt.chunks[1].weights[1], 2.0f);
  EXPECT_EQ(a1111("BREAK cat").chunks.size(), 2u);
}

TEST_F(PromptTest, Long_prompts_continue_in_further_chunks) {
  EXPECT_EQ(a1111(repeat("cat ", 75)).chunks.size(), 1u);
  const Prompt prompt = a1111(repeat("cat ", 160));
  ASSERT_EQ(prompt.chunks.size(), 3u);
  for (const PromptChunk& chunk : prompt.chunks) expect_framed(chunk);
  EXPECT_EQ(prompt.chunks[0].end, 76);
  EXPECT_EQ(prompt.chunks[1].end, 76);
  EXPECT_EQ(prompt.chunks[2].end, 11);
  EXPECT_EQ(prompt.cut, "");
}

TEST_F(PromptTest, A_full_chunk_is_cut_after_its_last_comma_if_near) {
  // 60 words, a comma, 20 words: the comma is token 61, 14 words of the chunk follow it and move on.
  const Prompt near = a1111(repeat("cat ", 60) + ", " + repeat("dog ", 20));
  ASSERT_EQ(near.chunks.size(), 2u);
  for (const PromptChunk& chunk : near.chunks) expect_framed(chunk);
  EXPECT_EQ(words(near.chunks[0]).size(), 61u);
  EXPECT_EQ(words(near.chunks[0]).back(), tokenizer_->comma_id());
  EXPECT_EQ(words(near.chunks[1]).size(), 20u);

  // Twenty tokens from the comma to the end of the chunk, itself counted, are near enough; twenty-one are not.
  EXPECT_EQ(words(a1111(repeat("cat ", 55) + ", " + repeat("dog ", 30)).chunks[0]).size(), 56u);
  EXPECT_EQ(words(a1111(repeat("cat ", 54) + ", " + repeat("dog ", 30)).chunks[0]).size(), 75u);
  EXPECT_EQ(words(a1111(repeat("cat ", 60) + ", " + repeat("dog ", 20), 0).chunks[0]).size(), 75u);

  // A comma that is itself the first token too many starts the next chunk.
  const Prompt comma = a1111(repeat("cat ", 75) + ", dog");
  EXPECT_EQ(words(comma.chunks[0]).size(), 75u);
  EXPECT_EQ(words(comma.chunks[1]).front(), tokenizer_->comma_id());

  // Weights move with their words.
  const Prompt weighted = a1111(repeat("cat ", 70) + ", (dog dog:1.5) " + repeat("cat ", 10));
  EXPECT_EQ(words(weighted.chunks[0]).size(), 71u);
  EXPECT_EQ(weighted.chunks[1].weights[1], 1.5f);
  EXPECT_EQ(weighted.chunks[1].weights[2], 1.5f);
  EXPECT_EQ(weighted.chunks[1].weights[3], 1.0f);
}

TEST_F(PromptTest, Chunks_are_padded_to_a_common_count) {
  Prompt prompt = a1111("cat");
  pad_chunks(prompt, 3, *tokenizer_);
  ASSERT_EQ(prompt.chunks.size(), 3u);
  expect_framed(prompt.chunks[2]);
  EXPECT_EQ(prompt.chunks[2].end, 1);
  pad_chunks(prompt, 1, *tokenizer_);
  EXPECT_EQ(prompt.chunks.size(), 3u);
}

TEST_F(PromptTest, Padding_follows_the_tokenizer) {
  const Prompt prompt = parse_prompt("cat", PromptSyntax::Plain, ClipTokenizer::packaged("!"));
  EXPECT_EQ(prompt.chunks[0].ids[2], 49407);
  EXPECT_EQ(prompt.chunks[0].ids[3], 0);
}

TEST_F(PromptTest, Endless_prompts_are_refused) {
  EXPECT_THROW(plain(std::string(70000, 'a')), Error);
  EXPECT_GT(a1111(repeat("(a", 30000)).chunks.size(), 100u);
}

TEST(PromptSyntax, Names) {
  EXPECT_EQ(prompt_syntax_from_name("plain"), PromptSyntax::Plain);
  EXPECT_EQ(prompt_syntax_from_name("a1111"), PromptSyntax::A1111);
  EXPECT_EQ(prompt_syntax_from_name("other"), std::nullopt);
  EXPECT_STREQ(to_string(PromptSyntax::A1111), "a1111");
}

}  // namespace
}  // namespace nibble
