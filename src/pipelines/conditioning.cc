#include "pipelines/conditioning.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "graph/plan.h"

namespace nibble {
namespace {

struct Encoded {
  Tensor hidden;  // f32 [rows, chunks · tokens, width]
  Tensor pooled;  // f32 [rows, width or projection]
};

double mean_of(std::span<const float> x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v);
  return sum / static_cast<double>(x.size());
}

// Multiplies each token's row by its weight and restores the mean of the whole embedding.
void apply_weights(std::span<float> hidden, const PromptChunk& chunk, int64_t width) {
  const double before = mean_of(hidden);
  for (size_t t = 0; t < chunk.weights.size(); ++t)
    for (int64_t c = 0; c < width; ++c) hidden[t * static_cast<size_t>(width) + static_cast<size_t>(c)] *= chunk.weights[t];
  const double after = mean_of(hidden);
  if (after == 0) return;
  for (float& v : hidden) v *= static_cast<float>(before / after);
}

void copy_ids(const std::vector<Prompt>& prompts, int64_t eos, Tensor& ids, Tensor& ends) {
  int32_t* id = ids.mutable_values<int32_t>().data();
  int32_t* end = ends.mutable_values<int32_t>().data();
  for (const Prompt& prompt : prompts)
    for (const PromptChunk& chunk : prompt.chunks) {
      id = std::copy(chunk.ids.begin(), chunk.ids.end(), id);
      *end++ = static_cast<int32_t>(models::end_of_text(chunk.ids, eos));
    }
}

// How many of the last layers the family leaves out, and whether the final norm follows.
struct HiddenChoice {
  int64_t skip;
  bool final_norm;
};

HiddenChoice choose_hidden(const LoadedModel& model, int64_t clip_skip) {
  return model.sdxl ? HiddenChoice{1 + clip_skip, false} : HiddenChoice{clip_skip, true};
}

Encoded run_encoder(Context& context, const LoadedModel& model, size_t index, const std::vector<Prompt>& prompts,
                    const GenerateRequest& request) {
  const TextEncoderPart& part = model.text_encoders[index];
  const models::NamedTensors tensors = model.source.tensors(part.part);
  const models::ClipTextModel clip(Scope(models::weight_source(tensors, part.part), nullptr), part.config);
  const int64_t rows = static_cast<int64_t>(prompts.size()), chunks = static_cast<int64_t>(prompts[0].chunks.size());
  const int64_t tokens = static_cast<int64_t>(prompts[0].chunks[0].ids.size()), width = part.config.width;

  Graph graph;
  const Value ids = graph.input("ids", {DType::I32, {rows * chunks, tokens}}, Rate::Prompt);
  const Value ends = graph.input("end", {DType::I32, {rows * chunks}}, Rate::Prompt);
  const HiddenChoice choice = choose_hidden(model, request.clip_skip);
  const auto out = clip(ids, ends, choice.skip, choice.final_norm, request.precision);
  std::vector<Value> outputs{out.hidden, out.pooled};
  // diffusers leaves layers out for the prompt alone; AUTOMATIC1111 for both.
  const bool prompt_only = request.syntax == PromptSyntax::Plain && request.clip_skip > 0 && rows > 1;
  if (prompt_only) {
    const HiddenChoice habit = choose_hidden(model, 0);
    outputs.push_back(clip(ids, ends, habit.skip, habit.final_norm, request.precision).hidden);
  }
  Plan plan(context, graph, outputs);
  check_memory(request, "text encoding", tensors.bytes() + plan.arena_bytes());

  Tensor id_values = Tensor::zeros(DType::I32, {rows * chunks, tokens}), end_values = Tensor::zeros(DType::I32, {rows * chunks});
  copy_ids(prompts, part.config.eos_token, id_values, end_values);
  plan.bind(ids, id_values.data(), id_values.bytes());
  plan.bind(ends, end_values.data(), end_values.bytes());
  plan.run();
  Encoded encoded{plan.output_copy(0), Tensor()};
  const Tensor pooled = plan.output_copy(1);
  if (prompt_only) {
    const Tensor negative = plan.output_copy(2);
    std::copy_n(negative.values<float>().data(), negative.count() / rows, encoded.hidden.mutable_values<float>().data());
  }
  tensors.drop_pages();

  auto values = encoded.hidden.mutable_values<float>();
  for (int64_t i = 0; i < rows * chunks; ++i) {
    const Prompt& prompt = prompts[static_cast<size_t>(i / chunks)];
    if (prompt.weighted())
      apply_weights(values.subspan(static_cast<size_t>(i * tokens * width), static_cast<size_t>(tokens * width)),
                    prompt.chunks[static_cast<size_t>(i % chunks)], width);
  }
  encoded.hidden = encoded.hidden.reshaped({rows, chunks * tokens, width});
  encoded.pooled = Tensor::zeros(DType::F32, {rows, pooled.dim(1)});  // of each prompt's first chunk
  for (int64_t r = 0; r < rows; ++r)
    std::copy_n(pooled.values<float>().data() + r * chunks * pooled.dim(1), pooled.dim(1),
                encoded.pooled.mutable_values<float>().data() + r * pooled.dim(1));
  return encoded;
}

// [rows, tokens, a] and [rows, tokens, b] -> [rows, tokens, a + b].
Tensor concat_last(const Tensor& a, const Tensor& b) {
  if (a.empty()) return b;
  const int64_t rows = a.dim(0) * a.dim(1), wa = a.dim(2), wb = b.dim(2);
  NIBBLE_CHECK(b.dim(0) == a.dim(0) && b.dim(1) == a.dim(1), "text of the two encoders");
  Tensor out = Tensor::zeros(DType::F32, {a.dim(0), a.dim(1), wa + wb});
  float* to = out.mutable_values<float>().data();
  for (int64_t r = 0; r < rows; ++r) {
    to = std::copy_n(a.values<float>().data() + r * wa, wa, to);
    to = std::copy_n(b.values<float>().data() + r * wb, wb, to);
  }
  return out;
}

void zero_row(Tensor& t, int64_t row) {
  const int64_t size = t.count() / t.dim(0);
  std::fill_n(t.mutable_values<float>().data() + row * size, size, 0.0f);
}

}  // namespace

void check_memory(const GenerateRequest& request, const char* stage, size_t bytes) {
  if (request.memory_limit == 0 || bytes <= request.memory_limit) return;
  fail(ErrorCode::OutOfMemory,
       "memory: {} needs {:.1f} MB, the limit is {:.1f} MB; choose a smaller size, --precision bf16 or a tiny autoencoder (--vae)",
       stage, static_cast<double>(bytes) / 1e6, static_cast<double>(request.memory_limit) / 1e6);
}

namespace {

Conditioning encode_rows(Context& context, const LoadedModel& model, const std::vector<std::string>& texts, const GenerateRequest& request) {
  Conditioning result;
  for (size_t i = 0; i < model.text_encoders.size(); ++i) {
    context.report("text", static_cast<int64_t>(i), static_cast<int64_t>(model.text_encoders.size()));
    const ClipTokenizer tokenizer = model.tokenizer(i);
    std::vector<Prompt> prompts;
    for (const std::string& text : texts) prompts.push_back(parse_prompt(text, request.syntax, tokenizer));
    size_t chunks = 0;
    for (const Prompt& prompt : prompts) chunks = std::max(chunks, prompt.chunks.size());
    for (Prompt& prompt : prompts) pad_chunks(prompt, chunks, tokenizer);
    if (result.cut.empty()) result.cut = prompts.back().cut;
    const Encoded encoded = run_encoder(context, model, i, prompts, request);
    result.text = concat_last(result.text, encoded.hidden);
    if (model.sdxl) result.pooled = encoded.pooled;  // the last encoder's counts
  }
  context.report("text", 1, 1);
  return result;
}

}  // namespace

Conditioning encode_prompts(Context& context, const LoadedModel& model, const GenerateRequest& request, bool guided) {
  std::vector<std::string> texts{request.prompt};
  if (guided) texts.insert(texts.begin(), request.negative_prompt.value_or(""));
  Conditioning result = encode_rows(context, model, texts, request);
  if (guided && model.zero_empty_negative && !request.negative_prompt) {
    zero_row(result.text, 0);
    zero_row(result.pooled, 0);
  }
  return result;
}

Conditioning encode_texts(Context& context, const LoadedModel& model, const std::vector<std::string>& texts, size_t memory_limit) {
  GenerateRequest plain;
  plain.syntax = PromptSyntax::Plain;
  plain.memory_limit = memory_limit;
  return encode_rows(context, model, texts, plain);
}

Tensor size_conditioning(const LoadedModel& model, int64_t width, int64_t height, bool guided) {
  constexpr float kScore = 6.0f, kNegativeScore = 2.5f;
  const int64_t rows = guided ? 2 : 1, columns = model.aesthetic_score ? 5 : 6;
  const float w = static_cast<float>(width), h = static_cast<float>(height);
  Tensor sizes = Tensor::zeros(DType::F32, {rows, columns});
  for (int64_t r = 0; r < rows; ++r) {
    float* row = sizes.mutable_values<float>().data() + r * columns;
    row[0] = h, row[1] = w;
    if (model.aesthetic_score)
      row[4] = guided && r == 0 ? kNegativeScore : kScore;
    else
      row[4] = h, row[5] = w;
  }
  return sizes;
}

Tensor guidance_embedding(double guidance, int64_t width) {
  const int64_t half = width / 2;
  Tensor out = Tensor::zeros(DType::F32, {1, width});
  const float w = static_cast<float>(guidance) * 1000.0f;
  const float step = static_cast<float>(std::log(10000.0) / static_cast<double>(half - 1));
  for (int64_t i = 0; i < half; ++i) {
    const float angle = w * std::exp(-step * static_cast<float>(i));
    out.mutable_values<float>()[static_cast<size_t>(i)] = std::sin(angle);
    out.mutable_values<float>()[static_cast<size_t>(half + i)] = std::cos(angle);
  }
  return out;
}

}  // namespace nibble
