// nibble estimate: memory and time of a run before it starts.
#include <cstdio>

#include "apps/cli/request_options.h"
#include "base/error.h"
#include "tasks/estimate.h"

namespace nibble::cli {
namespace {

struct EstimateFlags : RequestOptions {
  std::string device;
  int64_t size = 0;
};

void run_estimate(const EstimateFlags& o, const Common& common) {
  const auto context = make_context(common);
  GenerateRequest request = finished_request(o);
  if (o.size > 0) request.width = request.height = o.size;
  std::optional<MachineProfile> machine;
  if (!o.device.empty()) machine = read_device(o.device);
  else machine = saved_profile(context->threads.size());
  if (!machine) {
    context->say(LogLevel::Info, "measuring this machine once (see 'nibble bench') ...");
    machine = measure_machine(*context);
    save_profile(*machine);
  }
  const LoadedModel model = load_model(o.model, o.vae);
  const Estimate estimate = estimate_generate(*context, model, request, *machine);
  if (common.json) print_json(to_json(estimate, *machine));
  else std::printf("%s", estimate_table(estimate, *machine).c_str());
}

}  // namespace

void add_estimate(CLI::App& app, const Common& common, std::function<void()>& run_command) {
  const auto o = std::make_shared<EstimateFlags>();
  CLI::App* c = app.add_subcommand("estimate", "Memory and time of a run, term by term, before it starts");
  c->add_option("model,--model", o->model, "A diffusers folder, a checkpoint file, or a built-in model [emoji]");
  c->add_option("--size", o->size, "Width and height in pixels [the model's training size]");
  c->add_option("--device", o->device,
                "For another machine: a JSON file with name, cores, f32_gflops, bf16_gflops, bandwidth_gb_s, or a saved profile");
  add_request_options(*c, *o);
  c->footer("The formula is written out in docs/estimate.md. Without --device, this machine is measured once by 'nibble bench'.");
  c->callback([o, &common, &run_command] { run_command = [o, &common] { run_estimate(*o, common); }; });
}

}  // namespace nibble::cli
