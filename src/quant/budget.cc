#include "quant/budget.h"

#include <cmath>
#include <limits>

namespace nibble::quant {
namespace {

using Layers = std::vector<std::vector<StorageOption>>;

struct Choice {
  std::vector<size_t> options;
  size_t bytes = 0;
  double error = 0;
};

Choice same_for_all(const Layers& layers, size_t option) {
  Choice c{std::vector<size_t>(layers.size(), option), 0, 0};
  for (const auto& options : layers) c.bytes += options[option].bytes, c.error += options[option].error;
  return c;
}

double sum_of_errors(const Layers& layers, const std::vector<size_t>& options) {
  double sum = 0;
  for (size_t i = 0; i < layers.size(); ++i) sum += layers[i][options[i]].error;
  return sum;
}

// Error taken away for each byte; a change that takes no bytes is worth most.
double worth(const StorageOption& from, const StorageOption& to) {
  const double less = from.error - to.error;
  if (!(less > 0)) return 0;
  return to.bytes <= from.bytes ? std::numeric_limits<double>::infinity()
                                : less / static_cast<double>(to.bytes - from.bytes);
}

bool improve_once(const Layers& layers, size_t budget, Choice& c) {
  double most = 0;
  size_t layer = 0, option = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    const StorageOption& now = layers[i][c.options[i]];
    for (size_t o = 0; o < layers[i].size(); ++o) {
      const double w = worth(now, layers[i][o]);
      if (w > most && c.bytes - now.bytes + layers[i][o].bytes <= budget) most = w, layer = i, option = o;
    }
  }
  if (most == 0) return false;
  c.bytes += layers[layer][option].bytes - layers[layer][c.options[layer]].bytes;
  c.options[layer] = option;
  return true;
}

}  // namespace

std::vector<size_t> choose_within(const Layers& layers, size_t budget) {
  Choice best;
  best.error = std::numeric_limits<double>::infinity();
  for (size_t start = 0; !layers.empty() && start < layers[0].size(); ++start) {
    Choice c = same_for_all(layers, start);
    if (c.bytes > budget || !std::isfinite(c.error)) continue;
    while (improve_once(layers, budget, c)) {
    }
    c.error = sum_of_errors(layers, c.options);
    if (c.error < best.error) best = c;
  }
  return best.options;
}

}  // namespace nibble::quant
