// nibble bench: kernels and models beside the machine's own measured peaks.
#include <cstdio>

#include "apps/cli/command.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "kernels/bench.h"
#include "tasks/bench_layers.h"
#include "tasks/bench_page.h"
#include "tasks/machine.h"

namespace nibble::cli {
namespace {

struct BenchFlags {
  std::vector<std::string> models, precisions, attention;
  std::string write;
  ModelBenchOptions options;
  int rounds = 1;
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

using Family = std::vector<kernels::BenchRow> (*)(Context&);

std::vector<kernels::BenchRow> best_of(Context& context, Family family, int rounds) {
  const auto cancellable = [&] {
    context.check_cancelled();
    return family(context);
  };
  return kernels::best_of_rounds(cancellable, rounds);
}

std::vector<kernels::BenchRow> bench_kernels(Context& context, int rounds, bool json) {
  std::vector<kernels::BenchRow> rows;
  if (!json) std::printf("one thread, CPU time, best of many; %% of the peak measured in this run\n");
  for (const Family family : {kernels::bench_peaks, kernels::bench_gemm, kernels::bench_qgemm, kernels::bench_attention, kernels::bench_norm, kernels::bench_eltwise})
    for (const kernels::BenchRow& row : best_of(context, family, rounds)) {
      rows.push_back(row);
      if (!json) print_row(row);
    }
  return rows;
}

std::vector<kernels::BenchRow> bench_whole_layers(Context& context, int rounds, bool json) {
  const std::vector<kernels::BenchRow> rows = best_of(context, bench_layers, rounds);
  if (!json) std::printf("\nwhole layers, %d threads, wall time\n", context.threads.size());
  for (const kernels::BenchRow& row : rows)
    if (!json) print_row(row);
  return rows;
}

// Every arithmetic asked for: precisions, each with every form of attention.
std::vector<ModelBenchOptions> ways(const BenchFlags& o) {
  std::vector<ModelBenchOptions> out;
  for (const std::string& precision : o.precisions.empty() ? std::vector<std::string>{"f32"} : o.precisions)
    for (const std::string& form : o.attention.empty() ? std::vector<std::string>{"float"} : o.attention) {
      out.push_back(o.options);
      out.back().precision = dtype_from_name(precision).value_or(DType::F32);
      out.back().attention = attention_form_from_name(form).value_or(AttentionForm::Float);
    }
  return out;
}

// Puts the rows into the page; nothing measured: only looks whether they could be.
void write_page(const BenchFlags& o, const BenchTables& measured, const Context& context) {
  if (o.write.empty()) return;
  const std::string page = std::filesystem::exists(o.write) ? read_file(o.write) : new_bench_page();
  const std::string machine = format("Processor: {}, {} instructions, {} threads.", processor_name(),
                                     to_string(context.cpu), context.threads.size());
  const std::string updated = updated_bench_page(page, o.write, machine, measured);
  if (!measured.models.empty() || !measured.kernels.empty()) write_file(o.write, updated);
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

void run_bench(const BenchFlags& o, const Common& common) {
  const auto context = make_context(common);
  Json result = {{"cpu", to_string(context->cpu)}, {"threads", context->threads.size()}};
  BenchTables tables;
  write_page(o, tables, *context);
  for (const std::string& model : o.models)
    for (const ModelBenchOptions& way : ways(o)) {
      tables.models.push_back(bench_model(*context, model, way));
      if (!common.json) std::printf("%s", bench_text(tables.models.back(), context->threads.size()).c_str());
      result["models"].push_back(to_json(tables.models.back()));
      write_page(o, tables, *context);
    }
  if (o.models.empty()) {
    tables.kernels = bench_kernels(*context, o.rounds, common.json);
    tables.layers = bench_whole_layers(*context, o.rounds, common.json);
    write_page(o, tables, *context);
  }
  for (const kernels::BenchRow& row : tables.kernels) result["kernels"].push_back(row_json(row));
  for (const kernels::BenchRow& row : tables.layers) result["layers"].push_back(row_json(row));
  if (o.models.empty() && !o.kernels_only) result["machine"] = bench_machine(*context, common.json);
  if (common.json) print_json(result);
}

}  // namespace

void add_bench(CLI::App& app, const Common& common, std::function<void()>& run_command) {
  const auto o = std::make_shared<BenchFlags>();
  CLI::App* c = app.add_subcommand("bench", "Speed of kernels and models beside the machine's own measured peaks");
  c->add_option("--model", o->models, "Time denoising passes and a decode of this model instead of the kernels; may be repeated");
  c->add_option("--size", o->options.size, "Width and height in pixels [the model's training size]");
  c->add_option("--precision", o->precisions, "Arithmetic between layers, for --model: f32, bf16 or both (f32,bf16) [f32]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"f32", "bf16"}));
  c->add_option("--attention", o->attention, "Attention of the denoiser, for --model: float, int8, int8-values or several [float]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember(attention_form_names()));
  c->add_option("--runs", o->options.runs, "Passes to take the best of, for --model [3]")->check(CLI::Range(1, 1000));
  c->add_option("--rounds", o->rounds, "Rounds over all kernels and layers, of which each row's best time and best peak count [1]")
      ->check(CLI::Range(1, 100));
  c->add_option("--write", o->write,
                "Put what was measured into the tables of this Markdown page, e.g. docs/benchmarks.md; other rows\n"
                "stay, unless they are another machine's");
  c->add_flag("--kernels-only", o->kernels_only, "Do not measure and keep the profile for 'nibble estimate'");
  c->callback([o, &common, &run_command] { run_command = [o, &common] { run_bench(*o, common); }; });
}

}  // namespace nibble::cli
