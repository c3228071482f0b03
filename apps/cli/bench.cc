// nibble bench: kernels and models beside the machine's own measured peaks.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>

#include "apps/cli/command.h"
#include "base/error.h"
#include "base/random.h"
#include "kernels/bench.h"
#include "kernels/peaks/peaks.h"
#include "pipelines/stages.h"
#include "tasks/machine.h"

namespace nibble::cli {
namespace {

struct Options {
  std::string model, precision = "f32";
  int64_t size = 0;
  int runs = 3;
  bool kernels_only = false;
};

Json row_json(const kernels::BenchRow& row) {
  return {{"name", row.name}, {"shape", row.shape}, {"work", row.work}, {"seconds", row.seconds}, {"rate", row.rate()}, {"ratio", row.ratio()}};
}

void print_row(const kernels::BenchRow& row) {
  std::printf("%-28s %-34s %10.3f ms %9.2f G/s", row.name.c_str(), row.shape.c_str(), row.seconds * 1e3, row.rate() / 1e9);
  if (row.peak > 0) std::printf("  %5.1f %%", 100 * row.ratio());
  std::printf("\n");
}

Json bench_kernels(Context& context, bool json) {
  Json rows = Json::array();
  if (!json) std::printf("one thread, CPU time, best of many; %% of the peak measured in this run\n");
  using Family = std::vector<kernels::BenchRow> (*)(Context&);
  for (const Family family : {kernels::bench_peaks, kernels::bench_gemm, kernels::bench_qgemm, kernels::bench_attention, kernels::bench_norm, kernels::bench_eltwise})
    for (const kernels::BenchRow& row : family(context)) {
      context.check_cancelled();
      rows.push_back(row_json(row));
      if (!json) print_row(row);
    }
  return rows;
}

double wall(const std::function<void()>& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct BestPass {
  double seconds = 1e30;
  std::map<std::string, double> by_op;
};

// The best of `runs` passes after one to warm up.
BestPass best_pass(int runs, Plan& plan, const std::function<void()>& body) {
  plan.timing = true;
  body();
  BestPass best;
  for (int i = 0; i < runs; ++i)
    if (const double took = wall(body); took < best.seconds) best = {took, plan.seconds_by_op};
  return best;
}

Json model_row(const Context& context, const char* what, const BestPass& pass, const GraphCost& cost, double peak, bool json, const Plan& plan) {
  const double seconds = pass.seconds, rate = cost.operations / seconds;
  Json row = {{"name", what}, {"seconds", seconds}, {"operations", cost.operations}, {"rate", rate}, {"ratio", rate / peak},
              {"arena_bytes", plan.arena_bytes()}};
  if (!json) {
    std::printf("%-8s %8.4f s/pass, %7.1f Gop, %7.1f Gop/s = %4.1f %% of the peak of %d threads, buffers %.1f MB\n", what, seconds,
                cost.operations / 1e9, rate / 1e9, 100 * rate / peak, context.threads.size(), static_cast<double>(plan.arena_bytes()) / 1e6);
    for (const auto& [op, took] : pass.by_op) std::printf("         %-24s %9.4f s\n", op.c_str(), took);
  }
  for (const auto& [op, took] : pass.by_op) row["seconds_by_op"][op] = took;
  return row;
}

Json bench_model(Context& context, const Options& o, bool json) {
  const LoadedModel model = load_model(o.model);
  const DType precision = dtype_from_name(o.precision).value_or(DType::F32);
  const int64_t width = o.size > 0 ? o.size : model.defaults.width;
  const LatentShape latent{model.vae.latent_channels, width / model.vae.factor, width / model.vae.factor};
  const kernels::PeakKind kind = precision == DType::BF16 && context.cpu.has(Isa::Avx512Bf16) ? kernels::PeakKind::Bf16Dot : kernels::PeakKind::F32Fma;
  const double peak = kernels::measure_peak(context.cpu, kind) * context.threads.size();
  std::vector<float> sample(static_cast<size_t>(latent.count())), out(sample.size());
  Generator(0).randn(sample);
  Json rows = Json::array();
  if (!json) std::printf("%s %ldx%ld %s, wall time, best of %d\n", o.model.c_str(), static_cast<long>(width), static_cast<long>(width), o.precision.c_str(), o.runs);
  {
    DenoiseStage unet(context, model, latent, model.text_encoders[0].config.positions, 1, precision);
    Conditioning text{Tensor::zeros(DType::F32, {1, model.text_encoders[0].config.positions, model.unet.mid.context_width}), {}, {}};
    if (model.sdxl) text.pooled = Tensor::zeros(DType::F32, {1, model.text_encoders.back().config.projection});
    unet.set_prompt(text, model.sdxl ? size_conditioning(model, width, width, false) : Tensor(), 0, 1);
    const BestPass pass = best_pass(o.runs, unet.plan(), [&] { unet.run(sample, 500, out); });
    rows.push_back(model_row(context, "unet", pass, graph_cost(unet.plan(), Rate::Step), peak, json, unet.plan()));
    unet.release();
  }
  DecodeStage vae(context, model, latent, precision);
  const BestPass pass = best_pass(o.runs, vae.plan(), [&] { vae.run(sample); });
  rows.push_back(model_row(context, "decode", pass, graph_cost(vae.plan(), Rate::Step), peak, json, vae.plan()));
  return rows;
}

Json bench_machine(Context& context, bool json) {
  const MachineProfile profile = measure_machine(context);
  save_profile(profile);
  if (!json) {
    std::printf("\n%d threads, wall time, through the graph (kept for 'nibble estimate' in %s)\n", profile.threads,
                profile_path(profile.threads).c_str());
    for (const auto& [precision, cost] : profile.precisions)
      for (const auto& [op, work] : cost.by_op)
        std::printf("%-5s %-12s %8.1f Gop/s, weights %6.3f ns a byte, start %6.1f us\n", precision.c_str(), op.c_str(),
                    1e-9 / work.seconds_per_operation, 1e9 * work.seconds_per_weight_byte, 1e6 * work.seconds_per_op);
    std::printf("any other op: start %.1f us\n", 1e6 * profile.seconds_per_node);
    std::printf("first touch of a page: mapped %.2f us, fresh %.2f us; PNG %.1f ns a byte\n", 4096e6 * profile.seconds_per_mapped_byte,
                4096e6 * profile.seconds_per_fresh_byte, 1e9 * profile.seconds_per_picture_byte);
  }
  return to_json(profile);
}

void run(const Options& o, const Common& common) {
  const auto context = make_context(common);
  Json result = {{"cpu", to_string(context->cpu)}, {"threads", context->threads.size()}};
  if (!o.model.empty()) {
    result["model"] = bench_model(*context, o, common.json);
  } else {
    result["kernels"] = bench_kernels(*context, common.json);
    if (!o.kernels_only) result["machine"] = bench_machine(*context, common.json);
  }
  if (common.json) print_json(result);
}

}  // namespace

void add_bench(CLI::App& app, const Common& common, std::function<void()>& run_command) {
  const auto o = std::make_shared<Options>();
  CLI::App* c = app.add_subcommand("bench", "Speed of kernels and models beside the machine's own measured peaks");
  c->add_option("--model", o->model, "Time one denoising pass and one decode of this model instead of the kernels");
  c->add_option("--size", o->size, "Width and height in pixels [the model's training size]");
  c->add_option("--precision", o->precision, "f32 or bf16, for --model [f32]")->check(CLI::IsMember({"f32", "bf16"}));
  c->add_option("--runs", o->runs, "Passes to take the best of [3]")->check(CLI::Range(1, 1000));
  c->add_flag("--kernels-only", o->kernels_only, "Do not measure and keep the profile for 'nibble estimate'");
  c->callback([o, &common, &run_command] { run_command = [o, &common] { run(*o, common); }; });
}

}  // namespace nibble::cli
