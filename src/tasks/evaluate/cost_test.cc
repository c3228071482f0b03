#include "tasks/evaluate/cost.h"

#include <gtest/gtest.h>

namespace nibble {
namespace {

PictureCost cost(double text, double denoise, double text_bytes, double denoise_bytes, bool warm) {
  PictureCost c;
  c.seconds = {{"text", text}, {"encode", 0.0}, {"denoise", denoise}};
  c.stage_peaks = {{"text", text_bytes}, {"denoise", denoise_bytes}};
  c.total = text + denoise, c.peak_bytes = denoise_bytes, c.warm = warm;
  return c;
}

ArmReport measured_arm() {
  ArmReport arm;
  arm.arm.label = "a";
  arm.costs = {cost(9, 9, 90e6, 900e6, false), cost(1, 4, 10e6, 100e6, true), cost(3, 8, 30e6, 140e6, true)};
  return arm;
}

TEST(Cost, Stages_have_the_mean_and_the_largest_memory_of_warm_pictures) {
  const Json json = cost_json(measured_arm());
  EXPECT_EQ(json["pictures"], 2);
  EXPECT_EQ(json["peak_bytes"], 140e6);
  EXPECT_EQ(json["stage_memory"]["text"]["mean_peak_bytes"], 20e6);
  EXPECT_EQ(json["stage_memory"]["text"]["peak_bytes"], 30e6);
  EXPECT_EQ(json["stage_memory"]["denoise"]["mean_peak_bytes"], 120e6);
  EXPECT_EQ(json["stages"]["denoise"], 6.0);
  EXPECT_TRUE(cost_json(ArmReport{}).is_null());
}

TEST(Cost, The_stage_table_has_the_stages_that_took_time) {
  ArmReport folder;  // of pictures: nothing was drawn
  folder.arm.label = "folder";
  const Table table = stage_table({folder, measured_arm()});
  EXPECT_EQ(to_markdown(table),
            "| arm | text s | denoise s | text MB, mean / peak | denoise MB, mean / peak |\n"
            "|---|--:|--:|--:|--:|\n"
            "| a | 2.000 | 6.000 | 20.0 / 30.0 | 120.0 / 140.0 |\n");
  EXPECT_TRUE(stage_table({folder}).rows.empty());
}

// Reports of before have no memory by stage.
TEST(Cost, Stages_without_memory_are_left_out) {
  ArmReport arm = measured_arm();
  for (PictureCost& c : arm.costs) c.stage_peaks.clear();
  EXPECT_FALSE(cost_json(arm).contains("stage_memory"));
  EXPECT_EQ(stage_table({arm}).header, (std::vector<std::string>{"arm", "text s", "denoise s"}));
}

}  // namespace
}  // namespace nibble
