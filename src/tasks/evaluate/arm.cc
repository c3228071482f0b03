#include "tasks/evaluate/arm.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/error.h"
#include "pipelines/loaded_model.h"
#include "quant/quantizer.h"

namespace nibble {
namespace fs = std::filesystem;
namespace {

constexpr const char* kForm =
    "want [LABEL=]MODEL[@PRECISION[/METHOD][/rRANK][/gGROUP][/size=9MB][/vae=PRECISION][/text=PRECISION]"
    "[/bf16][/attention=FORM][/affixed]]";

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t at = 0;
  while (true) {
    const size_t next = text.find(separator, at);
    parts.push_back(text.substr(at, next - at));
    if (next == std::string::npos) return parts;
    at = next + 1;
  }
}

bool one_of(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

int64_t number_after(const std::string& option, const std::string& arm) {
  int64_t value = -1;
  const auto [end, error] = std::from_chars(option.data() + 1, option.data() + option.size(), value);
  if (error != std::errc() || end != option.data() + option.size())
    fail(ErrorCode::InvalidArgument, "arm '{}': option '{}': {}", arm, option, kForm);
  return value;
}

AttentionForm attention_named(const std::string& name, const std::string& arm) {
  if (const auto form = attention_form_from_name(name)) return *form;
  fail(ErrorCode::InvalidArgument, "arm '{}': attention '{}': want one of {}", arm, name, fmt::join(attention_form_names(), ", "));
}

// How pictures are drawn, with the same model. False: the option is none of these.
bool take_drawing_option(EvaluationArm& arm, const std::string& option) {
  constexpr std::string_view kAttention = "attention=";
  if (option == "affixed")
    arm.affixed = true;
  else if (option == "bf16")
    arm.arithmetic = DType::BF16;
  else if (option.starts_with(kAttention))
    arm.attention = attention_named(option.substr(kAttention.size()), arm.text);
  else
    return false;
  return true;
}

void take_option(EvaluationArm& arm, const std::string& option) {
  QuantizeRequest& q = arm.quantization;
  const size_t equal = option.find('=');
  const std::string key = option.substr(0, equal), value = equal == std::string::npos ? "" : option.substr(equal + 1);
  if (one_of(quant::method_names(), option))
    q.method = option;
  else if (key == "size" && !value.empty())
    q.target_bytes = parse_size(value);
  else if (key == "unet" && !value.empty())
    q.precision = value;
  else if (key == "vae" && !value.empty())
    q.vae = value;
  else if (key == "text" && !value.empty())
    q.text_encoder = value;
  else if (option.size() > 1 && option[0] == 'r')
    q.rank = number_after(option, arm.text);
  else if (option.size() > 1 && option[0] == 'g')
    q.group = number_after(option, arm.text);
  else
    fail(ErrorCode::InvalidArgument, "arm '{}': unknown option '{}'; {}", arm.text, option, kForm);
}

void take_precision(EvaluationArm& arm, const std::string& precision) {
  if (precision == "f32" || precision == "bf16") {
    arm.arithmetic = precision == "f32" ? DType::F32 : DType::BF16;
    return;
  }
  if (!one_of(precision_names(), precision)) {
    std::string known = "f32, bf16";
    for (const std::string& name : precision_names()) known += ", " + name;
    fail(ErrorCode::InvalidArgument, "arm '{}': precision '{}': want one of {}", arm.text, precision, known);
  }
  arm.quantize = true;
  arm.quantization.precision = precision;
}

bool picture_folder(const fs::path& path) {
  return fs::is_directory(path) && !fs::exists(path / "model_index.json") && !fs::exists(path / "unet");
}

std::string safe_label(const std::string& text) {
  std::string label;
  for (const char c : text)
    label += std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '+' || c == '.' || c == '_' ? c : '-';
  return label;
}

}  // namespace

size_t parse_size(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  std::erase(unit, ' ');
  const double factor = unit == "GB"                   ? 1e9
                        : unit == "MB"                 ? 1e6
                        : unit == "KB" || unit == "kB" ? 1e3
                        : unit.empty() || unit == "B"  ? 1
                                                       : 0;
  if (error != std::errc() || factor == 0 || !(number > 0 && number * factor < 1e15))
    fail(ErrorCode::InvalidArgument, "size '{}': want a number of bytes, or one with KB, MB or GB, for example 9MB",
         text);
  return static_cast<size_t>(number * factor);
}

EvaluationArm parse_arm(const std::string& text) {
  EvaluationArm arm;
  arm.text = text;
  const size_t at = text.rfind('@');
  std::string where = text.substr(0, at);
  const size_t equal = where.find('=');
  const std::string rest = at == std::string::npos ? "" : text.substr(at + 1);
  if (equal != std::string::npos) arm.label = safe_label(where.substr(0, equal)), where = where.substr(equal + 1);
  if (where.empty()) fail(ErrorCode::InvalidArgument, "arm '{}': {}", text, kForm);
  arm.where = arm.recipe = where;
  arm.pictures = at == std::string::npos && picture_folder(where);
  if (at != std::string::npos) {
    const std::vector<std::string> parts = split(rest, '/');
    take_precision(arm, parts[0]);
    arm.recipe += "@" + parts[0];
    for (size_t i = 1; i < parts.size(); ++i) {
      if (take_drawing_option(arm, parts[i])) continue;
      take_option(arm, parts[i]);
      arm.recipe += "/" + parts[i];
    }
  }
  if (arm.label.empty()) {
    fs::path name = fs::path(where).lexically_normal();
    if (name.filename().empty()) name = name.parent_path();
    arm.label = safe_label(name.stem().string() + (rest.empty() ? "" : "-" + rest));
  }
  return arm;
}

std::vector<EvaluationArm> parse_arms(const std::vector<std::string>& texts) {
  if (texts.empty()) fail(ErrorCode::InvalidArgument, "arms: want at least one; {}", kForm);
  std::vector<EvaluationArm> arms;
  std::set<std::string> labels;
  for (const std::string& text : texts) {
    arms.push_back(parse_arm(text));
    if (!labels.insert(arms.back().label).second)
      fail(ErrorCode::InvalidArgument, "arms: two are called '{}'; give them labels: LABEL=MODEL", arms.back().label);
  }
  return arms;
}

}  // namespace nibble
