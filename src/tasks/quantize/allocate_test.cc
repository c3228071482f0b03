#include "tasks/quantize/allocate.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "base/error.h"
#include "tasks/quantize/quantize.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

// The built-in model's middle block, the rest as it is: 19 layers with branches of at most rank 24.
class ByteBudget : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("nibble_budget_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  QuantizeRequest request(const std::string& name) const {
    QuantizeRequest r;
    r.model = "emoji", r.out = folder_ / (name + ".safetensors");
    r.trajectories = 1, r.steps = 2, r.count = 2, r.rows = 64, r.width = r.height = 32;
    r.vae = r.text_encoder = "keep";
    r.rules = {{"unet.*", "keep"}, {"unet.mid_block.*", "w4a8"}};
    return r;
  }

  QuantizeReport quantized(const QuantizeRequest& r) {
    Context context(2);
    return quantize_model(context, r);
  }

  fs::path folder_;
};

double sum_of_errors(const QuantizeReport& report) {
  double sum = 0;
  for (const QuantizedLayerReport& layer : report.layers) sum += layer.record.error;
  return sum;
}

TEST_F(ByteBudget, Is_kept_and_errs_no_more_than_one_rank_for_all) {
  QuantizeRequest one = request("one");
  one.rank = 16;
  const QuantizeReport same = quantized(one);
  QuantizeRequest several = request("several");
  several.target_bytes = same.bytes;
  const QuantizeReport chosen = quantized(several);
  EXPECT_LE(chosen.bytes, several.target_bytes);
  EXPECT_LE(sum_of_errors(chosen), sum_of_errors(same));
  // Layers were not all given the same, and what the file says is what the report says.
  std::set<std::pair<WeightKind, int64_t>> ways;
  const models::ModelSource source = models::open_model(several.out);
  std::map<std::string, int64_t> ranks;
  for (const auto& layer : source.tensors("unet").quantized_layers()) ranks["unet." + layer.path] = layer.record.rank;
  for (const QuantizedLayerReport& layer : chosen.layers) {
    ways.insert({layer.record.weights, layer.record.rank});
    EXPECT_EQ(ranks.at(layer.name), layer.record.rank) << layer.name;
  }
  EXPECT_GT(ways.size(), 1u);
  std::printf("%zu bytes: error %.3e with rank 16, %.3e chosen in %zu bytes\n", same.bytes, sum_of_errors(same),
              sum_of_errors(chosen), chosen.bytes);
}

TEST_F(ByteBudget, All_layers_become_int8_where_there_is_room) {
  QuantizeRequest r = request("roomy");
  r.method = "rtn", r.target_bytes = size_t{1} << 30;
  for (const QuantizedLayerReport& layer : quantized(r).layers)
    EXPECT_EQ(layer.record.weights, WeightKind::Int8) << layer.name;
}

TEST_F(ByteBudget, Too_little_is_refused_with_the_least_size) {
  QuantizeRequest r = request("none");
  r.target_bytes = 1000;
  try {
    quantized(r);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::InvalidArgument);
    EXPECT_NE(std::string(error.what()).find("target size 0.0 MB: w4a8 without low-rank branches takes"),
              std::string::npos)
        << error.what();
  }
  EXPECT_FALSE(fs::exists(r.out));
}

}  // namespace
}  // namespace nibble
