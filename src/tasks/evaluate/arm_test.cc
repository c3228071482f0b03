#include "tasks/evaluate/arm.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace nibble {
namespace {

std::string refusal(const std::string& arm) {
  try {
    parse_arm(arm);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::InvalidArgument);
    return e.what();
  }
  return "accepted";
}

TEST(EvaluationArm, Options_say_how_a_model_is_quantized_and_drawn) {
  const EvaluationArm arm = parse_arm("small=emoji@w4a8/gptq/r16/g32/vae=keep/bf16/attention=int8-values/affixed");
  EXPECT_EQ(arm.label, "small");
  EXPECT_EQ(arm.where, "emoji");
  EXPECT_TRUE(arm.quantize && arm.affixed);
  EXPECT_EQ(arm.quantization.precision, "w4a8");
  EXPECT_EQ(arm.quantization.method, "gptq");
  EXPECT_EQ(arm.quantization.rank, 16);
  EXPECT_EQ(arm.quantization.group, 32);
  EXPECT_EQ(arm.quantization.vae, "keep");
  EXPECT_EQ(arm.arithmetic, DType::BF16);
  EXPECT_EQ(arm.attention, AttentionForm::Int8);
}

TEST(EvaluationArm, A_way_of_drawing_wants_no_other_file) {
  const EvaluationArm plain = parse_arm("a=emoji@w4a8/rtn"), drawn = parse_arm("b=emoji@w4a8/attention=int8/bf16/rtn/affixed");
  EXPECT_EQ(drawn.recipe, plain.recipe);
  EXPECT_EQ(parse_arm("emoji@f32").recipe, parse_arm("emoji@f32/attention=int8").recipe);
  EXPECT_NE(parse_arm("emoji@w4a8/gptq").recipe, plain.recipe);
  EXPECT_EQ(parse_arm("c=emoji").recipe, "emoji");
}

TEST(EvaluationArm, What_is_not_understood_is_named) {
  EXPECT_NE(refusal("emoji@w4a8/attention=int4").find("attention 'int4': want one of float, int8, int8-values"), std::string::npos);
  EXPECT_NE(refusal("emoji@w4a8/quick").find("unknown option 'quick'"), std::string::npos);
  EXPECT_NE(refusal("emoji@w5").find("want one of f32, bf16, w8a8"), std::string::npos);
  EXPECT_NE(refusal("=@f32").find("want [LABEL=]MODEL"), std::string::npos);
}

}  // namespace
}  // namespace nibble
