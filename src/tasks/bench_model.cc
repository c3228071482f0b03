#include "tasks/bench_model.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "base/process.h"
#include "base/random.h"
#include "kernels/peaks/peaks.h"
#include "pipelines/stages.h"
#include "tasks/wall_seconds.h"

namespace nibble {
namespace {

bool integer_op(const std::string& op) { return op.ends_with("_int8") || op.ends_with("_int4"); }

double bound_seconds(const GraphCost& cost, const MachinePeaks& peaks) {
  double seconds = 0;
  for (const auto& [op, kind] : cost.by_op) seconds += kind.operations / (integer_op(op) ? peaks.int8 : peaks.floats);
  return seconds;
}

// The best of `runs` passes after one to warm up.
PassBench best_pass(const char* name, int runs, Plan& plan, const MachinePeaks& peaks, const std::function<void()>& body) {
  plan.timing = true;
  body();
  const GraphCost cost = graph_cost(plan, Rate::Step);
  PassBench best{name, 1e30, cost.operations, bound_seconds(cost, peaks), plan.arena_bytes(), {}};
  for (int i = 0; i < runs; ++i)
    if (const double took = wall_seconds(body); took < best.seconds) best.seconds = took, best.seconds_by_op = plan.seconds_by_op;
  return best;
}

PassBench bench_denoiser(Context& context, const LoadedModel& model, const LatentShape& latent, const ModelBenchOptions& options,
                         int64_t batch, ModelBench& out) {
  const int64_t tokens = model.text_encoders[0].config.positions;
  DenoiseStage unet(context, model, latent, tokens, batch, options.precision, {}, options.attention);
  out.weight_bytes = unet.weight_bytes();
  Conditioning text{Tensor::zeros(DType::F32, {batch, tokens, model.unet.mid.context_width}), {}, {}};
  if (model.sdxl) text.pooled = Tensor::zeros(DType::F32, {batch, model.text_encoders.back().config.projection});
  const int64_t side = latent.width * model.vae.factor;
  unet.set_prompt(text, model.sdxl ? size_conditioning(model, side, side, batch == 2) : Tensor(), 0, batch);
  std::vector<float> sample(static_cast<size_t>(latent.count())), result(sample.size() * static_cast<size_t>(batch));
  Generator(0).randn(sample);
  return best_pass(batch == 2 ? "unet, guided" : "unet", options.runs, unet.plan(), out.peaks, [&] { unet.run(sample, 500, result); });
}

// What the denoiser's weights are.
std::string weights_of(const LoadedModel& model) {
  const Json made = model.source.quantization();
  if (made.is_object() && made.contains("precision")) {
    const std::string precision = made["precision"].value("unet", "keep");
    if (precision != "keep") return precision + " " + made.value("method", "");
  }
  std::map<DType, size_t> bytes;
  for (const TensorInfo& info : model.source.tensors("unet").tensors()) bytes[info.dtype] += info.bytes();
  const auto most =
      std::max_element(bytes.begin(), bytes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return to_string(most->first);
}

std::string arithmetic_of(const ModelBenchOptions& options) {
  std::string text = to_string(options.precision);
  if (options.attention != AttentionForm::Float) text += format(", attention {}", to_string(options.attention));
  return text;
}

}  // namespace

MachinePeaks measure_peaks(const Context& context, DType precision) {
  const bool dot = precision == DType::BF16 && context.cpu.has(Isa::Avx512Bf16);
  const double threads = context.threads.size();
  return {kernels::measure_peak(context.cpu, dot ? kernels::PeakKind::Bf16Dot : kernels::PeakKind::F32Fma) * threads,
          kernels::measure_peak(context.cpu, kernels::PeakKind::Int8Dot) * threads};
}

double ModelBench::picture_seconds() const {
  double seconds = 0;
  for (const PassBench& pass : passes) {
    if (pass.name == "decode") seconds += pass.seconds;
    else if ((pass.name == "unet, guided") == guided) seconds += steps * pass.seconds;
  }
  return seconds;
}

ModelBench bench_model(Context& context, const std::string& name, const ModelBenchOptions& options) {
  const LoadedModel model = load_model(name);
  ModelBench out;
  out.model = name, out.precision = arithmetic_of(options), out.weights = weights_of(model);
  out.size = options.size > 0 ? options.size : model.defaults.width;
  out.steps = model.defaults.steps, out.guided = model.defaults.guidance > 1;
  out.peaks = measure_peaks(context, options.precision);
  const LatentShape latent{model.vae.latent_channels, out.size / model.vae.factor, out.size / model.vae.factor};
  reset_peak_resident();
  for (const int64_t batch : {int64_t{1}, int64_t{2}}) {
    context.check_cancelled();
    if (batch == 2 && !out.guided) continue;
    out.passes.push_back(bench_denoiser(context, model, latent, options, batch, out));
  }
  DecodeStage vae(context, model, latent, options.precision);
  std::vector<float> sample(static_cast<size_t>(latent.count()));
  Generator(0).randn(sample);
  out.passes.push_back(best_pass("decode", options.runs, vae.plan(), out.peaks, [&] { vae.run(sample); }));
  out.peak_bytes = peak_resident_bytes();
  return out;
}

Json to_json(const ModelBench& b) {
  Json json = {{"model", b.model},
               {"weights", b.weights},
               {"precision", b.precision},
               {"size", b.size},
               {"weight_bytes", b.weight_bytes},
               {"peak_bytes", b.peak_bytes},
               {"float_peak", b.peaks.floats},
               {"int8_peak", b.peaks.int8},
               {"steps", b.steps},
               {"picture_seconds", b.picture_seconds()},
               {"passes", Json::array()}};
  for (const PassBench& p : b.passes)
    json["passes"].push_back({{"name", p.name}, {"seconds", p.seconds}, {"operations", p.operations}, {"bound_seconds", p.bound_seconds},
                              {"ratio", p.ratio()}, {"arena_bytes", p.arena_bytes}, {"seconds_by_op", p.seconds_by_op}});
  return json;
}

std::string bench_text(const ModelBench& b, int threads) {
  std::string text = format(
      "{} {}x{}, weights {}, arithmetic {}, wall time, the best pass; peaks of {} threads: {:.0f} Gop/s in floats, "
      "{:.0f} in int8\n",
      b.model, b.size, b.size, b.weights, b.precision, threads, b.peaks.floats / 1e9, b.peaks.int8 / 1e9);
  for (const PassBench& p : b.passes) {
    text += format("{:<14}{:>9.4f} s, {:>7.1f} Gop, {:>6.1f} Gop/s = {:>4.1f} % of what the peaks allow, buffers {:.1f} MB\n", p.name, p.seconds,
                   p.operations / 1e9, p.operations / p.seconds / 1e9, 100 * p.ratio(), static_cast<double>(p.arena_bytes) / 1e6);
    for (const auto& [op, took] : p.seconds_by_op) text += format("              {:<22}{:>9.4f} s\n", op, took);
  }
  return text + format("a picture of {} steps{}: {:.2f} s by these passes; resident at most {:.1f} MB\n", b.steps, b.guided ? " with guidance" : "",
                       b.picture_seconds(), b.peak_bytes / 1e6);
}

}  // namespace nibble
