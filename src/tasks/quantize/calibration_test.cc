#include "tasks/quantize/calibration.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/file.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

class WorkFolder {
 public:
  WorkFolder() : path(fs::temp_directory_path() / ("nibble_calibration_" + std::to_string(getpid()))) { fs::remove_all(path); }
  ~WorkFolder() { fs::remove_all(path); }
  const fs::path path;
};

QuantizeRequest small_request() {
  QuantizeRequest r;
  r.trajectories = 2, r.steps = 3, r.count = 4, r.rows = 32, r.texts = 8;
  return r;
}

TEST(Calibration, Picks_are_different_ordered_and_of_both_branches) {
  const auto picks = pick_calls(8, 20, true, 32, 0);
  ASSERT_EQ(picks.size(), 32u);
  std::set<std::tuple<int, int, bool>> unique;
  int guided = 0;
  for (const CalibrationPick& p : picks) {
    EXPECT_TRUE(p.prompt >= 0 && p.prompt < 8 && p.call >= 0 && p.call < 20);
    unique.insert({p.prompt, p.call, p.guided_branch});
    guided += p.guided_branch;
  }
  EXPECT_EQ(unique.size(), 32u);
  EXPECT_GT(guided, 4);
  EXPECT_LT(guided, 28);
  EXPECT_EQ(pick_calls(1, 1, true, 32, 0).size(), 2u);
}

TEST(Calibration, Few_picks_cover_all_calls_with_trajectories_that_end_early) {
  ASSERT_EQ(calibration_bands(8, 20, true, 32), 4);
  const auto picks = pick_calls(8, 20, true, 32, 0);
  for (const CalibrationPick& p : picks) EXPECT_EQ(p.call / 5, p.prompt / 2);
  for (int band = 0; band < 4; ++band)
    EXPECT_EQ(std::count_if(picks.begin(), picks.end(), [&](const CalibrationPick& p) { return p.call / 5 == band; }), 8);
  EXPECT_EQ(calibration_bands(8, 20, true, 128), 1);  // published: most calls are picked, so every trajectory is whole
  EXPECT_EQ(calibration_bands(1, 1, false, 32), 1);
  EXPECT_EQ(calibration_bands(5, 3, false, 1), 2);
  std::set<int> calls;
  for (const CalibrationPick& p : pick_calls(5, 3, false, 2, 7)) calls.insert(p.call);
  EXPECT_EQ(calls.size(), 2u);
}

TEST(Calibration, Bands_never_lose_a_pick) {
  for (int prompts = 1; prompts < 32; ++prompts)
    for (int calls = 1; calls < 24; ++calls)
      for (const int count : {1, 2, 5, 27, 32, 128})
        for (const bool guided : {false, true})
          ASSERT_EQ(std::ssize(pick_calls(prompts, calls, guided, count, 3)), std::min(count, prompts * calls * (guided ? 2 : 1)))
              << prompts << " prompts, " << calls << " calls, count " << count << ", guided " << guided;
}

TEST(Calibration, Prompts_come_from_lists_and_from_published_data_sets) {
  const WorkFolder work;
  fs::create_directories(work.path);
  const LoadedModel model = load_model("emoji");
  const auto read = [&](const char* name, const std::string& text, int trajectories) {
    QuantizeRequest r;
    r.calibration = work.path / name, r.trajectories = trajectories;
    write_file(r.calibration, text);
    return calibration_prompts(model, r);
  };
  using List = std::vector<std::string>;
  EXPECT_EQ(read("a.txt", "# two\n\n a cat \r\n\"a dog\"\n", 3), (List{"a cat", "a dog", "a cat"}));
  EXPECT_EQ(read("plain", "a cat\na: dog\n", 2), (List{"a cat", "a: dog"}));
  EXPECT_EQ(read("list.yaml", "# prompts\n- a cat\n- 'a dog'\n", 2), (List{"a cat", "a dog"}));
  EXPECT_EQ(read("qdiff.yaml", "'0000': 'a cat '\n0009: A dog''s tail\n'0010': 'it''s\n  long'\n", 3),
            (List{"a cat", "A dog''s tail", "it's long"}));
  EXPECT_EQ(read("PartiPrompts.tsv", "Prompt\tCategory\na cat\tAnimals\n", 1), List{"a cat"});
  std::string many;
  for (int i = 0; i < 100; ++i) many += format("prompt {:03}\n", i);
  const List drawn = read("many.txt", many, 8);
  EXPECT_EQ(std::set(drawn.begin(), drawn.end()).size(), 8u);
  EXPECT_TRUE(std::is_sorted(drawn.begin(), drawn.end()));
  EXPECT_GT(drawn.back(), "prompt 050");  // from the whole list: 2^-8 by chance, and the seed is fixed
  EXPECT_EQ(read("many.txt", many, 8), drawn);
  QuantizeRequest own;
  const List texts = calibration_texts(model, own);
  EXPECT_EQ(std::set(texts.begin(), texts.end()).size(), 128u);
  own.calibration = work.path / "many.txt";
  EXPECT_EQ(calibration_texts(model, own).size(), 100u);
  own.texts = 0;
  EXPECT_TRUE(calibration_texts(model, own).empty());
  EXPECT_THROW(read("empty.txt", "# nothing\n", 1), Error);
  EXPECT_THROW(read("damaged.yaml", "a: [\n", 1), Error);
}

TEST(Calibration, Rules_change_the_choice_and_must_match_something) {
  const LoadedModel model = load_model("emoji");
  QuantizeRequest r;
  const auto usual = plan_layers(model.source, r);
  r.rules = {{"unet.*", "keep"}, {"unet.mid_block*", "w8a8"}};
  for (const PlannedLayer& layer : plan_layers(model.source, r)) {
    if (layer.part != "unet") continue;
    EXPECT_TRUE(layer.path.starts_with("mid_block")) << layer.path;
    EXPECT_EQ(layer.shape.kind, WeightKind::Int8);
  }
  EXPECT_GT(usual.size(), 60u);
  r.rules = {{"unet.nothing*", "w8a8"}};
  EXPECT_THROW(plan_layers(model.source, r), Error);
  r.rules = {{"unet.*", "w3a9"}};
  EXPECT_THROW(plan_layers(model.source, r), Error);
}

TEST(Calibration, Every_planned_layer_of_the_built_in_model_is_read) {
  const WorkFolder work;
  Context context(2);
  const LoadedModel model = load_model("emoji");
  const QuantizeRequest request = small_request();
  const auto layers = plan_layers(model.source, request);
  sample_calibration_inputs(context, model, calibration_prompts(model, small_request()), request, work.path);
  observe_layers(context, model, layers, request, work.path);
  const Readings readings(work.path);
  for (const PlannedLayer& layer : layers) {
    if (layer.part.starts_with("text_encoder")) continue;
    const LayerReadings r = readings.of(layer);
    ASSERT_FALSE(r.rows.empty()) << layer.name();
    EXPECT_EQ(r.rows.dim(1), layer.shape.taps) << layer.name();
    EXPECT_EQ(r.rows.dim(2), layer.shape.k) << layer.name();
    EXPECT_LE(r.rows.dim(0), 2 * request.rows) << layer.name();
    const int64_t observed = layer.part == "vae" ? request.trajectories : request.count + (layer.reads_text ? request.texts : 0);
    EXPECT_EQ(r.channel_max.dim(0), observed) << layer.name();
    EXPECT_EQ(layer.reads_text, layer.path.ends_with("attn2.to_k") || layer.path.ends_with("attn2.to_v")) << layer.name();
    const auto image = r.image.values<int32_t>();
    const auto maxima = r.channel_max.values<float>();
    const int64_t k = layer.shape.k, row = layer.shape.taps * k;
    for (int64_t i = 0; i < r.rows.count(); ++i) {
      const float bound = maxima[static_cast<size_t>(image[static_cast<size_t>(i / row)] * k + i % k)];
      ASSERT_LE(std::abs(element(r.rows, i)), bound * 1.004f) << layer.name();  // rows are rounded to bf16
    }
  }
}

TEST(Calibration, A_second_run_finds_everything_done) {
  const WorkFolder work;
  Context context(2);
  const LoadedModel model = load_model("emoji");
  const auto prompts = calibration_prompts(model, small_request());
  sample_calibration_inputs(context, model, prompts, small_request(), work.path);
  const auto before = fs::last_write_time(work.path / "inputs" / "0000.safetensors");
  fs::remove(work.path / "latents" / "0001.safetensors");
  sample_calibration_inputs(context, model, prompts, small_request(), work.path);
  EXPECT_EQ(fs::last_write_time(work.path / "inputs" / "0000.safetensors"), before);
  EXPECT_TRUE(fs::exists(work.path / "latents" / "0001.safetensors"));
}

}  // namespace
}  // namespace nibble
