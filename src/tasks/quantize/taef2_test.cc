// Four bits on published weights: the decoder of TAEF2, calibrated on two photographs and judged on a third against its
// own float32 picture. Everything goes through the steps of `nibble quantize` and a written file.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <memory>

#include "formats/safetensors_writer.h"
#include "image/convert.h"
#include "metrics/difference.h"
#include "pipelines/stages.h"
#include "tasks/quantize/quantize.h"
#include "tensor/golden_test.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(NIBBLE_SOURCE_DIR) / "tests/golden/quantize/taef2";

fs::path decoder_file() {
  const char* folder = std::getenv("NIBBLE_SHARED_DATA");
  return (folder ? fs::path(folder) : fs::path(NIBBLE_SOURCE_DIR) / "../shared/data") / "taef2/taef2_decoder.pth";
}

LoadedModel decoder_of(const fs::path& file) {
  LoadedModel m;
  m.name = file.string();
  m.source = models::open_model(file);
  m.vae = models::VaeConfig::from_json(m.source.get("vae").config, m.name);
  return m;
}

Tensor joined(const Tensor& top, const Tensor& bottom) {
  const int64_t c = top.dim(0), half = top.dim(1) * top.dim(2);
  Tensor out = Tensor::zeros(DType::F32, {c, 2 * top.dim(1), top.dim(2)});
  const Tensor halves[] = {top.to(DType::F32), bottom.to(DType::F32)};
  for (int64_t i = 0; i < c; ++i)
    for (int64_t part = 0; part < 2; ++part)
      std::copy_n(halves[part].values<float>().data() + i * half, half,
                  out.mutable_values<float>().data() + (2 * i + part) * half);
  return out;
}

struct Outcome {
  double psnr = 0;  // of bytes, to the float32 picture
  double bits_per_weight =
      0;  // of the quantized layers, with all that belongs to them, biases that the source has not too
};

size_t new_bias_bytes(const fs::path& file) {
  size_t bytes = 0;
  const models::NamedTensors source = models::open_model(decoder_file()).tensors("vae"),
                             made = models::open_model(file).tensors("vae");
  for (const TensorInfo& info : made.tensors())
    if (info.name.ends_with(".bias") && !source.has(info.name)) bytes += info.bytes();
  return bytes;
}

class Taef2 : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!fs::exists(decoder_file())) return;
    shared_ = std::make_unique<Shared>();
  }
  static void TearDownTestSuite() { shared_.reset(); }
  void SetUp() override {
    if (!shared_) GTEST_SKIP() << "no " << decoder_file() << ": set NIBBLE_SHARED_DATA";
  }

  struct Shared {
    Shared()
        : work(fs::temp_directory_path() / ("nibble_taef2_" + std::to_string(::getpid()))),
          model(decoder_of(decoder_file())) {
      fs::create_directories(work / "latents");
      const GoldenFile calibration(kGolden / "calibration.safetensors");
      for (const char* name : {"chelsea", "coffee"})
        write_safetensors(work / "latents" / (std::string(name) + ".safetensors"),
                          {{"latent", calibration[name].to(DType::F32)}});
      latent = joined(GoldenFile(kGolden / "astronaut_top.safetensors")["latent"],
                      GoldenFile(kGolden / "astronaut_bottom.safetensors")["latent"]);
      reference = picture(model);
    }
    ~Shared() { fs::remove_all(work); }

    Image picture(const LoadedModel& m) {
      DecodeStage stage(context, m, {latent.dim(0), latent.dim(1), latent.dim(2)}, DType::F32);
      return tensor_to_image(stage.run(latent.values<float>()));
    }

    double psnr_of(const models::Vae& vae) {
      Graph graph;
      const Value input =
          graph.input("latent", {DType::F32, {1, latent.dim(1), latent.dim(2), latent.dim(0)}}, Rate::Step);
      Plan plan(context, graph, {vae.decode(input)});
      Tensor last = Tensor::zeros(DType::F32, {1, latent.dim(1), latent.dim(2), latent.dim(0)});
      to_channels_last(latent.values<float>(), {latent.dim(0), latent.dim(1), latent.dim(2)},
                       last.mutable_values<float>());
      plan.bind(input, last);
      plan.run();
      return psnr(reference, tensor_to_image(plan.output_copy(0)));
    }

    Outcome outcome(QuantizeRequest request) {
      request.out = work / "quantized.safetensors";
      request.rules.insert(request.rules.begin(), {"vae.decoder.layers.*", request.vae});
      for (const char* kept : {"vae.decoder.layers.0", "vae.decoder.layers.18"})
        request.rules.push_back({kept, "keep"});
      const std::vector<PlannedLayer> layers = plan_layers(model.source, request);
      if (request.method != "rtn") observe_layers(context, model, layers, request, work);
      solve_layers(context, model.source, layers, request, work);
      const QuantizeReport report = write_quantized(context, model.source, layers, request, work);
      fs::remove_all(work / "solved");
      size_t bytes = 0;
      int64_t weights = 0;
      for (const QuantizedLayerReport& l : report.layers)
        bytes += l.bytes, weights += l.shape.n * l.shape.taps * l.shape.k;
      bytes += new_bias_bytes(request.out);
      return {psnr(reference, picture(decoder_of(request.out))),
              8.0 * static_cast<double>(bytes) / static_cast<double>(weights)};
    }

    Context context{2};
    const fs::path work;
    const LoadedModel model;
    Tensor latent;
    Image reference;
  };

  Outcome outcome(const QuantizeRequest& request) {
    const Outcome o = shared_->outcome(request);
    std::printf("%-16s %s rank %lld: %.3f dB at %.3f bits per weight\n", request.method.c_str(), request.vae.c_str(),
                static_cast<long long>(request.rank), o.psnr, o.bits_per_weight);
    return o;
  }

  static inline std::unique_ptr<Shared> shared_;
};

QuantizeRequest request_of(const char* method, const char* precision, int64_t rank = 0) {
  QuantizeRequest r;
  r.method = method, r.vae = precision, r.rank = rank;
  r.rows = 4096;
  return r;
}

// The largest magnitude of 64 neighbours in memory, whatever inputs and kernel positions they are, becomes code 7.
Tensor rounded_as_flattened(const Tensor& weight) {
  Tensor out = weight.to(DType::F32).clone();
  const auto v = out.mutable_values<float>();
  for (size_t begin = 0; begin < v.size(); begin += 64) {
    const auto group = v.subspan(begin, 64);
    float largest = 0;
    for (const float x : group) largest = std::max(largest, std::abs(x));
    const float step = largest / 7;
    for (float& x : group) x = step > 0 ? std::nearbyint(x / step) * step : 0;
  }
  return out;
}

TEST_F(Taef2, Rounding_in_groups_of_64_along_inputs_and_kernel_gives_the_published_figure) {
  const LoadedModel model = decoder_of(decoder_file());
  const auto plain = models::weight_source(model.source.tensors("vae"), "taef2");
  const auto rounded = std::make_shared<WeightSource>(
      WeightSource{"rounded",
                   [&](const std::string& name, const Shape& shape) {
                     const std::optional<Tensor> t = plain->find(name, shape);
                     const bool kept = name.starts_with("decoder.layers.0.") ||
                                       name.starts_with("decoder.layers.18.") || !name.ends_with(".weight");
                     return t && !kept && t->shape().rank() == 4 ? std::optional(rounded_as_flattened(*t)) : t;
                   },
                   {}});
  const double found =
      shared_->psnr_of(*models::make_vae(Scope(rounded, nullptr), model.vae, models::VaeParts::Decoder));
  std::printf("rounded to 4 bits in flattened groups: %.3f dB\n", found);
  EXPECT_NEAR(found, 31.324, 0.01);
}

TEST_F(Taef2, Rounding_in_groups_of_64_inputs_at_each_position) {
  EXPECT_NEAR(outcome(request_of("rtn", "w4a16")).psnr, 30.40, 0.05);
}

TEST_F(Taef2, Four_bits_and_their_scales_alone) {
  const Outcome o = outcome(request_of("gptq", "w4a16"));
  EXPECT_GE(o.psnr, 36.3);
  EXPECT_LE(o.bits_per_weight, 4.3);
}

TEST_F(Taef2, Four_bits_with_smoothing) {
  const Outcome o = outcome(request_of("svdquant+gptq", "w4a16"));
  EXPECT_GE(o.psnr, 39);
  EXPECT_LE(o.bits_per_weight, 5.5);
}

TEST_F(Taef2, Eight_bits_of_weights_and_activations) { EXPECT_GE(outcome(request_of("smooth", "w8a8")).psnr, 42); }

}  // namespace
}  // namespace nibble
