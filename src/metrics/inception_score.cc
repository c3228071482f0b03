#include "metrics/inception_score.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "metrics/subset_random.h"

namespace nibble {
namespace {

// log softmax of a row.
std::vector<double> log_probabilities(std::span<const float> logits) {
  const double most = static_cast<double>(*std::ranges::max_element(logits));
  double sum = 0;
  for (const float v : logits) sum += std::exp(static_cast<double>(v) - most);
  std::vector<double> out;
  for (const float v : logits) out.push_back(static_cast<double>(v) - most - std::log(sum));
  return out;
}

double score_of(const Tensor& logits, std::span<const int64_t> pictures) {
  const size_t classes = static_cast<size_t>(logits.dim(1));
  std::vector<double> mean(classes);
  double own = 0;  // Σ over pictures and classes of p log p
  for (const int64_t picture : pictures) {
    const std::vector<double> log_p = log_probabilities(logits.values<float>().subspan(static_cast<size_t>(picture) * classes, classes));
    for (size_t c = 0; c < classes; ++c) {
      const double p = std::exp(log_p[c]);
      mean[c] += p, own += p * log_p[c];
    }
  }
  const double count = static_cast<double>(pictures.size());
  double divergence = own / count;
  for (const double sum : mean)
    if (sum > 0) divergence -= sum / count * std::log(sum / count);
  return std::exp(divergence);
}

}  // namespace

InceptionScore inception_score(const Tensor& logits, const InceptionScoreOptions& o) {
  NIBBLE_CHECK(logits.dtype() == DType::F32 && logits.shape().rank() == 2 && logits.dim(1) > 0, "logits {}", to_string(logits.shape()));
  const int64_t n = logits.dim(0);
  if (o.splits < 1 || n < o.splits)
    fail(ErrorCode::InvalidArgument, "Inception Score: want at least one picture for each of {} splits found {}", o.splits, n);
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  if (o.shuffle) {
    Generator random(o.seed);
    order = numpy_permutation(random, n);
  }
  std::vector<double> scores;
  for (int64_t i = 0; i < o.splits; ++i) {
    const int64_t begin = i * n / o.splits, end = (i + 1) * n / o.splits;
    scores.push_back(score_of(logits, std::span(order).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin))));
  }
  InceptionScore result{0, 0, o.splits};
  for (const double s : scores) result.mean += s / static_cast<double>(o.splits);
  for (const double s : scores) result.deviation += (s - result.mean) * (s - result.mean) / static_cast<double>(o.splits);
  result.deviation = std::sqrt(result.deviation);
  return result;
}

}  // namespace nibble
