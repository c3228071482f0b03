// nibble quantize: a checkpoint becomes a file with 8- or 4-bit weights.
#include <algorithm>
#include <cstdio>
#include <map>

#include "apps/cli/command.h"
#include "apps/cli/request_options.h"
#include "base/error.h"
#include "base/file.h"
#include "quant/quantizer.h"
#include "tasks/quantize/quantize.h"

namespace nibble::cli {
namespace {

struct QuantizeFlags {
  QuantizeRequest request;
  std::vector<std::string> rules;
  std::string report, memory, target;
};

PrecisionRule parse_rule(const std::string& text) {
  const size_t at = text.rfind('=');
  if (at == std::string::npos || at == 0)
    fail(ErrorCode::InvalidArgument, "rule '{}': want PATTERN=PRECISION, for example 'unet.*attn2*=w8a8' or 'vae.*=keep'", text);
  return {text.substr(0, at), text.substr(at + 1)};
}

void print_part(const QuantizeReport& report, const std::string& part) {
  size_t bytes = 0, source = 0, count = 0;
  double error = 0, worst = 0;
  std::string worst_name;
  for (const QuantizedLayerReport& l : report.layers) {
    if (!l.name.starts_with(part + ".")) continue;
    ++count, bytes += l.bytes, source += l.source_bytes, error += l.record.error;
    if (l.record.error > worst) worst = l.record.error, worst_name = l.name.substr(part.size() + 1);
  }
  if (count == 0) return;
  std::printf("  %-16s %4zu layers  %8.1f MB -> %8.1f MB  mean relative error %.2e, largest %.2e (%s)\n", part.c_str(), count,
              static_cast<double>(source) / 1e6, static_cast<double>(bytes) / 1e6, error / static_cast<double>(count), worst, worst_name.c_str());
}

// How many 4-bit layers have a branch of which rank.
void print_ranks(const QuantizeReport& report) {
  std::map<int64_t, int> layers;
  for (const QuantizedLayerReport& l : report.layers)
    if (l.record.weights == WeightKind::Int4) ++layers[l.record.rank];
  std::string text;
  for (const auto& [rank, count] : layers) text += format("{}rank {}: {}", text.empty() ? "" : ", ", rank, count);
  if (!text.empty()) std::printf("  4-bit layers by rank of their branch: %s\n", text.c_str());
}

void run_quantize(const QuantizeFlags& o, const Common& common) {
  QuantizeRequest request = o.request;
  for (const std::string& rule : o.rules) request.rules.push_back(parse_rule(rule));
  if (!o.target.empty()) request.target_bytes = parse_bytes(o.target);
  if (!o.memory.empty()) request.memory_limit = parse_bytes(o.memory);
  const auto context = make_context(common);
  const QuantizeReport report = quantize_model(*context, request);
  if (!o.report.empty()) write_file(o.report, to_json(report).dump(1));
  if (common.json) return print_json(to_json(report));
  for (const char* part : {"unet", "vae", "text_encoder", "text_encoder_2"}) print_part(report, part);
  print_ranks(report);
  std::printf("%s: %.1f MB, the source has %.1f MB\n", request.out.c_str(), static_cast<double>(report.bytes) / 1e6,
              static_cast<double>(report.source_bytes) / 1e6);
}

std::vector<std::string> with_keep(std::vector<std::string> names) {
  names.push_back("keep");
  return names;
}

}  // namespace

void add_quantize(CLI::App& app, const Common& common, std::function<void()>& run_command) {
  const auto o = std::make_shared<QuantizeFlags>();
  QuantizeRequest& r = o->request;
  CLI::App* c = app.add_subcommand("quantize", "Make a model smaller and faster: 8- or 4-bit weights in one file");
  c->footer("Precisions: w8a8 (nearly lossless, half the size of 16 bits), w4a8 (recommended: a quarter of the size, 8-bit arithmetic),\n"
            "w4a16 (4-bit weights, 16-bit arithmetic), w4a4 (as published SVDQuant, for comparisons).\n"
            "A run that was stopped goes on where it was when the same command is given again.\n\n"
            "  nibble quantize --model sd15/ --out sd15-w4.safetensors\n"
            "  nibble quantize --model sd15/ --precision w8a8 --method smooth --out sd15-w8.safetensors\n"
            "  nibble quantize --model sd15/ --target-size 650MB --out sd15-650.safetensors\n"
            "  nibble quantize --model sd15/ --rule 'unet.mid_block*=w8a8' --report layers.json --out sd15-w4.safetensors");
  c->add_option("--model", r.model, "A diffusers folder, a checkpoint file, or a built-in model")->required();
  c->add_option("--out", r.out, "The .safetensors file to write")->required();
  c->add_option("--method", r.method, "rtn, gptq, smooth, svdquant, svdquant+gptq [svdquant+gptq]")->check(CLI::IsMember(quant::method_names()));
  c->add_option("--precision", r.precision, "Of the denoiser: w8a8, w8a16, w4a16, w4a8, w4a4 or keep [w4a8]")->check(CLI::IsMember(with_keep(precision_names())));
  c->add_option("--vae", r.vae, "Of the picture decoder [w8a8]")->check(CLI::IsMember(with_keep(precision_names())));
  c->add_option("--text-encoder", r.text_encoder, "Of the text encoders [w8a16]")->check(CLI::IsMember(with_keep(precision_names())));
  c->add_option("--group", r.group, "Weights that share a 4-bit scale: 32, 64 or 128 [64]")->check(CLI::IsMember({32, 64, 128}));
  c->add_option("--rank", r.rank, "Of the 16-bit low-rank branch of 4-bit layers, 0 to 256 [32]")->check(CLI::Range(0, 256));
  c->add_option("--rule", o->rules, "PATTERN=PRECISION for layers by name, with * and ?; the last match wins; may be repeated");
  c->add_option("--target-size", o->target,
                "Of the whole file, for example 600MB: every 4-bit layer gets the rank (0, half of --rank, --rank, twice it) or int8\n"
                "that makes the sum of the measured errors small; solves each layer up to five times");
  c->add_option("--calib", r.calibration,
                "Prompts to calibrate on: a text file, a YAML list, qdiff.yaml, or a data set of 'nibble dataset'; the\n"
                "seed draws one for each trajectory [the project's own]")
      ->check(CLI::ExistingPath);
  c->add_option("--trajectories", r.trajectories, "Pictures drawn for calibration [8; 4 for SDXL]")->check(CLI::Range(1, 10000));
  c->add_option("--calib-steps", r.steps, "Steps of each [20]")->check(CLI::Range(1, 1000));
  c->add_option("--count", r.count, "Denoiser inputs kept from them; published runs keep 128 [32; 128 for denoisers below 400 MB]")->check(CLI::Range(1, 100000));
  c->add_option("--rows", r.rows, "Tokens or pixels of each layer kept over all of them [2048; 8192 for denoisers below 400 MB]")->check(CLI::Range(16, 1000000));
  c->add_option("--texts", r.texts, "Prompts that the keys and values of the text are solved on besides; at most the list's [128]")->check(CLI::Range(0, 100000));
  c->add_option("--calib-size", r.width, "Side of the pictures in pixels [half the model's own from 1024, 384 for 512, else its own]")->check(CLI::Range(8, 8192));
  c->add_option("--seed", r.seed, "Of the noise and of every choice [0]");
  c->add_option("--memory", o->memory, "Most memory to use, for example 5GB");
  c->add_option("--work", r.work, "Folder for what a later run resumes from [OUT.work]");
  c->add_flag("--keep-work", r.keep_work, "Leave that folder in place at the end");
  c->add_option("--report", o->report, "Write every layer's format, bytes and error to this JSON file");
  c->callback([o, &common, &run_command] {
    o->request.height = o->request.width;
    run_command = [o, &common] { run_quantize(*o, common); };
  });
}

}  // namespace nibble::cli
