// Features of pictures by the 2015 InceptionV3, as the tools make them whose FID, KID and Inception Score are published. The tools
// differ in resize and normalisation, so a number belongs to its pipeline: name it wherever the number is printed.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string_view>

#include "graph/plan.h"
#include "image/exact_resize.h"
#include "models/inception/inception.h"

namespace nibble {

struct FidPipeline {
  const char* name;   // in options and JSON: "clean-fid", "pytorch-fid", "torch-fidelity", "torchmetrics"
  const char* about;  // one line: the resize, the normalisation, who uses it
  FidResize resize;
  bool by_255;        // x = 2 p/255 - 1, otherwise (p - 128)/128
};
std::span<const FidPipeline> fid_pipelines();

// Throws Error{InvalidArgument} with the known names.
const FidPipeline& find_fid_pipeline(std::string_view name);

// Where features are taken; the first three are averaged over positions.
enum class InceptionTap { Low64, Low192, Mid768, Pool2048, LogitsUnbiased, Logits };
int64_t width_of(InceptionTap tap);  // 64, 192, 768, 2048, 1008, 1008

class InceptionFeatures {
 public:
  // pytorch-fid's pt_inception-2015-12-05-6726825d.pth (torch-fidelity's file is the same), or its tensors as safetensors. The
  // context must outlive the object. Throws what open_weights throws, and Error{NotFound, InvalidArgument} naming file, tensor, want
  // and found where the file is another network.
  InceptionFeatures(Context& context, const std::filesystem::path& file);
  InceptionFeatures(Context& context, std::shared_ptr<const WeightSource> weights);

  // F32 [n, width_of(tap)]. Pictures of any size, 1, 3 or 4 channels. A picture's features depend on nothing else. Reports progress
  // as "inception"; cancellable.
  Tensor operator()(std::span<const Image> pictures, const FidPipeline& pipeline, InceptionTap tap = InceptionTap::Pool2048);

 private:
  struct Recorded {
    Graph graph;
    std::unique_ptr<Plan> plan;
  };
  Plan& plan_of(InceptionTap tap, int64_t batch);

  Context& context_;
  models::InceptionV3 network_;
  std::map<std::pair<InceptionTap, int64_t>, Recorded> plans_;
};

}  // namespace nibble
