// The bytes of published denoisers in four bits, counted on files whose data is a hole: no weight is read.
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "models/unet/unet.h"
#include "tasks/quantize/allocate.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

// Every parameter of the network, name and shape.
ParameterList parameters_of(const models::UNetConfig& config) {
  static const char kNothing[64] = {};
  const auto shapes = std::make_shared<WeightSource>(
      WeightSource{"shapes",
                   [](const std::string&, const Shape& shape) {
                     return std::optional(Tensor::view(DType::F32, shape, kNothing, nullptr));
                   },
                   {}});
  ParameterList list;
  const models::UNet2DConditionModel unet(Scope(shapes, &list), config);
  return list;
}

void write_hole(const fs::path& file, const ParameterList& list) {
  OrderedJson header;
  size_t at = 0;
  for (const Parameter& p : list.parameters) {
    const size_t bytes = static_cast<size_t>(p.tensor.count()) * 2;
    header[p.name] = {{"dtype", "F16"}, {"shape", p.tensor.shape().dims()}, {"data_offsets", {at, at + bytes}}};
    at += bytes;
  }
  const std::string text = header.dump();
  std::string bytes(8, '\0');
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  write_file(file, bytes + text);
  fs::resize_file(file, 8 + text.size() + at);
}

struct Published {
  const char* name;
  int64_t parameters;
  double largest_gb;  // of the quantized denoiser
};

void PrintTo(const Published& p, std::ostream* out) { *out << p.name; }

class PublishedBytes : public ::testing::TestWithParam<Published> {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("nibble_bytes_" + std::to_string(::getpid()));
    fs::create_directories(folder_ / "unet");
    const fs::path configs = fs::path(NIBBLE_SOURCE_DIR) / "tools/configs" / GetParam().name;
    const std::string config = (fs::path("unet") / "config.json").string();
    fs::copy(configs / "model_index.json", folder_);
    fs::copy(configs / config, folder_ / config);
    const ParameterList list = parameters_of(models::UNetConfig::from_json(read_json_file(folder_ / config), config));
    EXPECT_EQ(list.count(), GetParam().parameters);
    write_hole(folder_ / "unet/diffusion_pytorch_model.safetensors", list);
  }
  void TearDown() override { fs::remove_all(folder_); }

  size_t bytes(const QuantizeRequest& request) const {
    const models::ModelSource source = models::open_model(folder_);
    return predicted_bytes(source, plan_layers(source, request), request.method);
  }

  fs::path folder_;
};

TEST_P(PublishedBytes, Four_bits_with_a_branch_of_rank_32) {
  QuantizeRequest request;
  const double with_branch = static_cast<double>(bytes(request)) / 1e9;
  request.rank = 0;
  std::printf("%s: %.4f GB, %.4f GB without branches\n", GetParam().name, with_branch,
              static_cast<double>(bytes(request)) / 1e9);
  EXPECT_LE(with_branch, GetParam().largest_gb);
}

INSTANTIATE_TEST_SUITE_P(Models, PublishedBytes,
                         ::testing::Values(Published{"sd15", 859'520'964, 0.58},
                                           Published{"sdxl", 2'567'463'684, 1.62}));

}  // namespace
}  // namespace nibble
