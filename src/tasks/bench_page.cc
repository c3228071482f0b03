#include "tasks/bench_page.h"

#include <filesystem>

#include "base/error.h"

namespace nibble {
namespace {

constexpr std::string_view kBegin = "<!-- nibble bench --write -->\n", kEnd = "<!-- end -->\n";

std::string short_name(const std::string& model) {
  std::filesystem::path path = std::filesystem::path(model).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  if (path.filename() == "diffusers") path = path.parent_path();
  return path.stem().string();
}

// A Markdown table whose rows are told apart by their first `keys` cells.
struct Table {
  std::string title, header;  // the header with its line of dashes
  size_t keys;
  std::vector<std::string> rows;

  std::string key(const std::string& row) const {
    size_t at = 0;
    for (size_t i = 0; i <= keys && at != std::string::npos; ++i) at = row.find('|', at + (i > 0));
    return row.substr(0, at);
  }

  void put(const std::string& row) {
    for (std::string& old : rows)
      if (key(old) == key(row)) {
        old = row;
        return;
      }
    rows.push_back(row);
  }

  // The rows that a page has under this header.
  void read(std::string_view page) {
    size_t at = page.find(header);
    if (at == std::string_view::npos) return;
    for (at += header.size(); page.substr(at).starts_with("| ");) {
      const size_t end = std::min(page.find('\n', at), page.size());
      rows.emplace_back(page.substr(at, end - at));
      at = std::min(end + 1, page.size());
    }
  }

  std::string text() const {
    if (rows.empty()) return "";
    std::string out = "\n" + title + "\n\n" + header;
    for (const std::string& row : rows) out += row + "\n";
    return out;
  }
};

Table model_table() {
  return {
      "Models: seconds of wall time, the best pass; \"of the peaks\" is the time that every op would take at its own "
      "arithmetic's peak, divided "
      "by the time it took.",
      "| model | weights | arithmetic | size | UNet MB | UNet pass | of the peaks | guided pass | decode | of the "
      "peaks | picture | resident |\n"
      "|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
      4,
      {}};
}

Table speed_table(const std::string& title, const std::string& first) {
  return {title, "| " + first + " | shape | time | rate | of the peak |\n|---|---|--:|--:|--:|\n", 2, {}};
}

std::string row_of(const ModelBench& b) {
  std::map<std::string, const PassBench*> pass;
  for (const PassBench& p : b.passes) pass[p.name] = &p;
  const auto seconds = [&pass](const char* name) {
    return pass.contains(name) ? format("{:.3f} s", pass[name]->seconds) : std::string("—");
  };
  const auto ratio = [&pass](const char* name) { return format("{:.0f} %", 100 * pass.at(name)->ratio()); };
  return format("| {} | {} | {} | {}² | {:.0f} | {} | {} | {} | {} | {} | {} steps: {:.2f} s | {:.0f} MB |",
                short_name(b.model), b.weights, b.precision, b.size, static_cast<double>(b.weight_bytes) / 1e6,
                seconds("unet"), ratio("unet"), seconds("unet, guided"), seconds("decode"), ratio("decode"), b.steps,
                b.picture_seconds(), b.peak_bytes / 1e6);
}

std::string row_of(const kernels::BenchRow& r) {
  return format("| {} | {} | {:.3f} ms | {:.1f} G/s | {} |", r.name, r.shape, r.seconds * 1e3, r.rate() / 1e9,
                r.peak > 0 ? format("{:.0f} %", 100 * r.ratio()) : "—");
}

}  // namespace

std::string new_bench_page() { return "# Benchmarks\n\n" + std::string(kBegin) + std::string(kEnd); }

std::string updated_bench_page(const std::string& page, const std::string& name, const std::string& machine,
                               const BenchTables& measured) {
  const size_t begin = page.find(kBegin), end = page.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin)
    fail(ErrorCode::InvalidArgument, "page {}: want the lines '{}' and '{}', between which the tables go", name,
         kBegin.substr(0, kBegin.size() - 1), kEnd.substr(0, kEnd.size() - 1));
  const std::string_view old = std::string_view(page).substr(begin + kBegin.size(), end - begin - kBegin.size());
  Table models = model_table();
  Table layers = speed_table(
      "Whole quantized layers, all threads, wall time, those with a branch smoothed; work of the main product alone.",
      "layer");
  Table kernels = speed_table("Kernels, one thread: CPU time, the best of many.", "kernel");
  for (Table* table : {&models, &layers, &kernels})
    if (old.starts_with(machine + "\n")) table->read(old);
  for (const ModelBench& b : measured.models) models.put(row_of(b));
  for (const kernels::BenchRow& r : measured.layers) layers.put(row_of(r));
  for (const kernels::BenchRow& r : measured.kernels) kernels.put(row_of(r));
  return page.substr(0, begin) + std::string(kBegin) + machine + "\n" + models.text() + layers.text() + kernels.text() +
         page.substr(end);
}

}  // namespace nibble
