// nibble evaluate: models, precisions and methods in one table, with the pictures side by side.
#include "tasks/evaluate/evaluate.h"

#include <algorithm>
#include <cstdio>

#include "apps/cli/dataset_options.h"
#include "base/error.h"

namespace nibble::cli {
namespace {

struct EvaluateFlags {
  EvaluateRequest request;
  DatasetOptions data;
  std::vector<std::string> arms;
  std::string metrics, reference = "own", protocol, negative;
  double guidance = -1;
};

struct Protocol {
  const char *name, *about;
  void (*apply)(EvaluateFlags& o);
};

void svdquant(EvaluateFlags& o) {
  o.data.order = "svdquant";
  o.data.keep_text = true;
  o.data.caption = "by-name";
  if (o.data.request.selection.count == 0) o.data.request.selection.count = 5000;
}

void mlperf(EvaluateFlags& o) {
  o.request.drawing.sampler = "euler";
  o.request.drawing.steps = 20;
  o.guidance = 8;
  if (!o.request.seed) o.request.seed = 0;  // its latents.npy
  o.negative = "normal quality, low quality, worst quality, low res, blurry, nsfw, nude";
  o.data.keep_text = true;
}

void coco_photo(EvaluateFlags& o) {
  o.data.order = "random";
  o.data.caption = "longest";
  o.data.request.prefix = "a photo of ";
  if (o.data.request.selection.count == 0) o.data.request.selection.count = 1000;
}

constexpr Protocol kProtocols[] = {
    {"svdquant", "prompts chosen as SVDQuant's evaluation does: shuffled by Random(0), 5,000, named seeds", svdquant},
    {"mlperf",
     "MLPerf inference: Euler, 20 steps, guidance 8, its negative prompt and latent (needs SDXL at 1024 for its "
     "bounds)",
     mlperf},
    {"coco-photo", "1,000 random COCO captions, the longest of each, with 'a photo of' for affixed arms", coco_photo},
};

std::vector<std::string> protocol_names() {
  std::vector<std::string> names;
  for (const Protocol& p : kProtocols) names.emplace_back(p.name);
  return names;
}

std::string footer() {
  std::string text =
      "An arm is [LABEL=]MODEL[@PRECISION[/OPTION]...]: f32 or bf16 arithmetic, or w8a8, w8a16, w4a16, w4a8, w4a4, for "
      "which the model is\n"
      "quantized first; OPTIONs: a method (rtn, gptq, smooth, svdquant, svdquant+gptq), r32 (rank), g64 (group), "
      "size=9MB, unet=, vae= and\n"
      "text=PRECISION or keep; of any model: bf16 (arithmetic), attention=int8 or int8-values, affixed (prompts with "
      "--prefix and\n"
      "--suffix). A folder of pictures is an arm too. The first arm is the reference.\n\n"
      "  nibble evaluate emoji@f32 emoji@w4a8 emoji@w4a4/rtn --dataset emoji --split held-out --count 64 --out report\n"
      "  nibble evaluate sd15/@bf16 sd15-w4.safetensors --data captions_val2014.json --count 1000 --order random --out "
      "report\n\n"
      "The same command goes on where it was stopped; more arms may be added to a finished report.\n"
      "mpirun -n 4 nibble evaluate ... shares the pictures among four processes. Open report/index.html.\n\nProtocols "
      "(--protocol):\n";
  for (const Protocol& p : kProtocols) text += format("  {:<11} {}\n", p.name, p.about);
  text += "\nMetrics (--metrics a,b); those of a network want its file, see 'nibble weights':\n";
  for (const EvaluationMetric& row : evaluation_metrics()) text += format("  {:<18} {}\n", row.name, row.about);
  for (const SetMetric& row : set_metrics()) text += format("  {:<18} {}\n", row.name, row.about);
  return text;
}

void run_evaluate(EvaluateFlags o, const Common& common) {
  for (const Protocol& p : kProtocols)
    if (o.protocol == p.name) p.apply(o);
  EvaluateRequest& request = o.request;
  request.protocol = o.protocol;
  request.program = "nibble " NIBBLE_VERSION;
  request.arms = parse_arms(o.arms);
  request.prompts = finished_dataset(o.data);
  if (request.prompts.data.empty() && request.prompts.dataset.empty()) request.prompts.dataset = "emoji";
  const ChosenMetrics chosen = parse_evaluation_metrics(o.metrics.empty() ? "psnr,ssim" : o.metrics);
  request.metrics = chosen.pictures, request.set_metrics = chosen.sets;
  request.reference = o.reference == "own" ? ReferenceKind::Own : ReferenceKind::Dataset;
  request.drawing.syntax = PromptSyntax::Plain;
  if (o.guidance >= 0) request.drawing.guidance = o.guidance;
  if (!o.negative.empty()) request.drawing.negative_prompt = o.negative;
  request.ranks = ranks_from_environment();
  Common own = common;
  if (own.threads == 0) own.threads = std::max(1, default_thread_count() / request.ranks.local_size);
  own.quiet = own.quiet || !request.ranks.first();
  const auto context = make_context(own);
  const EvaluationReport report = evaluate(*context, request);
  if (!request.ranks.first()) return;
  if (common.json) return print_json(report_json(report));
  std::printf("%s\n%s\n", table_markdown(report).c_str(), (request.out / "index.html").c_str());
}

}  // namespace

void add_evaluate(CLI::App& app, const Common& common, std::function<void()>& run_command) {
  const auto o = std::make_shared<EvaluateFlags>();
  CLI::App* c = app.add_subcommand(
      "evaluate", "Quality, size, memory and time of models and precisions, as tables and a page of pictures");
  c->add_option("arms", o->arms, "Models, quantized versions of them, folders of pictures; see below")->required();
  c->add_option("--out", o->request.out, "Folder of the report")->required();
  GenerateRequest& g = o->request.drawing;
  c->add_option("--steps", g.steps, "Denoising steps [the model's habit]")->check(CLI::Range(1, 1000));
  c->add_option("--guidance,--cfg", o->guidance, "Guidance scale [the model's habit]");
  c->add_option("--sampler", g.sampler, "Sampler [the checkpoint's own]");
  c->add_option("--size", g.width, "Side of the pictures in pixels [the model's training size]");
  c->add_option("--noise-seed", o->request.seed, "One seed for all pictures [each has its own, by its prompt's name]");
  c->add_option("--negative", o->negative, "Negative prompt of all pictures");
  c->add_option("--reference", o->reference, "own: pictures of the first arm; dataset: those of the data set [own]")
      ->check(CLI::IsMember({"own", "dataset"}));
  c->add_option("--fid-reference", o->request.set_reference,
                "What sets are compared with (FID, KID): own, dataset, a folder of pictures, or statistics of 'nibble "
                "statistics' or pytorch-fid (.npz) [as --reference]");
  c->add_option("--metrics", o->metrics, "Comma-separated [psnr,ssim]");
  c->add_option("--protocol", o->protocol, "A published way of choosing prompts and settings, see below")
      ->check(CLI::IsMember(protocol_names()));
  add_dataset_options(*c, o->data);
  c->footer(footer());
  c->callback([o, &common, &run_command] {
    o->request.drawing.height = o->request.drawing.width;
    run_command = [o, &common] { run_evaluate(*o, common); };
  });
}

}  // namespace nibble::cli
