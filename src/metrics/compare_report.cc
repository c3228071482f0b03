#include <algorithm>
#include <cmath>
#include <numeric>

#include "metrics/compare.h"

namespace nibble {
namespace {

constexpr size_t kMaxNames = 10;  // of missing pictures in the text

// Display columns of UTF-8, counting a character as one.
size_t columns(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, size_t width) {
  return text + std::string(width - std::min(width, columns(text)), ' ');
}

std::string number(const PairMetric& metric, double value) {
  return std::isinf(value) ? "identical" : std::isnan(value) ? "-" : format("{:.{}f}", value, metric.digits);
}

// Pairs from the worst to the best by the first metric, by name where equal.
std::vector<size_t> worst_first(const Comparison& comparison) {
  std::vector<size_t> order(comparison.pairs.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const double sign = comparison.metrics.front()->higher_is_better ? 1 : -1;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return sign * comparison.pairs[a].values.front() < sign * comparison.pairs[b].values.front();
  });
  return order;
}

class Table {
 public:
  explicit Table(const Comparison& comparison) : comparison_(comparison), name_width_(columns("mean of different")) {
    for (const ComparedPair& pair : comparison.pairs) name_width_ = std::max(name_width_, columns(pair.name));
  }

  void add_header() {
    text_ += padded("picture", name_width_);
    for (const PairMetric* metric : comparison_.metrics) text_ += format("  {:>10}", metric->title);
    text_ += '\n';
  }

  template <typename ValueOf>
  void add_row(const std::string& name, const ValueOf& value_of, const char* note = "") {
    text_ += padded(name, name_width_);
    for (size_t i = 0; i < comparison_.metrics.size(); ++i) {
      text_ += format("  {:>10}", number(*comparison_.metrics[i], value_of(i)));
    }
    text_ += note;
    text_ += '\n';
  }

  std::string take() { return std::move(text_); }

 private:
  const Comparison& comparison_;
  size_t name_width_;
  std::string text_;
};

std::string missing_text(const std::vector<std::string>& names, const std::filesystem::path& folder) {
  if (names.empty()) return {};
  std::string text = format("{} only in {}:", names.size(), folder.string());
  for (size_t i = 0; i < std::min(kMaxNames, names.size()); ++i) text += " " + names[i];
  return text + (names.size() > kMaxNames ? " …\n" : "\n");
}

OrderedJson json_number(double value) { return std::isfinite(value) ? OrderedJson(value) : OrderedJson(nullptr); }

template <typename ValueOf>
OrderedJson json_values(const Comparison& comparison, const ValueOf& value_of) {
  OrderedJson json = OrderedJson::object();
  for (size_t i = 0; i < comparison.metrics.size(); ++i) json[comparison.metrics[i]->name] = json_number(value_of(i));
  return json;
}

}  // namespace

std::string comparison_text(const Comparison& comparison, size_t max_rows) {
  Table table(comparison);
  table.add_header();
  const std::vector<size_t> order = worst_first(comparison);
  for (size_t i = 0; i < std::min(max_rows, order.size()); ++i) {
    const ComparedPair& pair = comparison.pairs[order[i]];
    table.add_row(pair.name, [&](size_t m) { return pair.values[m]; }, pair.resized ? "  reference resized" : "");
  }
  const size_t count = order.size();
  if (count > 1) {
    table.add_row(format("mean of {}", count), [&](size_t m) { return comparison.mean(m); });
    if (comparison.identical() > 0) {
      table.add_row("mean of different", [&](size_t m) { return comparison.mean_of_different(m); });
    }
  }
  std::string text = table.take();
  if (count > max_rows) text += format("{} better pairs are not shown\n", count - max_rows);
  if (count > 1) {
    text += format("{} of {} pairs are identical; PSNR of the pooled error {:.3f} dB\n", comparison.identical(), count,
                   comparison.pooled_psnr());
  }
  return text + missing_text(comparison.only_reference, comparison.reference) +
         missing_text(comparison.only_other, comparison.other);
}

OrderedJson comparison_json(const Comparison& comparison) {
  OrderedJson pairs = OrderedJson::array();
  for (const ComparedPair& pair : comparison.pairs) {
    OrderedJson row = {{"name", pair.name}};
    row.update(json_values(comparison, [&](size_t m) { return pair.values[m]; }));
    row["identical"] = pair.mse == 0;
    row["resized"] = pair.resized;
    pairs.push_back(std::move(row));
  }
  return {{"reference", comparison.reference.string()},
          {"other", comparison.other.string()},
          {"count", comparison.pairs.size()},
          {"identical", comparison.identical()},
          {"mean", json_values(comparison, [&](size_t m) { return comparison.mean(m); })},
          {"mean_of_different", json_values(comparison, [&](size_t m) { return comparison.mean_of_different(m); })},
          {"pooled_psnr", json_number(comparison.pooled_psnr())},
          {"only_reference", comparison.only_reference},
          {"only_other", comparison.only_other},
          {"pairs", std::move(pairs)}};
}

}  // namespace nibble
