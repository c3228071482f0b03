#include "tasks/convert.h"

#include "base/error.h"
#include "formats/safetensors_writer.h"

namespace nibble {
namespace {

constexpr const char* kTokenizerFiles[] = {"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json",
                                           "tokenizer.json"};

}  // namespace

Metadata one_file_metadata(const models::ModelSource& source) {
  Json header = {{"format", models::kOneFileFormat}, {"family", models::to_string(source.family)}};
  Metadata metadata;
  for (const models::ModelPart& part : source.parts) {
    header["parts"][part.name] = {{"class", part.class_name}, {"config", part.config}};
    for (const char* file : kTokenizerFiles)
      if (const auto text = source.read_text(part.name, file))
        metadata[std::string(models::kOneFileTextPrefix) + part.name + "/" + file] = *text;
  }
  metadata[models::kOneFileKey] = header.dump();
  return metadata;
}

void convert_model(Context& context, const models::ModelSource& source, DType dtype, const std::filesystem::path& out) {
  if (source.family == models::Family::Unknown || source.parts.empty())
    fail(ErrorCode::Unsupported, "model {}: of no known family; see 'nibble inspect'", source.path.string());
  std::vector<TensorInfo> infos;
  std::vector<std::pair<std::string, std::string>> order;  // part, name
  for (const models::ModelPart& part : source.parts) {
    if (part.weights.empty()) continue;
    const models::NamedTensors part_tensors = source.tensors(part.name);
    if (!part_tensors.quantized_layers().empty())
      fail(ErrorCode::Unsupported, "model {}: is quantized; convert the checkpoint it was made from", source.path.string());
    for (const TensorInfo& info : part_tensors.tensors()) {
      const DType kept = traits(info.dtype).floating ? dtype : info.dtype;
      infos.push_back({part.name + "." + info.name, kept, info.shape});
      order.emplace_back(part.name, info.name);
    }
  }
  SafetensorsWriter writer(out, infos, one_file_metadata(source));
  std::string open_part;
  std::optional<models::NamedTensors> tensors;
  for (size_t i = 0; i < order.size(); ++i) {
    context.check_cancelled();
    context.report("convert", static_cast<int64_t>(i), static_cast<int64_t>(order.size()));
    if (open_part != order[i].first) {
      if (tensors) tensors->drop_pages();
      open_part = order[i].first;
      tensors.emplace(source.tensors(open_part));
    }
    writer.write(tensors->find(order[i].second)->to(infos[i].dtype));
  }
  writer.finish();
  context.report("convert", 1, 1);
}

}  // namespace nibble
