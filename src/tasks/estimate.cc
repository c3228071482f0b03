#include "tasks/estimate.h"

#include <time.h>

#include <algorithm>

#include "base/check.h"
#include "base/process.h"
#include "pipelines/stages.h"
#include "pipelines/text_to_image.h"
#include "samplers/registry.h"

namespace nibble {
namespace {

// What this thread has worked, whatever else runs on the machine.
double work_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double first_touch(const StageEstimate& stage, const MachineProfile& machine) {
  return stage.weight_bytes * machine.seconds_per_mapped_byte + stage.arena_bytes * machine.seconds_per_fresh_byte;
}

StageEstimate text_stage(Context& context, const LoadedModel& model, size_t index, const GenerateRequest& request, bool guided,
                         const MachineProfile& machine) {
  const double start = work_seconds();
  const TextEncoderPart& part = model.text_encoders[index];
  (void)model.tokenizer(index);
  ParameterList parameters;
  const models::ClipTextModel clip(Scope(model.source.weights(part.part), &parameters), part.config);
  const int64_t rows = guided ? 2 : 1, tokens = part.config.positions;
  Graph graph;
  const Value ids = graph.input("ids", {DType::I32, {rows, tokens}}, Rate::Step);
  const Value ends = graph.input("end", {DType::I32, {rows}}, Rate::Step);
  const auto out = clip(ids, ends, model.sdxl ? 1 : 0, !model.sdxl, request.precision);
  const Plan plan(context, graph, {out.hidden, out.pooled});
  StageEstimate stage;
  stage.name = part.part;
  stage.open_seconds = work_seconds() - start;
  // Of the vocabulary only the rows of the prompt's tokens are touched.
  const double table = static_cast<double>(clip.token_table_bytes());
  stage.weight_bytes = static_cast<double>(parameters.bytes()) - table;
  stage.arena_bytes = static_cast<double>(plan.arena_bytes());
  stage.cost = graph_cost(plan, Rate::Model);
  stage.once_seconds = first_touch(stage, machine);
  stage.pass_seconds = predict_seconds(machine, request.precision, stage.cost);
  return stage;
}

void weigh(StageEstimate& stage, const MachineProfile& machine, DType precision, Plan& plan) {
  stage.cost = graph_cost(plan, Rate::Step);
  const GraphCost once = graph_cost(plan, Rate::Model, Rate::Prompt);
  stage.once_seconds = first_touch(stage, machine) + predict_seconds(machine, precision, once);
  stage.pass_seconds = predict_seconds(machine, precision, stage.cost);
}

int passes(const LoadedModel& model, const GenerateRequest& request, int steps) {
  const auto sampler = make_sampler(model.scheduler, request.sampler, request.sampler_options, steps);
  return sampler->calls() - (request.init ? sampler->start_index(request.strength) : 0);
}

}  // namespace

Estimate estimate_generate(Context& context, const LoadedModel& model, const GenerateRequest& request, const MachineProfile& machine,
                           double program_bytes) {
  const ResolvedRequest r = resolve(model, request);
  Estimate e;
  e.process_bytes = program_bytes;
  e.width = r.width, e.height = r.height, e.steps = r.steps, e.guided = r.guided;
  e.batched = r.guided && request.guidance_mode != GuidanceMode::Sequential;
  for (size_t i = 0; i < model.text_encoders.size(); ++i)
    e.stages.push_back(text_stage(context, model, i, request, r.guided, machine));

  const LatentShape latent{model.vae.latent_channels, r.height / model.vae.factor, r.width / model.vae.factor};
  double start = work_seconds();
  DenoiseStage denoise(context, model, latent, model.text_encoders[0].config.positions, e.batched ? 2 : 1, request.precision, {},
                       request.attention);
  StageEstimate unet{"denoise", static_cast<double>(denoise.weight_bytes()), static_cast<double>(denoise.arena_bytes())};
  unet.open_seconds = work_seconds() - start;
  unet.runs = static_cast<double>(passes(model, request, r.steps)) * (r.guided && !e.batched ? 2 : 1);
  weigh(unet, machine, request.precision, denoise.plan());
  e.stages.push_back(unet);

  e.strips = decode_strips(context, model, latent, request);
  start = work_seconds();
  DecodeStage decode(context, model, latent, request.precision, {}, e.strips);
  StageEstimate vae{"decode", static_cast<double>(decode.weight_bytes()), static_cast<double>(decode.arena_bytes())};
  vae.open_seconds = work_seconds() - start;
  vae.other_bytes = static_cast<double>(r.width * r.height * 3) * (4 + 4 + 1);  // two float copies of the picture and its bytes
  weigh(vae, machine, request.precision, decode.plan());
  e.stages.push_back(vae);

  double weighted = 0;
  for (const StageEstimate& s : e.stages) {
    e.seconds += s.seconds();
    weighted += s.seconds() * s.bytes();
    e.peak_bytes = std::max(e.peak_bytes, s.bytes());
  }
  e.picture_seconds = static_cast<double>(r.width * r.height * 3) * machine.seconds_per_picture_byte;
  e.seconds += e.picture_seconds;
  e.mean_bytes = e.process_bytes + (e.seconds > 0 ? weighted / e.seconds : 0);
  e.peak_bytes += e.process_bytes;
  return e;
}

std::string estimate_table(const Estimate& e, const MachineProfile& machine) {
  std::string text = format("{}x{}, {} steps, guidance {}; {}, {} threads\n\n", e.width, e.height, e.steps,
                            e.guided ? (e.batched ? "in one pass of two" : "in two passes") : "off", machine.name, machine.threads);
  text += format("{:<16}{:>10}{:>10}{:>10}{:>10}{:>7}{:>9}{:>9}{:>9}{:>10}\n", "stage", "weights", "buffers", "other", "Gop/pass", "passes",
                 "s open", "s once", "s/pass", "seconds");
  for (const StageEstimate& s : e.stages)
    text += format("{:<16}{:>7.1f} MB{:>7.1f} MB{:>7.1f} MB{:>10.2f}{:>7.0f}{:>9.3f}{:>9.3f}{:>9.3f}{:>10.2f}\n", s.name, s.weight_bytes / 1e6,
                   s.arena_bytes / 1e6, s.other_bytes / 1e6, s.cost.operations / 1e9, s.runs, s.open_seconds, s.once_seconds,
                   s.pass_seconds, s.seconds());
  if (e.strips > 1) text += format("the decoder works in {} strips\n", e.strips);
  text += format("\nprogram {:.1f} MB; peak {:.1f} MB, mean {:.1f} MB; {:.2f} s from start to picture, {:.2f} s of it for the PNG\n",
                 e.process_bytes / 1e6, e.peak_bytes / 1e6, e.mean_bytes / 1e6, e.seconds, e.picture_seconds);
  return text + "peak = program + max over stages (weights + buffers + other); time = PNG + sum over stages (open + once + passes x s/pass)\n";
}

Json to_json(const Estimate& e, const MachineProfile& machine) {
  Json json = {{"width", e.width},           {"height", e.height},         {"steps", e.steps},
               {"guided", e.guided},         {"batched", e.batched},       {"decode_strips", e.strips},  {"machine", machine.name},
               {"threads", machine.threads}, {"program_bytes", e.process_bytes}, {"peak_bytes", e.peak_bytes},
               {"mean_bytes", e.mean_bytes}, {"picture_seconds", e.picture_seconds}, {"seconds", e.seconds}};
  for (const StageEstimate& s : e.stages) {
    Json by_op = Json::object();
    for (const auto& [op, kind] : s.cost.by_op)
      by_op[op] = {{"count", kind.count}, {"operations", kind.operations}, {"element_passes", kind.element_passes},
                   {"weight_bytes", kind.weight_bytes}, {"activation_bytes", kind.activation_bytes}};
    json["stages"].push_back({{"name", s.name}, {"weight_bytes", s.weight_bytes}, {"arena_bytes", s.arena_bytes},
                              {"other_bytes", s.other_bytes}, {"passes", s.runs}, {"operations_per_pass", s.cost.operations},
                              {"open_seconds", s.open_seconds}, {"once_seconds", s.once_seconds}, {"pass_seconds", s.pass_seconds}, {"seconds", s.seconds()},
                              {"by_op", by_op}});
  }
  return json;
}

}  // namespace nibble
