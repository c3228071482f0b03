// The report as one HTML page with everything inside.
#include "base/error.h"
#include "base/file.h"
#include "tasks/evaluate/cost.h"
#include "tasks/evaluate/evaluate.h"

namespace nibble {
namespace {

constexpr const char* kPage =
#include "tasks/evaluate/page.inc"
    ;

constexpr size_t kPictureBudget = size_t{12} << 20;  // bytes of pictures inside the page

std::string base64(std::string_view bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t j = 0; j < 3; ++j)
      three = three << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) out += j <= bytes.size() - i ? kDigits[three >> (18 - 6 * j) & 63] : '=';
  }
  return out;
}

const char* media_type(const std::filesystem::path& file) {
  const std::string extension = file.extension().string();
  return extension == ".png" ? "image/png" : extension == ".webp" ? "image/webp" : "image/jpeg";
}

Json prompts_json(const EvaluationReport& report) {
  Json list = Json::array();
  size_t used = 0;
  for (const DatasetRow& prompt : report.prompts) {
    Json entry = {{"name", prompt.name}, {"text", prompt.text}};
    if (used < kPictureBudget) {
      for (const ArmReport& arm : report.arms) {
        const std::filesystem::path file = picture_file(report.request, arm.arm, prompt);
        const std::string bytes = read_file(file);
        used += bytes.size();
        entry["pictures"].push_back(format("data:{};base64,{}", media_type(file), base64(bytes)));
      }
    }
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

std::string report_html(const EvaluationReport& report) {
  const Json whole = report_json(report);
  Json data = {{"protocol", report.protocol},  {"machine", report.machine}, {"metrics", Json::array()},
               {"set_metrics", Json::array()}, {"arms", Json::array()},     {"prompts", prompts_json(report)}};
  for (const EvaluationMetric* metric : report.request.metrics)
    data["metrics"].push_back({{"name", metric->name},
                               {"title", metric->title},
                               {"digits", metric->digits},
                               {"up", metric->higher_is_better}});
  data["set_note"] = set_reference_text(report);
  for (const SetMetric* metric : report.request.set_metrics)
    data["set_metrics"].push_back({{"name", metric->name},
                                   {"title", metric->title},
                                   {"digits", metric->digits},
                                   {"up", metric->higher_is_better}});
  if (const Table stages = stage_table(report.arms); !stages.rows.empty())
    data["stages"] = {{"header", stages.header}, {"rows", stages.rows}};
  for (size_t i = 0; i < report.arms.size(); ++i) {
    Json arm = whole["quality"]["arms"][i];
    for (const char* field : {"model_bytes", "unet_bytes", "files", "cost", "layers"})
      arm[field] = whole["arms"][i][field];
    if (report.arms[i].predicted) arm["predicted"] = whole["arms"][i]["predicted"];
    if (!arm.contains("set_metrics")) arm["set_metrics"] = Json::object();
    data["arms"].push_back(std::move(arm));
  }
  std::string json = data.dump(-1, ' ', true, Json::error_handler_t::replace);
  // A caption may not end the script.
  for (size_t at = 0; (at = json.find("</", at)) != std::string::npos; at += 3) json.replace(at, 2, "<\\/");
  std::string page = kPage;
  constexpr std::string_view kPlace = "@DATA@";
  page.replace(page.find(kPlace), kPlace.size(), json);
  return page;
}

}  // namespace nibble
