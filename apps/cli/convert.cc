// nibble convert: any model as one file.
#include <cstdio>

#include "apps/cli/command.h"
#include "base/error.h"
#include "pipelines/loaded_model.h"
#include "tasks/convert.h"

namespace nibble::cli {
namespace {

struct ConvertFlags {
  std::string model, out, precision = "bf16";
};

void run_convert(const ConvertFlags& o, const Common& common) {
  const auto context = make_context(common);
  const models::ModelSource source = models::open_model(model_path(o.model));
  convert_model(*context, source, dtype_from_name(o.precision).value_or(DType::BF16), o.out);
  const auto bytes = std::filesystem::file_size(o.out);
  if (common.json) print_json({{"file", o.out}, {"bytes", bytes}, {"precision", o.precision}});
  else std::printf("%s (%.1f MB)\n", o.out.c_str(), static_cast<double>(bytes) / 1e6);
}

}  // namespace

void add_convert(CLI::App& app, const Common& common, std::function<void()>& run_command) {
  const auto o = std::make_shared<ConvertFlags>();
  CLI::App* c = app.add_subcommand("convert", "Write a model folder or checkpoint as one file in 16-bit floats");
  c->add_option("--model", o->model, "A diffusers folder, a checkpoint file (1.x, 2.x, SDXL), or a built-in model")->required();
  c->add_option("--out", o->out, "The .safetensors file to write")->required();
  c->add_option("--precision", o->precision, "bf16, f16 or f32 [bf16]")->check(CLI::IsMember({"bf16", "f16", "f32"}));
  c->callback([o, &common, &run_command] { run_command = [o, &common] { run_convert(*o, common); }; });
}

}  // namespace nibble::cli
